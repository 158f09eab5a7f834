"""Whether events still reach this account from every detector: each sends a check once a day, from each Region.

accounts/5-detector-accounts/forwarding.yaml puts it on the detector's own bus, so it takes the way that findings take:
rule, role, the incident bus and its policy, and the rule that starts the recovery state machine.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from aws_lambda_powertools.metrics import MetricUnit

from airlift.checking import Result
from airlift.errors import NotBelieved
from airlift.incident import ACCOUNT, REGION, Event, at, required
from airlift.ledger import Ledger, Put, keyed
from airlift.runtime import metrics
from airlift.values import now, parse_time, stamp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airlift.checking import Scene
    from airlift.plan import Plan

_PARTITION = "FORWARDING"
_MISSING_AFTER = timedelta(hours=26)
"""A day, and what EventBridge and a retry may take."""
_FORGOTTEN_AFTER = timedelta(days=90)


class Forwarding(NamedTuple):
    """A detector and Region, and when its last check came, None if never."""

    account: str
    region: str
    seen_at: datetime | None


def is_check(event: Event) -> bool:
    """Whether an event is a detector's daily check."""
    return (at(event, "source"), at(event, "detail-type")) == ("airlift.recovery", "Forwarding Check")


def record_check(ledger: Ledger, event: Event, plan: Plan) -> str:
    """Notes that a check came, and says so. Raises NotBelieved if the plan does not list the sender."""
    sender, region = required(event, "account", ACCOUNT), required(event, "region", REGION)
    if not plan.believes(sender):
        raise NotBelieved(f"Events sent by account {sender} are not believed.", "Add it to detectors in the plan.")
    moment = now()
    record: dict[str, Any] = keyed(
        (_PARTITION, f"{sender}#{region}"),
        account=sender,
        region=region,
        seenAt=stamp(moment),
        expiresEpoch=int((moment + _FORGOTTEN_AFTER).timestamp()),
    )
    ledger.write(Put(record, replace=True))
    metrics.add_dimension(name="detector", value=f"{sender} {region}")
    metrics.add_metric("ForwardingChecks", MetricUnit.Count, 1)
    return f"Events of {sender} in {region} arrive."


def missing(ledger: Ledger, plan: Plan) -> list[Forwarding]:
    """The detectors and Regions whose daily check has not come, those that were never seen included.

    The plan's `detectorRegions` say where each forwards; without them, where a check came from before, once at least.
    """
    seen = {(str(one["account"]), str(one["region"])): parse_time(one["seenAt"]) for one in ledger.query(_PARTITION)}
    gone: list[Forwarding] = []
    for account in plan.detectors:
        regions = plan.detector_regions or sorted(region for sender, region in seen if sender == account) or ("",)
        for region in regions:
            at_ = seen.get((account, region))
            if at_ is None or now() - at_ > _MISSING_AFTER:
                gone.append(Forwarding(account, region, at_))
    return gone


def arriving(scene: Scene) -> Iterator[Result]:
    """The readiness check of the forwarding; it feeds the metric that ForwardingAlarm watches as well."""
    gone = missing(scene.ledger, scene.plan)
    metrics.add_metric("MissingForwardings", MetricUnit.Count, len(gone))
    for account, region, seen_at in gone:
        where = f"account {account}" + (f" in {region}" if region else "")
        last = f"the last came {stamp(seen_at)}" if seen_at else "none ever came"
        yield Result(
            "forwarding",
            "warning",
            f"detector {account}",
            f"The daily check of {where} has not come; {last}.",
            "What is found there would start nothing, and nobody would be told.",
            "deploy accounts/5-detector-accounts there, or follow accounts/README.md, step 9; a Region that forwards "
            "no more is left out by detectorRegions in the plan.",
        )
