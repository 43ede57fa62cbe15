"""Who may call what of the batch service: a row for each RPC."""

from typing import Final

from service_kit.authorisation import AuthorisationTable, ClientScope, Rule

_READ: Final = Rule(roles=frozenset({"reader", "operator"}))
_OPERATE: Final = Rule(roles=frozenset({"operator"}))

_BATCH: Final = "/tallybook.batch.v1.BatchService"
_SETUP: Final = "/tallybook.batch.v1.BillingSetupService"
_SANDBOX: Final = "/tallybook.payments.v1.SandboxGatewayService"

AUTHORISATION: Final = AuthorisationTable(
    {
        f"{_BATCH}/ListBatchProcesses": _READ,
        f"{_BATCH}/RunDailyCycle": _OPERATE,
        f"{_BATCH}/RunBatchProcess": _OPERATE,
        f"{_BATCH}/GetBatchSession": _READ,
        f"{_BATCH}/ListBatchSessions": _READ,
        f"{_BATCH}/ListBatchRecords": _READ,
        f"{_BATCH}/WatchBatchSession": _READ,
        f"{_BATCH}/SuspendBatchProcess": _OPERATE,
        f"{_BATCH}/ResumeBatchProcess": _OPERATE,
        f"{_BATCH}/InterruptBatchSession": _OPERATE,
        f"{_BATCH}/ResumeBatchSession": _OPERATE,
        f"{_BATCH}/RetryFailedRecords": _OPERATE,
        f"{_SETUP}/SetClientProfile": _OPERATE,
        f"{_SETUP}/GetClientProfile": _READ,
        f"{_SETUP}/SetRecurringPlans": _OPERATE,
        f"{_SETUP}/ListRecurringPlans": _READ,
        f"{_SETUP}/SchedulePlanChanges": _OPERATE,
        f"{_SETUP}/SetPaymentMethods": _OPERATE,
        f"{_SETUP}/ListPaymentMethods": _READ,
        f"{_SETUP}/SetUsageRates": _OPERATE,
        f"{_SETUP}/RecordUsage": _OPERATE,
        f"{_SETUP}/ListUsage": _READ,
        f"{_SETUP}/AddPendingLines": _OPERATE,
        f"{_SETUP}/SetDunningSteps": _OPERATE,
        f"{_SETUP}/ListDunningSteps": _READ,
        f"{_SETUP}/ListDunningPositions": _READ,
        # The header of its stream names the client: the servicer asks for it (require_client).
        f"{_SETUP}/LoadActivities": Rule(roles=_OPERATE.roles, client_scope=ClientScope.NONE),
        f"{_SANDBOX}/SetOutage": _OPERATE,
    }
)
