"""Notices to people and to chat: written to the ledger with what they tell of, then published from there.

At least once: only a crash between publishing and noting it repeats a notice, word for word and with the same id. One
that can't be published stays in the ledger, and the next step tries again; it never holds up a recovery.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from airlift.announcing import deliver_events
from airlift.aws import client
from airlift.errors import Unavailable
from airlift.ledger import Ledger, Put, Record, keyed, notice_key
from airlift.outbox import note, send
from airlift.recovery import is_drill
from airlift.runtime import setting
from airlift.values import now, stamp

if TYPE_CHECKING:
    from datetime import datetime


def notice(pk: str, at: datetime, name: str, title: str, text: str, next_step: str) -> Put:
    """A notice to be written in the transaction with what it tells of, into the partition of a recovery or account.

    `name` makes it unique there. `next_step` can be pasted, or says whom to ask.
    """
    mark = hashlib.sha256(f"{pk}\n{name}".encode()).hexdigest()[:12]
    record = keyed(
        notice_key(pk, name), noticeId=mark, at=stamp(at), title=title[:200], text=text[:30_000], nextStep=next_step
    )
    return Put(record)


def title_of(recovery_id: str, words: str) -> str:
    """A notice's title: which recovery, or drill, and what about it."""
    return f"Airlift {'DRILL ' if is_drill(recovery_id) else ''}{recovery_id}: {words}"


def deliver(ledger: Ledger, pk: str) -> bool:
    """Publishes the partition's notices that nobody has published yet, oldest first.

    Events for other tools go out with them. Gives False if something is left that a later try may bring out; what SNS
    refuses holds up nothing else.
    """
    put = deliver_events(ledger, pk)
    return all(_send(ledger, record) for record in sorted(untold(ledger, pk), key=lambda r: str(r["at"]))) and put


def untold(ledger: Ledger, pk: str) -> list[Record]:
    """The partition's notices that nobody has published yet."""
    return [record for record in ledger.query(pk, notice_key(pk, "")[1]) if "sentAt" not in record]


def _send(ledger: Ledger, record: Record) -> bool:
    """Publishes one notice to both topics, each noted by itself; False if it is to be tried again."""

    def publish(record: Record) -> None:
        for topic, form in (("PEOPLE_TOPIC_ARN", plain), ("CHAT_TOPIC_ARN", for_chat)):
            if topic not in record:
                _publish(setting(topic), record, form(record))
                note(ledger, record, {topic: stamp(now())})

    return send(ledger, record, publish, {})


def deliver_or_retry(ledger: Ledger, pk: str) -> None:
    """Like `deliver`, for a step after which no other comes: raises `Unavailable`, so that the step is tried again."""
    if not deliver(ledger, pk):
        raise Unavailable("SNS or EventBridge does not take a message now.", "none; it is tried again.")


def _publish(topic_arn: str, record: Record, message: str) -> None:
    """`Subject` is brought into the printable ASCII characters, fewer than 100, that SNS takes."""
    subject = "".join(c if c.isascii() and c.isprintable() else "?" for c in str(record["title"]))[:99]
    client("sns").publish(TopicArn=topic_arn, Subject=subject, Message=message)


def plain(record: Record) -> str:
    """The notice as text for people, with its id and time."""
    text = f"{record['title']}\n\n{record['text']}\n\nNext step: {record['nextStep']}"
    return f"{text}\nNotice {record['noticeId']}, {record['at']}"


def for_chat(record: Record) -> str:
    """The custom notification schema of Amazon Q Developer in chat applications.

    docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html: `version`, `source` and `content.description` are
    required; notices of one thread id are shown together.
    """
    content = {
        "textType": "client-markdown",
        "title": record["title"],
        "description": str(record["text"])[:2000],
        "nextSteps": [record["nextStep"]],
        "keywords": ["Airlift"],
    }
    document = {
        "version": "1.0",
        "source": "custom",
        "id": record["noticeId"],
        "content": content,
        "metadata": {"threadId": str(record["pk"]).partition("#")[2], "summary": record["title"]},
    }
    return json.dumps(document, ensure_ascii=False)
