"""Cases of AWS Security Incident Response: whom one concerns stands in the case, not in its event."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from airlift.aws import client_as
from airlift.errors import AccountNotInPlan, TriggerNotAllowed
from airlift.runtime import is_transient, logger

if TYPE_CHECKING:
    from airlift.incident import Incident
    from airlift.plan import Plan

_NO_READER = "the event of a case names no account, and the plan gives no role to read the case with"


def with_account(incident: Incident, plan: Plan) -> tuple[Incident, str]:
    """The incident with the one protected account that its case names; without one, why people must look.

    Raises AccountNotInPlan if the case concerns no protected account, TriggerNotAllowed if it is closed.
    """
    trigger = plan.triggers.cases
    if trigger is None or trigger.reader_role_arn is None:
        return incident, _NO_READER
    try:
        case = _read(trigger.reader_role_arn, incident)
    except ClientError as error:
        if is_transient(error):
            raise
        logger.warning("The case can't be read", extra={"reason": str(error)})
        return (
            incident,
            f"the case can't be read ({error.response['Error'].get('Code')}), so whom it concerns is not known",
        )
    if case.get("caseStatus") == "Closed":
        raise TriggerNotAllowed("The case is closed.", "Nothing.")
    named = set(case.get("impactedAccounts", []))
    protected = [account.id for account in plan.accounts if account.id in named]
    if named and not protected:
        raise AccountNotInPlan("The case concerns no account of the recovery plan.", "Add it, if it should be there.")
    if len(protected) != 1:
        return incident, f"the case names {' and '.join(protected) or 'no account yet'}"
    began = case.get("actualIncidentStartDate") or case.get("reportedIncidentStartDate")
    source = "the incident's start date in the case" if began else "the case gives no start date"
    return replace(incident, account=protected[0], first_sign=began, first_sign_from=source), ""


def _read(role_arn: str, incident: Incident) -> dict[str, Any]:
    """GetCase, in the Region the event came from: cases live in that of the membership."""
    case: dict[str, Any] = client_as(role_arn, "security-ir", incident.region).get_case(
        caseId=incident.source_arn.rpartition("/")[2]
    )
    return case
