"""EventBridge where ministack falls short of it: events of AWS services, alarms, buses of other accounts, roles."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import cloudwatch
from ministack.services import eventbridge as bus
from ministack.services.cloudformation import provisioners

from local.cloud.permissions import allows


def publish(account: str, region: str, event: dict[str, Any]) -> None:
    """Deliver an event of an AWS service, envelope and all, on an account's default bus.

    PutEvents refuses `aws.*` sources, here as on AWS; the services' own events take this way.
    """
    record = {
        "EventId": event["id"],
        "Source": event["source"],
        "DetailType": event["detail-type"],
        "Detail": json.dumps(event["detail"]),
        "EventBusName": "default",
        "Time": int(datetime.fromisoformat(event["time"]).timestamp()),
        "Resources": event["resources"],
        "Account": account,
        "Region": region,
    }
    with request_scope(account, region):
        bus._dispatch_event(record)  # ministack has no interface for this


def service_event(source: str, kind: str, resources: list[str], detail: dict[str, Any]) -> None:
    """Publish an event of a service in the account and Region that the present request or work is about."""
    now = datetime.now(UTC)
    envelope = {"version": "0", "id": str(uuid.uuid4()), "source": source, "detail-type": kind, "resources": resources}
    where = {"account": get_account_id(), "region": get_region(), "time": f"{now:%Y-%m-%dT%H:%M:%SZ}"}
    publish(where["account"], where["region"], envelope | where | {"detail": detail})


def install() -> None:
    """Mend ministack's EventBridge and let its CloudWatch tell of alarms."""
    invoke = bus._invoke_target

    def invoke_target(target: dict[str, Any], event: dict[str, Any], rule: Any, view: Any = None) -> None:
        service = target["Arn"].split(":")[2]
        if service in _NEEDED and not _may(target, service):
            bus.logger.error("EventBridge: the role of target %s may not %s", target["Arn"], _NEEDED[service])
            return
        invoke(target, event, rule, view)

    bus._invoke_target = invoke_target
    bus._dispatch_to_event_bus = _forward
    dispatch = cloudwatch._dispatch_alarm_actions

    def alarm_changed(alarm: dict[str, Any], old: str, new: str, reason: str) -> None:
        dispatch(alarm, old, new, reason)
        _tell_of_alarm(alarm, old, new, reason)

    cloudwatch._dispatch_alarm_actions = alarm_changed
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Events::EventBus"]
    create = handlers["create"]

    def create_bus(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        made = create(logical_id, properties, stack)
        if "Policy" in properties:
            bus._event_bus_policies[made[0]] = properties["Policy"]
        return made

    handlers["create"] = create_bus


# What EventBridge may do to a target with the role that the target names.
_NEEDED = {"states": "states:StartExecution", "events": "events:PutEvents", "sns": "sns:Publish"}
_BY_POLICY = {"sns"}
"""Services whose resource's own policy decides where a target names no role (eb-use-identity-based.html)."""


def _may(target: dict[str, Any], service: str) -> bool:
    if "RoleArn" not in target:
        return service in _BY_POLICY
    return allows(target["RoleArn"], _NEEDED[service], target["Arn"])


def _forward(
    spec: Any, event: dict[str, Any], rule: dict[str, Any], path: set[str], changed: str | None = None
) -> None:
    """To a bus, of whatever account: its policy must let the sending account in. `account` stays the sender's."""
    name, sender = spec.resource.split("/", 1)[1], get_account_id()
    key = f"{sender}:{bus._rule_key(rule['Name'], rule.get('EventBusName', 'default'))}"
    with request_scope(spec.account_id, spec.region):
        policy = bus._event_bus_policies.get(name)
        lets_in = sender == spec.account_id or _lets_in(policy, sender, event["Source"])
        if name not in bus._event_buses or not lets_in:
            bus.logger.error("EventBridge: bus %s takes no events from %s", spec, sender)
            return
        if key in path:
            return
        forwarded = event | {"EventBusName": name, "_DispatchPath": [*path, key]}
        bus._dispatch_event(forwarded if changed is None else forwarded | {"Detail": changed})


def _lets_in(policy: dict[str, Any] | None, account: str, source: str) -> bool:
    """Whether a bus policy lets an account put events of a source.

    Accounts by id, by their root, or everybody. Of conditions only that of a Deny on the source is known.
    """

    def listed(value: Any) -> list[Any]:
        return value if isinstance(value, list) else [value]

    def applies(statement: dict[str, Any]) -> bool:
        named = p.get("AWS") if isinstance(p := statement["Principal"], dict) else p
        if condition := statement.get("Condition"):
            denied = listed(condition["ForAnyValue:StringEquals"]["events:source"])
            if statement["Effect"] == "Allow" or source not in denied:
                return False
        return "events:PutEvents" in listed(statement["Action"]) and bool(
            {account, f"arn:aws:iam::{account}:root", "*"}.intersection(listed(named))
        )

    return {one["Effect"] for one in listed((policy or {}).get("Statement", [])) if applies(one)} == {"Allow"}


def _tell_of_alarm(alarm: dict[str, Any], old: str, new: str, reason: str) -> None:
    """CloudWatch Alarm State Change (CloudWatch user guide, cloudwatch-and-eventbridge)."""
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "+0000"
    metric = {
        "namespace": alarm.get("Namespace", ""),
        "name": alarm.get("MetricName", ""),
        "dimensions": {one["Name"]: one["Value"] for one in alarm.get("Dimensions", ())},
    }
    stat = {"metric": metric, "period": alarm.get("Period", 60), "stat": alarm.get("Statistic", "Sum")}
    detail = {
        "alarmName": alarm["AlarmName"],
        "configuration": {
            "description": alarm.get("AlarmDescription", ""),
            "metrics": [{"id": "m1", "metricStat": stat, "returnData": True}],
        },
        "previousState": {"value": old, "timestamp": now},
        "state": {"value": new, "reason": reason, "timestamp": now},
    }
    arn = f"arn:aws:cloudwatch:{get_region()}:{get_account_id()}:alarm:{alarm['AlarmName']}"
    service_event("aws.cloudwatch", "CloudWatch Alarm State Change", [arn], detail)
