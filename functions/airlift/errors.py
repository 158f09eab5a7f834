"""Everything that can end a recovery, a vault or a resource badly, named for what happened.

A class's name is the `Error` of the state machine's Fail state. The text says what was wrong, where, and the next step,
since a person reads it at three in the morning.
"""


class AirliftError(Exception):
    """Base of all named errors: `what` happened (with the field or ARN) and the `remedy`."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what} Next step: {remedy}")
        self.what = what
        self.remedy = remedy

    @property
    def name(self) -> str:
        """The error name as Step Functions shows it."""
        return type(self).__name__


# Triggers and input
class InvalidInput(AirliftError):
    """The console input, operator action or event has a field that is missing, unknown or malformed."""


class UnknownRecovery(AirliftError):
    """The input names a recovery that the ledger does not hold."""


class VaultNotInPlan(AirliftError):
    """The vault's ARN is not listed in the recovery plan."""


class AccountNotInPlan(AirliftError):
    """The affected account is not listed in the recovery plan."""


class NotBelieved(AirliftError):
    """The event comes from an account that the plan does not list as a detector."""


class TriggerNotAllowed(AirliftError):
    """The plan does not let this trigger do anything."""


class RecoveryAlreadyRuns(AirliftError):
    """The operator asked for something that needs the recovery's execution to have ended."""


# The plan
class PlanInvalid(AirliftError):
    """The recovery plan does not hold what the model asks for."""


class PlanUnreadable(AirliftError):
    """AppConfig gives no plan and no copy of an earlier one exists."""


# Access
class VaultNotAirGapped(AirliftError):
    """The source vault is not a logically air-gapped vault."""


class VaultWithoutTeam(AirliftError):
    """No approval team is associated with the vault, or it is not shared with the recovery account."""


class ApprovalTeamUnreachable(AirliftError):
    """The team can't be asked: it is missing, not active, or too small for its threshold."""


class RequesterLacksPermission(AirliftError):
    """The requesting role lacks mpa:StartSession or a Backup permission."""


class FailedVaultNotRemovable(AirliftError):
    """A FAILED restore-access vault blocks the request and could not be deleted."""


class VaultAccessHeldByOther(AirliftError):
    """A restore-access vault of another recovery exists for this source vault."""


class ApprovalRejected(AirliftError):
    """The approval team rejected the request."""


class ApprovalExpired(AirliftError):
    """The session ended without reaching its threshold."""


class ApprovalCancelled(AirliftError):
    """The session was cancelled."""


class ApprovalTeamChanged(AirliftError):
    """The approval team changed or was deleted while people voted."""


class VaultNotCreated(AirliftError):
    """The request was approved, but AWS Backup could not create the restore-access vault."""


class VaultAccessRevoked(AirliftError):
    """The restore-access vault was revoked or deleted."""


# Restoring
class OperatorNeeded(AirliftError):
    """Only held or paused resources are left, or the loop reached its bound."""


class ResourcesNotRestored(AirliftError):
    """Every resource has an outcome, but not every one is restored and validated."""


class NothingToRestore(AirliftError):
    """The vault holds no recovery point from before the attack."""


class MetadataRefused(AirliftError):
    """The plan's targets lack a value that this type's restore needs, or hold one that it does not take."""


class UnknownResource(AirliftError):
    """A completed restore job does not say what it created."""


class DrillPreempted(AirliftError):
    """A real recovery of the same account took over; the drill starts nothing more."""


class DrillNotCleanedUp(AirliftError):
    """Something that the drill restored, or its access, is still there."""


class Superseded(AirliftError):
    """Another execution holds the lock of this account now; this one must not write."""


class Stopped(AirliftError):
    """Somebody stopped the execution, or it timed out."""


class Unavailable(AirliftError):
    """An AWS service throttled, failed or could not be reached beyond the SDK's own retries; retried by name."""


def recall(name: str, text: str) -> AirliftError:
    """The named error that the ledger holds as an ending, to be raised once more by a repeated step."""
    named = {kind.__name__: kind for kind in AirliftError.__subclasses__()}
    what, _, remedy = text.partition(" Next step: ")
    return named.get(name, Stopped)(what, remedy or "see `airlift status`.")
