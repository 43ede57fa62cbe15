"""The chart of accounts of a client: read, extended, and booked to otherwise than by default."""

from collections.abc import Callable, Sequence
from datetime import UTC, date

from sqlalchemy.ext.asyncio import AsyncEngine

from ledger_service import store_chart
from ledger_service.audit_events import entity_event
from ledger_service.keyed_changes import KeyedCall, KeyedChanges, Made
from ledger_service.rules import refusals
from ledger_service.rules.gl_mappings import (
    GlMapping,
    MappingKey,
    changed_together,
    check_counter_account,
    mappings_at,
)
from ledger_service.store_chart import ChartAccount
from service_kit import outbox
from service_kit.clock import Clock
from service_kit.database import RawConnection, raw_connection


class ChartOfAccounts:
    """Reads and changes charts. A change is stored with its audit event and its answer, or not at all."""

    def __init__(self, engine: AsyncEngine, clock: Clock, changes: KeyedChanges) -> None:
        self._engine = engine
        self._clock = clock
        self._changes = changes

    async def accounts(self, client_no: int) -> list[ChartAccount]:
        """The chart of a client, by code."""
        async with self._engine.connect() as connection:
            return await store_chart.read_chart(await raw_connection(connection), client_no)

    async def mappings(self, client_no: int, effective_date: date | None) -> list[GlMapping]:
        """What is booked where, for what is recorded now and takes effect on a day (None: today)."""
        async with self._engine.connect() as connection:
            overrides = await store_chart.read_overrides(await raw_connection(connection), client_no)
        return mappings_at(overrides, effective_date or self._today())

    async def create_account(
        self, call: KeyedCall, account: ChartAccount, answer: Callable[[ChartAccount], bytes]
    ) -> bytes:
        """Add an account of the client's own; GL_ACCOUNT_EXISTS. Returns the answer, or the first one."""

        async def change(connection: RawConnection) -> Made:
            chart = await store_chart.read_chart(connection, call.client_no)
            if any(account.code == other.code for other in chart):
                raise refusals.gl_account_exists(account.code)
            now = self._clock.now()
            await store_chart.insert_account(connection, call.client_no, account, now)
            event = entity_event(
                now,
                call.client_no,
                call.actor,
                ("gl_account", account.code, "created"),
                f"general ledger account {account.code} {account.name} created",
            )
            await outbox.append(connection, [event])
            return Made(answer(account))

        return await self._changes.make(call, change)

    async def set_mapping(
        self,
        call: KeyedCall,
        key: MappingKey,
        gl_account: str | None,
        effective_from: date | None,
        answer: Callable[[Sequence[GlMapping]], bytes],
    ) -> bytes:
        """Name a counter account, or None for the default; GL_ACCOUNT_NOT_ALLOWED, GL_ACCOUNT_NOT_FOUND.

        Returns the answer, which is made of the mappings that changed, or the first one.
        """

        async def change(connection: RawConnection) -> Made:
            if gl_account is not None:
                chart = await store_chart.read_chart(connection, call.client_no)
                check_counter_account(gl_account, {account.code for account in chart})
            keys = changed_together(key)
            from_event_no = await store_chart.hold_event_numbers(connection)
            now = self._clock.now()
            await store_chart.insert_overrides(
                connection,
                call.client_no,
                keys,
                gl_account=gl_account,
                from_event_no=from_event_no,
                effective_from=effective_from,
                created_at=now,
                actor=call.actor,
            )
            overrides = await store_chart.read_overrides(connection, call.client_no)
            mappings = mappings_at(overrides, effective_from or self._today())
            changed = [mapping for mapping in mappings if mapping.default.key in keys]
            await outbox.append(
                connection,
                [
                    entity_event(
                        now,
                        call.client_no,
                        call.actor,
                        ("gl_mapping", _name_of(each), "changed" if gl_account else "reset"),
                        _summary(each, gl_account, from_event_no, effective_from),
                    )
                    for each in changed
                ],
            )
            return Made(answer(changed))

        return await self._changes.make(call, change)

    def _today(self) -> date:
        return self._clock.now().astimezone(UTC).date()


def _name_of(mapping: GlMapping) -> str:
    key = mapping.default.key
    return (
        f"invoice_line_type {key.line_type}" if key.line_type else f"transaction_type {key.transaction_type}"
    )


def _summary(
    mapping: GlMapping, gl_account: str | None, from_event_no: int, effective_from: date | None
) -> str:
    account = gl_account or f"{mapping.default.counter_account} again"
    limits = f"from event {from_event_no} on"
    if effective_from is not None:
        limits += f" and with an effective date from {effective_from} on"
    return f"{mapping.default.name} is booked to {account}, {limits}"
