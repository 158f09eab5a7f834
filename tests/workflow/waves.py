"""Incidents that turn on the plan's waves, the network they restore into, and the pace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.simulation.sdk import Call, ServiceError
from tests.workflow.playing import finding, scenario

if TYPE_CHECKING:
    from local.simulation.story import Story

ANYWHERE = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}


def network(story: Story) -> dict[str, list[str]]:
    """A VPC without gateways whose security group still has the rule that EC2 gives to every new one; its options.

    The group lets out to a service's addresses as well, which is no harm.
    """
    ec2 = story.sim.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    zone = f"{story.sim.region}a"
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.0.0/20", AvailabilityZone=zone)["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="quarantine", Description="Restored things", VpcId=vpc)["GroupId"]
    service = ec2.create_managed_prefix_list(
        PrefixListName="service", MaxEntries=1, AddressFamily="IPv4", Entries=[{"Cidr": "192.0.2.0/24"}]
    )["PrefixList"]["PrefixListId"]
    to_service = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "PrefixListIds": [{"PrefixListId": service}]}
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[to_service])
    return {"subnetIds": [subnet], "securityGroupIds": [group]}


def wave(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "match": [{"types": [kind]}], **more}


@scenario
def open_network(story: Story) -> None:
    """The quarantine's group lets everything out: file systems are held, which halts the wave after them; the others
    go on. Somebody closes the group, and the recovery is resumed."""
    places = network(story)
    story.prepare(
        ("files", "table", "bucket", "volume"),
        waves=[
            wave("files", "EFS", halt={"any": True}),
            wave("volumes", "EBS", after=["files"]),
            wave("tables", "DynamoDB", after=[]),
        ],
        unmatched="leaveOut",
        targets={"defaults": {**places, "availabilityZone": f"{story.sim.region}a"}},
    )
    finding(story)
    story.run_to_end()
    (group,) = places["securityGroupIds"]
    story.sim.client("ec2").revoke_security_group_egress(GroupId=group, IpPermissions=[ANYWHERE])
    story.run_to_end(story.sim.start({"recoveryId": story.recovery()["recoveryId"]}))


@scenario
def throttled(story: Story) -> None:
    """Others use up the account's rate for a while: starts are throttled beyond the SDK's own tries."""
    story.prepare(("volume",) * 6, days=1)
    left = [10]

    def refuse(call: Call) -> None:
        if call.operation == "StartRestoreJob" and left[0]:
            left[0] -= 1
            raise ServiceError("ThrottlingException", "Rate exceeded", 429)

    story.sim.before_call.append(refuse)
    finding(story)
    story.run_to_end()
