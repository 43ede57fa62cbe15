"""The daily cycle (3, 22, 23, 26) over more and more accounts, against COPY of the rows that it leaves.

Every account has one monthly plan that is due; three of four pay by card. The gateway is the batch service's
own sandbox.
"""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeAlias

import asyncpg

from benchmarks.figures import Mark, Measurement, Outcome, Sample, ratio
from benchmarks.scale import Scale
from benchmarks.stand import CURRENCY, Stand, running_stand
from console.account_import.opening import AccountImport
from console.account_import.rows import PaymentKind, Subscriber, Timing
from console.connections import Connections
from console.waiting import wait_for_sessions
from service_kit.dates import date_to_proto, instant_from_proto
from service_kit.money import Money
from tallybook.batch.v1.batch_pb2 import BatchSession, RunDailyCycleRequest
from tallybook.batch.v1.batch_status_pb2 import BatchStatus

_DAY: Final = date(2026, 3, 1)
_WANTED_ACCOUNTS_A_SECOND: Final = 2_500
_WANTED_FLATNESS: Final = 0.8
_ROWS_A_COMMIT: Final = 1_000
_DATABASES: Final = ("ledger", "batch")

# What has rows of a client. Views have none of their own.
_TABLES: Final = """
    SELECT table_name
      FROM information_schema.columns
      JOIN information_schema.tables USING (table_schema, table_name)
     WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND column_name = 'client_no'
     ORDER BY table_name
"""

Rows: TypeAlias = Sequence[Sequence[object]]


class _Silent:
    """Nobody watches the accounts being opened."""

    def account_done(self) -> None:
        """One more account is open."""

    def plans_done(self, accounts: int) -> None:
        """So many more have a plan."""

    def payment_methods_done(self, accounts: int) -> None:
        """So many more have a payment method."""


@dataclass(frozen=True, slots=True)
class _Night:
    """A cycle over a number of accounts."""

    cycle: Sample
    copy: Sample
    sessions: Sequence[BatchSession]


async def measure(scale: Scale) -> Outcome:
    """Measure a night for each number of accounts, each with a client of its own."""
    measurements: list[Measurement] = []
    notes: list[str] = []
    async with running_stand(everything=True) as stand, Connections(stand.targets) as services:
        # A first night that does not count: it fills caches and prepares statements.
        await _night(stand, services, min(scale.cycle_accounts))
        for accounts in scale.cycle_accounts:
            night = await _night(stand, services, accounts)
            measurements += [
                Measurement(f"daily cycle, {accounts:,} accounts", "accounts", [night.cycle]),
                Measurement(f"COPY of the rows of {accounts:,} accounts", "accounts", [night.copy]),
            ]
            share = night.cycle.rate / night.copy.rate
            notes.append(
                f"{accounts:,} accounts, {share:.3f} of the COPY of the rows that the night leaves: "
                + ", ".join(map(_duration, night.sessions))
            )
        await stand.verify()
    cycles = measurements[::2]
    flatness = Mark(f"{cycles[-1].name} / {cycles[0].name}", ratio(cycles[-1], cycles[0]), _WANTED_FLATNESS)
    fast_enough = Mark(cycles[-1].name, cycles[-1].rate, _WANTED_ACCOUNTS_A_SECOND, unit=" a second")
    return Outcome(measurements, [flatness, fast_enough], notes)


async def _night(stand: Stand, services: Connections, accounts: int) -> _Night:
    client_no = stand.new_client()
    subscribers = [_subscriber(place) for place in range(1, accounts + 1)]
    opened = await AccountImport(services, client_no, _Silent()).run(subscribers)
    assert opened.opened == accounts, opened.errors[:1]
    before = await _row_counts(stand, client_no)
    cycle, sessions = await stand.meter.measure(accounts, _run(services, client_no))
    assert all(session.status == BatchStatus.BATCH_STATUS_OK for session in sessions), sessions
    return _Night(cycle, await _copy(stand, client_no, before, accounts), sessions)


def _subscriber(place: int) -> Subscriber:
    return Subscriber(
        line_no=place,
        external_id=f"subscriber-{place}",
        name="Ada",
        plan_name="Plan",
        price=Money(1_990, CURRENCY),
        timing=Timing.IN_ADVANCE,
        period_months=1,
        anchor_day=_DAY.day,
        start_date=_DAY,
        payment_term_days=30,
        payment_kind=PaymentKind.CARD if place % 4 else PaymentKind.EXTERNAL,
        payment_token="tok_approve" if place % 4 else "",  # the sandbox's
        opening_balance=None,
        opening_date=None,
        tax_percent="",
        activation_charge=None,
    )


async def _run(services: Connections, client_no: int) -> list[BatchSession]:
    request = RunDailyCycleRequest(
        client_no=client_no, request_id=f"cycle-{client_no}", business_date=date_to_proto(_DAY)
    )
    started = await services.batch.RunDailyCycle(request)
    return (await wait_for_sessions(services, started.sessions)).sessions


def _duration(session: BatchSession) -> str:
    ended, started = (
        instant_from_proto(value, "instant") for value in (session.ended_at, session.started_at)
    )
    return f"{session.name} {(ended - started).total_seconds():.2f} s"


async def _row_counts(stand: Stand, client_no: int) -> Mapping[tuple[str, str], int]:
    """How many rows of the client each table has, by database and table."""
    counts = {}
    for database in _DATABASES:
        async with stand.connection(database) as connection:
            for (table,) in await connection.fetch(_TABLES):
                counted = f"SELECT count(*) FROM {table} WHERE client_no = $1"  # noqa: S608  # our own name
                counts[database, table] = await connection.fetchval(counted, client_no)
    return counts


async def _copy(stand: Stand, client_no: int, before: Mapping[tuple[str, str], int], accounts: int) -> Sample:
    """Write what the night left behind once more, into empty tables with the same indexes."""
    after = await _row_counts(stand, client_no)
    async with AsyncExitStack() as stack:
        copies: list[tuple[asyncpg.Connection, str, Rows]] = []
        for database in _DATABASES:
            connection = await stack.enter_async_context(stand.connection(database))
            await connection.execute("DROP SCHEMA IF EXISTS raw CASCADE; CREATE SCHEMA raw")
            for (of, table), count in after.items():
                if of == database and count > before[of, table]:
                    await connection.execute(f"CREATE TABLE raw.{table} (LIKE {table} INCLUDING ALL)")
                    rows = f"SELECT * FROM {table} WHERE client_no = $1 LIMIT $2"  # noqa: S608  # our own
                    # As many as the night added: some may be of the opening of the accounts instead.
                    added = await connection.fetch(rows, client_no, count - before[of, table])
                    copies.append((connection, table, [tuple(row) for row in added]))
        sample, _ = await stand.meter.measure(accounts, _copy_all(copies))
    return sample


async def _copy_all(copies: Sequence[tuple[asyncpg.Connection, str, Rows]]) -> None:
    for connection, table, rows in copies:
        for place in range(0, len(rows), _ROWS_A_COMMIT):
            await connection.copy_records_to_table(
                table, records=rows[place : place + _ROWS_A_COMMIT], schema_name="raw"
            )
