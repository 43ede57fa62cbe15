"""Who may call which RPC of the audit service."""

from typing import Final

from service_kit.authorisation import AuthorisationTable, ClientScope, Rule

_READERS: Final = frozenset({"reader", "auditor", "operator"})

# Searches name any number of clients, or none for all that the caller may act for; events bring their own.
# So the servicer asks the principal itself, but for the one RPC that names a single client.
AUTHORISATION: Final = AuthorisationTable(
    {
        "/tallybook.audit.v1.AuditService/BatchWriteAuditEvents": Rule(
            frozenset({"producer"}), ClientScope.NONE
        ),
        "/tallybook.audit.v1.AuditService/SearchBatchProcesses": Rule(_READERS, ClientScope.NONE),
        "/tallybook.audit.v1.AuditService/GetBatchProcess": Rule(_READERS),
        "/tallybook.audit.v1.AuditService/SearchAuditEvents": Rule(_READERS, ClientScope.NONE),
    }
)
