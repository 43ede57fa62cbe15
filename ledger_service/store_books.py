"""Reads the books for a commit group: each question for the whole group, and only those that it needs.

What never changes is read first. What may change is read after the accounts are locked, in the order of their
keys, so that two groups never wait for each other. Or it is read without locks, of one state of the database
and with the version that the row of each account has there. `group_posting` tells why both are right.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any, Final, TypeAlias

from ledger_service.rules.applications import Waiting
from ledger_service.rules.books import Account, AccountKey, Books, InvoiceFacts, Period, Taking
from ledger_service.rules.needs import Needs
from ledger_service.rules.transactions import Transaction
from ledger_service.store_round_trips import Found, Question
from ledger_service.store_transactions import read_transactions
from service_kit.database import RawConnection

# Every statement below looks rows up by a key that an index has. The planner is told so, since it can't know
# for a table that is new, or has grown a hundredfold since it was analysed: it would read the whole of it, or
# sort the whole history of an account rather than take the first of it along an index that is in order.
# And since one plan is good for all, it is made once: planning costs several times what a look-up does.
# Where groups of two servers wait for each other, partly within the servers, only a limit ends it.
POSTING_SETTINGS: Final = """
    SET enable_seqscan = off;
    SET enable_hashjoin = off;
    SET enable_mergejoin = off;
    SET enable_sort = off;
    SET enable_incremental_sort = off;
    SET plan_cache_mode = force_generic_plan;
    SET lock_timeout = '5s'
"""

Versions: TypeAlias = dict[AccountKey, int]
"""By account: the transaction that last changed its row in account_balance (the row's xmin)."""

# --------------------------------------------------------------------------------------- what never changes

_INVOICES: Final = """
    SELECT client_no, invoice_no, acct_no, plan_instance_no, total, currency_code, first_event_no,
           last_event_no
      FROM unnest($1::bigint[], $2::bigint[]) AS wanted (client_no, invoice_no)
      JOIN invoice USING (client_no, invoice_no)
"""

# The other leg of a transfer, the other lines of a memo: same source row. The reversals of a refund: the
# row of refunds that was made for it.
_COMPANIONS: Final = """
    SELECT wanted.client_no, wanted.event_no, companion.event_no AS companion_no
      FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bigint[])
           AS wanted (client_no, event_no, transaction_type, source_no)
      JOIN LATERAL (
           SELECT leg.event_no
             FROM acct_transaction AS leg
            WHERE wanted.transaction_type IN (4, 5)
              AND leg.client_no = wanted.client_no
              AND leg.transaction_type IN (4, 5)
              AND leg.source_no = wanted.source_no
           UNION ALL
           SELECT line.event_no
             FROM acct_transaction AS line
            WHERE wanted.transaction_type = 24
              AND line.client_no = wanted.client_no
              AND line.transaction_type = 24
              AND line.source_no = wanted.source_no
           UNION ALL
           SELECT reversal.event_no
             FROM refunds
             JOIN acct_transaction AS reversal
               ON reversal.client_no = refunds.client_no
              AND reversal.transaction_type = 8
              AND reversal.source_no = refunds.refund_no
            WHERE wanted.transaction_type IN (12, 13)
              AND refunds.client_no = wanted.client_no
              AND refunds.event_no = wanted.event_no
           ) AS companion ON true
"""

WITH_COMPANIONS: Final = frozenset({4, 5, 12, 13, 24})


async def read_unchanging(connection: RawConnection, needs: Needs, books: Books) -> None:
    """Read the transactions and invoices that are named, and what stands and falls with them."""
    if needs.transactions:
        named = await read_transactions(connection, needs.transactions)
        books.transactions.update(named)
        bound = [each for each in named.values() if each.type.code in WITH_COMPANIONS]
        if bound:
            await _read_companions(connection, bound, books)
    needs.add_invoices_of_charges(books)
    if needs.invoices:
        await _read_invoices(connection, needs, books)


async def _read_invoices(connection: RawConnection, needs: Needs, books: Books) -> None:
    rows = await connection.fetch(_INVOICES, *_columns(needs.invoices, 2))
    line_keys = [
        (row["client_no"], event_no)
        for row in rows
        for event_no in range(row["first_event_no"], row["last_event_no"] + 1)
    ]
    lines = await read_transactions(connection, line_keys)
    books.transactions.update(lines)
    for row in rows:
        client_no = row["client_no"]
        numbers = range(row["first_event_no"], row["last_event_no"] + 1)
        books.invoices[client_no, row["invoice_no"]] = InvoiceFacts(
            row["acct_no"],
            row["plan_instance_no"] or 0,
            row["total"],
            row["currency_code"],
            tuple(lines[client_no, event_no] for event_no in numbers),
        )


async def _read_companions(connection: RawConnection, bound: list[Transaction], books: Books) -> None:
    rows = await connection.fetch(
        _COMPANIONS,
        [each.client_no for each in bound],
        [each.event_no for each in bound],
        [each.type.code for each in bound],
        [each.source_no for each in bound],
    )
    unread = {(row["client_no"], row["companion_no"]) for row in rows} - books.transactions.keys()
    if unread:
        books.transactions.update(await read_transactions(connection, unread))
    numbers: dict[tuple[int, int], list[int]] = {(each.client_no, each.event_no): [] for each in bound}
    for row in rows:
        numbers[row["client_no"], row["event_no"]].append(row["companion_no"])
    for (client_no, event_no), companions in numbers.items():
        books.companions[client_no, event_no] = tuple(
            books.transactions[client_no, companion] for companion in sorted(companions)
        )


# ----------------------------------------------------------------------------------------------- the accounts

_ACCOUNTS: Final = """
    SELECT balance.client_no,
           balance.acct_no,
           balance.balance,
           balance.last_event_no,
           balance.balance + balance.held AS waiting,
           balance.waiting_after,
           balance.last_effective_date,
           balance.xmin::text::bigint AS version,
           account.currency_code,
           account.payment_term_days
      FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS wanted (client_no, acct_no, place)
      JOIN account_balance AS balance USING (client_no, acct_no)
      JOIN account USING (client_no, acct_no)
"""

# In the order of the arrays, which is that of the keys, and not in that of an index: where there is one, the
# planner would walk along all accounts rather than sort those that are wanted.
_LOCK_ACCOUNTS: Final = f"""
    {_ACCOUNTS}
     ORDER BY wanted.place
       FOR NO KEY UPDATE OF balance
"""


async def lock_accounts(connection: RawConnection, needs: Needs, books: Books) -> None:
    """Lock the accounts, in order, until the end of the transaction; and read them."""
    if needs.accounts:
        rows = await connection.fetch(_LOCK_ACCOUNTS, *_columns(needs.accounts, 2))
        _take_accounts(books, {}, rows)


def accounts_as_they_are(needs: Needs, books: Books, versions: Versions) -> list[Question]:
    """The accounts without locks, and the version that each has now."""
    if not needs.accounts:
        return []
    return [Question(_ACCOUNTS, _columns(needs.accounts, 2), partial(_take_accounts, books, versions))]


def _take_accounts(books: Books, versions: Versions, rows: Found) -> None:
    for row in rows:
        client_no, acct_no, balance, last_event_no, waiting, after, last_date, version, currency, terms = row
        key = (client_no, acct_no)
        versions[key] = version
        books.accounts[key] = Account(currency, terms)
        books.balances[key] = balance
        if last_event_no:
            books.last_events[key] = last_event_no
            books.waiting[key] = Waiting(waiting, after, last_date, last_event_no)


# ------------------------------------------------------------------------------------------ what may change

# No locks of their own: their account is locked.
_PLAN_INSTANCES: Final = """
    SELECT client_no, plan_instance_no, plan_instance.acct_no, plan_instance_balance.balance
      FROM unnest($1::bigint[], $2::bigint[]) AS wanted (client_no, plan_instance_no)
      JOIN plan_instance USING (client_no, plan_instance_no)
      JOIN plan_instance_balance USING (client_no, plan_instance_no)
"""

_VOIDS: Final = """
    SELECT client_no, void.related_event_no, void.event_no
      FROM unnest($1::bigint[], $2::bigint[]) AS wanted (client_no, related_event_no)
      JOIN acct_transaction AS void USING (client_no, related_event_no)
     WHERE void.transaction_type < 0
"""

# What was taken from a transaction, and the void of that, if any.
_TAKINGS: Final = """
    SELECT taking.client_no, taking.related_event_no, taking.event_no, taking.transaction_type, taking.amount,
           void.event_no AS void_no
      FROM unnest($1::bigint[], $2::bigint[]) AS wanted (client_no, related_event_no)
      JOIN acct_transaction AS taking USING (client_no, related_event_no)
      LEFT JOIN acct_transaction AS void
        ON void.client_no = taking.client_no
       AND void.related_event_no = taking.event_no
       AND void.transaction_type < 0
     WHERE taking.transaction_type > 0
       AND taking.related_event_no IS NOT NULL
"""

_WRITE_OFFS: Final = """
    SELECT written_off.client_no, invoice_no, written_off.event_no, written_off.transaction_type,
           written_off.amount, void.event_no AS void_no
      FROM unnest($1::bigint[], $2::bigint[]) AS wanted (client_no, invoice_no)
      JOIN write_offs USING (client_no, invoice_no)
      JOIN acct_transaction AS written_off USING (client_no, event_no)
      LEFT JOIN acct_transaction AS void
        ON void.client_no = written_off.client_no
       AND void.related_event_no = written_off.event_no
       AND void.transaction_type < 0
"""

_VOIDED_INVOICES: Final = """
    SELECT client_no, invoice_no
      FROM unnest($1::bigint[], $2::bigint[]) AS wanted (client_no, invoice_no)
      JOIN invoice_void USING (client_no, invoice_no)
"""

# The last invoice of each period, and whether it is voided.
_PERIODS: Final = """
    SELECT DISTINCT ON (client_no, acct_no, wanted.plan_instance_no, period_start, period_end)
           client_no, acct_no, wanted.plan_instance_no, period_start, period_end,
           invoice.issue, invoice.invoice_no, invoice_void.invoice_no IS NOT NULL AS voided
      FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::date[], $5::date[])
           AS wanted (client_no, acct_no, plan_instance_no, period_start, period_end)
      JOIN invoice USING (client_no, acct_no)
      LEFT JOIN invoice_void USING (client_no, invoice_no)
     WHERE invoice.plan_instance_no IS NOT DISTINCT FROM nullif(wanted.plan_instance_no, 0)
       AND invoice.billing_period_start = period_start
       AND invoice.billing_period_end = period_end
     ORDER BY client_no, acct_no, wanted.plan_instance_no, period_start, period_end, invoice.issue DESC
"""

# All payments that ever had the codes, the last one last. OFFSET keeps the planner from joining the other way
# round, which is cheaper as long as there are few payments.
_REFERENCE_CODES: Final = """
    SELECT wanted.client_no, wanted.acct_no, wanted.reference_code, payment.event_no, void.event_no AS void_no
      FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS wanted (client_no, acct_no, reference_code)
     CROSS JOIN LATERAL (
           SELECT event_no
             FROM external_payments
            WHERE client_no = wanted.client_no
              AND acct_no = wanted.acct_no
              AND reference_code = wanted.reference_code
           OFFSET 0
           ) AS payment
      LEFT JOIN acct_transaction AS void
        ON void.client_no = wanted.client_no
       AND void.related_event_no = payment.event_no
       AND void.transaction_type < 0
     ORDER BY payment.event_no
"""

# Not bound to an account that is locked: the unique index decides between two groups.
_GATEWAY_REFERENCES: Final = """
    SELECT wanted.client_no, wanted.gateway_reference, payment.event_no
      FROM unnest($1::bigint[], $2::text[]) AS wanted (client_no, gateway_reference)
     CROSS JOIN LATERAL (
           SELECT event_no
             FROM payments
            WHERE client_no = wanted.client_no
              AND gateway_reference = wanted.gateway_reference
           OFFSET 0
           ) AS payment
"""

_EXTERNAL_IDS: Final = """
    SELECT client_no, external_id, account.acct_no
      FROM unnest($1::bigint[], $2::text[]) AS wanted (client_no, external_id)
      JOIN account USING (client_no, external_id)
"""


_PLAN_INSTANCE_COUNTS: Final = """
    SELECT client_no, acct_no, count(*)
      FROM unnest($1::bigint[], $2::bigint[]) AS wanted (client_no, acct_no)
      JOIN plan_instance USING (client_no, acct_no)
     GROUP BY client_no, acct_no
"""


def changing(needs: Needs, books: Books) -> list[Question]:
    """All else that the rules ask for, to be asked under the locks."""
    questions = []
    if needs.plan_instances:
        take = partial(_take_plan_instances, books)
        questions.append(Question(_PLAN_INSTANCES, _columns(needs.plan_instances, 2), take))
    if books.transactions:
        keys = _columns(books.transactions, 2)
        questions.append(Question(_VOIDS, keys, partial(_take_voids, books)))
        questions.append(Question(_TAKINGS, keys, partial(_take_takings, books.taken, books)))
    if needs.invoices:
        keys = _columns(needs.invoices, 2)
        questions.append(Question(_VOIDED_INVOICES, keys, partial(_take_voided_invoices, books)))
        questions.append(Question(_WRITE_OFFS, keys, partial(_take_takings, books.written_off, books)))
    if needs.periods:
        questions.append(Question(_PERIODS, _columns(needs.periods, 5), partial(_take_periods, books)))
    if needs.extended_accounts:
        keys = _columns(needs.extended_accounts, 2)
        take = partial(_take_names, books.plan_instance_counts)
        questions.append(Question(_PLAN_INSTANCE_COUNTS, keys, take))
    return questions + _taken_names(needs, books)


def _taken_names(needs: Needs, books: Books) -> list[Question]:
    questions = []
    if needs.reference_codes:
        take = partial(_take_reference_codes, books)
        questions.append(Question(_REFERENCE_CODES, _columns(needs.reference_codes, 3), take))
    return questions + [
        Question(statement, _columns(names, width), partial(_take_names, found))
        for statement, names, width, found in (
            (_GATEWAY_REFERENCES, needs.gateway_references, 2, books.gateway_references),
            (_EXTERNAL_IDS, needs.external_ids, 2, books.external_ids),
        )
        if names
    ]


def _take_names(found: dict[Any, int], rows: Found) -> None:
    for *name, number in rows:
        found[tuple(name)] = number


def _take_reference_codes(books: Books, rows: Found) -> None:
    for client_no, acct_no, reference_code, event_no, void_no in rows:
        key = (client_no, acct_no, reference_code)
        if key in books.reference_codes:
            books.code_uses[key] = books.code_uses.get(key, 1) + 1
        books.reference_codes[key] = event_no
        if void_no is not None:
            books.voided[client_no, event_no] = void_no


def _take_plan_instances(books: Books, rows: Found) -> None:
    for client_no, plan_instance_no, acct_no, balance in rows:
        books.plan_instances[client_no, plan_instance_no] = acct_no
        books.plan_balances[client_no, plan_instance_no] = balance


def _take_voids(books: Books, rows: Found) -> None:
    for client_no, event_no, void_no in rows:
        books.voided[client_no, event_no] = void_no


def _take_takings(taken: dict[tuple[int, int], tuple[Taking, ...]], books: Books, rows: Found) -> None:
    """What was taken, by what it was taken from: a transaction or an invoice."""
    for client_no, number, event_no, code, amount, void_no in rows:
        key = (client_no, number)
        taken[key] = (*taken.get(key, ()), Taking(event_no, code, amount))
        if void_no is not None:
            books.voided[client_no, event_no] = void_no


def _take_voided_invoices(books: Books, rows: Found) -> None:
    for client_no, invoice_no in rows:
        books.voided_invoices[client_no, invoice_no] = True


def _take_periods(books: Books, rows: Found) -> None:
    for client_no, acct_no, plan_instance_no, start, end, issue, invoice_no, voided in rows:
        books.periods[client_no, acct_no, plan_instance_no, start, end] = Period(issue, invoice_no)
        if voided:
            books.voided_invoices[client_no, invoice_no] = True


def _columns(keys: Iterable[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """The keys as one array a column, for unnest. In their order, so that a plan reads an index from left
    to right.
    """
    ordered = sorted(keys)
    return [[key[place] for key in ordered] for place in range(width)]
