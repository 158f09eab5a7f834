"""What the plan's checker promises: no plan that passes makes a recovery stumble, and no document breaks it."""

from __future__ import annotations

from datetime import UTC, datetime
from fnmatch import fnmatchcase
from itertools import product
from typing import TYPE_CHECKING, Any

from airlift.errors import MetadataRefused
from airlift.plan import Plan
from airlift.plan_check import check, what_is_not_covered
from airlift.plan_check_resources import SHAPES, may_meet
from airlift.plan_check_targets import RESTORABLE, lacking, spoken_of
from airlift.restore import FAMILIES
from airlift.restore.base import RecoveryPoint
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.test_plan import json_values
from tests.unit.test_plan_check import REGION, plan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airlift.documents import Problem

SOME = settings(max_examples=100, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
OWNER = "111122223333"
ARNS = {
    "DynamoDB": f"arn:aws:dynamodb:{REGION}:{OWNER}:table/orders",
    "S3": "arn:aws:s3:::orders",
    "EBS": f"arn:aws:ec2:{REGION}:{OWNER}:volume/vol-1",
    "EC2": f"arn:aws:ec2:{REGION}:{OWNER}:instance/i-1",
    "Storage Gateway": f"arn:aws:storagegateway:{REGION}:{OWNER}:gateway/sgw-1/volume/vol-1",
    "VirtualMachine": f"arn:aws:backup-gateway:{REGION}:{OWNER}:vm/vm-1",
    "EFS": f"arn:aws:elasticfilesystem:{REGION}:{OWNER}:file-system/fs-1",
    "Aurora": f"arn:aws:rds:{REGION}:{OWNER}:cluster:orders",
    "DocumentDB": f"arn:aws:rds:{REGION}:{OWNER}:cluster:orders",
    "Neptune": f"arn:aws:rds:{REGION}:{OWNER}:cluster:orders",
    "Aurora DSQL": f"arn:aws:dsql:{REGION}:{OWNER}:cluster/orders",
    "DSQL": f"arn:aws:dsql:{REGION}:{OWNER}:cluster/orders",
    "Timestream": f"arn:aws:timestream:{REGION}:{OWNER}:database/d/table/orders",
    "FSx": f"arn:aws:fsx:{REGION}:{OWNER}:file-system/fs-1",
    "EKS": f"arn:aws:eks:{REGION}:{OWNER}:cluster/orders",
}
"""A source's ARN of each type."""

words = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=12)
kinds = st.sampled_from([*RESTORABLE, "E*", "*", "RDS"])
names = st.sampled_from(["data", "storage", "rest", "web"])
patterns = st.lists(st.one_of(st.sampled_from(["*", "orders*", "[a-", "?rders"]), words), min_size=1, max_size=2)
matchers = st.fixed_dictionaries(
    {"types": st.lists(kinds, min_size=1, max_size=3)}, optional={"names": patterns, "arns": patterns}
)
halts = st.one_of(
    st.just({"any": True}),
    st.fixed_dictionaries({"share": st.floats(0.01, 1)}),
    st.fixed_dictionaries({"resources": st.lists(matchers, min_size=1, max_size=2)}),
)
waves = st.lists(
    st.fixed_dictionaries(
        {"name": names, "match": st.lists(matchers, min_size=1, max_size=2)},
        optional={
            "priority": st.lists(matchers, max_size=2),
            "after": st.lists(names, max_size=2),
            "halt": halts,
            "pauseBefore": st.booleans(),
        },
    ),
    max_size=4,
    unique_by=lambda wave: str(wave["name"]),
)
NETWORK: dict[str, Any] = {
    "availabilityZones": [f"{REGION}a"],
    "subnetIds": ["subnet-1", "subnet-2"],
    "securityGroupIds": ["sg-1"],
}
NEEDED: dict[str, Any] = {
    "EKS": {"clusterName": "spare"},
    "FSx": {"activeDirectoryId": "d-1", "storageVirtualMachineId": "svm-1"},
    "Timestream": {"database": "spare"},
    "VirtualMachine": {"metadata": {"InstanceType": "t3.small"}},
}
subnets = st.lists(st.sampled_from(["subnet-1", "subnet-2", "subnet-3"]), max_size=3)
OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "availabilityZone": st.just(f"{REGION}a"),
    "availabilityZones": st.lists(st.sampled_from([f"{REGION}a", f"{REGION}c"]), max_size=2),
    "copySourceTags": st.booleans(),
    "deletionProtection": st.booleans(),
    "instances": st.integers(0, 3),
    "pointInTimeRecovery": st.booleans(),
    "securityGroupIds": st.lists(st.just("sg-1"), max_size=1),
    "serverlessV2ScalingConfiguration": st.fixed_dictionaries({"MinCapacity": st.just(1), "MaxCapacity": st.just(2.5)}),
    "subnetIds": subnets,
    "tags": st.dictionaries(words, words, max_size=2),
    "validationFunction": st.just("airlift-validate-orders"),
}
KEYS = {kind: (sorted(f.accepted_keys), sorted(f.option_keys)) for f in FAMILIES for kind in f.resource_types}
NESTED = {key: sorted(inner) for family in FAMILIES for key, inner in family.nested_keys.items()}


def metadata(keys: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    def value(key: str) -> st.SearchStrategy[Any]:
        inner = st.dictionaries(st.sampled_from(NESTED[key]), words, max_size=2) if key in NESTED else words
        plain: list[Any] = [None, True, "true", 7, "{}", "[]", '["subnet-1"]', "subnet-1", [], {}]
        return st.one_of(st.sampled_from(plain), words, inner, st.lists(inner, max_size=2))

    if not keys:
        return st.just({})
    return st.sampled_from(keys).flatmap(lambda key: st.fixed_dictionaries({key: value(key)}))


def settings_of(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    keys, options = KEYS[kind]
    known = {option: OPTIONS.get(option, words) for option in options}
    nullable = {option: st.one_of(values, st.none()) for option, values in known.items()}
    return st.builds(
        lambda chosen, given_: chosen | ({"metadata": given_} if given_ else {}),
        st.fixed_dictionaries({}, optional=nullable),
        st.one_of(st.just({}), metadata(keys)),
    )


def patterns_of(kind: str) -> st.SearchStrategy[str]:
    arn = ARNS[kind]
    return st.sampled_from([arn, arn, f"{arn[:-1]}*", f"{arn.split(':', 3)[0]}:aws:{arn.split(':')[2]}:*", "*"])


one_type = st.sampled_from(RESTORABLE).flatmap(lambda kind: st.tuples(st.just(kind), settings_of(kind)))
one_resource = st.sampled_from(RESTORABLE).flatmap(
    lambda kind: st.builds(lambda arn, given_: {"arn": arn} | given_, patterns_of(kind), settings_of(kind))
)
network = {name: OPTIONS[name] for name in (*NETWORK, "tags")}
targets = st.fixed_dictionaries(
    {
        "defaults": st.one_of(st.just(NETWORK), st.fixed_dictionaries({}, optional=network)),
        "types": st.builds(
            lambda base, more: base | dict(more), st.sampled_from([{}, NEEDED]), st.lists(one_type, max_size=2)
        ),
        "resources": st.lists(one_resource, max_size=2),
    }
)
documents = st.builds(
    lambda **fields: plan(**fields),
    waves=waves,
    targets=targets,
    limits=st.dictionaries(st.sampled_from(RESTORABLE), st.integers(1, 9), max_size=2),
    exclude=st.lists(matchers, max_size=1),
    unmatched=st.sampled_from(["last", "leaveOut"]),
    points=st.fixed_dictionaries({}, optional={"marginMinutes": st.integers(0, 90)}),
)


def told_of(problems: list[Problem], kind: str, read: Plan) -> bool:
    """Whether a warning about the type or its resource, or else what the plan doesn't cover, says what is lacking."""
    of_type = any(problem.path[:3] == ("targets", "types", kind) for problem in problems)
    entries = [i for i, entry in enumerate(read.targets.resources) if fnmatchcase(ARNS[kind], entry.arn)]
    of_resource = any(problem.path[:3] == ("targets", "resources", i) for problem in problems for i in entries)
    not_covered = not spoken_of(read, kind) and any(kind == one for one, _ in lacking(read))
    return of_type or of_resource or not_covered


def sent(read: Plan, kind: str, example: Mapping[str, str]) -> dict[str, str] | None:
    """The metadata of a restore under this plan; None if its family refuses it."""
    arn = ARNS[kind]
    target = read.target(kind, arn, recovery_id="r-1", account="444455556666", region=REGION, attempt=1)
    point = RecoveryPoint("arn:p", arn, kind, datetime(2026, 1, 1, tzinfo=UTC), restore_metadata=example)
    try:
        return next(f for f in FAMILIES if kind in f.resource_types).metadata(point, target)
    except MetadataRefused:
        return None


@SOME
@given(documents)
def test_a_plan_that_passes_never_makes_a_recovery_stumble(document: dict[str, Any]) -> None:
    problems = check(document, region=REGION)
    if any(problem.severity == "error" for problem in problems):
        return
    read = Plan.from_document(document)
    what_is_not_covered(read)
    for index in range(len(read.waves) + 1):
        assert index not in read.before(index)
        wave = read.wave(index)
        read.objectives_of(index)
        assert wave.halt is None or wave.halt.met(1, 1)
    for family in FAMILIES:
        for kind, example in product(family.resource_types, family.examples):
            arn = ARNS[kind]
            index, _ = read.wave_of(kind, arn, "orders")
            assert index <= len(read.waves)
            read.excluded(kind, arn, "orders")
            metadata_ = sent(read, kind, example)
            if metadata_ is None:
                assert told_of(problems, kind, read), kind
            else:
                assert all(isinstance(value, str) for value in metadata_.values())


@SOME
@given(st.recursive(json_values, lambda inner: st.dictionaries(words, inner, max_size=3), max_leaves=8))
def test_no_document_breaks_the_checker(document: Any) -> None:
    assert all(problem.remedy for problem in check(document))


@SOME
@given(documents, st.sampled_from(["waves", "targets", "limits", "points"]), json_values)
def test_no_part_of_a_plan_breaks_it(document: dict[str, Any], part: str, value: Any) -> None:
    for within in (value, {"types": value}, {"defaults": value}, {"resources": [value]}, [value], {"EBS": value}):
        assert all(problem.remedy for problem in check(document | {part: within}))


def test_each_type_has_the_shape_of_its_arns() -> None:
    assert {*SHAPES} == {*ARNS} == {*RESTORABLE}
    for kind, arn in ARNS.items():
        assert may_meet(arn, SHAPES[kind]), kind


ab = st.text("ab*?", max_size=6)


@SOME
@given(ab, ab, st.text("ab", max_size=6))
def test_patterns_meet_where_a_text_matches_both(one: str, other: str, text: str) -> None:
    if fnmatchcase(text, one) and fnmatchcase(text, other):
        assert may_meet(one, other)
        assert may_meet(other, one)


def test_patterns_that_no_text_can_match_do_not_meet() -> None:
    assert not may_meet("arn:aws:s3:::*", SHAPES["EBS"])
    assert not may_meet("a*b", "a*c")
    assert not may_meet("arn:aws:ec2:*:111122223333:volume/*", SHAPES["EC2"])
    assert may_meet("a[xy]c*", "axc")
    assert may_meet("*:table/orders", SHAPES["DynamoDB"])
