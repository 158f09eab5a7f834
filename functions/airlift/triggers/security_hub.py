"""Findings as Security Hub sends them on: two formats, and a person's choice.

Anybody who holds an account can import findings of "products" of their own there, so it counts which product found
something (`source_arn`). A GuardDuty finding keeps GuardDuty's id: it is the same trigger whichever way it came.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from airlift.errors import InvalidInput, TriggerNotAllowed
from airlift.incident import (
    ACCOUNT,
    REGION,
    Event,
    FieldForm,
    Incident,
    at,
    earliest,
    first_of,
    required,
    shown,
    text_at,
)
from airlift.triggers.guard_duty import archived, is_titled_sample, sample

_PRODUCT = FieldForm(
    # AWS's own products are of no account; those of partners and of an account itself are never called aws/….
    re.compile(
        r"arn:aws[a-z-]*:securityhub:[a-z0-9-]+:(?:|[0-9]{12}(?!:product(?:v2)?/aws/))"
        r":product(?:v2)?/[A-Za-z0-9_.-]+/[A-Za-z0-9_. -]+"
    ),
    "the ARN of a product",
)
_ACTION = FieldForm(
    re.compile(r"arn:aws[a-z-]*:securityhub:[a-z0-9-]+:[0-9]{12}:action/custom/[A-Za-z0-9]{1,20}"),
    "the ARN of a custom action",
)
_FINDING = re.compile(r"arn:aws[a-z-]*:guardduty:[a-z0-9-]+:([0-9]{12}):detector/[0-9a-f]+/finding/([0-9a-f]+)")
_GUARD_DUTY = "aws/guardduty"
_LABELS = {"INFORMATIONAL": 0.0, "LOW": 1.0, "MEDIUM": 4.0, "HIGH": 7.0, "CRITICAL": 9.0}
"""The lower ends of GuardDuty's levels (guardduty_findings-severity.html) for ASFF's labels. ASFF's number isn't used:
it follows the label in some findings only (inferred)."""
_OCSF_SEVERITIES = {1: 0.0, 2: 1.0, 3: 4.0, 4: 7.0, 5: 9.0, 6: 10.0}
"""OCSF's severity_id: 1 Informational to 5 Critical, 6 Fatal."""
_DETECTION = 2004
"""OCSF's class Detection Finding; others tell of settings and vulnerabilities, not of an attack."""


def product_of(arn: str) -> str:
    """`aws/guardduty` of `arn:aws:securityhub:REGION::product/aws/guardduty`; a custom one begins with its account."""
    return arn.partition(":product/")[2]


def imported(event: Event) -> Incident:
    """ASFF, one finding per event (securityhub-cwe-event-formats.html)."""
    return _asff(event, _finding(event))


def custom_action(event: Event) -> Incident:
    """A person sends findings by a custom action; the first one counts, from the earliest sign of its like.

    Others of its account and product that could start something themselves may show an earlier sign, and no more: what
    another product says may not be believed.
    """
    incident = imported(event)
    name = required({"resources": first_of(event, "resources")}, "resources", _ACTION).rpartition("/")[2]
    findings = [one for one in at(event, "detail.findings") if isinstance(one, Mapping)]
    same = [one for one in findings if at(one, "AwsAccountId") == incident.account]
    alike = [one for one in _readable(event, same) if product_of(one.source_arn) == product_of(incident.source_arn)]
    first = min([incident, *alike], key=lambda one: (one.first_sign is None, one.first_sign))
    left = len(findings) - len(same)
    title = incident.title + (f" (and {left} of other accounts, which were left out)" if left else "")
    return replace(
        incident, first_sign=first.first_sign, first_sign_from=first.first_sign_from, title=title, action=name
    )


def _readable(event: Event, findings: Iterable[Mapping[str, Any]]) -> Iterator[Incident]:
    """Those of the findings that are neither put away, nor samples, nor malformed."""
    for finding in findings:
        with suppress(InvalidInput, TriggerNotAllowed):
            yield _asff(event, finding)


def _asff(event: Event, finding: Mapping[str, Any]) -> Incident:
    if at(finding, "RecordState") == "ARCHIVED" or at(finding, "Workflow.Status") in ("SUPPRESSED", "RESOLVED"):
        raise archived()
    if at(finding, "Sample") is True or is_titled_sample(at(finding, "Title")):
        raise sample()
    where = "detail.findings[0]."
    product = required(finding, "ProductArn", _PRODUCT, where)
    label = at(finding, "Severity.Label")
    fields = at(finding, "ProductFields")
    first_seen = fields.get("aws/guardduty/service/eventFirstSeen") if isinstance(fields, Mapping) else None
    signs = [("FirstObservedAt of the finding", at(finding, "FirstObservedAt"))]
    return _incident(
        event,
        product,
        account=required(finding, "AwsAccountId", ACCOUNT, where),
        finding_id=at(finding, "Id"),
        severity=_LABELS.get(label) if isinstance(label, str) else None,
        finding_type=_type(first_of(finding, "Types")),
        title=text_at(finding, "Title"),
        signs=[*signs, *([("eventFirstSeen of the finding", first_seen)] if first_seen else [])],
    )


def imported_v2(event: Event) -> Incident:
    """OCSF, one finding per event (securityhub-v2-cwe-event-formats.html)."""
    finding = _finding(event)
    if at(finding, "class_uid") != _DETECTION:
        raise TriggerNotAllowed("The finding tells of no attack.", "Nothing: only OCSF's class 2004 does.")
    if at(finding, "status_id") in (3, 4, 5):  # suppressed, resolved, archived
        raise archived()
    if is_titled_sample(at(finding, "finding_info.title")):  # OCSF has no other mark of a sample
        raise sample()
    where = "detail.findings[0]."
    severity = at(finding, "severity_id")
    return _incident(
        event,
        required(finding, "metadata.product.uid", _PRODUCT, where),
        account=required(finding, "cloud.account.uid", ACCOUNT, where),
        finding_id=at(finding, "finding_info.uid"),
        severity=_OCSF_SEVERITIES.get(severity) if isinstance(severity, int) else None,
        finding_type=_type(first_of(finding, "finding_info.types")),
        title=text_at(finding, "finding_info.title"),
        signs=[("first_seen_time_dt of the finding", at(finding, "finding_info.first_seen_time_dt"))],
    )


def _finding(event: Event) -> Mapping[str, Any]:
    finding = first_of(event, "detail.findings")
    if not isinstance(finding, Mapping):
        raise InvalidInput(
            "The event's detail.findings is missing or malformed.", "Send it with a finding in detail.findings."
        )
    return finding


def _incident(
    event: Event,
    product: str,
    *,
    account: str,
    finding_id: object,
    severity: float | None,
    finding_type: str,
    title: str,
    signs: list[tuple[str, object]],
) -> Incident:
    first_sign, first_sign_from = earliest(event, signs)
    # In OCSF a product is called productv2/aws/guardduty; it is the same one, and so are its findings.
    product = product.replace(":productv2/", ":product/", 1)
    sender = required(event, "account", ACCOUNT)
    return Incident(
        kind="securityHub",
        trigger_id=_trigger_id(product, account, sender, finding_id),
        account=account,
        sender=sender,
        region=required(event, "region", REGION),
        first_sign=first_sign,
        first_sign_from=first_sign_from,
        severity=severity,
        finding_type=finding_type,
        title=title,
        source_arn=product,
    )


def _trigger_id(product: str, account: str, sender: str, finding_id: object) -> str:
    """GuardDuty's own id for its findings.

    An ARN that names neither the finding's account nor the sender is a forged one: whether it names the member or the
    administrator, who gathers the findings, is inferred.
    """
    if not isinstance(finding_id, str) or not finding_id:
        raise InvalidInput("The finding has no id.", "Send it with an id.")
    if product_of(product) != _GUARD_DUTY:
        # Of no known form and of any length: told apart by its hash.
        return f"securityhub-{hashlib.sha256(f'{product} {finding_id}'.encode()).hexdigest()[:32]}"
    found = _FINDING.fullmatch(finding_id)
    if not found or found[1] not in (account, sender):
        raise InvalidInput(
            f"{shown(finding_id)} is not the ARN of a GuardDuty finding of account {account}.", "Nothing: it is forged."
        )
    return found[2]


def _type(value: object) -> str:
    """GuardDuty's type out of `TTPs/…/Policy:IAMUser-RootCredentialUsage`, which Security Hub writes so (inferred)."""
    if not isinstance(value, str):
        return "unknown"
    last = value if ":" not in value else value[value.rfind("/", 0, value.index(":")) + 1 :]
    family, _, name = last.partition(":")
    return text_at({"type": f"{family}:{name.replace('-', '/', 1)}" if name else last}, "type")
