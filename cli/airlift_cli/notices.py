"""`airlift notify-test`: a marked test to both topics, and who is subscribed to them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airlift.notify import for_chat, notice, plain

from airlift_cli.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from airlift_cli.stack import Stack

_TEXT = (
    "This is a test, sent by `airlift notify-test`. Nothing has happened, nobody needs to vote. A real notice comes "
    "the same way and looks like this one."
)


@dataclass(frozen=True)
class Topic:
    """One topic and its subscriptions, each `protocol`, `endpoint` and whether it is `confirmed`."""

    name: str
    arn: str
    subscriptions: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Sent:
    """A test that was published under `mark`, and the topics that took it."""

    mark: str
    topics: tuple[Topic, ...]

    @property
    def anybody(self) -> bool:
        """Whether there is a confirmed subscription, and so somebody whom a notice reaches."""
        return any(one["confirmed"] for topic in self.topics for one in topic.subscriptions)

    def document(self) -> dict[str, Any]:
        """The test as `--json` prints it."""
        topics = [{"name": t.name, "arn": t.arn, "subscriptions": list(t.subscriptions)} for t in self.topics]
        return {"mark": self.mark, "topics": topics}

    def lines(self) -> Iterator[tuple[str, str]]:
        """Each topic and each subscription, as a line and its colour."""
        for topic in self.topics:
            yield f"{topic.name}: {topic.arn}", "bold"
            for one in topic.subscriptions:
                state, colour = ("confirmed", "green") if one["confirmed"] else ("NOT CONFIRMED", "yellow")
                yield f"  {one['protocol']} {shown(one['endpoint'])}: {state}", colour
            if not topic.subscriptions:
                yield "  no subscription", "yellow"

    def summary(self) -> str:
        """What to look for, or what to do if nobody can have got it."""
        if not self.anybody:
            return (
                "Nobody was told: no subscription is confirmed. Next step: subscribe an address to the people topic, "
                "follow the link in the mail that SNS sends, then give this command again."
            )
        return (
            f"Look for “Airlift test {self.mark}” at every confirmed subscription: in the mailboxes, and in the "
            "channels that Amazon Q Developer in chat applications serves. Where it does not arrive within minutes, a "
            "real notice would not either. What is not confirmed gets nothing until the link in SNS's mail is followed."
        )


def send(stack: Stack, at: datetime) -> Sent:
    """Publishes a test to both topics in the forms of a real notice, and reads who is subscribed.

    Raises botocore's errors if a topic does not take it.
    """
    sns, mark = stack.client("sns"), uuid.uuid4().hex[:8]
    pk, title = f"TEST#{mark}", f"Airlift test {mark}"
    record = dict(notice(pk, at, mark, title, _TEXT, "tell whoever announced the test that it arrived.").record)
    forms = (
        ("people", stack["PeopleTopicArn"], plain(record)),
        ("chat", stack["ChatTopicArn"], for_chat(record)),
    )
    for _, arn, message in forms:
        sns.publish(TopicArn=arn, Subject=title, Message=message)
    return Sent(mark, tuple(Topic(name, arn, tuple(_subscriptions(sns, arn))) for name, arn, _ in forms))


def _subscriptions(sns: Any, topic_arn: str) -> Iterator[dict[str, Any]]:
    """Until it is confirmed, a subscription has a word in place of its ARN (API_ListSubscriptionsByTopic.html)."""
    for page in sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn):
        for one in page["Subscriptions"]:
            confirmed = one["SubscriptionArn"].startswith("arn:")
            yield {"protocol": one["Protocol"], "endpoint": one["Endpoint"], "confirmed": confirmed}
