"""An incident that meets FSx, DSQL, Timestream, EKS, and types that nobody restores from such a vault."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from local.simulation.world import OWNER, RECOVERY
from tests.workflow.playing import finding, scenario
from tests.workflow.waves import ANYWHERE

if TYPE_CHECKING:
    from local.simulation.story import Story

EVERYBODY: dict[str, Any] = {"Version": "2012-10-17", "Statement": []}
RETENTION = {"MemoryStoreRetentionPeriodInHours": 24, "MagneticStoreRetentionPeriodInDays": 365}


class Account:
    """What one account needs before such resources can be made, or restored, in it."""

    def __init__(self, story: Story, account: str) -> None:
        self._story, self._account = story, account
        ec2 = self.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.30.0.0/16")["Vpc"]["VpcId"]
        zones = enumerate(("a", "c"))
        self.subnets = [
            ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.30.{n}.0/24", AvailabilityZone=f"{story.sim.region}{zone}")[
                "Subnet"
            ]["SubnetId"]
            for n, zone in zones
        ]
        self.group = ec2.create_security_group(GroupName="isolated", Description="isolated", VpcId=vpc)["GroupId"]
        ec2.revoke_security_group_egress(GroupId=self.group, IpPermissions=[ANYWHERE])
        self.key = self.client("kms").create_key()["KeyMetadata"]["Arn"]
        self.directory = self.client("ds").create_microsoft_ad(
            Name="corp.example.com",
            Password="Passw0rd-Passw0rd",
            VpcSettings={"VpcId": vpc, "SubnetIds": self.subnets},
            Edition="Standard",
        )["DirectoryId"]
        system = self.file_system("ONTAP", "OntapConfiguration", DeploymentType="SINGLE_AZ_1", ThroughputCapacity=128)
        machine = self.client("fsx").create_storage_virtual_machine(FileSystemId=system["FileSystemId"], Name="svm")
        self.machine = machine["StorageVirtualMachine"]["StorageVirtualMachineId"]
        self.client("timestream-write").create_database(DatabaseName="plant")
        role = self.client("iam").create_role(RoleName="nodes", AssumeRolePolicyDocument=json.dumps(EVERYBODY))
        self.role = role["Role"]["Arn"]

    def client(self, service: str) -> Any:
        """A client of this account."""
        return self._story.sim.client(service, self._account)

    def file_system(self, kind: str, member: str, **settings: Any) -> dict[str, Any]:
        """An FSx file system of a terabyte or so."""
        made = self.client("fsx").create_file_system(
            FileSystemType=kind, StorageCapacity=1200, SubnetIds=self.subnets[:1], **{member: settings}
        )
        return dict(made["FileSystem"])

    def cluster(self, name: str) -> str:
        """An EKS cluster with nodes; its ARN."""
        network = {"subnetIds": self.subnets, "securityGroupIds": [self.group]}
        made = self.client("eks").create_cluster(name=name, roleArn=self.role, resourcesVpcConfig=network)
        self.client("eks").create_nodegroup(
            clusterName=name, nodegroupName="workers", subnets=self.subnets, nodeRole=self.role
        )
        return str(made["cluster"]["arn"])


def protected(story: Story, owner: Account) -> dict[str, str]:
    """One resource of each type with something in it: ARN by name."""
    volume_settings = {"StorageVirtualMachineId": owner.machine, "SizeInMegabytes": 2048, "JunctionPath": "/home"}
    volume = owner.client("fsx").create_volume(VolumeType="ONTAP", Name="home", OntapConfiguration=volume_settings)
    table = owner.client("timestream-write").create_table(
        DatabaseName="plant", TableName="sensors", RetentionProperties=RETENTION
    )
    windows = {
        "ActiveDirectoryId": owner.directory,
        "DeploymentType": "SINGLE_AZ_2",
        "ThroughputCapacity": 32,
    }
    lustre = {"DeploymentType": "PERSISTENT_2", "PerUnitStorageThroughput": 125}
    openzfs = {"DeploymentType": "SINGLE_AZ_1", "ThroughputCapacity": 64}
    arns = {
        "windows": owner.file_system("WINDOWS", "WindowsConfiguration", **windows)["ResourceARN"],
        "lustre": owner.file_system("LUSTRE", "LustreConfiguration", **lustre)["ResourceARN"],
        "openzfs": owner.file_system("OPENZFS", "OpenZFSConfiguration", **openzfs)["ResourceARN"],
        "ontap": volume["Volume"]["ResourceARN"],
        "dsql": owner.client("dsql").create_cluster()["arn"],
        "timestream": table["Table"]["Arn"],
        "eks": owner.cluster("shop"),
    }
    doors, region = story.sim.aws.doors, story.sim.region
    for name in ("windows", "lustre", "openzfs", "ontap"):
        doors.write_files(OWNER, region, arns[name].rpartition("/")[2], {"docs/a.txt": b"good"})
    doors.write_database(OWNER, region, arns["dsql"].rpartition("/")[2], b"good rows")
    doors.write_files(OWNER, region, "plant/sensors", {"2025-12-31": b"good"})
    storage = {"data": story.volume(), "shared": story.file_system("shared"), "assets": story.bucket("assets")}
    objects = {f"persistentvolumes/{name}": arn.encode() for name, arn in storage.items()}
    doors.write_files(OWNER, region, "shop", {"web/deployments/front": b"replicas: 3", **objects})
    return arns


def targets(story: Story, here: Account) -> dict[str, Any]:
    """The plan's targets for the recovery account."""
    return {
        "types": {
            "FSx": {
                "subnetIds": here.subnets,
                "securityGroupIds": [here.group],
                "kmsKeyId": here.key,
                "activeDirectoryId": here.directory,
                "storageVirtualMachineId": here.machine,
            },
            "DSQL": {"kmsKeyId": here.key},
            "Timestream": {"database": "plant"},
            "EKS": {
                "clusterName": "ready",
                "availabilityZone": f"{story.sim.region}a",
                "kmsKeyId": here.key,
                "bucketPrefix": "restored",
            },
        }
    }


def backed_up(story: Story, *others: str) -> dict[str, Any]:
    """One of each, and others, in a vault, beside points of types that a plan can't restore. The plan's targets."""
    arns = protected(story, Account(story, OWNER))
    here = Account(story, RECOVERY)
    here.cluster("ready")
    here.client("iam").create_role(
        Path="/aws-service-role/dsql.amazonaws.com/",
        RoleName="AWSServiceRoleForAuroraDsql",
        AssumeRolePolicyDocument=json.dumps(EVERYBODY),
    )
    vault = story.vault("production")
    story.back_up(vault, *arns.values(), *others)
    for kind in ("RDS", "Redshift", "FutureType"):
        place = f"arn:aws:{kind.lower()}:{story.sim.region}:{OWNER}:db:shop"
        story.sim.aws.backup.points.place(vault, place, kind)
    story.sim.run(7200)
    return targets(story, here)


@scenario
def second_tier(story: Story) -> None:
    """One of each; beside them points of types that a plan can't restore, which stop nothing."""
    story.make_plan(targets=backed_up(story))
    story.forward_findings()
    finding(story, 0.5)
    story.run_to_end()
