"""Notices: written with what they tell of, published at least once, and never in a recovery's way."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from airlift.errors import Unavailable
from airlift.ledger import Conflict, Ledger, recovery_key
from airlift.notify import deliver, notice
from airlift.runtime import setting
from botocore.exceptions import ConnectTimeoutError

from tests.unit.domain import NOW, RECOVERY_ID, ago, published, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.domain import Service, Services

PK = recovery_key(RECOVERY_ID)[0]
STEP = f"airlift watch {RECOVERY_ID}"
PEOPLE, CHAT = "people", "chat"


@pytest.fixture
def topics(services: Services) -> Service:
    """Both topics, which take everything."""
    return services.play("sns", publish={})


@pytest.fixture
def write(ledger: Ledger) -> Callable[..., None]:
    """Writes a notice of this name, so many minutes old."""

    def call(name: str = "a", minutes: float = 0, **words: str) -> None:
        told = {"title": f"Title {name}", "text": f"Text {name}", "next_step": STEP} | words
        ledger.write(notice(PK, ago(minutes=minutes), name, **told))

    return call


def told(topics: Service, topic: str = PEOPLE) -> list[str]:
    """Subjects that reached a topic, oldest first; what was refused did not."""
    return [request["Subject"] for request in published(topics, topic)]


def records(ledger: Ledger) -> dict[str, dict[str, Any]]:
    return {record["sk"]: record for record in ledger.query(PK, "NOTICE#")}


def failing(topics: Service, topic: str, error: Exception) -> Callable[..., Any]:
    """An answer of `publish` that fails for one topic and is not remembered then."""

    def publish(**request: Any) -> Any:
        if request["TopicArn"].endswith(topic):
            topics.asked.pop()
            return error
        return {}

    return publish


def test_people_read_plain_text_with_the_next_step_and_the_notices_id(
    ledger: Ledger, topics: Service, write: Callable[..., None]
) -> None:
    write()
    deliver(ledger, PK)
    [request] = published(topics, PEOPLE)
    [record] = records(ledger).values()
    assert request["TopicArn"] == setting("PEOPLE_TOPIC_ARN")
    assert request["Subject"] == "Title a"
    assert request["Message"] == (
        f"Title a\n\nText a\n\nNext step: {STEP}\nNotice {record['noticeId']}, 2026-11-24T08:00:00.000Z"
    )


def test_chat_reads_the_custom_schema_of_amazon_q_developer(
    ledger: Ledger, topics: Service, write: Callable[..., None]
) -> None:
    write("a")
    write("b", text="long " * 5000)
    deliver(ledger, PK)
    first, second = (json.loads(request["Message"]) for request in published(topics, CHAT))
    assert (first["version"], first["source"]) == ("1.0", "custom")
    assert first["content"] == {
        "textType": "client-markdown",
        "title": "Title a",
        "description": "Text a",
        "nextSteps": [STEP],
        "keywords": ["Airlift"],
    }
    assert first["metadata"]["threadId"] == second["metadata"]["threadId"] == RECOVERY_ID
    assert first["id"] != second["id"]
    assert len(second["content"]["description"]) <= 2000


def test_a_notice_is_published_once_and_the_oldest_first(
    ledger: Ledger, topics: Service, write: Callable[..., None]
) -> None:
    write("a", minutes=1)
    write("b", minutes=3)
    write("c", minutes=2)
    for _ in range(2):
        deliver(ledger, PK)
    assert told(topics) == told(topics, CHAT) == ["Title b", "Title c", "Title a"]


def test_notices_of_one_name_are_one(ledger: Ledger, write: Callable[..., None]) -> None:
    write("a")
    with pytest.raises(Conflict):
        write("a", text="told otherwise")
    write("b")
    ids = {record["noticeId"] for record in records(ledger).values()}
    assert len(ids) == 2


@pytest.mark.parametrize("trouble", [refused("InternalError", "", 500), ConnectTimeoutError(endpoint_url="sns")])
def test_what_can_not_be_published_stays_and_the_next_step_publishes_it(
    ledger: Ledger, topics: Service, write: Callable[..., None], trouble: Exception
) -> None:
    write("a", minutes=2)
    write("b", minutes=1)
    topics.answers["publish"] = trouble
    deliver(ledger, PK)
    assert not [record for record in records(ledger).values() if "sentAt" in record]
    topics.answers["publish"] = {}
    topics.asked.clear()
    deliver(ledger, PK)
    assert told(topics) == told(topics, CHAT) == ["Title a", "Title b"]
    assert all("sentAt" in record for record in records(ledger).values())


@pytest.mark.parametrize(("down", "other"), [(PEOPLE, CHAT), (CHAT, PEOPLE)])
def test_one_topic_that_is_down_repeats_nothing_on_the_other(
    ledger: Ledger, topics: Service, write: Callable[..., None], down: str, other: str
) -> None:
    write("a", minutes=2)
    write("b", minutes=1)
    topics.answers["publish"] = failing(topics, down, refused("InternalError", "", 500))
    for _ in range(3):
        deliver(ledger, PK)
    topics.answers["publish"] = {}
    deliver(ledger, PK)
    assert told(topics, down) == ["Title a", "Title b"]
    assert told(topics, other) == ["Title a", "Title b"]


def test_a_crash_after_publishing_repeats_the_notice_word_for_word(
    ledger: Ledger, topics: Service, write: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """The sandbox is lost."""

    def killed(*changes: Any, **settings: Any) -> None:
        if topics.asked:
            raise Killed
        known(*changes, **settings)

    write()
    known = ledger.write
    monkeypatch.setattr(ledger, "write", killed)
    with pytest.raises(Killed):
        deliver(ledger, PK)
    monkeypatch.setattr(ledger, "write", known)
    with time_machine.travel(NOW + timedelta(hours=1), tick=False):  # past whatever the lost step had claimed
        deliver(ledger, PK)
        deliver(ledger, PK)
    for topic in (PEOPLE, CHAT):
        messages = {(request["Subject"], request["Message"]) for request in published(topics, topic)}
        assert len(messages) == 1, "the repetition differs"
    assert 3 <= len(topics.asked) <= 4


def test_what_is_published_and_can_not_be_noted_comes_again_after_its_lease_only(
    ledger: Ledger, topics: Service, write: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the ledger takes no writes a step is tried again every few seconds; people must not hear of that."""

    def refuse(*changes: Any, **settings: Any) -> None:
        if topics.asked:
            raise Unavailable("The ledger is busy.", "none")
        known(*changes, **settings)

    write()
    known = ledger.write
    monkeypatch.setattr(ledger, "write", refuse)
    assert deliver(ledger, PK) is False
    monkeypatch.setattr(ledger, "write", known)
    assert [deliver(ledger, PK) for _ in range(5)] == [False] * 5
    assert len(topics.asked) == 1
    with time_machine.travel(NOW + timedelta(seconds=61), tick=False):
        assert deliver(ledger, PK) is True
    assert (len(told(topics)), len(told(topics, CHAT))) == (2, 1)


def test_two_executions_that_deliver_at_one_moment_tell_it_once(
    ledger: Ledger, topics: Service, write: Callable[..., None]
) -> None:
    """Executions of several vaults share a recovery's notices; while one publishes, another comes by."""
    write()
    nested: list[bool] = []

    def publish(**_: Any) -> Any:
        if not nested:
            nested.append(True)
            deliver(ledger, PK)
        return {}

    topics.answers["publish"] = publish
    deliver(ledger, PK)
    deliver(ledger, PK)
    assert told(topics) == told(topics, CHAT) == ["Title a"]


@pytest.mark.parametrize(
    "title", ["x" * 150, "Ω alert", "Airlift r-1: Bad\nname\x07", "Airlift r-1: " + "é" * 120, "\x1b[31mred"]
)
def test_a_subject_is_what_sns_takes_whatever_the_title_holds(
    ledger: Ledger, topics: Service, write: Callable[..., None], title: str
) -> None:
    """API_Publish.html: ASCII, no line breaks or control characters, begins printably, under 100 characters."""
    write(title=title)
    deliver(ledger, PK)
    [request] = published(topics, PEOPLE)
    subject = request["Subject"]
    assert subject.isascii()
    assert subject.isprintable()
    assert 0 < len(subject) < 100
    assert not subject[0].isspace()


def test_a_message_that_sns_never_takes_does_not_hold_up_the_others(
    ledger: Ledger, topics: Service, write: Callable[..., None]
) -> None:
    write("bad", minutes=2)
    write("good", minutes=1)

    def publish(**request: Any) -> Any:
        return refused("InvalidParameter", "Message too long") if "bad" in request["Subject"] else {}

    topics.answers["publish"] = publish
    deliver(ledger, PK)
    assert "Title good" in told(topics)
    assert "Title good" in told(topics, CHAT)


def test_the_longest_message_fits_sns(ledger: Ledger, topics: Service, write: Callable[..., None]) -> None:
    """262,144 bytes (API_Publish.html), whatever script the words are in."""
    write(title="警" * 500, text="警" * 100_000, next_step="警" * 1000)
    deliver(ledger, PK)
    assert max(len(request["Message"].encode()) for request in topics.requests("publish")) < 262_144


def test_of_another_partition_nothing_is_published(ledger: Ledger, topics: Service, write: Callable[..., None]) -> None:
    write()
    deliver(ledger, "ACCOUNT#111122223333")
    assert topics.asked == []


def test_it_counts_what_could_not_be_published(
    ledger: Ledger, topics: Service, write: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    monkeypatch.setattr("airlift.telemetry.metrics.add_metric", lambda name, *_: counted.append(name))
    write()
    topics.answers["publish"] = refused("AuthorizationError")
    deliver(ledger, PK)
    assert counted
    assert set(counted) == {"MessagesNotSent"}
