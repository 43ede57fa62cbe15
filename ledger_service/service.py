"""Where the ledger service is wired."""

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import grpc

from ledger_service.account_reader import AccountReader
from ledger_service.application_reader import ApplicationReader
from ledger_service.authorisation import AUTHORISATION
from ledger_service.chart import ChartOfAccounts
from ledger_service.day_sums import running_day_sums
from ledger_service.invoice_reader import InvoiceReader
from ledger_service.journal_export import JournalExporter
from ledger_service.keyed_changes import KeyedChanges
from ledger_service.posting import running_poster
from ledger_service.servicers.accounts import AccountServicer
from ledger_service.servicers.applications import ApplicationServicer
from ledger_service.servicers.gl_accounts import GlAccountServicer
from ledger_service.servicers.invoices import InvoiceServicer
from ledger_service.servicers.journal import JournalServicer
from ledger_service.servicers.ledger import LedgerServicer
from ledger_service.servicers.posting_calls import PostingCalls
from ledger_service.servicers.statements import StatementServicer
from ledger_service.servicers.transaction_types import TransactionTypeServicer
from ledger_service.servicers.verification import VerificationServicer
from ledger_service.settings import LedgerSettings
from ledger_service.statement_closing import StatementCloser
from ledger_service.statement_reader import StatementReader
from ledger_service.store_transactions import LOOKUP_SETTINGS
from ledger_service.transaction_reader import TransactionReader
from ledger_service.verification import LedgerVerifier
from ledger_service.watching import running_watcher
from service_kit.clock import SystemClock
from service_kit.database import create_engine, prepare_connections
from service_kit.plan_age import forget_old_plans
from service_kit.relay import running_relay
from service_kit.server import ServiceDefinition
from tallybook.ledger.v1 import (
    account_pb2_grpc,
    application_pb2_grpc,
    gl_account_pb2_grpc,
    invoice_pb2_grpc,
    journal_pb2_grpc,
    ledger_pb2_grpc,
    statement_pb2_grpc,
    transaction_type_pb2_grpc,
    verification_pb2_grpc,
)


@dataclass(frozen=True, slots=True)
class Servicers:
    """One servicer for each gRPC service."""

    accounts: AccountServicer
    ledger: LedgerServicer
    applications: ApplicationServicer
    invoices: InvoiceServicer
    statements: StatementServicer
    verification: VerificationServicer
    journal: JournalServicer
    gl_accounts: GlAccountServicer
    transaction_types: TransactionTypeServicer


@asynccontextmanager
async def lifespan(settings: LedgerSettings) -> AsyncIterator[Servicers]:
    """Open the database, start the poster and the relay; stop them after the last call."""
    collect_garbage_less_often()
    engine = create_engine(settings, name="ledger")
    lookups = create_engine(settings, name="ledger lookups")
    prepare_connections(lookups, LOOKUP_SETTINGS)
    forget_old_plans(lookups)
    clock = SystemClock()
    try:
        async with (
            running_relay(settings, engine) as relay,
            running_watcher(settings) as watcher,
            running_day_sums(engine) as day_sums,
            running_poster(settings, clock, _both(relay.wake, watcher.wake)) as poster,
        ):
            calls, invoices = PostingCalls(poster, clock), InvoiceReader(engine)
            changes = KeyedChanges(engine, clock, relay.wake)
            yield Servicers(
                accounts=AccountServicer(calls, AccountReader(engine, lookups, day_sums)),
                ledger=LedgerServicer(calls, TransactionReader(lookups), invoices),
                applications=ApplicationServicer(calls, ApplicationReader(engine)),
                invoices=InvoiceServicer(calls, invoices),
                statements=StatementServicer(
                    calls, StatementCloser(clock, changes), StatementReader(lookups)
                ),
                verification=VerificationServicer(LedgerVerifier(engine)),
                journal=JournalServicer(watcher, JournalExporter(engine)),
                gl_accounts=GlAccountServicer(ChartOfAccounts(engine, clock, changes)),
                transaction_types=TransactionTypeServicer(),
            )
    finally:
        await lookups.dispose()
        await engine.dispose()


def _both(wake_relay: Callable[[], None], wake_watcher: Callable[[], None]) -> Callable[[], None]:
    """What the poster calls after each commit."""

    def wake() -> None:
        wake_relay()
        wake_watcher()

    return wake


def collect_garbage_less_often() -> None:
    """A group is tens of thousands of tuples that live for milliseconds and are freed by their counts. To
    look for cycles among them as often as Python does by default takes half of the time of a large call.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


def add_servicers(servicers: Servicers, server: grpc.aio.Server) -> None:
    """Register all that the service serves."""
    account_pb2_grpc.add_AccountServiceServicer_to_server(servicers.accounts, server)
    ledger_pb2_grpc.add_LedgerServiceServicer_to_server(servicers.ledger, server)
    application_pb2_grpc.add_ApplicationServiceServicer_to_server(servicers.applications, server)
    invoice_pb2_grpc.add_InvoiceServiceServicer_to_server(servicers.invoices, server)
    statement_pb2_grpc.add_StatementServiceServicer_to_server(servicers.statements, server)
    verification_pb2_grpc.add_VerificationServiceServicer_to_server(servicers.verification, server)
    journal_pb2_grpc.add_JournalServiceServicer_to_server(servicers.journal, server)
    gl_account_pb2_grpc.add_GlAccountServiceServicer_to_server(servicers.gl_accounts, server)
    transaction_type_pb2_grpc.add_TransactionTypeServiceServicer_to_server(
        servicers.transaction_types, server
    )


LEDGER: Final = ServiceDefinition(
    name="ledger",
    error_domain="ledger.tallybook",
    package="ledger_service",
    grpc_services=(
        "tallybook.ledger.v1.AccountService",
        "tallybook.ledger.v1.LedgerService",
        "tallybook.ledger.v1.ApplicationService",
        "tallybook.ledger.v1.InvoiceService",
        "tallybook.ledger.v1.StatementService",
        "tallybook.ledger.v1.VerificationService",
        "tallybook.ledger.v1.JournalService",
        "tallybook.ledger.v1.GlAccountService",
        "tallybook.ledger.v1.TransactionTypeService",
    ),
    settings=LedgerSettings,
    authorisation=AUTHORISATION,
    lifespan=lifespan,
    add_servicers=add_servicers,
    deadlines={
        # These read the whole books of a client.
        "/tallybook.ledger.v1.VerificationService/VerifyLedger": 3600.0,
        "/tallybook.ledger.v1.JournalService/ExportJournal": 3600.0,
        "/tallybook.ledger.v1.JournalService/WatchTransactions": None,
    },
)
