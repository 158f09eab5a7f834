"""EventBridge: buses, rules and their targets, across accounts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from moto.events.models import EventPattern, EventPatternParser

from local.aws.model import iso
from local.simulation.patterns import matches
from local.simulation.policies import Statements, allows
from local.simulation.sdk import Call, ServiceError, unsupported

if TYPE_CHECKING:
    from local.aws.context import Ids
    from local.simulation.delivery import Deliveries
    from local.simulation.timeline import SimulationClock

Event = dict[str, Any]
Send = Callable[[str, str | None, Any], None]
"""Hands an event, or what was made of it, to a target: its ARN, the role to use if any, the event.

Raises ServiceError if refused.
"""
Refused = Callable[[str, str], None]
"""Takes what could not be delivered: the ARN of a dead-letter queue and the body."""

_TARGET = {"Id", "Arn", "RoleArn", "Input", "InputTransformer", "DeadLetterConfig", "RetryPolicy"}
ENTRIES = 10
"""PutEvents takes at most so many (API_PutEvents.html)."""


@dataclass
class Rule:
    """A rule of one bus."""

    name: str
    pattern: EventPattern
    targets: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    enabled: bool = True


@dataclass
class Bus:
    """An event bus and the statements of its policy."""

    arn: str
    policy: Statements = ()
    rules: dict[str, Rule] = field(default_factory=dict)


class EventRouter:
    """All accounts' buses. `send` delivers to targets other than buses; `refused` is the way to dead letters."""

    def __init__(self, clock: SimulationClock, deliveries: Deliveries, ids: Ids, send: Send, refused: Refused) -> None:
        self._clock = clock
        self._deliveries = deliveries
        self._ids = ids
        self._send = send
        self._refused = refused
        self.buses: dict[str, Bus] = {}
        self.schedules: dict[str, Rule] = {}
        self.log: list[Event] = []
        """Every event that reached a bus, in order."""

    def bus(self, arn: str) -> Bus:
        """A bus; every account has its default one from the start. Raises ServiceError."""
        if arn.endswith(":event-bus/default"):
            return self.buses.setdefault(arn, Bus(arn))
        if arn not in self.buses:
            raise ServiceError("ResourceNotFoundException", f"Event bus {arn} does not exist.")
        return self.buses[arn]

    def add_bus(self, arn: str, policy: Statements) -> None:
        """Create a bus with a resource policy."""
        self.buses[arn] = Bus(arn, policy)

    def put_rule(self, bus_arn: str, name: str, pattern: Mapping[str, Any]) -> Rule:
        """Create a rule, or replace its pattern. Raises ServiceError InvalidEventPatternException."""
        text = json.dumps(pattern)
        if len(text) > 2048:
            raise ServiceError("LimitExceededException", f"The pattern of rule {name} is longer than 2048.")
        rules = self.bus(bus_arn).rules
        parsed = EventPattern(text, EventPatternParser(text).parse())
        rule = rules[name] = Rule(name, parsed, rules[name].targets if name in rules else {})
        return rule

    def scheduled(self, name: str) -> Rule:
        """A rule that a schedule sets off; see `tick`."""
        return self.schedules.setdefault(name, Rule(name, EventPattern("{}", {})))

    def tick(self, account: str, region: str) -> None:
        """Every schedule comes due, once. Nothing else sets them off, or a simulation would never be at rest."""
        bus = f"arn:aws:events:{region}:{account}:event-bus/default"
        event: Event = {"version": "0", "id": self._ids.uuid(), "account": account, "region": region, "resources": []}
        event |= {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
        for rule in self.schedules.values():
            for target in rule.targets.values():
                self._later(0, bus, target, {**event, "time": iso(self._clock.now())[:19] + "Z"}, False)

    def deliver(self, account: str, region: str, event: Event) -> None:
        """A service's own event arrives on the account's default bus."""
        event = {"version": "0", "id": self._ids.uuid(), "resources": [], "account": account, "region": region, **event}
        event.setdefault("time", iso(self._clock.now())[:19] + "Z")
        self._arrive(f"arn:aws:events:{region}:{account}:event-bus/default", event, forwarded=False)

    def facade(self, call: Call) -> Mapping[str, Any]:
        """Answers events: PutEvents, PutRule, PutTargets and ListRules for the SDK."""
        operations = {
            "PutEvents": self._put_events,
            "PutRule": self._put_rule,
            "PutTargets": self._put_targets,
            "ListRules": self._list_rules,
        }
        if call.operation not in operations:
            raise unsupported(call)
        return operations[call.operation](call)

    def _put_events(self, call: Call) -> Mapping[str, Any]:
        if len(call.params["Entries"]) > ENTRIES:
            raise ServiceError("ValidationException", f"At most {ENTRIES} entries.")
        return {"FailedEntryCount": 0, "Entries": [self._put(call, entry) for entry in call.params["Entries"]]}

    def _put(self, call: Call, entry: Mapping[str, Any]) -> dict[str, str]:
        if entry["Source"].startswith("aws."):
            return {
                "ErrorCode": "NotAuthorizedForSourceException",
                "ErrorMessage": f"Not authorized for the source {entry['Source']}.",
            }
        event = {
            "version": "0",
            "id": self._ids.uuid(),
            "detail-type": entry["DetailType"],
            "source": entry["Source"],
            "account": call.account,
            "time": iso(entry["Time"].timestamp() if "Time" in entry else self._clock.now())[:19] + "Z",
            "region": call.region,
            "resources": entry.get("Resources", []),
            "detail": json.loads(entry["Detail"]),
        }
        self._enter(self._arn(call, entry.get("EventBusName")), event, call.account)
        return {"EventId": event["id"]}

    def _put_rule(self, call: Call) -> Mapping[str, Any]:
        arn = self._arn(call, call.params.get("EventBusName"))
        self.put_rule(arn, call.params["Name"], json.loads(call.params["EventPattern"]))
        return {
            "RuleArn": arn.replace("event-bus/default", "rule").replace("event-bus", "rule") + "/" + call.params["Name"]
        }

    def _list_rules(self, call: Call) -> Mapping[str, Any]:
        bus, prefix = self._arn(call, call.params.get("EventBusName")), call.params.get("NamePrefix", "")
        found = {**self.bus(bus).rules, **(self.schedules if bus.endswith("/default") else {})}
        states = {name: "ENABLED" if rule.enabled else "DISABLED" for name, rule in found.items()}
        return {"Rules": [{"Name": n, "State": s} for n, s in sorted(states.items()) if n.startswith(prefix)]}

    def _put_targets(self, call: Call) -> Mapping[str, Any]:
        rules = self.bus(self._arn(call, call.params.get("EventBusName"))).rules
        if call.params["Rule"] not in rules:
            raise ServiceError("ResourceNotFoundException", f"Rule {call.params['Rule']} does not exist.")
        for target in call.params["Targets"]:
            add_target(rules[call.params["Rule"]], target)
        return {"FailedEntryCount": 0, "FailedEntries": []}

    def _arn(self, call: Call, name: str | None) -> str:
        if name and name.startswith("arn:"):
            return name
        return f"arn:aws:events:{call.region}:{call.account}:event-bus/{name or 'default'}"

    def _enter(self, bus_arn: str, event: Event, sender: str, *, forwarded: bool = False) -> None:
        """An event comes from an account. Raises ServiceError if the bus's policy does not admit it."""
        policy = self.bus(bus_arn).policy
        own = bus_arn.split(":")[4] == sender
        context = {"events:source": event["source"], "events:detail-type": event["detail-type"]}
        if not own and not allows(policy, "events:PutEvents", bus_arn, context, sender):
            text = f"{sender} is not authorized to perform events:PutEvents on resource {bus_arn}"
            raise ServiceError("AccessDeniedException", text)
        self._arrive(bus_arn, event, forwarded=forwarded)

    def _arrive(self, bus_arn: str, event: Event, *, forwarded: bool) -> None:
        self.log.append(event)
        for rule in list(self.bus(bus_arn).rules.values()):
            if rule.enabled and matches(rule.pattern.get_pattern(), event):
                for target in rule.targets.values():
                    for delay in self._deliveries.delays("event", event):
                        self._later(delay, bus_arn, target, event, forwarded)

    def _later(
        self,
        delay: float,
        bus_arn: str,
        target: Mapping[str, Any],
        event: Event,
        forwarded: bool,  # noqa: FBT001
    ) -> None:
        def hand_over() -> None:
            try:
                if ":event-bus/" in target["Arn"]:
                    if forwarded:  # no second hop from one account's bus to another's (eb-cross-account.html)
                        return
                    self._enter(target["Arn"], event, bus_arn.split(":")[4], forwarded=True)
                else:
                    self._send(target["Arn"], target.get("RoleArn"), given(target, event))
            except ServiceError:
                if queue := target.get("DeadLetterConfig", {}).get("Arn"):
                    self._refused(queue, json.dumps(event))

        self._clock.call_at(self._clock.now() + delay, hand_over)


def given(target: Mapping[str, Any], event: Event) -> Any:
    """What a target gets: the event, a constant, or for people, lines of text with values of the event."""
    if "InputTransformer" not in target:
        return json.loads(target["Input"]) if "Input" in target else event
    text = str(target["InputTransformer"]["InputTemplate"])
    for name, path in target["InputTransformer"]["InputPathsMap"].items():
        value: Any = event
        for step in path.removeprefix("$.").split("."):
            value = value.get(step, "") if isinstance(value, dict) else ""
        text = text.replace(f"<{name}>", str(value))
    return "\n".join(json.loads(line) for line in text.splitlines())


def add_target(rule: Rule, target: Mapping[str, Any]) -> None:
    """Give a rule a target. Raises LookupError for what isn't simulated, such as what changes the event."""
    if unknown := set(target) - _TARGET:
        raise LookupError(f"not simulated in a rule's target: {sorted(unknown)}")
    rule.targets[target["Id"]] = target
