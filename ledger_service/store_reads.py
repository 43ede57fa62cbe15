"""What is read about accounts: who they are, what they owe, and the transactions that aging needs.

Every statement reads one client. Sums are taken as numeric and checked where they become money, because the
sum of a part of an account's transactions may leave the 64 bits in which its balance is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, TypeAlias

import asyncpg
from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.types import BigInteger, Date

from ledger_service.rules.aging import AgingEntry, OpenCharge
from ledger_service.rules.applications import Queue
from ledger_service.rules.transactions import Transaction
from ledger_service.store_transactions import select_transactions
from service_kit.database import RawConnection, raw_connection

Row: TypeAlias = "asyncpg.Record"


@dataclass(frozen=True, slots=True)
class PlanInstance:
    """A plan that an account holds."""

    plan_instance_no: int
    name: str


@dataclass(frozen=True, slots=True)
class Account:
    """An account with its plan instances, by number."""

    client_no: int
    acct_no: int
    external_id: str
    name: str
    currency_code: str
    payment_term_days: int
    created_at: datetime
    plan_instances: tuple[PlanInstance, ...]


@dataclass(frozen=True, slots=True)
class PlanInstanceBalance:
    """The balance of a plan instance, in minor units."""

    plan_instance: PlanInstance
    balance: int


@dataclass(frozen=True, slots=True)
class AccountBalances:
    """The balance of an account and of each of its plan instances, in minor units of its currency."""

    currency_code: str
    balance: int
    plan_instances: tuple[PlanInstanceBalance, ...]

    @property
    def account_only(self) -> int:
        """What is posted on the account itself (rule 4)."""
        return self.balance - sum(plan_instance.balance for plan_instance in self.plan_instances)


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """The balance of an account, in minor units of its currency."""

    acct_no: int
    currency_code: str
    balance: int


@dataclass(frozen=True, slots=True)
class AgingCandidate:
    """An account that aging looks at. `has_later`: it has transactions that take effect after the date."""

    acct_no: int
    name: str
    currency_code: str
    has_later: bool


def single_statements_of(engine: AsyncEngine) -> AsyncEngine:
    """The same connections, for one statement at a time: each is answered in one round trip."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def snapshot_of(engine: AsyncEngine) -> AsyncEngine:
    """The same connections, whose transactions see one state of the books and can't write."""
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


# --------------------------------------------------------------------------------------------------- accounts

_ACCOUNT_COLUMNS: Final = """
    SELECT a.client_no, a.acct_no, coalesce(a.external_id, '') AS external_id, a.name, a.currency_code,
           a.payment_term_days, a.created_at, p.plan_instance_nos, p.plan_instance_names
      FROM account AS a
     CROSS JOIN LATERAL (
           SELECT coalesce(array_agg(plan_instance_no ORDER BY plan_instance_no), '{}') AS plan_instance_nos,
                  coalesce(array_agg(name ORDER BY plan_instance_no), '{}') AS plan_instance_names
             FROM plan_instance
            WHERE client_no = a.client_no AND acct_no = a.acct_no) AS p
"""

_ACCOUNT_BY_NUMBER: Final = text(
    _ACCOUNT_COLUMNS + " WHERE a.client_no = :client_no AND a.acct_no = :acct_no"
)

_ACCOUNT_BY_EXTERNAL_ID: Final = text(
    _ACCOUNT_COLUMNS + " WHERE a.client_no = :client_no AND a.external_id = :external_id"
)

_ACCOUNTS_AFTER: Final = text(
    _ACCOUNT_COLUMNS
    + """
     WHERE a.client_no = :client_no AND a.acct_no > :after
     ORDER BY a.acct_no
     LIMIT :limit
    """
)


async def find_account(connection: AsyncConnection, client_no: int, acct_no: int) -> Account | None:
    """The account with this number."""
    found = await _accounts(connection, _ACCOUNT_BY_NUMBER, client_no=client_no, acct_no=acct_no)
    return found[0] if found else None


async def find_account_by_external_id(
    connection: AsyncConnection, client_no: int, external_id: str
) -> Account | None:
    """The account with the caller's own identifier."""
    found = await _accounts(connection, _ACCOUNT_BY_EXTERNAL_ID, client_no=client_no, external_id=external_id)
    return found[0] if found else None


async def list_accounts(
    connection: AsyncConnection, client_no: int, *, after: int, limit: int
) -> list[Account]:
    """The first accounts with a number above `after`, by number."""
    return await _accounts(connection, _ACCOUNTS_AFTER, client_no=client_no, after=after, limit=limit)


async def _accounts(connection: AsyncConnection, statement: TextClause, **values: object) -> list[Account]:
    rows = await connection.execute(statement, values)
    return [
        Account(
            row.client_no,
            row.acct_no,
            row.external_id,
            row.name,
            row.currency_code,
            row.payment_term_days,
            row.created_at,
            tuple(map(PlanInstance, row.plan_instance_nos, row.plan_instance_names)),
        )
        for row in rows
    ]


# --------------------------------------------------------------------------------------------------- balances

_BALANCES_NOW: Final = """
    SELECT a.currency_code, b.balance, p.plan_instance_no, p.name, pb.balance
      FROM account AS a
      JOIN account_balance AS b USING (client_no, acct_no)
      LEFT JOIN plan_instance AS p USING (client_no, acct_no)
      LEFT JOIN plan_instance_balance AS pb USING (client_no, plan_instance_no)
     WHERE a.client_no = $1 AND a.acct_no = $2
     ORDER BY p.plan_instance_no
"""

# What counts at a date, without reading all of the history: what takes effect after it is taken off what is
# stored, or, where the date is nearer to the beginning of the account, what takes effect by then is added up.
# At the last date of the account or later, nothing is read. Where the account has sums by day, they stand for
# the transactions up to their mark, and those after it are read by their numbers. (OFFSET 0 keeps each to the
# index that is meant, whatever else looks cheaper.)
#
# The first and the last day of the calendar arrive as infinite dates, which can't be subtracted: so the
# distance is that of the nearest day of the account.
_COUNTED_AT_DATE: Final = """
    WITH ends AS MATERIALIZED (
        SELECT b.balance,
               b.last_effective_date AS last_date,
               (SELECT min(effective_date)
                  FROM acct_transaction
                 WHERE client_no = $1 AND acct_no = $2) AS first_date,
               (SELECT through_event_no
                  FROM day_sum_mark
                 WHERE client_no = $1 AND acct_no = $2) AS summed_through
          FROM account_balance AS b
         WHERE b.client_no = $1 AND b.acct_no = $2
    ), side AS MATERIALIZED (
        SELECT balance,
               summed_through,
               within - first_date < last_date - within AS is_early
          FROM (SELECT ends.*, least(greatest({as_of}, first_date), last_date) AS within FROM ends) AS ends
    ), span AS MATERIALIZED (
        SELECT summed_through,
               CASE WHEN is_early THEN 1 ELSE -1 END AS sign,
               CASE WHEN is_early THEN date '-infinity' ELSE {as_of} + 1 END AS first_day,
               CASE WHEN is_early THEN {as_of} ELSE date 'infinity' END AS last_day
          FROM side
    ), counted AS MATERIALIZED (
        SELECT plan_instance_no, sum(amount) AS balance, sum(transactions) AS transactions
          FROM (SELECT t.plan_instance_no, t.amount * y.effect * t.sign AS amount, t.transactions
                  FROM (SELECT coalesce(t.plan_instance_no, 0) AS plan_instance_no,
                               t.transaction_type,
                               span.sign,
                               sum(t.amount) AS amount,
                               count(*) AS transactions
                          FROM span
                          JOIN acct_transaction AS t
                            ON t.client_no = $1
                           AND t.acct_no = $2
                           AND t.effective_date BETWEEN span.first_day AND span.last_day
                         WHERE span.summed_through IS NULL
                         GROUP BY 1, 2, 3) AS t
                  JOIN transaction_type AS y ON y.code = t.transaction_type
                 UNION ALL
                SELECT d.plan_instance_no, d.amount * span.sign, 0
                  FROM span
                 CROSS JOIN LATERAL (
                       SELECT plan_instance_no, amount
                         FROM day_sum
                        WHERE client_no = $1
                          AND acct_no = $2
                          AND effective_date BETWEEN span.first_day AND span.last_day
                       OFFSET 0) AS d
                 WHERE span.summed_through IS NOT NULL
                 UNION ALL
                SELECT t.plan_instance_no,
                       CASE WHEN t.effective_date BETWEEN span.first_day AND span.last_day
                            THEN t.amount * y.effect * span.sign
                            ELSE 0 END,
                       1
                  FROM span
                 CROSS JOIN LATERAL (
                       SELECT coalesce(plan_instance_no, 0) AS plan_instance_no, transaction_type, amount,
                              effective_date
                         FROM acct_transaction
                        WHERE client_no = $1 AND acct_no = $2 AND event_no > span.summed_through
                       OFFSET 0) AS t
                  JOIN transaction_type AS y ON y.code = t.transaction_type) AS found
         GROUP BY plan_instance_no
    )
"""

_BALANCES_AT_DATE: Final = (
    _COUNTED_AT_DATE.format(as_of="$3::date")  # noqa: S608  # our own text
    + """
    SELECT a.currency_code,
           CASE WHEN side.is_early THEN 0 ELSE side.balance END
           + (SELECT coalesce(sum(balance), 0) FROM counted),
           p.plan_instance_no,
           p.name,
           CASE WHEN side.is_early THEN 0 ELSE pb.balance END + coalesce(c.balance, 0),
           (SELECT coalesce(sum(transactions), 0) FROM counted)
      FROM account AS a
     CROSS JOIN side
      LEFT JOIN plan_instance AS p USING (client_no, acct_no)
      LEFT JOIN plan_instance_balance AS pb USING (client_no, plan_instance_no)
      LEFT JOIN counted AS c ON c.plan_instance_no = p.plan_instance_no
     WHERE a.client_no = $1 AND a.acct_no = $2
     ORDER BY p.plan_instance_no
    """
)

# One row for the account itself and one for each plan instance: the sums over its transactions up to a point.
_BALANCES_AT_EVENT: Final = """
    WITH posted AS MATERIALIZED (
        SELECT t.plan_instance_no, sum(t.amount * y.effect) AS balance
          FROM acct_transaction AS t
          JOIN transaction_type AS y ON y.code = t.transaction_type
         WHERE t.client_no = $1 AND t.acct_no = $2 AND t.event_no <= $3
         GROUP BY t.plan_instance_no
    )
    SELECT a.currency_code, (SELECT coalesce(sum(balance), 0) FROM posted), p.plan_instance_no, p.name,
           coalesce(s.balance, 0)
      FROM account AS a
      LEFT JOIN plan_instance AS p USING (client_no, acct_no)
      LEFT JOIN posted AS s USING (plan_instance_no)
     WHERE a.client_no = $1 AND a.acct_no = $2
     ORDER BY p.plan_instance_no
"""

_BALANCES_OF_ACCOUNTS: Final = text(
    """
    SELECT acct_no, currency_code, balance
      FROM account_balance
      JOIN account USING (client_no, acct_no)
     WHERE client_no = :client_no AND acct_no = ANY (:acct_nos)
    """
).bindparams(bindparam("acct_nos", type_=ARRAY(BigInteger)))


async def balances_now(connection: RawConnection, client_no: int, acct_no: int) -> AccountBalances | None:
    """The stored balances; None when there is no such account."""
    return _balances(await connection.fetch(_BALANCES_NOW, client_no, acct_no))


async def balances_at_date(
    connection: RawConnection, client_no: int, acct_no: int, as_of: date
) -> tuple[AccountBalances | None, int]:
    """The sums of what takes effect on `as_of` or earlier, whenever it was recorded (rule 6), and how many
    transactions were read for that.
    """
    rows = await connection.fetch(_BALANCES_AT_DATE, client_no, acct_no, as_of)
    return _balances(rows), int(rows[0][-1]) if rows else 0


async def balances_at_event(
    connection: RawConnection, client_no: int, acct_no: int, event_no: int
) -> AccountBalances | None:
    """The sums of what was recorded up to `event_no`, whenever it takes effect (rule 6)."""
    return _balances(await connection.fetch(_BALANCES_AT_EVENT, client_no, acct_no, event_no))


def _balances(rows: Sequence[Row]) -> AccountBalances | None:
    if not rows:
        return None
    currency_code, balance, *_ = rows[0]
    return AccountBalances(
        currency_code,
        int(balance),
        tuple(
            PlanInstanceBalance(PlanInstance(plan_instance_no, name), int(plan_instance_balance))
            for _, _, plan_instance_no, name, plan_instance_balance, *_ in rows
            # An account without plan instances is one row, with none.
            if plan_instance_no is not None
        ),
    )


async def balances_of_accounts(
    connection: AsyncConnection, client_no: int, acct_nos: Sequence[int]
) -> list[AccountBalance]:
    """The stored balances of those of the accounts that exist, in the order of `acct_nos`."""
    rows = await connection.execute(
        _BALANCES_OF_ACCOUNTS, {"client_no": client_no, "acct_nos": list(acct_nos)}
    )
    found = {row[0]: AccountBalance(*row) for row in rows}
    return [found[acct_no] for acct_no in acct_nos if acct_no in found]


# ----------------------------------------------------------------------------------------------- statements

_BALANCE_BEFORE: Final = (
    _COUNTED_AT_DATE.format(as_of="($3::date - 1)")  # noqa: S608  # our own text
    + """
    SELECT CASE WHEN is_early THEN 0 ELSE balance END + (SELECT coalesce(sum(balance), 0) FROM counted),
           (SELECT coalesce(sum(transactions), 0) FROM counted)
      FROM side
    """
)

_WITHIN: Final = "client_no = $1 AND acct_no = $2 AND effective_date BETWEEN $3 AND $4"


async def balance_before(
    connection: AsyncConnection, client_no: int, acct_no: int, day: date
) -> tuple[int, int]:
    """The balance of an account at the start of a day, the sum of what takes effect before it, and how many
    transactions were read for that.
    """
    driver = await raw_connection(connection)
    row = await driver.fetchrow(_BALANCE_BEFORE, client_no, acct_no, day)
    assert row is not None, "the account exists"
    balance, transactions = row
    return int(balance), int(transactions)


async def transactions_within(
    connection: AsyncConnection, client_no: int, acct_no: int, first_day: date, last_day: date, limit: int
) -> list[Transaction]:
    """At most `limit` transactions that take effect within a period, by effective date and event_no."""
    driver = await raw_connection(connection)
    within = (client_no, acct_no, first_day, last_day)
    return await select_transactions(driver, _WITHIN, "effective_date, event_no", limit, within)


# ------------------------------------------------------------------------------------------------------ aging

# What is open at a date is what is open now, unless the account has transactions of later dates: so this
# finds every account that matters, and few others, without a sum.
_AGING_CANDIDATES: Final = text(
    """
    SELECT a.acct_no, a.name, a.currency_code, b.last_effective_date > :as_of
      FROM account_balance AS b
      JOIN account AS a USING (client_no, acct_no)
     WHERE b.client_no = :client_no
       AND b.acct_no > :after
       AND (b.last_effective_date > :as_of
            OR b.balance + b.held > 0
            OR (:with_credit AND (b.balance < 0 OR b.held > 0)))
     ORDER BY b.acct_no
     LIMIT :limit
    """
)

_AGING_NAMED: Final = text(
    """
    SELECT a.acct_no, a.name, a.currency_code, coalesce(b.last_effective_date > :as_of, false)
      FROM account AS a
      JOIN account_balance AS b USING (client_no, acct_no)
     WHERE a.client_no = :client_no AND a.acct_no = ANY (:acct_nos) AND a.acct_no > :after
     ORDER BY a.acct_no
     LIMIT :limit
    """
).bindparams(bindparam("acct_nos", type_=ARRAY(BigInteger)), bindparam("as_of", type_=Date))

_AGING_OPEN_ITEMS: Final = """
    SELECT o.acct_no,
           o.queue,
           o.event_no,
           coalesce(re_aged.due_date, i.due_date, o.effective_date) AS due_date,
           y.source_table = 'dunning_charge' AS is_dunning_charge,
           o.open_amount
      FROM open_item AS o
      JOIN transaction_type AS y ON y.code = o.transaction_type
      LEFT JOIN gl_detail AS d
        ON d.client_no = o.client_no
       AND d.invoice_detail_no = CASE WHEN y.source_table = 'gl_detail' THEN o.source_no END
      LEFT JOIN invoice AS i ON i.client_no = d.client_no AND i.invoice_no = d.invoice_no
      LEFT JOIN LATERAL (
           SELECT n.due_date
             FROM invoice_due_date AS n
            WHERE n.client_no = d.client_no AND n.invoice_no = d.invoice_no
            ORDER BY n.event_no DESC
            LIMIT 1) AS re_aged ON true
     WHERE o.client_no = $1 AND o.acct_no = ANY ($2::bigint[])
"""

# All of a batch in one statement. An invoice is named by its lines and by the write-offs against it; only its
# lines have its due date: that of the newest settlement which re-aged it by then, or else its own.
_AGING_ENTRIES: Final = """
    SELECT t.acct_no,
           t.event_no,
           t.effective_date,
           t.amount,
           y.effect > 0,
           y.code < 0,
           y.source_table = 'dunning_charge',
           t.related_event_no,
           coalesce(d.invoice_no, w.invoice_no),
           coalesce(re_aged.due_date, i.due_date)
      FROM acct_transaction AS t
      JOIN transaction_type AS y ON y.code = t.transaction_type
      LEFT JOIN gl_detail AS d
        ON d.client_no = t.client_no
       AND d.invoice_detail_no = CASE WHEN y.source_table = 'gl_detail' THEN t.source_no END
      LEFT JOIN invoice AS i ON i.client_no = t.client_no AND i.invoice_no = d.invoice_no
      LEFT JOIN write_offs AS w
        ON w.client_no = t.client_no
       AND w.write_off_no = CASE WHEN y.source_table = 'write_offs' THEN t.source_no END
      LEFT JOIN LATERAL (
           SELECT n.due_date
             FROM invoice_due_date AS n
             JOIN acct_transaction AS s ON s.client_no = n.client_no AND s.event_no = n.event_no
            WHERE n.client_no = t.client_no AND n.invoice_no = d.invoice_no AND s.effective_date <= $3
            ORDER BY n.event_no DESC
            LIMIT 1) AS re_aged ON true
     WHERE t.client_no = $1 AND t.acct_no = ANY ($2::bigint[]) AND t.effective_date <= $3
"""


async def aging_candidates(
    connection: AsyncConnection, client_no: int, as_of: date, *, with_credit: bool, after: int, limit: int
) -> list[AgingCandidate]:
    """The first accounts above `after` that may owe something at `as_of` or, `with_credit`, be owed
    something.
    """
    rows = await connection.execute(
        _AGING_CANDIDATES.bindparams(bindparam("as_of", type_=Date)),
        {
            "client_no": client_no,
            "as_of": as_of,
            "with_credit": with_credit,
            "after": after,
            "limit": limit,
        },
    )
    return [AgingCandidate(*row) for row in rows]


async def aging_named(
    connection: AsyncConnection,
    client_no: int,
    acct_nos: Sequence[int],
    as_of: date,
    *,
    after: int,
    limit: int,
) -> list[AgingCandidate]:
    """The first accounts above `after` of those named, as far as they exist."""
    rows = await connection.execute(
        _AGING_NAMED,
        {
            "client_no": client_no,
            "acct_nos": list(acct_nos),
            "as_of": as_of,
            "after": after,
            "limit": limit,
        },
    )
    return [AgingCandidate(*row) for row in rows]


async def aging_open_items(
    connection: AsyncConnection, client_no: int, acct_nos: Sequence[int]
) -> dict[int, tuple[list[OpenCharge], int]]:
    """By account: its open charges, in no order, and the sum of its open credits."""
    driver = await raw_connection(connection)
    charges: dict[int, list[OpenCharge]] = {acct_no: [] for acct_no in acct_nos}
    credit = dict.fromkeys(acct_nos, 0)
    for acct_no, queue, *charge in await driver.fetch(_AGING_OPEN_ITEMS, client_no, acct_nos):
        if queue == Queue.CHARGE:
            charges[acct_no].append(OpenCharge(*charge))
        else:
            credit[acct_no] += charge[-1]
    return {acct_no: (charges[acct_no], credit[acct_no]) for acct_no in acct_nos}


async def aging_entries(
    connection: AsyncConnection, client_no: int, acct_nos: Sequence[int], as_of: date
) -> dict[int, list[AgingEntry]]:
    """The transactions of each of the accounts that take effect on `as_of` or earlier."""
    # The driver's own rows: there are tens of thousands of them.
    driver = await raw_connection(connection)
    entries: dict[int, list[AgingEntry]] = {acct_no: [] for acct_no in acct_nos}
    for acct_no, *entry in await driver.fetch(_AGING_ENTRIES, client_no, acct_nos, as_of):
        entries[acct_no].append(AgingEntry(*entry))
    return entries
