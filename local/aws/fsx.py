"""Amazon FSx, as far as recoveries meet it: file systems, ONTAP's virtual machines and volumes, and final backups."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from local.aws.context import page
from local.aws.errors import AwsError
from local.aws.wire import Caller, Service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.aws.context import Context
    from local.aws.model import Params

DELETING_SECONDS = 5.0
"""How long a file system or volume stays DELETING here."""

CONFIGURATIONS = {
    "WINDOWS": "WindowsConfiguration",
    "LUSTRE": "LustreConfiguration",
    "ONTAP": "OntapConfiguration",
    "OPENZFS": "OpenZFSConfiguration",
}
"""Where each type's own settings are."""

_FINAL_BACKUPS = ("WINDOWS", "OPENZFS")
"""Types of which DeleteFileSystem takes a final backup unless told not to (API_DeleteFileSystem.html)."""

_ID_MEMBERS = {"file-system": "FileSystemId", "storage-virtual-machine": "StorageVirtualMachineId",
               "volume": "VolumeId", "backup": "BackupId"}  # fmt: skip
_MISSING = {"file-system": "FileSystemNotFound", "storage-virtual-machine": "StorageVirtualMachineNotFound",
            "volume": "VolumeNotFound", "backup": "BackupNotFound"}  # fmt: skip

Resource = dict[str, Any]
"""A resource as its Describe operation shows it."""


class Fsx:
    """The service, for every account and Region. What is created is available at once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._kinds: dict[tuple[str, str, str], dict[str, Resource]] = defaultdict(dict)
        self._lock = threading.RLock()
        self.service = Service((self,), self._resources, tags=self._tags, lock=self._lock)

    def _tags(self, arn: str) -> Mapping[str, str]:
        known = (one for kind in self._kinds.values() for one in kind.values() if one["ResourceARN"] == arn)
        return {tag["Key"]: tag["Value"] for one in known for tag in one.get("Tags") or ()}

    def _resources(self, _caller: Caller, _operation: str, params: Params) -> tuple[str, ...]:
        """The resource named by its ARN or id; "*" for what makes or looks (service authorization reference)."""
        if "ResourceARN" in params:
            return (params["ResourceARN"],)
        ids = [params[name] for name in ("FileSystemId", "VolumeId") if name in params]
        found = [one["ResourceARN"] for kind in self._kinds.values() for key, one in kind.items() if key in ids]
        return tuple(found) or ("*",)

    def create_file_system(self, caller: Caller, params: Params) -> Params:
        """CreateFileSystem."""
        kind = params["FileSystemType"]
        name = CONFIGURATIONS[kind]
        made = {
            "OwnerId": caller.account,
            "FileSystemType": kind,
            "StorageCapacity": params.get("StorageCapacity"),
            "StorageType": params.get("StorageType", "SSD"),
            "VpcId": self._vpc(caller, params["SubnetIds"][0]),
            "SubnetIds": params["SubnetIds"],
            "KmsKeyId": params.get("KmsKeyId"),
            name: params.get(name, {}),
        }
        found = self._add(caller, "file-system", f"fs-0{self._context.ids.hex(16)}", made, params)
        found["DNSName"] = f"{found['FileSystemId']}.fsx.{caller.region}.amazonaws.com"
        return {"FileSystem": found}

    def create_storage_virtual_machine(self, caller: Caller, params: Params) -> Params:
        """CreateStorageVirtualMachine."""
        self._find(caller, "file-system", params["FileSystemId"])
        made = {"FileSystemId": params["FileSystemId"], "Name": params["Name"], "Lifecycle": "CREATED"}
        found = self._add(caller, "storage-virtual-machine", f"svm-0{self._context.ids.hex(16)}", made, params)
        return {"StorageVirtualMachine": found}

    def create_volume(self, caller: Caller, params: Params) -> Params:
        """CreateVolume, of ONTAP: name and junction path must be free in the virtual machine."""
        if params["VolumeType"] != "ONTAP":
            raise AwsError("UnsupportedLocally", "Volumes other than ONTAP's are not provided locally", status=501)
        ontap = params["OntapConfiguration"]
        machine = self._find(caller, "storage-virtual-machine", ontap["StorageVirtualMachineId"])
        for other in self._all(caller, "volume"):
            theirs = other["OntapConfiguration"]
            if theirs["StorageVirtualMachineId"] == ontap["StorageVirtualMachineId"] and (
                other["Name"] == params["Name"] or theirs.get("JunctionPath") == ontap.get("JunctionPath")
            ):
                raise AwsError("BadRequest", f"Volume {other['Name']} has this name or junction path.")
        made = {
            "FileSystemId": machine["FileSystemId"],
            "Lifecycle": "CREATED",
            "Name": params["Name"],
            "VolumeType": "ONTAP",
            "OntapConfiguration": ontap,
        }
        volume_id = f"fsvol-0{self._context.ids.hex(16)}"
        return {"Volume": self._add(caller, "volume", volume_id, made, params, f"{machine['FileSystemId']}/")}

    def describe_file_systems(self, caller: Caller, params: Params) -> Params:
        """DescribeFileSystems."""
        return self._describe(caller, "file-system", "FileSystems", params)

    def describe_storage_virtual_machines(self, caller: Caller, params: Params) -> Params:
        """DescribeStorageVirtualMachines."""
        return self._describe(caller, "storage-virtual-machine", "StorageVirtualMachines", params)

    def describe_volumes(self, caller: Caller, params: Params) -> Params:
        """DescribeVolumes."""
        return self._describe(caller, "volume", "Volumes", params)

    def describe_backups(self, caller: Caller, params: Params) -> Params:
        """DescribeBackups: here, the final ones."""
        return self._describe(caller, "backup", "Backups", params)

    def delete_file_system(self, caller: Caller, params: Params) -> Params:
        """DeleteFileSystem: DELETING for a while, and a final backup of Windows and OpenZFS if not told otherwise."""
        found = self._find(caller, "file-system", params["FileSystemId"])
        if any(one["FileSystemId"] == found["FileSystemId"] for one in self._all(caller, "storage-virtual-machine")):
            raise AwsError("BadRequest", "The file system still has storage virtual machines.")
        kind = found["FileSystemType"]
        name = CONFIGURATIONS[kind]
        skips = params.get(name, {}).get("SkipFinalBackup", kind not in _FINAL_BACKUPS)
        answer: Params = {"FileSystemId": found["FileSystemId"], "Lifecycle": "DELETING"}
        if not skips:
            backup = self._final_backup(caller, {"FileSystem": dict(found), "ResourceType": "FILE_SYSTEM"})
            response = name.replace("Configuration", "Response")
            answer[response] = {"FinalBackupId": backup}
        self._leave(caller, "file-system", found)
        return answer

    def delete_volume(self, caller: Caller, params: Params) -> Params:
        """DeleteVolume: a final backup if not told otherwise."""
        found = self._find(caller, "volume", params["VolumeId"])
        answer: Params = {"VolumeId": found["VolumeId"], "Lifecycle": "DELETING"}
        if not params.get("OntapConfiguration", {}).get("SkipFinalBackup", False):
            backup = self._final_backup(caller, {"Volume": dict(found), "ResourceType": "VOLUME"})
            answer["OntapResponse"] = {"FinalBackupId": backup}
        self._leave(caller, "volume", found)
        return answer

    def tag_resource(self, caller: Caller, params: Params) -> None:
        """TagResource."""
        found = self._by_arn(caller, params["ResourceARN"])
        fresh = {tag["Key"]: tag for tag in (*(found["Tags"] or ()), *params["Tags"])}
        found["Tags"] = list(fresh.values())

    def list_tags_for_resource(self, caller: Caller, params: Params) -> Params:
        """ListTagsForResource."""
        return {"Tags": self._by_arn(caller, params["ResourceARN"])["Tags"]}

    def _vpc(self, caller: Caller, subnet_id: str) -> str:
        ec2 = self._context.clients("ec2", caller.account, caller.region)
        found = ec2.describe_subnets(Filters=[{"Name": "subnet-id", "Values": [subnet_id]}])["Subnets"]
        if not found:
            raise AwsError("InvalidNetworkSettings", f"Subnet {subnet_id} does not exist.")
        return str(found[0]["VpcId"])

    def _all(self, caller: Caller, kind: str) -> list[Resource]:
        return list(self._kinds[caller.account, caller.region, kind].values())

    def _find(self, caller: Caller, kind: str, key: str) -> Resource:
        found = self._kinds[caller.account, caller.region, kind].get(key)
        if found is None:
            raise AwsError(_MISSING[kind], f"{key} does not exist.")
        return found

    def _by_arn(self, caller: Caller, arn: str) -> Resource:
        for kind in _ID_MEMBERS:
            for one in self._all(caller, kind):
                if one["ResourceARN"] == arn:
                    return one
        raise AwsError("ResourceNotFound", f"{arn} does not exist.")

    def _add(self, caller: Caller, kind: str, key: str, made: Resource, params: Params, parent: str = "") -> Resource:
        resource = {
            "Lifecycle": "AVAILABLE",
            **made,
            _ID_MEMBERS[kind]: key,
            "CreationTime": self._context.clock.now(),
            "ResourceARN": f"arn:aws:fsx:{caller.region}:{caller.account}:{kind}/{parent}{key}",
            "Tags": params.get("Tags") or None,
        }
        self._kinds[caller.account, caller.region, kind][key] = resource
        return resource

    def _final_backup(self, caller: Caller, of: Mapping[str, Any]) -> str:
        key = f"backup-0{self._context.ids.hex(16)}"
        self._add(caller, "backup", key, {"Type": "USER_INITIATED", "FileSystem": {}, **of}, {})
        return key

    def _leave(self, caller: Caller, kind: str, resource: Resource) -> None:
        resource["Lifecycle"] = "DELETING"
        kept = self._kinds[caller.account, caller.region, kind]

        def gone() -> None:
            with self._lock:
                kept.pop(resource[_ID_MEMBERS[kind]], None)

        self._context.after(DELETING_SECONDS, gone)

    def _describe(self, caller: Caller, kind: str, member: str, params: Params) -> Params:
        ids = next((value for name, value in params.items() if name.endswith("Ids")), None)
        for given in params.get("Filters", ()):
            if given["Name"] not in ("file-system-id", "storage-virtual-machine-id"):
                raise AwsError("UnsupportedLocally", f"Filter {given['Name']} is not provided locally", status=501)
        chosen = [self._find(caller, kind, one) for one in ids] if ids else self._all(caller, kind)
        for given in params.get("Filters", ()):
            chosen = [one for one in chosen if _filtered(one, given["Name"]) in given["Values"]]
        found, token = page(chosen, _ID_MEMBERS[kind], params, 100, "BadRequest")
        return {member: found, "NextToken": token}


def _filtered(resource: Resource, name: str) -> Any:
    if name == "file-system-id":
        return resource.get("FileSystemId")
    return resource.get("OntapConfiguration", {}).get("StorageVirtualMachineId")
