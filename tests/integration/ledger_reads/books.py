"""Books for tests, written row by row as the owner of the database: whole to begin with, then with any fault.

Each `post` is a commit group, with balances and digests as the ledger would leave them. Nothing is decided
here: a test that posts nonsense gets nonsense, and that is the point. What is applied is worked out by
the rule (see `replayed`).
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import asyncpg

from ledger_service.rules.digests import group_digest, part_digest
from ledger_service.rules.transaction_types import TRANSACTION_TYPES
from tests.integration.ledger_reads import replayed

CLIENT: int = 7
RECORDED_AT = datetime(2026, 6, 30, 12, 0, 0, 123456, tzinfo=UTC)

# What a source row has when a test does not care, by source table.
_ROWS: Mapping[str, Mapping[str, Any]] = {
    "external_payments": {"received_date": date(2026, 6, 1)},
    "external_charge": {"description": "New SIM card"},
    "dunning_charge": {"dunning_step": 1, "description": "Late fee"},
    "gl_detail": {"line_type": 1, "description": "Line rental", "line_no": 1},
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A transaction to be written.

    row: the columns of its source row beyond those that it has by itself; None: it has no row of its own.
    source_no: of the row that it shares with another.
    """

    acct_no: int
    code: int
    amount: int
    day: date
    plan_instance_no: int | None = None
    related_event_no: int | None = None
    row: Mapping[str, Any] | None = field(default_factory=dict)
    source_no: int = 0
    currency: str = "USD"
    comment: str | None = None


def balance_at(entries: Iterable[Entry], as_of: date, *plan_instance_nos: int | None) -> int:
    """What the entries up to a day come to, of these plan instances; None: those of the account itself."""
    return sum(
        TRANSACTION_TYPES[entry.code].effect * entry.amount
        for entry in entries
        if entry.day <= as_of and entry.plan_instance_no in plan_instance_nos
    )


class Books:
    """Writes the books of clients through a connection of the owner's."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self._event_nos = itertools.count(101)
        self._numbers = itertools.count(1)
        self._group_nos = itertools.count(1)
        self._references = itertools.count(1)

    async def insert(self, table: str, /, **columns: Any) -> None:
        """One row."""
        places = ", ".join(f"${place}" for place in range(1, len(columns) + 1))
        await self.connection.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", *columns.values()
        )

    async def account(
        self,
        name: str = "Ada",
        *,
        plans: tuple[str, ...] = (),
        currency: str = "USD",
        external_id: str | None = None,
        client_no: int = CLIENT,
    ) -> tuple[int, ...]:
        """The number of a new account, and of each of its plan instances."""
        acct_no = next(self._numbers)
        await self.insert(
            "account",
            client_no=client_no,
            acct_no=acct_no,
            external_id=external_id,
            name=name,
            currency_code=currency,
            payment_term_days=30,
            created_at=RECORDED_AT,
        )
        await self.insert(
            "account_balance",
            client_no=client_no,
            acct_no=acct_no,
            balance=0,
            last_event_no=0,
            held=0,
            waiting_after=0,
        )
        plan_instance_nos = []
        for plan in plans:
            plan_instance_nos.append(next(self._numbers))
            await self.insert(
                "plan_instance",
                client_no=client_no,
                plan_instance_no=plan_instance_nos[-1],
                acct_no=acct_no,
                name=plan,
                created_at=RECORDED_AT,
            )
            await self.insert(
                "plan_instance_balance",
                client_no=client_no,
                plan_instance_no=plan_instance_nos[-1],
                balance=0,
            )
        return acct_no, *plan_instance_nos

    async def post(self, *entries: Entry, client_no: int = CLIENT) -> list[int]:
        """The event numbers of the entries, written as one commit group."""
        event_nos = [await self._write(client_no, entry) for entry in entries]
        await self._seal(client_no, event_nos[0], event_nos[-1])
        await self.apply(client_no, *{entry.acct_no for entry in entries})
        return event_nos

    async def apply(self, client_no: int, *acct_nos: int) -> None:
        """Work out anew what is applied on the accounts, and what is open."""
        for table in ("application", "item_balance"):
            await self.connection.execute(
                f"DELETE FROM {table} WHERE client_no = $1 AND acct_no = ANY ($2)", client_no, acct_nos
            )
        history = await self.connection.fetch(replayed.HISTORY, [client_no] * len(acct_nos), list(acct_nos))
        first_no = await self.connection.fetchval(
            "SELECT coalesce(max(application_no), 0) + 1 FROM application"
        )
        made, open_items = replayed.replay(history, first_no)
        for statement, rows in (
            (replayed.WRITE_APPLICATIONS, made),
            (replayed.WRITE_ITEM_BALANCES, open_items),
        ):
            if rows:
                await self.connection.execute(statement, *replayed.columns_of(rows))
        await self.connection.execute(replayed.WRITE_MARKS, client_no, acct_nos)

    async def _write(self, client_no: int, entry: Entry) -> int:
        event_no = next(self._event_nos)
        kind = TRANSACTION_TYPES[entry.code]
        source_no = entry.source_no or next(self._numbers)
        await self.insert(
            "acct_transaction",
            client_no=client_no,
            event_no=event_no,
            acct_no=entry.acct_no,
            plan_instance_no=entry.plan_instance_no,
            transaction_type=entry.code,
            source_no=source_no,
            amount=entry.amount,
            currency_code=entry.currency,
            effective_date=entry.day,
            created_at=RECORDED_AT,
            related_event_no=entry.related_event_no,
            comment=entry.comment,
        )
        if entry.row is not None:
            account = "from_acct_no" if kind.source_table == "balance_transfer" else "acct_no"
            defaults = dict(_ROWS.get(kind.source_table, {}))
            if kind.source_table == "payments":
                defaults["gateway_reference"] = f"gw-{next(self._references)}"
            elif kind.source_table == "external_payments":
                defaults["reference_code"] = f"check-{next(self._references)}"
            row = {
                "client_no": client_no,
                kind.source_key: source_no,
                "event_no": event_no,
                account: entry.acct_no,
                **defaults,
                **entry.row,
            }
            await self.insert(kind.source_table, **row)
        await self.connection.execute(
            "UPDATE account_balance SET balance = balance + $1, last_event_no = $2,"
            " last_effective_date = greatest(last_effective_date, $5)"
            " WHERE client_no = $3 AND acct_no = $4",
            kind.effect * entry.amount,
            event_no,
            client_no,
            entry.acct_no,
            entry.day,
        )
        await self.connection.execute(
            "UPDATE plan_instance_balance SET balance = balance + $1"
            " WHERE client_no = $2 AND plan_instance_no = $3",
            kind.effect * entry.amount,
            client_no,
            entry.plan_instance_no,
        )
        return event_no

    async def _seal(self, client_no: int, first_event_no: int, last_event_no: int) -> None:
        rows = await self.connection.fetch(
            "SELECT client_no, event_no, acct_no, plan_instance_no, transaction_type, source_no, amount,"
            " currency_code, effective_date, created_at, related_event_no, reason_code, comment"
            " FROM acct_transaction WHERE client_no = $1 AND event_no BETWEEN $2 AND $3 ORDER BY event_no",
            client_no,
            first_event_no,
            last_event_no,
        )
        digest = part_digest([tuple(row) for row in rows])
        group = {
            "group_no": next(self._group_nos),
            "first_event_no": first_event_no,
            "last_event_no": last_event_no,
            "transactions": len(rows),
        }
        await self.insert("commit_group_part", client_no=client_no, digest=digest, **group)
        await self.insert(
            "commit_group", digest=group_digest([(client_no, digest)]), committed_at=RECORDED_AT, **group
        )

    # --------------------------------------------------------------------------------------------- documents

    async def source_no_of(self, event_no: int, client_no: int = CLIENT) -> int:
        """The source row of a transaction."""
        source_no: int = await self.connection.fetchval(
            "SELECT source_no FROM acct_transaction WHERE client_no = $1 AND event_no = $2",
            client_no,
            event_no,
        )
        return source_no

    async def void(self, *event_nos: int, day: date, client_no: int = CLIENT) -> list[int]:
        """The voids of transactions, in one commit group."""
        rows = await self.connection.fetch(
            "SELECT * FROM acct_transaction WHERE client_no = $1 AND event_no = ANY ($2) ORDER BY event_no",
            client_no,
            event_nos,
        )
        return await self.post(
            *(
                Entry(
                    row["acct_no"],
                    -row["transaction_type"],
                    row["amount"],
                    day,
                    plan_instance_no=row["plan_instance_no"],
                    related_event_no=row["event_no"],
                    row=None,
                    source_no=row["source_no"],
                    currency=row["currency_code"],
                    comment="a mistake",
                )
                for row in rows
            ),
            client_no=client_no,
        )

    async def invoice(
        self,
        acct_no: int,
        *amounts: int,
        day: date,
        due: date,
        plan_instance_no: int | None = None,
        client_no: int = CLIENT,
    ) -> tuple[int, list[int]]:
        """The number of an invoice and the events of its lines; an amount below zero is a service credit."""
        invoice_no = next(self._numbers)
        event_nos = await self.post(
            *(
                Entry(
                    acct_no,
                    21 if amount > 0 else 22,
                    abs(amount),
                    day,
                    plan_instance_no=plan_instance_no,
                    row={"invoice_no": invoice_no, "line_no": place, "line_type": 1 if amount > 0 else 3},
                )
                for place, amount in enumerate(amounts, start=1)
            ),
            client_no=client_no,
        )
        await self.insert(
            "invoice",
            client_no=client_no,
            invoice_no=invoice_no,
            acct_no=acct_no,
            plan_instance_no=plan_instance_no,
            billing_period_start=day,
            billing_period_end=due,
            issue=1,
            invoice_date=day,
            due_date=due,
            total=sum(amounts),
            currency_code="USD",
            first_event_no=event_nos[0],
            last_event_no=event_nos[-1],
            created_at=RECORDED_AT,
        )
        # Only now its lines have a due date.
        await self.apply(client_no, acct_no)
        return invoice_no, event_nos

    async def void_invoice(self, invoice_no: int, event_nos: list[int], *, day: date) -> list[int]:
        """The voids of an invoice's lines."""
        voids = await self.void(*event_nos, day=day)
        await self.insert(
            "invoice_void",
            client_no=CLIENT,
            invoice_no=invoice_no,
            first_event_no=voids[0],
            last_event_no=voids[-1],
        )
        return voids

    async def transfer(self, from_acct_no: int, to_acct_no: int, amount: int, *, day: date) -> list[int]:
        """The two legs of a transfer."""
        transfer_no = next(self._numbers)
        return await self.post(
            Entry(from_acct_no, 5, amount, day, source_no=transfer_no, row={"to_acct_no": to_acct_no}),
            Entry(to_acct_no, 4, amount, day, source_no=transfer_no, row=None),
        )

    async def refund(
        self, acct_no: int, payment: int, amount: int, *reversals: tuple[int, int], day: date
    ) -> list[int]:
        """A refund of an electronic payment, and its reversals as (charge, amount)."""
        refund_no = next(self._numbers)
        event_nos = await self.post(
            Entry(acct_no, 12, amount, day, related_event_no=payment),
            *(
                Entry(acct_no, 8, reversed_, day, related_event_no=charge, row=None, source_no=refund_no)
                for charge, reversed_ in reversals
            ),
        )
        if reversals:
            await self.insert(
                "refunds", client_no=CLIENT, refund_no=refund_no, event_no=event_nos[0], acct_no=acct_no
            )
        return event_nos

    async def memo(self, acct_no: int, invoice_no: int, *lines: tuple[int, int], day: date) -> list[int]:
        """A credit memo with lines as (charge, amount)."""
        cm_no = next(self._numbers)
        rows = [{"invoice_no": invoice_no}, *[None] * (len(lines) - 1)]
        return await self.post(
            *(
                Entry(
                    acct_no,
                    24,
                    amount,
                    day,
                    related_event_no=charge,
                    row=row,
                    source_no=cm_no,
                    comment="sorry",
                )
                for (charge, amount), row in zip(lines, rows, strict=True)
            )
        )
