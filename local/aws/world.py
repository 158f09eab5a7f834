"""AWS Backup, multi-party approval, RAM and what else emulators lack, ready to be put behind an emulator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.aws.backup import Backup
from local.aws.context import Clients, Context, Emit, Ids
from local.aws.doors import Doors
from local.aws.faults import Faults
from local.aws.fsx import Fsx
from local.aws.mpa import Mpa
from local.aws.portal import Portal
from local.aws.quotas import ServiceQuotas
from local.aws.ram import Ram
from local.aws.settings import Settings
from local.aws.timestream import Timestream
from local.aws.wire import Authorize, Front, Guard, Identify, account_as_key, allow_all, guard_nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.clock import Clock


@dataclass(frozen=True)
class World:
    """The parts an embedding and a test hold on to."""

    front: Front
    backup: Backup
    mpa: Mpa
    ram: Ram
    doors: Doors
    portal: Portal
    faults: Faults
    quotas: ServiceQuotas

    def tags_of(self, arn: str) -> Mapping[str, str]:
        """Tags of a resource of these services, for conditions on aws:ResourceTag; none if there is no such thing."""
        return self.front.service_of(arn).tags(arn)


def build_world(
    clock: Clock,
    clients: Clients,
    emit: Emit,
    settings: Settings | None = None,
    authorize: Authorize | None = None,
    identify: Identify = account_as_key,
    guard: Guard = guard_nothing,
) -> World:
    """Make the local services.

    `clients(service, account, region)` gives a boto3 client of the emulator; `emit(account, region, event)` delivers
    an EventBridge event with its whole envelope, never while a lock is held; `authorize(caller, action,
    resource_arns)` raises AccessDenied where the caller may not; `identify(headers)` tells who signed a request;
    `guard(caller, action, resource_arns, parameters)` raises AccessDenied where an organization's policies forbid it.
    """
    settings = settings or Settings()
    authorize = authorize or allow_all
    faults, doors = Faults(), Doors()
    context = Context(clock, clients, emit, settings, authorize, faults, doors, Ids(settings.seed))
    portal = Portal(context.lock)
    ram = Ram(context, lambda arn, account: mpa.teams.owns(arn, account))
    mpa = Mpa(context, portal.outbox.append, ram.is_shared)
    portal.mpa = mpa
    backup = Backup(context, mpa)
    quotas = ServiceQuotas()
    services = {
        "backup": backup.service,
        "mpa": mpa.service,
        "ram": ram.service,
        "fsx": Fsx(context).service,
        "service-quotas": quotas.service,
        "timestream-write": Timestream(context).service,
    }
    front = Front(services, identify, authorize, guard, faults, context.lock)
    return World(front, backup, mpa, ram, doors, portal, faults, quotas)
