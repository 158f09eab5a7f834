"""What each incident leaves behind, beyond its ending."""

from __future__ import annotations

import itertools
import json
from collections import Counter

import jsonschema
from airlift_cli.schemas import FOLDER

from tests.workflow.scenarios import Played, played


def points_used(after: Played) -> set[str]:
    """Creation dates of the points that jobs were started from."""
    return {item["candidates"][int(item["candidate"])]["createdAt"][:10] for item in after.items.values()}


def test_the_newest_point_from_before_the_attack_is_restored() -> None:
    after = played("approved")

    assert {job["ResourceType"] for job in after.jobs} == {"DynamoDB", "S3", "EBS", "EFS"}
    # Backed up on the 1st, 2nd and 3rd; the attack began 30 hours before the 4th.
    assert points_used(after) == {"2026-01-02"}
    assert all(item["state"] == "validated" and item["validatedHow"] for item in after.items.values())


def test_votes_and_their_order_are_recorded() -> None:
    after = played("approved")

    assert [(vote["response"], len(after.of("VOTE#"))) for vote in after.of("VOTE#")] == [("APPROVED", 2)] * 2
    assert [kind for kind in after.timeline if kind in ("trigger", "request", "vote", "granted", "closed")] == [
        "trigger", "request", "vote", "vote", "granted", "closed",
    ]  # fmt: skip


def test_other_tools_hear_of_every_step_in_events_of_the_published_shape() -> None:
    after = played("approved")
    schema = jsonschema.Draft202012Validator(json.loads((FOLDER / "events.schema.json").read_text(encoding="utf-8")))

    for event in after.announced:
        schema.validate({name: event[name] for name in ("source", "detail-type", "detail")})
    kinds = Counter(event["detail-type"] for event in after.announced)
    once = dict.fromkeys(("Recovery Requested", "Access Approved", "Recovery Ended"), 1)
    assert kinds == once | {"Resource Restored": len(after.items)}
    restored = [event["detail"] for event in after.announced if event["detail-type"] == "Resource Restored"]
    became = {one["resourceArn"]: one["createdResourceArn"] for one in restored}
    assert became == {arn: item["createdResourceArn"] for arn, item in after.items.items()}
    (ended,) = [event["detail"] for event in after.announced if event["detail-type"] == "Recovery Ended"]
    assert ended["report"].partition("//")[2].partition("/")[2] in after.kept


def test_an_unreadable_point_is_followed_by_the_next_older_one() -> None:
    after = played("point_fails")

    (item,) = after.items.values()
    assert item["attempt"] == 2
    assert points_used(after) == {"2026-01-01"}
    assert "next older" in item["chosenWhy"]
    assert [attempt["status"] for attempt in item["attempts"]] == ["FAILED"]


def test_data_is_not_traded_for_an_error_of_the_environment() -> None:
    after = played("held_then_resumed")

    (item,) = after.items.values()
    assert {attempt["class"] for attempt in item["attempts"]} == {"permission"}
    assert len({job["RecoveryPointArn"] for job in after.jobs}) == 1
    starts = [job["CreationDate"] for job in after.jobs if job["Status"] == "FAILED"]
    gaps = [(later - sooner).total_seconds() for sooner, later in itertools.pairwise(starts)]
    assert len(gaps) > 1
    assert gaps == sorted(gaps)
    assert gaps[0] < gaps[-1]


def test_two_findings_make_one_recovery_and_the_other_says_which_it_joined() -> None:
    after = played("two_findings_at_once")

    outcomes = [json.loads(one["output"]) for one in after.recoveries]
    assert [outcome["outcome"] for outcome in outcomes] == ["Recovered", "joined"]
    assert outcomes[0]["recoveryId"] == outcomes[1]["recoveryId"]
    assert outcomes[0]["recoveryId"] in outcomes[1]["text"]
    assert len(after.of("RECOVERY")) == 1


def test_an_earlier_first_sign_moves_the_cut_off_of_what_is_not_yet_selected() -> None:
    assert points_used(played("joined_with_earlier_sign")) == {"2026-01-02"}
    assert len(played("joined_with_earlier_sign").jobs) == 1


def test_what_was_poisoned_when_restored_is_restored_again_from_before() -> None:
    after = played("earlier_sign_while_restoring")

    assert points_used(after) == {"2026-01-02"}
    assert len(after.jobs) == 2


def test_what_was_recovered_is_not_any_more_when_the_first_sign_turns_out_to_be_earlier() -> None:
    after = played("sign_corrected_after_the_end")

    text = next(r["text"] for r in after.of("TIMELINE#") if r["text"].startswith("ResourcesNotRestored: "))
    (item,) = after.items.values()
    assert f"{item['resourceArn']} restored from 2026-01-0" in text
    assert f"`airlift restore-again {after.recovery['recoveryId']} {item['resourceArn']}`" in text
    assert points_used(after) == {"2026-01-02"}
    assert len(after.jobs) == 2
    assert len(after.asked) == len(played("approved").asked), "nobody is asked for what is open"


def test_restoring_waits_for_a_first_sign() -> None:
    after = played("sign_given_later")

    granted = next(r["at"] for r in after.of("TIMELINE#") if r["kind"] == "granted")
    assert after.jobs[0]["CreationDate"].isoformat() > granted[:11] + "05"
    assert "waiting" in after.timeline


def test_waves_run_in_order_and_the_pause_is_kept() -> None:
    after = played("paused_wave_continued")

    table, volume = after.jobs
    assert (table["ResourceType"], volume["ResourceType"]) == ("DynamoDB", "EBS")
    assert (volume["CreationDate"] - table["CompletionDate"]).total_seconds() > 3 * 3600


def test_only_what_is_wanted_again_is_restored_again() -> None:
    after = played("restored_again")

    assert sorted(job["ResourceType"] for job in after.jobs) == ["DynamoDB", "DynamoDB", "EBS"]
    table = next(item for item in after.items.values() if item["resourceType"] == "DynamoDB")
    assert table["attempt"] == 2
    assert table["attempts"][0]["createdResourceArn"] != table["createdResourceArn"]


def test_a_stopped_recovery_is_closed_and_its_children_with_it() -> None:
    after = played("stopped_at_once")

    assert after.recovery["state"] == "ENDED"
    assert {status for status, _ in after.endings("vaults")} == {"ABORTED"}
    assert not after.of("LOCK")


def test_resuming_starts_nothing_twice() -> None:
    after = played("aborted_and_resumed")

    assert len(after.jobs) == 2
    assert [item["attempt"] for item in after.items.values()] == [1, 1]


def test_nobody_is_asked_when_the_request_would_be_pointless() -> None:
    for name in ("team_is_gone", "no_vault_is_ready", "vault_without_team", "not_severe_enough", "vault_not_in_plan"):
        assert not played(name).asked, name


def test_a_recovery_that_could_not_close_itself_is_closed_by_the_rule() -> None:
    after = played("closing_fails")

    assert after.recovery["state"] == "ENDED"
    assert after.recovery["reportKey"]
    assert not after.of("LOCK")
