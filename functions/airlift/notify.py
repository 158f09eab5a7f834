"""Messages to people."""

from __future__ import annotations

import hashlib

from airlift.aws import client
from airlift.runtime import setting


def tell_people(subject: str, text: str, *, identity: str) -> str:
    """Publishes to the people topic; gives the message's own id, which is the same if it has to be repeated.

    `subject` is cut to the 100 ASCII characters that SNS takes
    (docs.aws.amazon.com/sns/latest/api/API_Publish.html).
    """
    mark = hashlib.sha256(f"{identity}\n{subject}".encode()).hexdigest()[:12]
    client("sns").publish(
        TopicArn=setting("PEOPLE_TOPIC_ARN"),
        Subject=subject.encode("ascii", "replace").decode()[:100],
        Message=f"{text}\n\nMessage id: {mark}",
    )
    return mark
