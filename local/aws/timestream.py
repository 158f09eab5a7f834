"""Amazon Timestream for LiveAnalytics: databases and tables, without their records."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from local.aws.context import page
from local.aws.errors import AwsError
from local.aws.wire import Caller, Service

if TYPE_CHECKING:
    from local.aws.context import Context
    from local.aws.model import Params

_RETENTION = {"MemoryStoreRetentionPeriodInHours": 6, "MagneticStoreRetentionPeriodInDays": 73000}
Place = tuple[str, str]


class Timestream:
    """The service, for every account and Region."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._databases: dict[Place, dict[str, dict[str, Any]]] = defaultdict(dict)
        self._tables: dict[Place, dict[tuple[str, str], dict[str, Any]]] = defaultdict(dict)
        self._tags: dict[str, dict[str, str]] = defaultdict(dict)
        self.service = Service((self,), _resources, lock=threading.RLock())

    def describe_endpoints(self, caller: Caller, _params: Params) -> Params:
        """DescribeEndpoints, which SDKs call first."""
        address = f"ingest-cell1.timestream.{caller.region}.amazonaws.com"
        return {"Endpoints": [{"Address": address, "CachePeriodInMinutes": 1440}]}

    def create_database(self, caller: Caller, params: Params) -> Params:
        """CreateDatabase."""
        name, here = params["DatabaseName"], self._databases[_place(caller)]
        if name in here:
            raise AwsError("ConflictException", f"The database {name} already exists.")
        here[name] = {"Arn": _arn(caller, name), "DatabaseName": name, "CreationTime": self._context.clock.now()}
        self._tag(here[name]["Arn"], params)
        return {"Database": here[name]}

    def describe_database(self, caller: Caller, params: Params) -> Params:
        """DescribeDatabase."""
        name = params["DatabaseName"]
        count = sum(database == name for database, _ in self._tables[_place(caller)])
        return {"Database": self._database(caller, name) | {"TableCount": count}}

    def delete_database(self, caller: Caller, params: Params) -> None:
        """DeleteDatabase: refused while it has tables."""
        name = params["DatabaseName"]
        self._database(caller, name)
        if any(database == name for database, _ in self._tables[_place(caller)]):
            raise AwsError("ValidationException", f"The database {name} still has tables.")
        del self._databases[_place(caller)][name]

    def create_table(self, caller: Caller, params: Params) -> Params:
        """CreateTable."""
        self._database(caller, params["DatabaseName"])
        key, here = (params["DatabaseName"], params["TableName"]), self._tables[_place(caller)]
        if key in here:
            raise AwsError("ConflictException", f"The table {key[1]} already exists.")
        here[key] = {
            "Arn": _arn(caller, *key),
            "DatabaseName": key[0],
            "TableName": key[1],
            "TableStatus": "ACTIVE",
            "RetentionProperties": _RETENTION | params.get("RetentionProperties", {}),
            "CreationTime": self._context.clock.now(),
            "MagneticStoreWriteProperties": params.get(
                "MagneticStoreWriteProperties", {"EnableMagneticStoreWrites": False}
            ),
        }
        self._tag(here[key]["Arn"], params)
        return {"Table": here[key]}

    def describe_table(self, caller: Caller, params: Params) -> Params:
        """DescribeTable."""
        return {"Table": self._table(caller, params)}

    def list_tables(self, caller: Caller, params: Params) -> Params:
        """ListTables, of a database or of all."""
        here = self._tables[_place(caller)].values()
        chosen = [one for one in here if params.get("DatabaseName") in (None, one["DatabaseName"])]
        found, token = page(chosen, "Arn", params, 20, "ValidationException")
        return {"Tables": found, "NextToken": token}

    def delete_table(self, caller: Caller, params: Params) -> None:
        """DeleteTable."""
        self._table(caller, params)
        del self._tables[_place(caller)][params["DatabaseName"], params["TableName"]]

    def tag_resource(self, _caller: Caller, params: Params) -> Params:
        """TagResource."""
        self._tag(params["ResourceARN"], params)
        return {}

    def list_tags_for_resource(self, _caller: Caller, params: Params) -> Params:
        """ListTagsForResource."""
        return {"Tags": [{"Key": key, "Value": value} for key, value in self._tags[params["ResourceARN"]].items()]}

    def _tag(self, arn: str, params: Params) -> None:
        self._tags[arn] |= {tag["Key"]: tag["Value"] for tag in params.get("Tags", ())}

    def _database(self, caller: Caller, name: str) -> dict[str, Any]:
        found = self._databases[_place(caller)].get(name)
        if found is None:
            raise AwsError("ResourceNotFoundException", f"The database {name} does not exist.")
        return found

    def _table(self, caller: Caller, params: Params) -> dict[str, Any]:
        self._database(caller, params["DatabaseName"])
        found = self._tables[_place(caller)].get((params["DatabaseName"], params["TableName"]))
        if found is None:
            raise AwsError("ResourceNotFoundException", f"The table {params['TableName']} does not exist.")
        return found


def _place(caller: Caller) -> Place:
    return caller.account, caller.region


def _arn(caller: Caller, database: str, table: str | None = None) -> str:
    rest = f"/table/{table}" if table else ""
    return f"arn:aws:timestream:{caller.region}:{caller.account}:database/{database}{rest}"


def _resources(caller: Caller, _operation: str, params: Params) -> tuple[str, ...]:
    if "ResourceARN" in params:
        return (params["ResourceARN"],)
    named = params.get("DatabaseName")
    return (_arn(caller, named, params.get("TableName")) if named else "*",)
