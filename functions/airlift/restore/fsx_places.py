"""What FSx restores into and only people make: a directory, a storage virtual machine with room for the names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airlift.errors import MetadataRefused

if TYPE_CHECKING:
    from collections.abc import Mapping


def check_directory(client: Any, directory_id: str) -> None:
    """Raises `MetadataRefused` unless the recovery account has this AWS Managed Microsoft AD, and it is active."""
    try:
        found = client.describe_directories(DirectoryIds=[directory_id])["DirectoryDescriptions"]
    except (client.exceptions.EntityDoesNotExistException, client.exceptions.InvalidParameterException):
        found = []
    remedy = "make an AWS Managed Microsoft AD in the isolated network and name it as activeDirectoryId."
    if not found:
        raise MetadataRefused(f"The recovery account has no directory {directory_id} in this Region.", remedy)
    kind, stage = found[0]["Type"], found[0]["Stage"]
    # Both kinds, own and shared, are AWS managed (fsx-aws-managed-ad.html).
    if kind not in {"MicrosoftAD", "SharedMicrosoftAD"}:
        raise MetadataRefused(f"Directory {directory_id} is a {kind}, which FSx joins no file system to.", remedy)
    if stage != "Active":
        raise MetadataRefused(f"Directory {directory_id} is {stage}, not Active.", "mend it or wait for it.")


def check_machine(client: Any, machine_id: str) -> None:
    """Raises `MetadataRefused` unless the recovery account has this storage virtual machine, and it is ready."""
    try:
        found = client.describe_storage_virtual_machines(StorageVirtualMachineIds=[machine_id])
        machine = next(iter(found["StorageVirtualMachines"]), None)
    except client.exceptions.StorageVirtualMachineNotFound:
        machine = None
    if machine is None or machine["Lifecycle"] != "CREATED":
        state = f"is {machine['Lifecycle']}" if machine else "does not exist here"
        raise MetadataRefused(
            f"Storage virtual machine {machine_id} {state}.",
            "make an ONTAP file system with one in the isolated network and name it as storageVirtualMachineId.",
        )


def check_names(client: Any, name: str, configuration: Mapping[str, Any]) -> None:
    """Raises `MetadataRefused` unless the volume's name and path are free on its storage virtual machine."""
    machine_id, path = configuration["storageVirtualMachineId"], configuration.get("junctionPath")
    own = [{"Name": "storage-virtual-machine-id", "Values": [machine_id]}]
    for page in client.get_paginator("describe_volumes").paginate(Filters=own):
        for volume in page["Volumes"]:
            taken = {volume["Name"]: name, volume.get("OntapConfiguration", {}).get("JunctionPath"): path}
            for value, wished in taken.items():
                if wished and value == wished:
                    raise MetadataRefused(
                        f"Storage virtual machine {machine_id} has a volume {volume['VolumeId']} at {wished} already.",
                        "delete that volume, or give another Name and junctionPath in the plan's targets.",
                    )
