"""What a commit group asks for and writes besides the books: request keys, numbers, rows, and balances."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, Final

from ledger_service import tables
from ledger_service.requests import FirstAnswer, RequestKey
from ledger_service.rules.applications import Waiting
from ledger_service.rules.books import AccountKey, Books
from ledger_service.rules.commit_groups import CommitGroup
from ledger_service.rules.group_applications import UNCHANGED, GroupApplications
from ledger_service.rules.plain_drafts import WELL_IN_RANGE
from ledger_service.store_books import Versions
from ledger_service.store_round_trips import (
    DAY_BEFORE_ALL,
    Append,
    Change,
    Condition,
    Found,
    Question,
    Row,
    Step,
    ask,
    write,
)
from service_kit.database import RawConnection

# OFFSET: as for reference codes in `store_books`; this table grows with every call.
_KNOWN_KEYS: Final = """
    SELECT wanted.client_no, wanted.scope, wanted.request_id, known.fingerprint, known.answer
      FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS wanted (client_no, scope, request_id)
     CROSS JOIN LATERAL (
           SELECT fingerprint, answer
             FROM request_key
            WHERE client_no = wanted.client_no
              AND scope = wanted.scope::smallint
              AND request_id = wanted.request_id
           OFFSET 0
           ) AS known
"""

_RESERVE: Final = "SELECT unnest(reserve_numbers($1::text[], $2::bigint[]))"
_NEXT: Final = "SELECT unnest(next_numbers($1::text[]))"
_RESERVE_EXACTLY: Final = "reserve_exactly($1::text[], $2::bigint[], $3::bigint[])"

# The rows are locked already, so the order in which they are updated does not matter. They have no version.
_CHANGE_BALANCES: Final = f"""
    UPDATE account_balance AS balance
       SET balance = balance.balance + change.amount,
           last_event_no = greatest(balance.last_event_no, change.last_event_no),
           last_effective_date = greatest(balance.last_effective_date, change.last_effective_date),
           held = balance.held + change.held,
           waiting_after = greatest(balance.waiting_after, change.waiting_after)
      FROM (SELECT client_no, acct_no, amount, last_event_no, held, waiting_after, version,
                   date '{DAY_BEFORE_ALL}' + last_day::integer AS last_effective_date
              FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
                          $7::bigint[], $8::bigint[])
                   AS given (client_no, acct_no, amount, last_event_no, last_day, held, waiting_after,
                             version)
           ) AS change
     WHERE balance.client_no = change.client_no
       AND balance.acct_no = change.acct_no
"""  # noqa: S608  # our own day

# Without locks: only where an account is still as it was read. Whoever is changing it now is waited for.
_CHANGE_BALANCES_AS_READ: Final = f"""
    {_CHANGE_BALANCES}
       AND balance.xmin = change.version::text::xid
    RETURNING balance.acct_no
"""

# The same, and the accounts are told as they are left.
_CHANGE_AND_TELL_BALANCES: Final = f"""
    {_CHANGE_BALANCES_AS_READ},
              ARRAY[balance.client_no, balance.acct_no, balance.balance, balance.last_event_no,
                    balance.balance + balance.held, balance.waiting_after,
                    balance.last_effective_date - date '{DAY_BEFORE_ALL}',
                    balance.xmin::text::bigint] AS told
"""

# What is posted on an account and surely pays nothing, nor is paid: see `sides_of`.
_IS_QUIET: Final = f"""
    (    (change.side > 0 AND balance.balance + balance.held >= 0
          OR change.side < 0 AND balance.balance + balance.held <= 0)
     AND (balance.balance + balance.held = 0 OR balance.last_effective_date <= change.last_effective_date)
     AND balance.balance BETWEEN -{WELL_IN_RANGE} AND {WELL_IN_RANGE})
"""

# Ahead: locks the accounts, in order, and changes the balances of those on which it is quiet. The others are
# told as they are; they are written without a change, which costs no more than to lock them. Whoever posted
# on an account since the group has its numbers has later ones: then nothing is written at all. Days come as
# numbers, to be stacked with the others (`with_stacks`).
_SETTLE_QUIET: Final = f"""
    UPDATE account_balance AS balance
       SET balance = CASE WHEN {_IS_QUIET} THEN balance.balance + change.amount ELSE balance.balance END,
           last_event_no =
               CASE WHEN {_IS_QUIET} THEN change.last_event_no ELSE balance.last_event_no END,
           last_effective_date =
               CASE WHEN {_IS_QUIET} THEN greatest(balance.last_effective_date, change.last_effective_date)
                    ELSE balance.last_effective_date END
      FROM (SELECT client_no, acct_no, amount, last_event_no, side,
                   date '{DAY_BEFORE_ALL}' + last_day::integer AS last_effective_date
              FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
                   AS given (client_no, acct_no, amount, last_event_no, last_day, side)
           ) AS change
     WHERE balance.client_no = change.client_no
       AND balance.acct_no = change.acct_no
       AND balance.last_event_no < change.last_event_no
    RETURNING CASE WHEN balance.last_event_no < change.last_event_no
                   THEN ARRAY[balance.client_no, balance.acct_no, balance.balance, balance.last_event_no,
                              balance.balance + balance.held, balance.waiting_after,
                              balance.last_effective_date - date '{DAY_BEFORE_ALL}'] END AS told
"""  # noqa: S608  # our own conditions

_CHANGE_PLAN_BALANCES: Final = """
    UPDATE plan_instance_balance AS balance
       SET balance = balance.balance + change.amount
      FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
           AS change (client_no, plan_instance_no, amount)
     WHERE balance.client_no = change.client_no
       AND balance.plan_instance_no = change.plan_instance_no
"""

# Ahead: those that are near the end of their range are told as they were.
_SETTLE_PLANS: Final = f"""
    {_CHANGE_PLAN_BALANCES}
    RETURNING CASE WHEN NOT balance.balance - change.amount BETWEEN -{WELL_IN_RANGE} AND {WELL_IN_RANGE}
                   THEN ARRAY[balance.client_no, balance.plan_instance_no, balance.balance - change.amount]
              END AS told
"""


def known_keys(keys: Iterable[RequestKey], known: dict[RequestKey, FirstAnswer]) -> Question:
    """Enters in `known` the first answers to those of the keys that were used before."""

    def take(rows: Found) -> None:
        for client_no, scope, request_id, fingerprint, answer in rows:
            known[client_no, scope, request_id] = FirstAnswer(fingerprint, answer)

    return Question(_KNOWN_KEYS, list(zip(*keys, strict=True)), take)


async def read_known_keys(
    connection: RawConnection, keys: Iterable[RequestKey]
) -> dict[RequestKey, FirstAnswer]:
    """The first answers to those of the keys that were used before."""
    known: dict[RequestKey, FirstAnswer] = {}
    await ask(connection, [known_keys(keys, known)])
    return known


async def reserve_numbers(connection: RawConnection, needed: Mapping[str, int]) -> dict[str, int]:
    """The first number of a contiguous block of each kind; see `reserved_numbers`."""
    first_numbers: dict[str, int] = {}
    await ask(connection, [reserved_numbers(needed, first_numbers)])
    return first_numbers


def reserved_numbers(needed: Mapping[str, int], first_numbers: dict[str, int]) -> Question:
    """Enters the first number of a contiguous block of each kind.

    Reserve while the accounts are locked, or see under the locks that nobody has posted with later numbers:
    so the numbers of an account grow in the order of its commits. A block whose transaction is rolled back is
    never used.
    """
    names = list(needed)
    take = partial(_take_numbers, names, first_numbers)
    return Question(_RESERVE, [names, list(needed.values())], take, takes_arrays=True)


def next_numbers(kinds: Iterable[str], first_numbers: dict[str, int]) -> Question:
    """Enters the next number of each kind, without taking it; see `taken`."""
    names = list(kinds)
    return Question(_NEXT, [names], partial(_take_numbers, names, first_numbers), takes_arrays=True)


def _take_numbers(names: Sequence[str], first_numbers: dict[str, int], rows: Found) -> None:
    first_numbers.update(zip(names, (first for (first,) in rows), strict=True))


def taken(needed: Mapping[str, int], first_numbers: Mapping[str, int]) -> Condition:
    """That the numbers are still to be had, and are taken. SerializationError when somebody else has them."""
    firsts = [first_numbers[name] for name in needed]
    return Condition(_RESERVE_EXACTLY, [list(needed), list(needed.values()), firsts])


def appended(group: CommitGroup) -> list[Step]:
    """What the group appends to the books."""
    return [
        Append(tables.account, group.accounts),
        Append(tables.account_balance, group.account_balances),
        Append(tables.plan_instance, group.plan_instances),
        Append(tables.plan_instance_balance, group.plan_instance_balances),
        Append(tables.acct_transaction, group.transactions),
        *(Append(tables.SOURCE_TABLES[name], group.source_rows[name]) for name in sorted(group.source_rows)),
        Append(tables.invoice, group.invoices),
        Append(tables.invoice_void, group.invoice_voids),
        Append(tables.invoice_due_date, group.due_dates),
    ]


def answered(keys: Iterable[Row]) -> Step:
    """The request keys that the group answers.

    In the order of the keys: two groups that have two keys in common wait for each other at most once.
    """
    return Append(tables.request_key, sorted(keys, key=lambda row: row[:3]))


async def write_keys(connection: RawConnection, keys: Iterable[Row]) -> None:
    """Write request keys; see `answered`."""
    await write(connection, [answered(keys)])


def marked(group: CommitGroup) -> list[Step]:
    """The mark of the group, with its digest, and those of its parts."""
    if not group.transactions:
        return []
    first, last, count = group.first_event_no, group.last_event_no, len(group.transactions)
    mark = (group.group_no, first, last, count, group.digest, group.created_at)
    parts = [
        (
            part.client_no,
            group.group_no,
            part.first_event_no,
            part.last_event_no,
            part.transactions,
            part.digest,
        )
        for part in group.parts
    ]
    return [Append(tables.commit_group, [mark]), Append(tables.commit_group_part, parts)]


def settled_if_quiet(group: CommitGroup, sides: Mapping[AccountKey, int], books: Books) -> list[Step]:
    """Locks the accounts of plain drafts, and does to the balances what the group does, where nothing can be
    applied. Enters the other accounts in the books, as they are, and plan instances that may leave their
    range.
    """
    # In the order in which others lock them.
    accounts = sorted(group.balance_changes)
    columns: list[Sequence[Any]] = [
        *zip(*accounts, strict=True),
        list(map(group.balance_changes.__getitem__, accounts)),
        list(map(group.last_events.__getitem__, accounts)),
        list(map(date.toordinal, map(group.last_dates.__getitem__, accounts))),
        list(map(sides.__getitem__, accounts)),
    ]
    return [
        Change(_SETTLE_QUIET, columns, all_or_nothing=True, take=partial(_take_unsettled, books)),
        Change(_SETTLE_PLANS, _plan_changes(group), take=partial(_take_plan_balances, books)),
    ]


def _take_unsettled(books: Books, rows: Found) -> None:
    for client_no, acct_no, balance, last_event_no, waiting, after, last_day in rows:
        key = (client_no, acct_no)
        books.balances[key] = balance
        if last_event_no:
            books.waiting[key] = Waiting(waiting, after, date.fromordinal(last_day), last_event_no)


def _take_plan_balances(books: Books, rows: Found) -> None:
    for client_no, plan_instance_no, balance in rows:
        books.plan_balances[client_no, plan_instance_no] = balance


def settled(
    group: CommitGroup,
    applied: GroupApplications,
    versions: Versions | None = None,
    take: Callable[[Found], None] | None = None,
) -> list[Step]:
    """What the group does to the balances, and to what waits. versions: of the accounts as they were read,
    where they are not locked; the group is only written if they have not changed since. take: takes, of each
    of these, client, number, balance, last event_no, what waits, its mark, the last effective date as an
    ordinal number, and version, as it leaves them.
    """
    return [
        _account_changes(group.balance_changes, group, applied, versions, take),
        Change(_CHANGE_PLAN_BALANCES, _plan_changes(group)),
    ]


def settled_of(accounts: Iterable[AccountKey], group: CommitGroup, applied: GroupApplications) -> Step:
    """What the group does to the balances of these accounts alone, which are locked."""
    return _account_changes(accounts, group, applied)


def _account_changes(
    keys: Iterable[AccountKey],
    group: CommitGroup,
    applied: GroupApplications,
    versions: Versions | None = None,
    take: Callable[[Found], None] | None = None,
) -> Change:
    # In the order in which others lock them.
    accounts = sorted(keys)
    waiting = [applied.waiting.get(account, UNCHANGED) for account in accounts]
    columns: list[Sequence[Any]] = [
        [client_no for client_no, _ in accounts],
        [acct_no for _, acct_no in accounts],
        [group.balance_changes[account] for account in accounts],
        [group.last_events.get(account, 0) for account in accounts],
        [day and day.toordinal() for day in map(group.last_dates.get, accounts)],
        [change.held for change in waiting],
        [change.after for change in waiting],
        [versions and versions[account] for account in accounts],
    ]
    if versions is None:
        return Change(_CHANGE_BALANCES, columns)
    statement = _CHANGE_BALANCES_AS_READ if take is None else _CHANGE_AND_TELL_BALANCES
    return Change(statement, columns, all_or_nothing=True, take=take)


def _plan_changes(group: CommitGroup) -> list[Sequence[Any]]:
    plan_instances = sorted(group.plan_balance_changes)
    return [
        [client_no for client_no, _ in plan_instances],
        [plan_instance_no for _, plan_instance_no in plan_instances],
        [group.plan_balance_changes[each] for each in plan_instances],
    ]
