"""`airlift deploy-check` and `notify-test`: what stands in a deployment's way, and whom a notice reaches."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airlift.ledger import Record, keyed
from airlift.values import stamp
from airlift_cli import deploying
from airlift_cli.reading import Reading

from tests.unit.cli_samples import NOW, RECOVERY_ID, VAULT, recovery, vault
from tests.unit.cli_world import OUTPUTS, World, deployed

if TYPE_CHECKING:
    from collections.abc import Iterator

PEOPLE, CHAT = OUTPUTS["PeopleTopicArn"], OUTPUTS["ChatTopicArn"]
CONFIRMED = f"{PEOPLE}:0a1b2c3d"
WITHOUT: dict[str, Any] = {"Subscriptions": []}
UNTIL = f"approvers may vote on {VAULT} until 2026-11-25 08:36 UTC"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with deployed(monkeypatch) as world:
        yield world


def listed(*records: Record) -> list[Record]:
    """The records of the one recovery, with its line in the list."""
    return [keyed(("RECOVERIES", RECOVERY_ID), createdAt="2026-11-24T08:36:03.123Z"), *records]


def ended(**changes: Any) -> Record:
    return recovery(state="ENDED", outcome="Stopped", endedAt="2026-11-24T08:38:00.000Z", **changes)


def asked(**changes: Any) -> Record:
    """A source vault whose request nobody has answered yet."""
    return vault(**{"state": "REQUESTED", "grantedAt": None, "sessionStatus": "PENDING", **changes})


@pytest.mark.parametrize(
    ("records", "told"),
    [
        ([recovery(), vault()], "is RUNNING."),
        ([recovery(state="CLOSING"), vault()], "is CLOSING."),
        ([recovery(), asked()], f"is RUNNING; {UNTIL}."),
        ([recovery()], "is RUNNING."),
        ([ended(), asked()], f"is ENDED; {UNTIL}."),
        ([ended(), asked(sessionStatus="UNKNOWN", expiresAt=None)], f"is ENDED; {UNTIL}."),
        ([ended(), asked(sessionStatus=None, expiresAt=None)], f"is ENDED; {UNTIL}."),
    ],
)
def test_what_stands_in_the_way(world: World, records: list[Record], told: str) -> None:
    world.put(listed(*records))
    begun = f"{RECOVERY_ID} of account 111122223333, begun 2026-11-24 08:36 UTC, "
    assert list(deploying.obstacles(Reading(world.table), NOW)) == [begun + told]


@pytest.mark.parametrize(
    "records",
    [
        [ended(), vault()],
        [ended(), asked(sessionStatus="CANCELLED")],
        [ended(), asked(sessionStatus="REJECTED", restoreAccessBackupVaultName=None)],
        [ended(), asked(requestedAt=None, restoreAccessBackupVaultName=None)],
        [ended(), asked(expiresAt="2026-11-24T08:38:29.000Z")],
        [recovery(state="ENDED", outcome="Stopped", endedAt="2026-11-23T08:00:00.000Z"), asked()],
        [],
    ],
)
def test_what_does_not(world: World, records: list[Record]) -> None:
    world.put(listed(*records) if records else [])
    assert list(deploying.obstacles(Reading(world.table), NOW)) == []


def test_a_recovery_under_way_refuses_the_deployment_and_says_what_to_do(world: World) -> None:
    expires = stamp(datetime.now(UTC) + timedelta(hours=1))
    world.put(listed(recovery(), asked(expiresAt=expires)))
    result = world.run("deploy-check")
    assert result.exit_code == 3
    assert RECOVERY_ID in result.output
    assert VAULT in result.output
    assert "Next step: wait for the end" in result.output
    assert json.loads(world.run("deploy-check", "--json").output)["error"] == "DeploymentMustWait"


def test_a_quiet_stack_may_be_deployed(world: World) -> None:
    world.put(listed(ended(), vault()))
    result = world.run("deploy-check")
    assert (result.exit_code, result.output) == (0, "Nothing is under way; it may be deployed.\n")
    assert json.loads(world.run("deploy-check", "--json").output)["mayBeDeployed"] is True


def test_so_may_one_that_is_not_there_yet(world: World) -> None:
    result = world.run("deploy-check", "--stack", "other")
    assert result.exit_code == 0
    assert "There is no stack other in Region ap-northeast-1" in result.output


def test_so_may_one_that_is_made_and_was_never_deployed(world: World) -> None:
    """A change set that was declined leaves a stack without outputs, which `sam deploy` takes for a new one."""
    stack = {"StackName": "airlift", "StackStatus": "REVIEW_IN_PROGRESS", "CreationTime": NOW}
    for _ in range(2):
        world.script("cloudformation").add_response("describe_stacks", {"Stacks": [stack]})
    result = world.run("deploy-check")
    assert (result.exit_code, "it may be deployed" in result.output) == (0, True)
    assert json.loads(world.run("status", "--json").output)["error"] == "OutputMissing"


def test_but_not_when_aws_says_nothing(world: World) -> None:
    world.script("cloudformation").add_client_error("describe_stacks", "AccessDenied", "Not authorized", 403)
    assert world.run("deploy-check").exit_code == 5


def subscribed(endpoint: str, arn: str = CONFIRMED, protocol: str = "email") -> dict[str, str]:
    return {"SubscriptionArn": arn, "Protocol": protocol, "Endpoint": endpoint}


class Sns:
    """Takes what is published; lists these subscriptions, one a page."""

    def __init__(self, subscriptions: dict[str, list[dict[str, str]]]) -> None:
        self.subscriptions = subscriptions
        self.published: list[dict[str, str]] = []

    def publish(self, **message: str) -> dict[str, str]:
        self.published.append(message)
        return {"MessageId": "m"}

    def get_paginator(self, name: str) -> Sns:
        assert name == "list_subscriptions_by_topic"
        return self

    def paginate(self, TopicArn: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        yield from ({"Subscriptions": [one]} for one in self.subscriptions.get(TopicArn, []))


def with_topics(world: World, monkeypatch: pytest.MonkeyPatch, subscriptions: dict[str, list[dict[str, str]]]) -> Sns:
    sns = Sns(subscriptions)
    monkeypatch.setattr(
        "airlift_cli.stack._client", lambda s, name, c: sns if name == "sns" else world.client(s, name, c)
    )
    return sns


def test_a_test_goes_to_both_topics_in_the_forms_of_a_notice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [subscribed("a@example.com"), subscribed("b@example.com", "PendingConfirmation")]
    chatbot = subscribed("https://global.sns-api.chatbot.amazonaws.com", protocol="https")
    sns = with_topics(world, monkeypatch, {PEOPLE: people, CHAT: [chatbot]})
    result = world.run("notify-test")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[:5] == [
        f"people: {PEOPLE}",
        "  email a@example.com: confirmed",
        "  email b@example.com: NOT CONFIRMED",
        f"chat: {CHAT}",
        "  https https://global.sns-api.chatbot.amazonaws.com: confirmed",
    ]
    plain, chat = sns.published
    assert (plain["TopicArn"], chat["TopicArn"]) == (PEOPLE, CHAT)
    assert plain["Subject"] in result.output
    assert plain["Message"].startswith(plain["Subject"])
    assert "This is a test" in plain["Message"]
    document = json.loads(chat["Message"])
    assert (document["version"], document["source"]) == ("1.0", "custom")
    assert "This is a test" in document["content"]["description"]
    assert document["content"]["title"] == plain["Subject"]


@pytest.mark.parametrize("subscriptions", [{}, {PEOPLE: [subscribed("b@example.com", "PendingConfirmation")]}])
def test_if_nobody_is_subscribed_the_test_fails(
    world: World, monkeypatch: pytest.MonkeyPatch, subscriptions: dict[str, list[dict[str, str]]]
) -> None:
    with_topics(world, monkeypatch, subscriptions)
    result = world.run("notify-test")
    assert result.exit_code == 3
    assert "Nobody was told: no subscription is confirmed." in result.output
    document = json.loads(world.run("notify-test", "--json").output)
    assert [topic["arn"] for topic in document["topics"]] == [PEOPLE, CHAT]


def test_a_topic_that_takes_nothing_is_told(world: World) -> None:
    world.script("sns").add_client_error("publish", "AuthorizationError", "not authorized to perform: SNS:Publish", 403)
    result = world.run("notify-test")
    assert result.exit_code == 5
    assert "SNS:Publish" in result.output


def test_the_listing_of_subscriptions_is_as_botocore_knows_it(world: World) -> None:
    sns = world.script("sns")
    for _ in range(2):
        sns.add_response("publish", {"MessageId": "m"})
    sns.add_response(
        "list_subscriptions_by_topic", {"Subscriptions": [subscribed("a@example.com")]}, {"TopicArn": PEOPLE}
    )
    sns.add_response("list_subscriptions_by_topic", WITHOUT, {"TopicArn": CHAT})
    result = world.run("notify-test")
    assert (result.exit_code, "  no subscription" in result.output) == (0, True)
