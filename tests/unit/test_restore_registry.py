"""The registry of families, and how metadata is put together."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from airlift.errors import MetadataRefused
from airlift.restore import FAMILIES, NOT_HELD, family_of, nearest_key
from airlift.restore.common import airlift_tags, assemble, resource_id
from airlift.restore.ebs import Ebs
from airlift.restore.efs import Efs
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.restoring import RECOVERY_ID, REPEATABLE, a_point, a_target

if TYPE_CHECKING:
    from airlift.restore.base import Family

SOURCES = {
    "Aurora": "arn:aws:rds:ap-northeast-1:111122223333:cluster:orders",
    "Aurora DSQL": "arn:aws:dsql:ap-northeast-1:111122223333:cluster/abcdefghijklmnopqrstuvwxyz",
    "DSQL": "arn:aws:dsql:ap-northeast-1:111122223333:cluster/abcdefghijklmnopqrstuvwxyz",
    "DocumentDB": "arn:aws:rds:ap-northeast-1:111122223333:cluster:catalogue",
    "Neptune": "arn:aws:rds:ap-northeast-1:111122223333:cluster:relations",
    "Timestream": "arn:aws:timestream:ap-northeast-1:111122223333:database/telemetry/table/readings",
    "DynamoDB": "arn:aws:dynamodb:ap-northeast-1:111122223333:table/orders",
    "S3": "arn:aws:s3:::orders-documents",
    "EBS": "arn:aws:ec2:ap-northeast-1:111122223333:volume/vol-0a1b2c3d4e5f60718",
    "EC2": "arn:aws:ec2:ap-northeast-1:111122223333:instance/i-0a1b2c3d4e5f60718",
    "EFS": "arn:aws:elasticfilesystem:ap-northeast-1:111122223333:file-system/fs-0a1b2c3d4e5f60718",
    "EKS": "arn:aws:eks:ap-northeast-1:111122223333:cluster/shop",
    "FSx": "arn:aws:fsx:ap-northeast-1:111122223333:file-system/fs-0a1b2c3d4e5f60718",
    "Storage Gateway": "arn:aws:storagegateway:ap-northeast-1:111122223333:gateway/sgw-1A2B3C4D/volume/vol-1A2B3C4D",
    "VirtualMachine": "arn:aws:backup-gateway:ap-northeast-1:111122223333:vm/vm-0A1B2C3D4E5F60718",
}
NEEDS = {
    "Aurora": "engine",
    "DocumentDB": "DB subnet group",
    "Neptune": "DB subnet group",
    "Timestream": "keeps its data",
    "EBS": "Availability Zone",
    "EC2": "subnetIds",
    "EKS": "clusterName",
    "FSx": "fileSystemType",
    "Storage Gateway": "Availability Zone",
    "VirtualMachine": "subnetIds",
}
"""What a restore of the type can't do without, in the words of its refusal."""
OPTIONS: dict[str, Any] = {
    "clusterName": "spare",
    "database": "recovered",
    "fileSystemType": "LUSTRE",
    "availabilityZone": "apne1-az1",
    "subnetIds": ["subnet-1", "subnet-2"],
    "securityGroupIds": ["sg-1"],
}
METADATA: dict[str, dict[str, Any]] = {
    "Aurora": {"engine": "aurora-mysql"},
    "Timestream": {"MemoryStoreRetentionPeriodInHours": 24, "MagneticStoreRetentionPeriodInDays": 365},
    "VirtualMachine": {"InstanceType": "m7i.large"},
}
CHECKED = {
    "BlockDeviceMappings",
    "engine",
    "IamInstanceProfileName",
    "Name",
    "nestedRestoreJobs",
    "newCluster",
    "newFileSystem",
    "RestoreTime",
    "RestoreTo",
    "SubnetIds",
}
"""Keys whose values a family looks at."""


def test_each_type_has_one_family_found_without_regard_to_case() -> None:
    types = [kind for family in FAMILIES for kind in family.resource_types]
    assert sorted(types) == sorted(SOURCES)
    for family in FAMILIES:
        for kind in family.resource_types:
            assert family_of(kind) is family_of(kind.upper()) is family
    assert family_of("Quantum Ledger") is None


def test_types_that_a_vault_never_holds_have_no_family() -> None:
    assert {"RDS", "Redshift", "CloudFormation", "SAP HANA on Amazon EC2"} <= set(NOT_HELD)
    assert not [kind for kind in NOT_HELD if family_of(kind)]


def test_the_tag_flag_is_only_for_types_whose_jobs_take_it() -> None:
    assert {f.resource_types[0]: f.copies_source_tags for f in FAMILIES} == {
        "Aurora": True,
        "Aurora DSQL": True,
        "DocumentDB": True,
        "DynamoDB": False,
        "Neptune": True,
        "S3": False,
        "Timestream": False,
        "EBS": True,
        "EC2": True,
        "EFS": True,
        "EKS": False,
        "FSx": True,
        "VirtualMachine": False,
    }


@pytest.mark.parametrize(
    ("kind", "key", "nearest"),
    [
        ("EBS", "AvailabilityZone", "availabilityZone"),
        ("ebs", "availabiltyZone", "availabilityZone"),
        ("EFS", "fileSystemId", "file-system-id"),
        ("DynamoDB", "tableName", "targetTableName"),
        ("S3", "DestinationBucket", "DestinationBucketName"),
        ("S3", "NewBucket", None),
        ("DynamoDB", "テーブル", None),
        ("RDS", "dbName", None),
    ],
)
def test_nearest_key(kind: str, key: str, nearest: str | None) -> None:
    assert nearest_key(kind, key) == nearest


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: str(family.resource_types[0]))
def test_a_right_key_is_its_own_nearest(family: Family) -> None:
    kind = family.resource_types[0]
    for key in family.accepted_keys:
        assert nearest_key(kind, key) == nearest_key(kind, key.upper()) == key


def test_layers_are_merged_without_regard_to_case_and_emitted_as_documented() -> None:
    merged = assemble(Ebs(), {"volumeType": "gp2", "iops": 3000, "encrypted": True}, {"VOLUMETYPE": "gp3"})
    assert merged == {"volumeType": "gp3", "iops": "3000", "encrypted": "true"}


def test_none_says_nothing_and_nested_values_become_compact_json() -> None:
    items = ["/帳票/2026", "/a b"]
    merged = assemble(Efs(), {"KmsKeyId": "k", "ItemsToRestore": items}, {"KmsKeyId": None})
    assert merged["KmsKeyId"] == "k"
    assert json.loads(merged["ItemsToRestore"]) == items
    assert ", " not in merged["ItemsToRestore"]


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("key", ["aws:backup:request-id", "NewBucket", "volumeId", "originalTableName"])
def test_a_key_that_the_type_does_not_take_is_refused(kind: str, key: str) -> None:
    family = family_of(kind)
    assert family is not None
    with pytest.raises(MetadataRefused) as caught:
        family.metadata(a_point(SOURCES[kind], kind), a_target(metadata={key: "x"}, **OPTIONS))
    assert key in caught.value.what
    assert kind in caught.value.what


def test_a_refusal_names_the_nearest_right_key() -> None:
    with pytest.raises(MetadataRefused, match="write 'volumeType'"):
        assemble(Ebs(), {"volumType": "gp3"})
    with pytest.raises(MetadataRefused, match="use one of availabilityZone, encrypted"):
        assemble(Ebs(), {"zzz": "gp3"})


@pytest.mark.parametrize("kind", SOURCES)
@REPEATABLE
@given(keys=st.data())
def test_metadata_is_whitelisted_strings_whatever_the_spelling(kind: str, keys: st.DataObject) -> None:
    family = family_of(kind)
    assert family is not None
    taken = sorted(family.accepted_keys - CHECKED - family.nested_keys.keys())
    chosen = keys.draw(st.dictionaries(st.sampled_from(taken), st.text(min_size=1)))
    plan = {keys.draw(st.sampled_from([key, key.upper(), key.lower()])): value for key, value in chosen.items()}
    target = a_target(metadata=METADATA.get(kind, {}) | plan, **OPTIONS)
    metadata = family.metadata(a_point(SOURCES[kind], kind), target)
    assert set(metadata) <= family.accepted_keys
    assert {key: metadata[key] for key in chosen} == chosen
    assert metadata == family.metadata(a_point(SOURCES[kind], kind), target)


@pytest.mark.parametrize("kind", SOURCES)
def test_a_plan_without_settings_gives_all_that_the_type_needs_or_says_what_is_missing(kind: str) -> None:
    family = family_of(kind)
    assert family is not None
    point = a_point(SOURCES[kind], kind)
    if kind in NEEDS:
        with pytest.raises(MetadataRefused, match=NEEDS[kind]):
            family.metadata(point, a_target())
    else:
        assert family.metadata(point, a_target())


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        (SOURCES["DynamoDB"], "orders"),
        (SOURCES["S3"], "orders-documents"),
        (SOURCES["EBS"], "vol-0a1b2c3d4e5f60718"),
        (SOURCES["EFS"], "fs-0a1b2c3d4e5f60718"),
    ],
)
def test_resource_id(arn: str, expected: str) -> None:
    assert resource_id(arn) == expected


def test_tags_name_the_recovery_and_the_source_within_the_length_of_a_tag() -> None:
    longest = "arn:aws:dynamodb:ap-northeast-1:111122223333:table/" + "t" * 255
    tags = airlift_tags(a_point(longest, "DynamoDB"), a_target())
    assert tags["airlift:recovery"] == RECOVERY_ID
    assert tags["airlift:source"] == longest[:256]


def test_tags_of_the_plan_win_over_the_sources_and_airlifts_over_both() -> None:
    source = {"backup": "daily", "stage": "production", "aws:cloudformation:stack-name": "x", "airlift:recovery": "no"}
    point = replace(a_point(SOURCES["DynamoDB"], "DynamoDB"), tags=source)
    assert airlift_tags(point, a_target(tags={"stage": "recovery", "airlift:source": "no"})) == {
        "airlift:recovery": RECOVERY_ID,
        "airlift:source": SOURCES["DynamoDB"],
        "stage": "recovery",
        "backup": "daily",
    }


def test_a_resource_never_gets_more_tags_than_it_takes() -> None:
    point = replace(a_point(SOURCES["S3"], "S3"), tags={f"t{i:02}": "x" for i in range(50)})
    tags = airlift_tags(point, a_target(tags={"owner": "recovery"}))
    assert len(tags) == 50
    assert tags["owner"] == "recovery"
    assert list(tags)[:2] == ["airlift:recovery", "airlift:source"]
