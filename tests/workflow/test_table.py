"""The simulation's ledger table answers as moto's DynamoDB does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from local.simulation.sdk import ELSEWHERE, Call, ServiceError
from local.simulation.table import Tables

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCOUNT, NAME = "123456789012", "ledger"
DEFINITION: dict[str, Any] = {
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "open")],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "LocalSecondaryIndexes": [
        {
            "IndexName": "open",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "open", "KeyType": "RANGE"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
}
KEYS = [(pk, sk) for pk in ("A", "B") for sk in ("X#1", "X#2", "Y#1")]
TEXT = st.sampled_from(["1", "2", "3"])


def key(place: tuple[str, str]) -> dict[str, Any]:
    return {"pk": {"S": place[0]}, "sk": {"S": place[1]}}


CONDITIONS: list[dict[str, Any]] = [
    {},
    {"ConditionExpression": "attribute_not_exists(pk)"},
    {"ConditionExpression": "attribute_exists(pk)"},
    {
        "ConditionExpression": "attribute_exists(pk) AND #a = :v",
        "ExpressionAttributeNames": {"#a": "state"},
        "ExpressionAttributeValues": {":v": {"S": "1"}},
    },
    {
        "ConditionExpression": "(attribute_not_exists(#a) OR #a < :v)",
        "ExpressionAttributeNames": {"#a": "count"},
        "ExpressionAttributeValues": {":v": {"N": "2"}},
    },
]
PUT = st.builds(
    lambda place, state, count, opened, condition: {
        "Put": {
            "TableName": NAME,
            "Item": {
                **key(place),
                "state": {"S": state},
                "count": {"N": count},
                **({"open": {"S": opened}} if opened else {}),
            },
            **condition,
        }
    },
    st.sampled_from(KEYS),
    TEXT,
    TEXT,
    st.none() | TEXT,
    st.sampled_from(CONDITIONS),
)
UPDATE = st.builds(
    lambda place, value: {
        "Update": {
            "TableName": NAME,
            "Key": key(place),
            "UpdateExpression": "SET #a0 = :v0 REMOVE #a1",
            "ConditionExpression": "attribute_exists(pk) AND #a2 = :v1",
            "ExpressionAttributeNames": {"#a0": "state", "#a1": "open", "#a2": "count"},
            "ExpressionAttributeValues": {":v0": {"S": value}, ":v1": {"N": "1"}},
        }
    },
    st.sampled_from(KEYS),
    TEXT,
)
DELETE = st.builds(
    lambda place: {
        "Delete": {
            "TableName": NAME,
            "Key": key(place),
            "ConditionExpression": "#a = :v",
            "ExpressionAttributeNames": {"#a": "state"},
            "ExpressionAttributeValues": {":v": {"S": "1"}},
        }
    },
    st.sampled_from(KEYS),
)
CHECK = st.builds(
    lambda place: {
        "ConditionCheck": {"TableName": NAME, "Key": key(place), "ConditionExpression": "attribute_exists(pk)"}
    },
    st.sampled_from(KEYS),
)
TRANSACTION = st.lists(PUT | UPDATE | DELETE | CHECK, min_size=1, max_size=3)
QUERIES: list[dict[str, Any]] = [
    {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": "A"}}},
    {
        "KeyConditionExpression": "pk = :pk AND begins_with(#sk, :prefix)",
        "ExpressionAttributeNames": {"#sk": "sk"},
        "ExpressionAttributeValues": {":pk": {"S": "A"}, ":prefix": {"S": "X#"}},
        "ScanIndexForward": False,
    },
    {
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": "B"}},
        "IndexName": "open",
        "Limit": 1,
    },
]


def tables() -> Tables:
    made = Tables()
    made.add(ACCOUNT, NAME, DEFINITION)
    return made


def ask(made: Tables, operation: str, params: Mapping[str, Any]) -> tuple[str, Any]:
    try:
        answer = made.facade(Call(ACCOUNT, "eu-west-1", "dynamodb", operation, params)) or {}
    except ServiceError as error:
        return error.code, [reason["Code"] for reason in error.members.get("CancellationReasons", [])]
    return "", {name: answer[name] for name in ("Item", "Items", "LastEvaluatedKey") if answer.get(name)}


def ask_moto(client: Any, method: str, params: Mapping[str, Any]) -> tuple[str, Any]:
    try:
        answer = getattr(client, method)(**params)
    except ClientError as error:
        return error.response["Error"]["Code"], [r["Code"] for r in error.response.get("CancellationReasons", [])]
    return "", {name: answer[name] for name in ("Item", "Items", "LastEvaluatedKey") if answer.get(name)}


@settings(max_examples=25, deadline=None, derandomize=True)
@given(transactions=st.lists(TRANSACTION, max_size=6))
def test_any_transactions_leave_the_same_items_as_in_moto(transactions: list[list[dict[str, Any]]]) -> None:
    made = tables()
    with mock_aws():
        client = boto3.client(
            "dynamodb",
            region_name="eu-west-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        client.create_table(TableName=NAME, BillingMode="PAY_PER_REQUEST", **DEFINITION)
        for actions in transactions:
            asked: dict[str, Any] = {"TransactItems": actions}
            assert ask(made, "TransactWriteItems", asked) == ask_moto(client, "transact_write_items", asked)
        for place in KEYS:
            asked = {"TableName": NAME, "Key": key(place)}
            assert ask(made, "GetItem", asked) == ask_moto(client, "get_item", asked)
        for query in QUERIES:
            asked = {"TableName": NAME, **query}
            assert ask(made, "Query", asked) == ask_moto(client, "query", asked)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ConditionExpression": "state = :v", "ExpressionAttributeValues": {":v": {"S": "1"}}}, "reserved"),
        ({"ConditionExpression": "#a = :v", "ExpressionAttributeValues": {":v": {"S": "1"}}}, "not defined; #a"),
        ({"ConditionExpression": "size(#a) = :v", "ExpressionAttributeNames": {"#a": "x"}}, "Invalid function name"),
        ({"ExpressionAttributeNames": {"#a": "x"}}, "unused"),
        ({"Item": {"pk": {"S": "A"}, "sk": {"S": ""}}}, "empty string"),
        ({"Item": {**key(KEYS[0]), "open": {"N": "1"}}}, "Type mismatch"),
        ({"Item": {**key(KEYS[0]), "text": {"S": "x" * 500_000}}}, "maximum allowed size"),
    ],
)
def test_what_dynamodb_refuses_is_refused(change: dict[str, Any], said: str) -> None:
    put = {"TableName": NAME, "Item": key(KEYS[0]), **change}
    with pytest.raises(ServiceError, match=said) as caught:
        tables().facade(Call(ACCOUNT, "r", "dynamodb", "TransactWriteItems", {"TransactItems": [{"Put": put}]}))
    assert caught.value.code == "ValidationException"


def test_a_transaction_of_more_than_four_megabytes_is_refused() -> None:
    made = tables()

    def puts(count: int) -> dict[str, Any]:
        items = [{"pk": {"S": "A"}, "sk": {"S": f"{number}"}, "text": {"S": "x" * 400_000}} for number in range(count)]
        return {"TransactItems": [{"Put": {"TableName": NAME, "Item": item}} for item in items]}

    assert ask(made, "TransactWriteItems", puts(10)) == ("", {})
    assert ask(tables(), "TransactWriteItems", puts(11)) == ("ValidationException", [])
    assert ask(made, "TransactWriteItems", puts(11)) == ("ValidationException", [])


def test_a_page_ends_at_a_megabyte_and_the_next_begins_behind_it() -> None:
    made = tables()
    for number in range(9):
        item = {"pk": {"S": "A"}, "sk": {"S": f"{number}"}, "text": {"S": "x" * 300_000}}
        ask(made, "TransactWriteItems", {"TransactItems": [{"Put": {"TableName": NAME, "Item": item}}]})
    asked = {"TableName": NAME, **QUERIES[0]}
    found: list[str] = []
    pages = 0
    while True:
        _, page = ask(made, "Query", asked)
        found += [item["sk"]["S"] for item in page["Items"]]
        pages += 1
        if "LastEvaluatedKey" not in page:
            break
        asked["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    assert (pages, found) == (3, [f"{number}" for number in range(9)])


def test_other_tables_are_left_to_moto() -> None:
    asked = {"TableName": "orders", "Key": key(KEYS[0])}
    assert tables().facade(Call(ACCOUNT, "r", "dynamodb", "GetItem", asked)) is ELSEWHERE
    with pytest.raises(ServiceError, match="PutItem on the ledger is not simulated"):
        tables().facade(Call(ACCOUNT, "r", "dynamodb", "PutItem", {"TableName": NAME}))
