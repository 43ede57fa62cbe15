"""Where the services are, and the typed stubs that talk to them. A channel is opened when it is first
needed.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import grpc

from service_kit.channels import open_channel
from tallybook.audit.v1.audit_pb2_grpc import AuditServiceStub
from tallybook.batch.v1.batch_pb2_grpc import BatchServiceStub
from tallybook.batch.v1.billing_setup_pb2_grpc import BillingSetupServiceStub
from tallybook.ledger.v1.account_pb2_grpc import AccountServiceStub
from tallybook.ledger.v1.application_pb2_grpc import ApplicationServiceStub
from tallybook.ledger.v1.gl_account_pb2_grpc import GlAccountServiceStub
from tallybook.ledger.v1.invoice_pb2_grpc import InvoiceServiceStub
from tallybook.ledger.v1.journal_pb2_grpc import JournalServiceStub
from tallybook.ledger.v1.ledger_pb2_grpc import LedgerServiceStub
from tallybook.ledger.v1.statement_pb2_grpc import StatementServiceStub
from tallybook.ledger.v1.transaction_type_pb2_grpc import TransactionTypeServiceStub
from tallybook.ledger.v1.verification_pb2_grpc import VerificationServiceStub
from tallybook.payments.v1.sandbox_pb2_grpc import SandboxGatewayServiceStub

if TYPE_CHECKING:
    # What a stub is on a channel of grpc.aio; only the type stubs know these names.
    from tallybook.audit.v1.audit_pb2_grpc import AuditServiceAsyncStub
    from tallybook.batch.v1.batch_pb2_grpc import BatchServiceAsyncStub
    from tallybook.batch.v1.billing_setup_pb2_grpc import BillingSetupServiceAsyncStub
    from tallybook.ledger.v1.account_pb2_grpc import AccountServiceAsyncStub
    from tallybook.ledger.v1.application_pb2_grpc import ApplicationServiceAsyncStub
    from tallybook.ledger.v1.gl_account_pb2_grpc import GlAccountServiceAsyncStub
    from tallybook.ledger.v1.invoice_pb2_grpc import InvoiceServiceAsyncStub
    from tallybook.ledger.v1.journal_pb2_grpc import JournalServiceAsyncStub
    from tallybook.ledger.v1.ledger_pb2_grpc import LedgerServiceAsyncStub
    from tallybook.ledger.v1.statement_pb2_grpc import StatementServiceAsyncStub
    from tallybook.ledger.v1.transaction_type_pb2_grpc import TransactionTypeServiceAsyncStub
    from tallybook.ledger.v1.verification_pb2_grpc import VerificationServiceAsyncStub
    from tallybook.payments.v1.sandbox_pb2_grpc import SandboxGatewayServiceAsyncStub

LOCAL_LEDGER: Final = "127.0.0.1:50051"
LOCAL_BATCH: Final = "127.0.0.1:50052"
LOCAL_AUDIT: Final = "127.0.0.1:50053"


@dataclass(frozen=True, slots=True)
class Targets:
    """The addresses of the services (host:port) and what proves who calls."""

    ledger: str = LOCAL_LEDGER
    batch: str = LOCAL_BATCH
    audit: str = LOCAL_AUDIT
    token_file: Path | None = None
    tls_root_file: Path | None = None


class Connections:
    """The stubs of all services; `async with` closes what was opened."""

    def __init__(self, targets: Targets) -> None:
        """Nothing is opened before the first stub is asked for."""
        self.targets = targets
        self._opened: list[grpc.aio.Channel] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for channel in self._opened:
            await channel.close()

    @cached_property
    def accounts(self) -> "AccountServiceAsyncStub":
        """Accounts, balances, statements."""
        return AccountServiceStub(self._ledger)

    @cached_property
    def transactions(self) -> "LedgerServiceAsyncStub":
        """Posting and listing of transactions."""
        return LedgerServiceStub(self._ledger)

    @cached_property
    def applications(self) -> "ApplicationServiceAsyncStub":
        """Which credit paid which charge, and what is open."""
        return ApplicationServiceStub(self._ledger)

    @cached_property
    def transaction_types(self) -> "TransactionTypeServiceAsyncStub":
        """The table of transaction types."""
        return TransactionTypeServiceStub(self._ledger)

    @cached_property
    def invoices(self) -> "InvoiceServiceAsyncStub":
        """Invoices."""
        return InvoiceServiceStub(self._ledger)

    @cached_property
    def statements(self) -> "StatementServiceAsyncStub":
        """Closed statements."""
        return StatementServiceStub(self._ledger)

    @cached_property
    def verification(self) -> "VerificationServiceAsyncStub":
        """Proofs of the books."""
        return VerificationServiceStub(self._ledger)

    @cached_property
    def journal(self) -> "JournalServiceAsyncStub":
        """The books as streams."""
        return JournalServiceStub(self._ledger)

    @cached_property
    def gl_accounts(self) -> "GlAccountServiceAsyncStub":
        """The chart of accounts."""
        return GlAccountServiceStub(self._ledger)

    @cached_property
    def batch(self) -> "BatchServiceAsyncStub":
        """Processes and sessions."""
        return BatchServiceStub(self._batch)

    @cached_property
    def billing_setup(self) -> "BillingSetupServiceAsyncStub":
        """Plans, payment methods, usage."""
        return BillingSetupServiceStub(self._batch)

    @cached_property
    def sandbox(self) -> "SandboxGatewayServiceAsyncStub":
        """The payment gateway for development, which the batch service serves."""
        return SandboxGatewayServiceStub(self._batch)

    @cached_property
    def audit(self) -> "AuditServiceAsyncStub":
        """The log and its search."""
        return AuditServiceStub(self._audit)

    @cached_property
    def _ledger(self) -> grpc.aio.Channel:
        return self._open(self.targets.ledger)

    @cached_property
    def _batch(self) -> grpc.aio.Channel:
        return self._open(self.targets.batch)

    @cached_property
    def _audit(self) -> grpc.aio.Channel:
        return self._open(self.targets.audit)

    def _open(self, target: str) -> grpc.aio.Channel:
        channel = open_channel(
            target, tls_root_file=self.targets.tls_root_file, token_file=self.targets.token_file
        )
        self._opened.append(channel)
        return channel
