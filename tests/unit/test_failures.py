"""Why a restore failed, and what follows."""

from __future__ import annotations

from typing import Any

import pytest
from airlift.failures import UNKNOWN, Cause, Decision, cause_of, decide

from tests.unit.domain import a_plan

_NO_KEY = "The specified AWS KMS key ARN does not exist, is not enabled or you do not have permissions to access it"
_LINKED = "http://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAM.ServiceLinkedRoles.html"
_RDS_ROLES = f"Please check {_LINKED}"
_ARN = "arn:aws:backup:ap-northeast-1:111122223333:recovery-point:continuous:role-cluster-database"
LINKED, QUOTA, CAPACITY = "service-linked role", ("environment", "quota"), ("environment", "capacity")
POINT, ENVIRONMENT = Cause("point", "point gone", ""), Cause("environment", "quota", "")


@pytest.mark.parametrize(
    ("code", "message", "kind", "name"),
    [
        ("AccessDeniedException", "", "environment", "permission"),
        ("FAILED", "Insufficient privileges to perform this action.", "environment", "permission"),
        ("FAILED", "IAM Role arn:aws:iam::4:role/x cannot be assumed by AWS Backup", "environment", "permission"),
        ("FAILED", "Access denied to KMS key", "environment", "key"),
        ("FAILED", _NO_KEY, "environment", "key"),
        ("FAILED", "A different KMS key must be provided when performing cross-account restore", "environment", "key"),
        ("FAILED", "Access denied performing s3:CreateBucket", "environment", "permission"),
        ("FAILED", "AWSServiceRoleForAuroraDsql does not exist", "environment", "service-linked role"),
        ("InvalidParameterValue", f"Missing necessary credentials. {_RDS_ROLES}", "environment", "service-linked role"),
        (
            "FAILED",
            "Unable to create … permission to create service linked role.",
            "environment",
            "service-linked role",
        ),
        ("FAILED", "No default VPC for this user. GroupName is only supported for …", "environment", "network"),
        ("FAILED", "No subnets found for the default VPC 'vpc-1'. Please specify a subnet.", "environment", "network"),
        ("FAILED", "No default subnet detected in VPC. Please contact AWS Support", "environment", "network"),
        ("FAILED", "DBSubnetGroup airlift not found", "environment", "network"),
        ("FAILED", "RequestLimitExceeded: Rate exceeded", "environment", "quota"),
        ("FAILED", "RestoreTime 2026-01-01T00:00:00Z lies outside the window", "environment", "moment"),
        ("FAILED", "Cluster payments does not exist", "environment", "target missing"),
        ("FAILED", "The option group is associated with a different VPC", "environment", "network"),
        ("FAILED", "Storage virtual machine svm-1 does not exist in this account.", "environment", "target missing"),
        ("FAILED", "Timestream is not supported in this Region", "environment", "not available here"),
        ("FAILED", "DB Cluster already exists: payments", "environment", "name taken"),
        ("FAILED", "The specified KMS key does not exist", "environment", "key"),
        ("LimitExceededException", "Subscriber limit exceeded: 50 restores", "environment", "quota"),
        ("FAILED", "You have too many buckets", "environment", "quota"),
        ("FAILED", "InsufficientInstanceCapacity: insufficient capacity", "environment", "capacity"),
        ("FAILED", "Source AMI ami-1 not found in Region ap-northeast-1", "environment", "AMI not allowed"),
        ("FAILED", "The subnet ID 'subnet-1' does not exist", "environment", "network"),
        ("FAILED", "Recovery point arn:x cannot be found", "point", "point gone"),
        ("FAILED", "The recovery point has expired", "point", "point gone"),
        ("ResourceNotFoundException", "Cannot find recovery point.", "point", "point gone"),
        ("FAILED", "Given key ID is not accessible", "environment", "key"),
        ("InvalidParameterValue", "Missing necessary credentials. Please check " + _LINKED, "environment", LINKED),
        ("FAILED", "Verify that you have permission to create service linked role.", "environment", LINKED),
        ("FAILED", "You have requested more vCPU capacity than your current vCPU limit of 8 allows", *QUOTA),
        ("FAILED", "You have exceeded your maximum gp3 storage limit of 50 TiB in this region", *QUOTA),
        ("TooManyBuckets", "You have attempted to create more buckets than allowed", *QUOTA),
        ("FAILED", "We currently do not have sufficient m5.large capacity in the Availability Zone", *CAPACITY),
        ("InsufficientInstanceCapacity", "", *CAPACITY),
        ("InsufficientDBInstanceCapacity", "", *CAPACITY),
        ("FAILED", "Cannot find version 11.9 for aurora-postgresql", "environment", "engine version"),
        ("FAILED", f"Can't restore recovery point {_ARN}: bucket b does not exist", "environment", "target missing"),
        ("FAILED", "Recovery point: the role of cluster c does not exist", "environment", "target missing"),
        ("FAILED", "Invalid backup vault", "unknown", "unknown"),
        ("FAILED", f"Recovery point {_ARN} has been deleted", "point", "point gone"),
        ("FAILED", f"Recovery point '{_ARN}' has expired", "point", "point gone"),
        ("FAILED", "Invalid snapshot", "point", "point unreadable"),
        ("FAILED", "Malware was found", "point", "point unreadable"),
        ("FAILED", "Table already exists: orders", "environment", "name taken"),
        ("InvalidParameterValueException", "Invalid restore metadata", "environment", "metadata"),
        ("FAILED", "Internal failure", "unknown", "unknown"),
        ("ABORTED", "", "unknown", "unknown"),
    ],
)
def test_the_class_of_a_failure(code: str, message: str, kind: str, name: str) -> None:
    cause = cause_of(code, message)
    assert (cause.kind, cause.name) == (kind, name)
    assert cause.next_step.format(recovery="r-1")


@pytest.mark.parametrize(
    ("message", "names", "name"),
    [
        ("Table already exists: malware-scans-r-20261124-111122223333-ab12-1", ("malware-scans",), "name taken"),
        ("Bucket checksum-0a1b2c-r-1-1 is in another Region", ("a-long-checksum", "r-1"), "metadata"),
        ("Could not create Corrupt.Orders, try again", ("corrupt.orders",), "unknown"),
        ("The recovery point of infected has expired", ("infected",), "point gone"),
        ("Malware was found in malware-scans", ("malware-scans",), "point unreadable"),
        ("Malware was found in m", ("", "m"), "point unreadable"),
        ("Recovery point arn:x cannot be found", ("re", "find"), "point gone"),
        ("Access denied to permission-sets", ("permission-sets",), "permission"),
    ],
)
def test_names_are_no_failure_of_the_points_own(message: str, names: tuple[str, ...], name: str) -> None:
    assert cause_of("FAILED", message, names).name == name


@pytest.mark.parametrize(
    ("cause", "failures", "older", "retries", "decision"),
    [
        (POINT, 1, 2, {}, Decision("nextPoint")),
        (POINT, 1, 0, {}, Decision("fail")),
        (ENVIRONMENT, 1, 5, {}, Decision("again", 60)),
        (ENVIRONMENT, 2, 5, {}, Decision("again", 120)),
        (ENVIRONMENT, 3, 5, {}, Decision("again", 240)),
        (ENVIRONMENT, 4, 5, {}, Decision("hold")),
        (ENVIRONMENT, 1, 5, {"environmentRetries": 0}, Decision("hold")),
        (ENVIRONMENT, 9, 0, {"environmentRetries": 10}, Decision("again", 3600)),
        (UNKNOWN, 1, 5, {"backOffSeconds": 7}, Decision("again", 7)),
        (UNKNOWN, 2, 5, {}, Decision("hold")),
        (UNKNOWN, 2, 5, {"unknownFailure": "nextPoint"}, Decision("nextPoint")),
        (UNKNOWN, 2, 0, {"unknownFailure": "nextPoint"}, Decision("hold")),
    ],
)
def test_what_follows(cause: Cause, failures: int, older: int, retries: Any, decision: Decision) -> None:
    assert decide(cause, failures, older, a_plan(retries=retries).retries) == decision


def test_an_environments_error_never_moves_to_an_older_point() -> None:
    retries = a_plan(retries={"unknownFailure": "nextPoint"}).retries
    assert {decide(ENVIRONMENT, n, 5, retries).do for n in range(1, 20)} == {"again", "hold"}
