"""The few forms of ARN and account id that people write down, as types for a document and as parsed parts."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from airlift.forms import Form

_REGION = "[a-z]{2}(?:-[a-z]+)+-[0-9]"

AccountId = Annotated[
    str,
    Form("[0-9]{12}", "an account id", 'It has twelve digits and stands in quotes, such as "111122223333".'),
]
VaultArn = Annotated[
    str,
    Form(
        f"arn:aws:backup:{_REGION}:[0-9]{{12}}:backup-vault:[A-Za-z0-9_-]{{2,50}}",
        "the ARN of a backup vault",
        "It looks like arn:aws:backup:ap-northeast-1:111122223333:backup-vault:NAME.",
    ),
]
TeamArn = Annotated[
    str,
    Form(
        f"arn:aws:mpa:{_REGION}:[0-9]{{12}}:approval-team/.+",
        "the ARN of an approval team",
        "It looks like arn:aws:mpa:us-east-1:999900001111:approval-team/NAME.",
    ),
]
Region = Annotated[str, Form(_REGION, "a Region", "It looks like ap-northeast-1.")]
RoleArn = Annotated[
    str,
    Form(
        "arn:aws:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+",
        "the ARN of a role",
        "It looks like arn:aws:iam::777788889999:role/NAME.",
    ),
]
AlarmArn = Annotated[
    str,
    Form(
        f"arn:aws:cloudwatch:{_REGION}:[0-9]{{12}}:alarm:.+",
        "the ARN of a CloudWatch alarm",
        "It looks like arn:aws:cloudwatch:ap-northeast-1:777788889999:alarm:NAME.",
    ),
]
WebAddress = Annotated[
    str,
    Form(
        r"https://[^\s<>\"']+",
        "the address of a page",
        "It begins with https:// and holds no space.",
    ),
]
RecoveryPointArn = Annotated[
    str,
    # All recovery points in a logically air-gapped vault have such ARNs (logicallyairgappedvault.html).
    Form(
        f"arn:aws:backup:{_REGION}:[0-9]{{12}}:recovery-point:.+",
        "the ARN of a recovery point in a logically air-gapped vault",
        "It looks like arn:aws:backup:ap-northeast-1:111122223333:recovery-point:ID.",
    ),
]
ResourceArn = Annotated[
    str,
    Form(
        "arn:aws:[a-z0-9-]+:.+",
        "the ARN of a resource",
        "It begins with arn:aws: and the name of the service.",
    ),
]


class Arn(NamedTuple):
    """The parts of `arn:partition:service:region:account:resource`."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> Arn:
        """Raises ValueError if `text` has fewer than the six parts of an ARN."""
        head, *parts = text.split(":", 5)
        if head != "arn" or len(parts) != 5:
            raise ValueError(f"{text!r} is not an ARN")
        return cls(*parts)
