"""What can be known before anybody is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airlift.errors import AirliftError
from airlift.ledger import again_key, keyed, vault_key
from airlift.preparing import check_readiness
from airlift.values import stamp

from tests.unit.domain import (
    ACCOUNT,
    NOW,
    RECOVERY_ID,
    SECOND_VAULT,
    VAULT,
    an_item,
    refused,
    table_arn,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlift.vaults import VaultWork

    from tests.unit.domain import Services

    Make = Callable[..., VaultWork]

TEAM = "arn:aws:mpa:us-east-1:999900001111:approval-team/security"
GOOD_TEAM = {
    "Status": "ACTIVE",
    "NumberOfApprovers": 3,
    "ApprovalStrategy": {"MofN": {"MinApprovalsRequired": 2}},
}
OPEN_GROUP = {
    "GroupId": "sg-1",
    "GroupName": "restored",
    "IpPermissionsEgress": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
}
ACCOUNTS = [{"id": ACCOUNT, "vaults": [{"arn": VAULT, "approvalTeamArn": TEAM}, {"arn": SECOND_VAULT}]}]


def stands(services: Services, **changed: Any) -> None:
    """All is ready, but for what is changed: the source vault, the team, or IAM's decision."""
    told = {
        "vault": {"VaultType": "LOGICALLY_AIR_GAPPED_BACKUP_VAULT"},
        "team": GOOD_TEAM,
        "decision": "allowed",
    } | changed
    services.play("backup", describe_backup_vault=told["vault"])
    mpa = services.play("mpa", get_approval_team=told["team"])
    if isinstance(told["team"], str):
        mpa.answers["get_approval_team"] = mpa.error(told["team"])
    decision = told["decision"]
    results = {"EvaluationResults": [{"EvalDecision": decision}]}
    services.play("iam", simulate_principal_policy=decision if isinstance(decision, Exception) else results)


def checked(work: VaultWork) -> list[str]:
    return [v["sourceBackupVaultArn"] for v in check_readiness(work.ledger, work.holder, RECOVERY_ID)]


def record(work: VaultWork, arn: str = VAULT) -> dict[str, Any]:
    return work.ledger.get(vault_key(RECOVERY_ID, arn)) or {}


def test_vaults_worth_asking_for_get_an_execution_of_their_own(work: Make, services: Services) -> None:
    stands(services)
    w = work(recovery={"vaults": [VAULT, SECOND_VAULT]}, accounts=ACCOUNTS)
    found = check_readiness(w.ledger, w.holder, RECOVERY_ID)
    assert [v["sourceBackupVaultArn"] for v in found] == [VAULT, SECOND_VAULT]
    names = [v["executionName"] for v in found]
    assert len(set(names)) == 2
    assert all(len(name) <= 80 for name in names)
    assert (record(w, SECOND_VAULT)["order"], record(w, SECOND_VAULT)["state"]) == (1, "WAITING")
    assert check_readiness(w.ledger, w.holder, RECOVERY_ID) == found


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"vault": {"VaultType": "BACKUP_VAULT"}}, "VaultNotAirGapped"),
        ({"team": "ResourceNotFoundException"}, "ApprovalTeamUnreachable"),
        ({"team": GOOD_TEAM | {"Status": "PENDING"}}, "ApprovalTeamUnreachable"),
        ({"team": GOOD_TEAM | {"NumberOfApprovers": 1}}, "ApprovalTeamUnreachable"),
        ({"decision": "explicitDeny"}, "RequesterLacksPermission"),
    ],
)
def test_what_makes_the_request_pointless_is_its_vaults_ending_before_anybody_is_asked(
    work: Make, services: Services, changed: Any, error: str
) -> None:
    stands(services, **changed)
    w = work(accounts=ACCOUNTS)
    with pytest.raises(AirliftError) as caught:
        checked(w)
    assert caught.value.name == error
    assert caught.value.remedy
    assert (record(w)["state"], record(w)["ending"]["name"]) == ("ENDED", error)
    assert any(text.startswith("Blocked: ") for text in texts(w.ledger))


def test_a_blocked_vault_costs_no_other_its_turn(work: Make, services: Services) -> None:
    stands(services, team=GOOD_TEAM | {"Status": "PENDING"})
    w = work(recovery={"vaults": [VAULT, SECOND_VAULT]}, accounts=ACCOUNTS)
    assert checked(w) == [SECOND_VAULT]
    assert record(w)["ending"]["name"] == "ApprovalTeamUnreachable"


@pytest.mark.parametrize(
    ("changed", "warned"),
    [
        ({"vault": refused("AccessDeniedException")}, False),
        ({"team": refused("AccessDeniedException", "not shared")}, True),
        ({"decision": refused("AccessDenied")}, False),
        ({"decision": "implicitDeny"}, False),
    ],
)
def test_what_can_not_be_checked_blocks_nothing(work: Make, services: Services, changed: Any, warned: bool) -> None:
    stands(services, **changed)
    w = work(accounts=ACCOUNTS)
    assert checked(w) == [VAULT]
    assert any("Warning: " in text for text in texts(w.ledger)) is warned


def test_a_vault_that_left_the_plan_is_an_ending_by_name(work: Make, services: Services) -> None:
    stands(services)
    w = work(recovery={"vaults": [VAULT + "-other", VAULT]})
    assert checked(w) == [VAULT]
    assert record(w, VAULT + "-other")["ending"]["name"] == "VaultNotInPlan"


ENDED = {"name": "VaultRecovered", "cause": "", "at": stamp(NOW)}


def test_a_recovered_vault_is_asked_for_again_only_if_a_resource_of_it_is_wanted_again(
    work: Make, services: Services
) -> None:
    stands(services)
    wish = keyed(again_key(RECOVERY_ID, table_arn("orders")), resourceArn=table_arn("orders"), at=stamp(NOW))
    ended = {"ending": ENDED, "state": "ENDED"}
    assert checked(work(vault=ended)) == []
    assert checked(work(an_item("orders"), wish | {"takenAt": stamp(NOW)}, vault=ended)) == []
    assert checked(work(an_item("orders"), wish, vault=ended)) == [VAULT]


@pytest.mark.parametrize(("selected_at", "state"), [(stamp(NOW), "RESTORING"), (None, "WAITING")])
def test_a_vault_that_ended_otherwise_starts_over_where_it_stood(
    work: Make, services: Services, selected_at: str | None, state: str
) -> None:
    stands(services)
    failed = ENDED | {"name": "ApprovalExpired"}
    w = work(vault={"ending": failed, "state": "ENDED", "selectedAt": selected_at, "rounds": 2000})
    assert checked(w) == [VAULT]
    assert (record(w)["state"], record(w)["rounds"]) == (state, 0)
    assert "ending" not in record(w)


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ({"SecurityGroups": [OPEN_GROUP]}, "lets traffic out to 0.0.0.0/0: what is restored there is held back"),
        (refused("UnauthorizedOperation"), "whether the targets' network is isolated can't be checked"),
        ({"SecurityGroups": [OPEN_GROUP | {"IpPermissionsEgress": []}]}, ""),
    ],
)
def test_targets_that_are_not_isolated_are_told_and_keep_nobody_from_asking(
    work: Make, services: Services, groups: Any, words: str
) -> None:
    stands(services)
    network = {"describe_subnets": {"Subnets": []}, "describe_route_tables": {"RouteTables": []}}
    services.play("ec2", describe_security_groups=groups, **network)
    w = work(targets={"types": {"EFS": {"securityGroupIds": ["sg-1"]}}})
    assert checked(w) == [VAULT]
    assert [words in text for text in texts(w.ledger)] == ([True] if words else [])
