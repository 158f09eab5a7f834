"""Service Quotas: what an account may have, as far as the checks ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.aws.errors import AwsError
from local.aws.wire import Caller, Service

if TYPE_CHECKING:
    from local.aws.model import Params

STATES = "states"
DEFAULTS: dict[str, dict[str, float]] = {
    STATES: {
        "StateTransition throttle token bucket size": 800,
        "StateTransition throttle token refill rate per second": 800,
    }
}
"""By service code and name; names are inferred, values those of most Regions (step-functions, service-quotas.html)."""


class ServiceQuotas:
    """The service; `values` may be changed for an account, by service code and quota name."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, dict[str, float]]] = {}
        self.service = Service((self,))

    def list_service_quotas(self, caller: Caller, params: Params) -> Params:
        """ListServiceQuotas, on one page."""
        code = params["ServiceCode"]
        if code not in DEFAULTS:
            raise AwsError("NoSuchResourceException", f"There is no service {code} here.")
        quotas = DEFAULTS[code] | self.values.get(caller.account, {}).get(code, {})
        return {"Quotas": [{"ServiceCode": code, "QuotaName": name, "Value": value} for name, value in quotas.items()]}
