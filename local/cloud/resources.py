"""CloudFormation's resource types of Backup, MPA, RAM and Organizations, made through AWS's interfaces.

Names, what Ref and Fn::GetAtt give and what replaces a resource are those of the types' published schemas. They leave
open whether CloudFormation waits for a team's approvers and for a vault's team; here it does not (inferred).
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from botocore import xform_name
from botocore.exceptions import ClientError

Api = Callable[[str], Any]
"""A boto3 client of a service, in the stack's account and Region."""

Properties = Mapping[str, Any]
Names = tuple[str, ...]


class ResourceType(ABC):
    """What CloudFormation does with resources of one type. All methods raise ClientError as the service answers."""

    service: ClassVar[str]
    takes: ClassVar[Names]
    """The properties that are provided here."""
    replacing: ClassVar[Names] = ()
    """Those whose change makes a new resource."""
    changing: ClassVar[Names] = ()
    """Those that can be changed in place."""
    key: ClassVar[str] = ""
    """The parameter that names a resource, in `reads` and `deletes`."""
    reads: ClassVar[str] = ""
    deletes: ClassVar[str] = ""

    @abstractmethod
    def create(self, api: Api, properties: Properties) -> str:
        """Make one; its physical id, which Ref gives."""

    def attributes(self, api: Api, physical_id: str) -> dict[str, str]:
        """What Fn::GetAtt gives, by dotted name."""
        return _flat(self.call(api, self.reads, {self.key: physical_id}))

    def update(self, api: Api, physical_id: str, old: Properties, new: Properties) -> None:
        """Change it in place. Raises ValueError for what can't be changed."""
        changed = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        fixed = [name for name in changed if name not in self.changing]
        if fixed:
            raise ValueError(f"{', '.join(fixed)} can't be changed by CloudFormation here.")
        self.change(api, physical_id, old, new)

    def change(self, _api: Api, physical_id: str, _old: Properties, _new: Properties) -> None:
        """Change what is among `changing`."""
        raise ValueError(f"Nothing of {physical_id} can be changed.")

    def delete(self, api: Api, physical_id: str) -> None:
        """Delete it, as far as the service lets one."""
        self.call(api, self.deletes, {self.key: physical_id})

    def finish(self, api: Api, physical_id: str, step: Callable[[], None]) -> None:
        """The last step of a creation; if it fails what was made is deleted, or named if that fails too."""
        try:
            step()
        except ClientError as failure:
            try:
                self.delete(api, physical_id)
            except ClientError as other:
                raise ValueError(f"{failure}; {physical_id} is left behind: {other}") from failure
            raise

    def call(self, api: Api, operation: str, asked: Properties) -> dict[str, Any]:
        """Call an operation; numbers and truth values, which templates have as text, as the service has them."""
        client = api(self.service)
        shape = client.meta.service_model.operation_model(operation).input_shape
        answer: dict[str, Any] = getattr(client, xform_name(operation))(**_fit(asked, shape))
        return answer


class IdentitySource(ResourceType):
    """AWS::MPA::IdentitySource; Ref is its ARN."""

    service, key = "mpa", "IdentitySourceArn"
    reads, deletes = "GetIdentitySource", "DeleteIdentitySource"
    takes = replacing = ("IdentitySourceParameters",)

    def create(self, api: Api, properties: Properties) -> str:
        return str(self.call(api, "CreateIdentitySource", properties)[self.key])


class ApprovalTeam(ResourceType):
    """AWS::MPA::ApprovalTeam; Ref is its ARN. A team that is ACTIVE has to approve its change and its end."""

    service, key, reads = "mpa", "Arn", "GetApprovalTeam"
    replacing, changing = ("Name", "Policies"), ("Description", "ApprovalStrategy", "Approvers")
    takes = (*replacing, *changing)

    def create(self, api: Api, properties: Properties) -> str:
        return str(self.call(api, "CreateApprovalTeam", properties)["Arn"])

    def change(self, api: Api, physical_id: str, old: Properties, new: Properties) -> None:
        changed = {name: new[name] for name in self.changing if new[name] != old[name]}
        self.call(api, "UpdateApprovalTeam", changed | {"Arn": physical_id})

    def delete(self, api: Api, physical_id: str) -> None:
        team = self.call(api, self.reads, {"Arn": physical_id})
        if team["Status"] == "ACTIVE":
            self.call(api, "StartActiveApprovalTeamDeletion", {"Arn": physical_id})
        else:
            version = {"Arn": physical_id, "VersionId": team["VersionId"]}
            self.call(api, "DeleteInactiveApprovalTeamVersion", version)


class ResourceShare(ResourceType):
    """AWS::RAM::ResourceShare; Ref is its ARN."""

    service, key, deletes = "ram", "resourceShareArn", "DeleteResourceShare"
    changing = ("Principals", "ResourceArns")
    takes = (*changing, "Name", "AllowExternalPrincipals", "PermissionArns")

    def create(self, api: Api, properties: Properties) -> str:
        asked = {_lowered(name): value for name, value in properties.items()}
        return str(self.call(api, "CreateResourceShare", asked)["resourceShare"][self.key])

    def attributes(self, api: Api, physical_id: str) -> dict[str, str]:
        asked = {"resourceOwner": "SELF", "resourceShareArns": [physical_id]}
        share = self.call(api, "GetResourceShares", asked)["resourceShares"][0]
        return {"Arn": physical_id, "Status": share["status"], "OwningAccountId": share["owningAccountId"]}

    def change(self, api: Api, physical_id: str, old: Properties, new: Properties) -> None:
        for operation, more, less in (("Associate", new, old), ("Disassociate", old, new)):
            asked = {_lowered(side): _beyond(more, less, side) for side in self.changing}
            if any(asked.values()):
                self.call(api, f"{operation}ResourceShare", asked | {self.key: physical_id})


class BackupVault(ResourceType):
    """AWS::Backup::BackupVault; Ref is its name."""

    service, key = "backup", "BackupVaultName"
    reads, deletes = "DescribeBackupVault", "DeleteBackupVault"
    replacing: ClassVar[Names] = ("BackupVaultName", "EncryptionKeyArn")
    takes: ClassVar[Names] = (*replacing, "BackupVaultTags")

    def create(self, api: Api, properties: Properties) -> str:
        return str(self.call(api, "CreateBackupVault", properties)[self.key])


class AirGappedVault(BackupVault):
    """AWS::Backup::LogicallyAirGappedBackupVault; Ref is its name. Its team can be given once, and not changed."""

    replacing = (*BackupVault.replacing, "MinRetentionDays", "MaxRetentionDays")
    changing = ("MpaApprovalTeamArn",)
    takes = (*replacing, *changing, "BackupVaultTags")

    def create(self, api: Api, properties: Properties) -> str:
        asked = {name: value for name, value in properties.items() if name not in self.changing}
        name = str(self.call(api, "CreateLogicallyAirGappedBackupVault", asked)[self.key])
        self.finish(api, name, lambda: self.change(api, name, {}, properties))
        return name

    def change(self, api: Api, physical_id: str, old: Properties, new: Properties) -> None:
        if "MpaApprovalTeamArn" in old:
            raise ValueError("MpaApprovalTeamArn can't be changed by CloudFormation once it was given.")
        if "MpaApprovalTeamArn" in new:
            asked = {self.key: physical_id, "MpaApprovalTeamArn": new["MpaApprovalTeamArn"]}
            self.call(api, "AssociateBackupVaultMpaApprovalTeam", asked)


class BackupPlan(ResourceType):
    """AWS::Backup::BackupPlan; Ref is its id. The API has other names for its rules and their vault."""

    service, key = "backup", "BackupPlanId"
    reads, deletes = "GetBackupPlan", "DeleteBackupPlan"
    changing = ("BackupPlan",)
    takes = (*changing, "BackupPlanTags")

    def create(self, api: Api, properties: Properties) -> str:
        return str(self.call(api, "CreateBackupPlan", {**properties, **self._document(properties)})[self.key])

    def change(self, api: Api, physical_id: str, _old: Properties, new: Properties) -> None:
        self.call(api, "UpdateBackupPlan", {self.key: physical_id, **self._document(new)})

    def _document(self, properties: Properties) -> dict[str, Any]:
        names = {"TargetBackupVault": "TargetBackupVaultName"}
        plan = dict(properties["BackupPlan"])
        rules = [{names.get(name, name): value for name, value in rule.items()} for rule in plan.pop("BackupPlanRule")]
        return {"BackupPlan": {**plan, "Rules": rules}}


class BackupSelection(ResourceType):
    """AWS::Backup::BackupSelection; Ref is its id and its plan's."""

    service = "backup"
    takes = replacing = ("BackupPlanId", "BackupSelection")

    def create(self, api: Api, properties: Properties) -> str:
        made = self.call(api, "CreateBackupSelection", properties)
        return f"{made['SelectionId']}_{made['BackupPlanId']}"

    def attributes(self, api: Api, physical_id: str) -> dict[str, str]:
        found = self.call(api, "GetBackupSelection", self._ids(physical_id))
        return {"Id": physical_id, "SelectionId": str(found["SelectionId"])}

    def delete(self, api: Api, physical_id: str) -> None:
        self.call(api, "DeleteBackupSelection", self._ids(physical_id))

    def _ids(self, physical_id: str) -> dict[str, str]:
        selection, _, plan = physical_id.partition("_")
        return {"SelectionId": selection, "BackupPlanId": plan}


class Policy(ResourceType):
    """AWS::Organizations::Policy; Ref is its id."""

    service, key = "organizations", "PolicyId"
    replacing, changing = ("Type",), ("Name", "Description", "Content", "TargetIds")
    takes = (*replacing, *changing)

    def create(self, api: Api, properties: Properties) -> str:
        asked = self._document(properties) | {"Type": properties["Type"]}
        policy = str(self.call(api, "CreatePolicy", asked)["Policy"]["PolicySummary"]["Id"])
        self.finish(api, policy, lambda: self._attach(api, policy, {}, properties))
        return policy

    def attributes(self, api: Api, physical_id: str) -> dict[str, str]:
        return _flat(self.call(api, "DescribePolicy", {self.key: physical_id})["Policy"]["PolicySummary"])

    def change(self, api: Api, physical_id: str, old: Properties, new: Properties) -> None:
        self.call(api, "UpdatePolicy", self._document(new) | {self.key: physical_id})
        self._attach(api, physical_id, old, new)

    def delete(self, api: Api, physical_id: str) -> None:
        targets = self.call(api, "ListTargetsForPolicy", {self.key: physical_id})["Targets"]
        self._attach(api, physical_id, {"TargetIds": [one["TargetId"] for one in targets]}, {})
        self.call(api, "DeletePolicy", {self.key: physical_id})

    def _attach(self, api: Api, policy: str, old: Properties, new: Properties) -> None:
        for operation, more, less in (("AttachPolicy", new, old), ("DetachPolicy", old, new)):
            for target in _beyond(more, less, "TargetIds"):
                self.call(api, operation, {self.key: policy, "TargetId": target})

    def _document(self, properties: Properties) -> dict[str, Any]:
        content = properties["Content"]
        text = content if isinstance(content, str) else json.dumps(content)
        return {"Name": properties["Name"], "Description": properties.get("Description", ""), "Content": text}


TYPES: dict[str, ResourceType] = {
    "AWS::MPA::IdentitySource": IdentitySource(),
    "AWS::MPA::ApprovalTeam": ApprovalTeam(),
    "AWS::RAM::ResourceShare": ResourceShare(),
    "AWS::Backup::BackupVault": BackupVault(),
    "AWS::Backup::LogicallyAirGappedBackupVault": AirGappedVault(),
    "AWS::Backup::BackupPlan": BackupPlan(),
    "AWS::Backup::BackupSelection": BackupSelection(),
    "AWS::Organizations::Policy": Policy(),
}


def _fit(value: Any, shape: Any) -> Any:
    kind = shape.type_name
    if kind == "structure":
        members = shape.members
        return {name: _fit(item, members[name]) if name in members else item for name, item in value.items()}
    if kind == "list":
        return [_fit(item, shape.member) for item in value]
    if kind in ("integer", "long"):
        return int(value)
    return str(value).lower() == "true" if kind == "boolean" else value


def _flat(answer: Properties, before: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in answer.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{name}.")
        elif not isinstance(value, list):
            found[before + name] = str(value)
    return found


def _beyond(more: Properties, less: Properties, name: str) -> list[Any]:
    return [one for one in more.get(name, ()) if one not in less.get(name, ())]


def _lowered(name: str) -> str:
    return name[0].lower() + name[1:]
