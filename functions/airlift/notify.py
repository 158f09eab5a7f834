"""Notices to people and to chat: written to the ledger with what they tell of, then published from there.

At least once: only a crash between publishing and noting it repeats a notice, word for word and with the same id. One
that can't be published stays in the ledger, and the next step tries again; it never holds up a recovery.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import MetricUnit
from botocore.exceptions import ClientError

from airlift.aws import client
from airlift.ledger import Ledger, Put, Record, Update, keyed, notice_key
from airlift.runtime import NO_ANSWER, logger, metrics, setting
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


def deliver(ledger: Ledger, pk: str) -> None:
    """Publishes the partition's notices that nobody has published yet, oldest first."""
    unsent = [record for record in ledger.query(pk, notice_key(pk, "")[1]) if "sentAt" not in record]
    for record in sorted(unsent, key=lambda r: str(r["at"])):
        try:
            _publish(setting("PEOPLE_TOPIC_ARN"), record, plain(record))
            _publish(setting("CHAT_TOPIC_ARN"), record, for_chat(pk, record))
        except (ClientError, *NO_ANSWER) as error:
            metrics.add_metric("NoticesNotPublished", MetricUnit.Count, 1)
            logger.error("A notice could not be published; it is tried again", extra={"reason": str(error)})
            return
        ledger.write(Update((record["pk"], record["sk"]), {"sentAt": stamp(now())}))


def _publish(topic_arn: str, record: Record, message: str) -> None:
    """`Subject` is cut to the 100 ASCII characters that SNS takes."""
    subject = str(record["title"]).encode("ascii", "replace").decode()[:100]
    client("sns").publish(TopicArn=topic_arn, Subject=subject, Message=message)


def plain(record: Record) -> str:
    """The notice as text for people, with its id and time."""
    text = f"{record['title']}\n\n{record['text']}\n\nNext step: {record['nextStep']}"
    return f"{text}\nNotice {record['noticeId']}, {record['at']}"


def for_chat(pk: str, record: Record) -> str:
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
        "metadata": {"threadId": pk.partition("#")[2], "summary": record["title"]},
    }
    return json.dumps(document, ensure_ascii=False)
