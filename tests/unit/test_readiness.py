"""What can be known before anybody is asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from airlift.errors import AirliftError
from airlift.ledger import again_key, keyed, vault_key
from airlift.preparing import check_readiness
from airlift.values import stamp

from tests.unit.domain import (
    ACCOUNT,
    NOW,
    RECOVERY_ID,
    SECOND_VAULT,
    VAULT,
    ago,
    an_item,
    refused,
    table_arn,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from airlift.vaults import VaultWork

    from tests.unit.domain import Services

    Make = Callable[..., VaultWork]

TEAM = "arn:aws:mpa:us-east-1:999900001111:approval-team/security"
GOOD_TEAM = {
    "Status": "ACTIVE",
    "NumberOfApprovers": 3,
    "ApprovalStrategy": {"MofN": {"MinApprovalsRequired": 2}},
}
ACCOUNTS = [{"id": ACCOUNT, "vaults": [{"arn": VAULT, "approvalTeamArn": TEAM}, {"arn": SECOND_VAULT}]}]
BACKUP = {"Service": "backup.amazonaws.com"}
TRUST = {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": BACKUP}]}
ROLES = ("role", "service_role")
REFILL = "StateTransition throttle token refill rate per second"
NO_NETWORK: dict[str, Any] = {"SecurityGroups": []}


def stands(services: Services, **changed: Any) -> None:
    """All is ready, but for what is changed: the source vault, the team, the restore role, what IAM decides …"""
    told: dict[str, Any] = {
        "vault": {"VaultType": "LOGICALLY_AIR_GAPPED_BACKUP_VAULT", "MpaApprovalTeamArn": TEAM},
        "team": GOOD_TEAM,
        "decision": "allowed",
        "role": {"Role": {"AssumeRolePolicyDocument": TRUST}},
        "service_role": {"Role": {}},
        "groups": NO_NETWORK,
        "images": {"State": "disabled"},
        "opted_in": {"DynamoDB": True},
        "access_vaults": [],
        "concurrency": 1000,
        "transitions": 800,
    } | changed
    services.play(
        "backup",
        describe_backup_vault=lambda BackupVaultName, **_: (  # noqa: N803
            told["vault"] if BackupVaultName in VAULT + SECOND_VAULT else told["access_vaults"][0]
        ),
        list_backup_vaults={"BackupVaultList": told["access_vaults"]},
        list_tags={"Tags": {"airlift:recovery": "drill-20261101-111122223333-0a1b"}},
        describe_region_settings={"ResourceTypeOptInPreference": told["opted_in"]},
    )
    mpa = services.play("mpa", get_approval_team=told["team"])
    if isinstance(told["team"], str):
        mpa.answers["get_approval_team"] = mpa.error(told["team"])
    decision = told["decision"]
    results = {"EvaluationResults": [{"EvalDecision": decision}]}
    iam = services.play(
        "iam",
        simulate_principal_policy=decision if isinstance(decision, Exception) else results,
    )
    roles = {name: iam.error("NoSuchEntityException") if told[name] is None else told[name] for name in ROLES}
    iam.answers["get_role"] = lambda RoleName: roles["role" if "airlift" in RoleName else "service_role"]  # noqa: N803
    zones = {"AvailabilityZones": [{"ZoneName": "ap-northeast-1a"}]}
    services.play(
        "ec2",
        describe_security_groups=told["groups"],
        describe_subnets={"Subnets": []},
        describe_route_tables={"RouteTables": []},
        describe_availability_zones=zones,
        get_allowed_images_settings=told["images"],
    )
    limit = {"UnreservedConcurrentExecutions": told["concurrency"]}
    services.play("lambda", get_account_settings={"AccountLimit": limit})
    services.play(
        "service-quotas", list_service_quotas={"Quotas": [{"QuotaName": REFILL, "Value": told["transitions"]}]}
    )


OPEN_VAULT = {
    "BackupVaultName": "left",
    "BackupVaultArn": VAULT.replace(ACCOUNT, "444455556666"),
    "SourceBackupVaultArn": VAULT,
    "VaultState": "AVAILABLE",
}
OPEN_GROUP = {
    "GroupId": "sg-1",
    "GroupName": "quarantine",
    "VpcId": "vpc-1",
    "IpPermissionsEgress": [{"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}],
}


def checked(work: VaultWork) -> list[str]:
    return [v["sourceBackupVaultArn"] for v in check_readiness(work.ledger, work.holder, RECOVERY_ID)]


def record(work: VaultWork, arn: str = VAULT) -> dict[str, Any]:
    return work.ledger.get(vault_key(RECOVERY_ID, arn)) or {}


def test_vaults_worth_asking_for_get_an_execution_of_their_own(work: Make, services: Services) -> None:
    stands(services)
    w = work(recovery={"vaults": [VAULT, SECOND_VAULT]}, accounts=ACCOUNTS)
    found = check_readiness(w.ledger, w.holder, RECOVERY_ID)
    assert [v["sourceBackupVaultArn"] for v in found] == [VAULT, SECOND_VAULT]
    names = [v["executionName"] for v in found]
    assert len(set(names)) == 2
    assert all(len(name) <= 80 for name in names)
    assert (record(w, SECOND_VAULT)["order"], record(w, SECOND_VAULT)["state"]) == (1, "WAITING")
    assert check_readiness(w.ledger, w.holder, RECOVERY_ID) == found


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"vault": {"VaultType": "BACKUP_VAULT"}}, "VaultNotAirGapped"),
        ({"team": "ResourceNotFoundException"}, "ApprovalTeamUnreachable"),
        ({"team": GOOD_TEAM | {"Status": "PENDING"}}, "ApprovalTeamUnreachable"),
        ({"team": GOOD_TEAM | {"NumberOfApprovers": 1}}, "ApprovalTeamUnreachable"),
        ({"decision": "explicitDeny"}, "RequesterLacksPermission"),
        ({"decision": "implicitDeny"}, "RequesterLacksPermission"),
    ],
)
def test_what_makes_the_request_pointless_is_its_vaults_ending_before_anybody_is_asked(
    work: Make, services: Services, changed: Any, error: str
) -> None:
    stands(services, **changed)
    w = work(accounts=ACCOUNTS)
    with pytest.raises(AirliftError) as caught:
        checked(w)
    assert caught.value.name == error
    assert caught.value.remedy
    assert (record(w)["state"], record(w)["ending"]["name"]) == ("ENDED", error)
    assert any(text.startswith("Blocked: ") for text in texts(w.ledger))


def test_a_blocked_vault_costs_no_other_its_turn(work: Make, services: Services) -> None:
    stands(services, team=GOOD_TEAM | {"Status": "PENDING"})
    w = work(recovery={"vaults": [VAULT, SECOND_VAULT]}, accounts=ACCOUNTS)
    assert checked(w) == [SECOND_VAULT]
    assert record(w)["ending"]["name"] == "ApprovalTeamUnreachable"


@pytest.mark.parametrize(
    ("changed", "warned"),
    [
        ({"vault": refused("AccessDeniedException")}, False),
        ({"team": refused("AccessDeniedException", "not shared")}, True),
        ({"decision": refused("AccessDenied")}, True),
    ],
)
def test_what_can_not_be_checked_blocks_nothing(work: Make, services: Services, changed: Any, warned: bool) -> None:
    stands(services, **changed)
    w = work(accounts=ACCOUNTS)
    assert checked(w) == [VAULT]
    assert any("Warning: " in text for text in texts(w.ledger)) is warned


def test_a_vault_that_left_the_plan_is_an_ending_by_name(work: Make, services: Services) -> None:
    stands(services)
    w = work(recovery={"vaults": [VAULT + "-other", VAULT]})
    assert checked(w) == [VAULT]
    assert record(w, VAULT + "-other")["ending"]["name"] == "VaultNotInPlan"


ENDED = {"name": "VaultRecovered", "cause": "", "at": stamp(NOW)}


def test_a_recovered_vault_is_asked_for_again_only_if_a_resource_of_it_is_wanted_again(
    work: Make, services: Services
) -> None:
    stands(services)
    wish = keyed(again_key(RECOVERY_ID, table_arn("orders")), resourceArn=table_arn("orders"), at=stamp(NOW))
    ended = {"ending": ENDED, "state": "ENDED"}
    assert checked(work(vault=ended)) == []
    assert checked(work(an_item("orders"), wish | {"takenAt": stamp(NOW)}, vault=ended)) == []
    assert checked(work(an_item("orders"), wish, vault=ended)) == [VAULT]


@pytest.mark.parametrize(("selected_at", "state"), [(stamp(NOW), "RESTORING"), (None, "WAITING")])
def test_a_vault_that_ended_otherwise_starts_over_where_it_stood(
    work: Make, services: Services, selected_at: str | None, state: str
) -> None:
    stands(services)
    failed = ENDED | {"name": "ApprovalExpired"}
    w = work(vault={"ending": failed, "state": "ENDED", "selectedAt": selected_at, "rounds": 2000})
    assert checked(w) == [VAULT]
    assert (record(w)["state"], record(w)["rounds"]) == (state, 0)
    assert "ending" not in record(w)


EFS_PLAN = {"types": {"EFS": {"securityGroupIds": ["sg-1"]}}}
NO_APPROVER_LEFT = GOOD_TEAM | {"NumberOfApprovers": 2}
LONG_AGO = ago(days=91)
APPROVERS = [{"PrimaryIdentityId": who, "PrimaryIdentityStatus": "ACCEPTED", "LastActivityTime": NOW} for who in "abc"]


def with_approver(**changed: Any) -> dict[str, Any]:
    return GOOD_TEAM | {"Approvers": [*APPROVERS, APPROVERS[0] | {"PrimaryIdentityId": "dan"} | changed]}


ONLY_THIS: list[tuple[dict[str, Any], str]] = [
    ({"team": NO_APPROVER_LEFT}, "Warning: Approval team .* nobody may be absent"),
    ({"team": with_approver(PrimaryIdentityStatus="INVALID")}, "Warning: Not all approvers .* 1 INVALID"),
    ({"team": with_approver(LastActivityTime=LONG_AGO)}, "Warning: Approvers .* not heard of for 90 days: dan"),
    ({"vault": {"MpaApprovalTeamArn": TEAM + "2"}}, "Warning: The vault has the approval team .*2, and the plan says"),
    ({"vault": {}}, "Warning: The vault shows no approval team"),
    (
        {"vault": {"MpaApprovalTeamArn": TEAM, "EncryptionKeyArn": f"arn:aws:kms:r:{ACCOUNT}:key/1"}},
        "Warning: The vault's key .* lies in the protected account",
    ),
    ({"access_vaults": [OPEN_VAULT]}, "Warning: A restore-access vault is there already: left, AVAILABLE, of drill-"),
    ({"service_role": None}, "Warning: The service-linked role AWSServiceRoleForBackup is not there"),
    ({"role": None}, "Held back .all types.: The restore role .* is gone"),
    (
        {"role": {"Role": {"AssumeRolePolicyDocument": {"Statement": []}}}},
        "Held back .all types.: The restore role .* does not trust backup.amazonaws.com",
    ),
    ({"images": {"State": "enabled"}}, "Held back .EC2, VirtualMachine.: EC2's Allowed AMIs .* aws-backup-vault"),
    ({"opted_in": {"EFS": False, "RDS": False}}, "Warning: AWS Backup is not switched on .* for EFS"),
    ({"concurrency": 10}, "Warning: Lambda runs 10 functions at once here"),
    ({"transitions": 10}, "Warning: Step Functions makes 10 transitions a second"),
    ({"groups": {"SecurityGroups": [OPEN_GROUP]}}, "Held back .EFS.: Security group sg-1 lets traffic out"),
    ({"groups": NO_NETWORK}, "Held back .EFS.: sg-1 can't be found"),
    ({}, ""),
]


@pytest.mark.parametrize(("changed", "words"), ONLY_THIS)
def test_what_does_not_block_is_told_alone_and_keeps_nobody_from_asking(
    work: Make, services: Services, changed: dict[str, Any], words: str
) -> None:
    closed = OPEN_GROUP | {"IpPermissionsEgress": []}
    stands(services, **({"groups": {"SecurityGroups": [closed]}} | changed))
    w = work(accounts=ACCOUNTS, targets=EFS_PLAN)
    assert checked(w) == [VAULT]
    told = {text.partition(" Next step: ")[0] for text in texts(w.ledger)}
    assert len(told) == (1 if words else 0), told
    assert not words or re.match(words, told.pop())


def test_an_operator_overrides_what_blocks_with_a_reason(work: Make, services: Services) -> None:
    stands(services, decision="explicitDeny")
    assert checked(work(accounts=ACCOUNTS, recovery={"overrideReadiness": "the simulator is wrong"})) == [VAULT]


def test_a_network_that_can_not_be_looked_at_is_told_by_both_checks(work: Make, services: Services) -> None:
    stands(services, groups=refused("UnauthorizedOperation"))
    w = work(accounts=ACCOUNTS, targets=EFS_PLAN)
    assert checked(w) == [VAULT]
    told = [text.partition(":")[2].partition("read:")[0].partition("at:")[0] for text in texts(w.ledger)]
    looked = " What subnets and security groups there are can't be looked "
    assert sorted(told) == [" Not checked, since it can't be ", looked]


def test_an_open_network_is_not_told_as_overridden_as_it_can_not_be(work: Make, services: Services) -> None:
    stands(services, groups={"SecurityGroups": [OPEN_GROUP]}, role=None)
    w = work(accounts=ACCOUNTS, targets=EFS_PLAN, recovery={"overrideReadiness": "all is mended"})
    assert checked(w) == [VAULT]
    told = {text.partition(":")[0]: "Overridden: all is mended." in text for text in texts(w.ledger)}
    assert told == {"Held back (EFS)": False, "Held back (all types)": True}


def test_a_key_that_can_not_be_read_hides_nothing_else(work: Make, services: Services) -> None:
    stands(services, groups=NO_NETWORK)
    secret, gone = (f"arn:aws:kms:ap-northeast-1:444455556666:key/{n}" for n in "12")
    services.play(
        "kms",
        describe_key=lambda KeyId: refused("AccessDeniedException" if KeyId == secret else "NotFoundException"),  # noqa: N803
    )
    keys = {"types": {"DynamoDB": {"kmsKeyId": secret}, "S3": {"kmsKeyId": gone}} | EFS_PLAN["types"]}
    w = work(accounts=ACCOUNTS, targets=keys)
    assert checked(w) == [VAULT]
    told = [text.partition(" Next step: ")[0] for text in texts(w.ledger)]
    assert [text.partition(" (An ")[0] for text in told if secret in text] == [told[-1]]
    assert told[-1].startswith(f"Warning: Key {secret} can't be looked at: ")
    assert any(text.startswith("Held back (EFS): sg-1 can't be found") for text in told)
    assert any(text.startswith(f"Held back (S3): Key {gone}: it does not exist") for text in told)


def test_however_much_a_large_plan_lacks_people_are_asked_all_the_same(work: Make, services: Services) -> None:
    """One transaction takes a hundred records."""
    stands(services)
    services.play("kms", describe_key=refused("NotFoundException"))
    keys = [{"arn": table_arn(f"t{n}"), "kmsKeyId": f"arn:aws:kms:x:444455556666:key/{n}"} for n in range(120)]
    w = work(accounts=ACCOUNTS, targets={"resources": keys})
    assert checked(w) == [VAULT]
    assert sum("does not exist" in text for text in texts(w.ledger)) == 120


def test_a_key_of_another_account_is_warned_of(work: Make, services: Services) -> None:
    stands(services)
    services.play("kms", describe_key={"KeyMetadata": {"KeyState": "Enabled"}})
    key = "arn:aws:kms:ap-northeast-1:777788889999:key/1"
    w = work(accounts=ACCOUNTS, targets={"types": {"DynamoDB": {"kmsKeyId": key}}})
    assert checked(w) == [VAULT]
    (told,) = texts(w.ledger)
    assert told.startswith(f"Warning: Key {key} lies in another account.")
