"""What a person gives to the recovery state machine, and how it is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from airlift.errors import InvalidInput
from airlift.inputs import Action, Start, parse_input
from airlift.recovery import LATEST
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_plan import json_values

NOW = datetime(2026, 1, 3, tzinfo=UTC)
VAULT = "arn:aws:backup:ap-northeast-1:111122223333:backup-vault:airgapped"
OTHER = "arn:aws:backup:ap-northeast-1:444455556666:backup-vault:airgapped"
CALLER = "arn:aws:sts::444455556666:assumed-role/operator/ana@example.com"
RECOVERY = "r-20260102-111122223333-0a1b"
POINT = "arn:aws:backup:ap-northeast-1:111122223333:recovery-point:1a2b"
TABLE = "arn:aws:dynamodb:ap-northeast-1:111122223333:table/orders"


def read(document: object) -> Start | Action:
    return parse_input(document, now=NOW)


STARTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"sourceBackupVaultArn": VAULT, "reason": "attack"}, {"vault_arns": (VAULT,), "first_sign": None}),
    ({"sourceBackupVaultArns": [VAULT, VAULT + "2"], "reason": "x"}, {"vault_arns": (VAULT, VAULT + "2")}),
    ({"account": "111122223333", "reason": "x"}, {"vault_arns": (), "account": "111122223333"}),
    (
        {"account": "111122223333", "reason": "Ä " * 100, "firstSign": "2026-01-02T09:00:00+09:00"},
        {"first_sign": datetime(2026, 1, 2, tzinfo=UTC)},
    ),
    (
        {"account": "111122223333", "reason": "x", "firstSign": LATEST, "adoptVault": "adopt"},
        {"first_sign": LATEST, "adopt_vault": "adopt"},
    ),
    ({"account": "111122223333", "reason": "x", "firstSign": "2026-01-03T00:00:00Z"}, {"first_sign": NOW}),
    ({"account": "111122223333", "reason": "x"}, {"access_only": False, "requested_by": None}),
    (
        {"account": "111122223333", "reason": "x", "accessOnly": True, "requestedBy": CALLER},
        {"access_only": True, "requested_by": CALLER},
    ),
]
ACTIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"recoveryId": RECOVERY}, {"action": "resume", "recovery_id": RECOVERY}),
    ({"recoveryId": RECOVERY, "action": "stop", "reason": "a drill"}, {"action": "stop", "reason": "a drill"}),
    ({"recoveryId": RECOVERY, "action": "stop", "requestedBy": CALLER}, {"requested_by": CALLER}),
    ({"recoveryId": RECOVERY, "action": "continue", "wave": "data"}, {"wave": "data"}),
    ({"recoveryId": RECOVERY, "action": "continue"}, {"wave": None}),
    ({"recoveryId": RECOVERY, "action": "first-sign", "firstSign": LATEST}, {"first_sign": LATEST}),
    (
        {"recoveryId": RECOVERY, "action": "restore-again", "resourceArns": [TABLE], "recoveryPointArn": POINT},
        {"resource_arns": (TABLE,), "recovery_point_arn": POINT},
    ),
]
REFUSED: list[tuple[Any, str]] = [
    ({"sourceBackupVaultArn": VAULT}, "reason: This field is missing"),
    ({"reason": "x"}, "Nothing says what to recover. Next step: Give one of sourceBackupVaultArn, sourceBackup"),
    ({"reason": "x", "account": "111122223333", "sourceBackupVaultArn": VAULT}, "sourceBackupVaultArn and account are"),
    ({"reason": "", "account": "111122223333"}, "reason: This is empty"),
    ({"reason": " ", "account": "111122223333"}, "reason: ' ' is not a reason"),
    ({"reason": "a\nb", "account": "111122223333"}, "reason: "),
    ({"reason": "x" * 201, "account": "111122223333"}, "reason: This has more than 200 characters"),
    ({"reason": "x", "account": "1111"}, "account: '1111' is not an account id"),
    ({"reason": "x", "account": 111122223333}, "account: Text is expected here. Next step: Put the value in quotes"),
    ({"reason": "x", "sourceBackupVaultArn": TABLE}, "is not the ARN of a backup vault"),
    ({"reason": "x", "sourceBackupVaultArn": VAULT + "\n"}, "is not the ARN of a backup vault"),
    ({"reason": "x", "sourceBackupVaultArns": VAULT}, "sourceBackupVaultArns: A list is expected"),
    ({"reason": "x", "sourceBackupVaultArns": []}, "sourceBackupVaultArns: At least 1"),
    ({"reason": "x", "sourceBackupVaultArns": [VAULT, "x"]}, "sourceBackupVaultArns[1]: 'x' is not"),
    ({"reason": "x", "sourceBackupVaultArns": [VAULT, VAULT]}, "given twice"),
    ({"reason": "x", "sourceBackupVaultArns": [VAULT, OTHER]}, "several accounts"),
    ({"reason": "x", "account": "111122223333", "firstsign": "x"}, "firstsign: This field is unknown. Next step: Did"),
    ({"reason": "x", "account": "111122223333", "firstSign": "yesterday"}, "firstSign: 'yesterday' is not a time"),
    ({"reason": "x", "account": "111122223333", "firstSign": 1767225600}, "firstSign: 1767225600 is not a time"),
    ({"reason": "x", "account": "111122223333", "firstSign": "2026-01-02T00:00:00"}, "has no offset from UTC"),
    ({"reason": "x", "account": "111122223333", "firstSign": "2026-01-03T00:00:01Z"}, "lies in the future"),
    ({"reason": "x", "account": "111122223333", "adoptVault": True}, "adoptVault: Only 'adopt' or 'replace'"),
    ({"reason": "x", "account": "111122223333", "accessOnly": "yes"}, "accessOnly: "),
    ({"reason": "x", "account": "111122223333", "requestedBy": "ana\nand others"}, "is not a caller"),
    ({"reason": "x", "account": "111122223333", "requestedBy": "x" * 301}, "requestedBy: This has more than 300"),
    ({"recoveryId": RECOVERY, "accessOnly": True}, "accessOnly: This field is unknown"),
    ({"recoveryId": "latest"}, "recoveryId: 'latest' is not a recovery id"),
    ({"recoveryId": RECOVERY, "sourceBackupVaultArn": VAULT}, "sourceBackupVaultArn: This field is unknown"),
    ({"recoveryId": RECOVERY, "action": "restart"}, "action: Only 'resume', 'continue', 'first-sign', 'restore-again'"),
    ({"recoveryId": RECOVERY, "action": "first-sign"}, "firstSign: The action first-sign needs this field"),
    ({"recoveryId": RECOVERY, "action": "restore-again"}, "resourceArns: The action restore-again needs this"),
    (
        {"recoveryId": RECOVERY, "action": "pin", "resourceArns": [TABLE], "recoveryPointArn": POINT},
        "reason: The action pin needs this",
    ),
    (
        {"recoveryId": RECOVERY, "action": "restore-again", "resourceArns": [TABLE], "before": "latest"},
        "before: 'latest' is not a time",
    ),
    (
        {"recoveryId": RECOVERY, "action": "resume", "before": "2026-01-02T03:04:05Z"},
        "before: This field does not go with the action resume",
    ),
    ({"recoveryId": RECOVERY, "firstSign": LATEST}, "firstSign: This field does not go with the action resume"),
    ({"recoveryId": RECOVERY, "action": "stop", "wave": "data"}, "wave: This field does not go with the action stop"),
    (
        {
            "recoveryId": RECOVERY,
            "action": "restore-again",
            "resourceArns": [TABLE, TABLE + "2"],
            "recoveryPointArn": POINT,
        },
        "recoveryPointArn: A recovery point belongs to one resource",
    ),
    ({"recoveryId": RECOVERY, "action": "first-sign", "firstSign": "2027-01-01T00:00:00Z"}, "firstSign: 2027-01-01T"),
    ([], "the whole document"),
    (None, "the whole document"),
    ("x", "the whole document"),
]


@pytest.mark.parametrize(("document", "expected"), [*STARTS, *ACTIONS])
def test_what_is_right_is_read(document: dict[str, Any], expected: dict[str, Any]) -> None:
    found = read(document)
    assert isinstance(found, Action if "recoveryId" in document else Start)
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(("document", "words"), REFUSED)
def test_what_is_wrong_is_refused_by_field_with_its_remedy(document: Any, words: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        read(document)
    assert words in str(raised.value)
    assert raised.value.remedy


def test_several_wrong_fields_are_told_together() -> None:
    with pytest.raises(InvalidInput) as raised:
        read({"account": "1", "firstsign": "x"})
    text = str(raised.value)
    assert text.startswith("The input has 3 problems: (1) ")
    assert all(words in text for words in ('"firstSign"?', "account: '1' is not", "reason: This field is missing."))


def test_a_long_or_strange_value_is_shown_cut_and_escaped() -> None:
    with pytest.raises(InvalidInput) as raised:
        read({"sourceBackupVaultArn": "\x1b[31m" + "ä" * 5000, "reason": "x"})
    assert raised.value.what.isascii()
    assert len(raised.value.what) < 300
    assert "\x1b" not in raised.value.what


fields = st.sampled_from([*Start.model_json_schema()["properties"], *Action.model_json_schema()["properties"], "x"])


@given(json_values | st.dictionaries(fields, json_values | st.sampled_from([VAULT, RECOVERY, LATEST, "stop"])))
def test_any_input_is_read_or_refused_by_name(document: Any) -> None:
    try:
        found = read(document)
    except InvalidInput:
        return
    assert isinstance(found, Start | Action)
