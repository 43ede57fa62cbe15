"""A commit group: accepted documents with their numbers, laid out as the rows that are written.

The numbers of a group are one contiguous block, and within it those of each client and of each document: so
a client's part is known by its first and last number, and an invoice's lines are.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby, repeat
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

from ledger_service.rules.applications import Application
from ledger_service.rules.books import AccountKey
from ledger_service.rules.digests import TransactionRow, group_digest, part_digest
from ledger_service.rules.plain_drafts import PlainDrafts, SourceColumns, add_changes
from ledger_service.rules.postings import (
    AccountOpening,
    CreditApplication,
    Decision,
    NewInvoice,
    PlanInstanceOpening,
    Posting,
)
from ledger_service.rules.sources import InvoiceLine, NewInvoiceLine, RefundReversal, Source
from ledger_service.rules.transactions import Transaction

Value = TypeVar("Value")


@dataclass(slots=True)
class Accepted:
    """An accepted document or opening; with its numbers, once `lay_out` gave them."""

    client_no: int
    actor: str
    decision: Decision
    first_event_no: int = 0
    source_nos: list[int] = field(default_factory=list)
    """One for each posting."""
    acct_no: int = 0
    """Of the account that it opens."""
    plan_instance_nos: range = range(0)
    """Of the plan instances that it opens."""
    created_at: datetime | None = None
    applications: list[Application] = field(default_factory=list)
    """Where it applies a credit and posts nothing: what it comes to."""

    def numbers(self) -> list[tuple[int, int, int]]:
        """Of each posting: the place of its draft in the document, its event_no and its source_no."""
        first = self.first_event_no
        return [
            (posting.draft, first + offset, source_no)
            for offset, (posting, source_no) in enumerate(
                zip(self.decision.postings, self.source_nos, strict=True)
            )
        ]

    def transactions(self) -> list[Transaction]:
        """The posted transactions, as they read at this moment."""
        assert self.created_at is not None, "not numbered yet"
        return [
            Transaction(
                posting.client_no,
                self.first_event_no + offset,
                posting.acct_no or self.acct_no,
                posting.plan_instance_no,
                posting.type,
                source_no,
                posting.amount,
                posting.currency,
                posting.effective_date,
                self.created_at,
                posting.related_event_no,
                0,
                posting.reason_code,
                posting.comment,
                self._source(posting),
            )
            for offset, (posting, source_no) in enumerate(
                zip(self.decision.postings, self.source_nos, strict=True)
            )
        ]

    def _source(self, posting: Posting) -> Source | None:
        """The source of a posting, with the numbers that it was drafted without."""
        source = posting.source
        if isinstance(source, NewInvoiceLine):
            assert self.decision.invoice is not None
            invoice_no = self.decision.invoice.invoice_no
            return InvoiceLine(source.line_type, source.description, posting.draft + 1, invoice_no)
        if isinstance(source, RefundReversal) and not posting.type.is_void:
            return source._replace(refund_event_no=self.first_event_no)
        return source


@dataclass(slots=True)
class AcceptedDrafts:
    """Plain drafts that are accepted, all of them; with their numbers, once `lay_out` gave them.

    invoices: those that they make; of each its lines follow those of the one before.
    """

    client_no: int
    actor: str
    drafts: PlainDrafts
    invoices: Sequence[NewInvoice] = ()
    event_nos: range = range(0)
    source_nos: list[int] = field(init=False)
    """One for each draft."""
    created_at: datetime | None = None

    def __post_init__(self) -> None:
        self.source_nos = [0] * len(self.drafts)

    def transaction(self, place: int, source: Source | None) -> Transaction:
        """What was posted for one draft, as it reads at this moment."""
        assert self.created_at is not None, "not numbered yet"
        columns = self.drafts.columns
        return Transaction(
            self.client_no,
            self.event_nos[place],
            columns.acct_nos[place],
            columns.plan_instance_nos[place],
            columns.types[place],
            self.source_nos[place],
            columns.amounts[place],
            columns.currencies[place],
            columns.effective_dates[place],
            self.created_at,
            0,
            0,
            columns.reason_codes[place],
            columns.comments[place],
            source,
        )

    def of_lines(self, of_invoice: Callable[[NewInvoice], Value]) -> list[Value]:
        """What each invoice has, once for each of its lines; nothing where there are no invoices."""
        columns = self.drafts.invoices
        return [] if columns is None else columns.of_lines(map(of_invoice, self.invoices))


Posted: TypeAlias = Accepted | AcceptedDrafts
"""What a group is made of."""


class Part(NamedTuple):
    """The part of one client in a group."""

    client_no: int
    first_event_no: int
    last_event_no: int
    transactions: int
    digest: bytes
    actors: tuple[str, ...]


Row = tuple[Any, ...]

_CODE: Final = attrgetter("code")


def _or_none(value: Any) -> Any:
    return value or None


def _or_nones(column: Sequence[Any]) -> Iterable[Any]:
    return map(_or_none, column) if any(column) else repeat(None)


@dataclass(slots=True)
class CommitGroup:
    """The rows of a group, by table, in the order of their columns; and what it does to the balances."""

    group_no: int
    created_at: datetime
    transactions: list[TransactionRow] = field(default_factory=list)
    source_rows: defaultdict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    """By source table."""
    accounts: list[Row] = field(default_factory=list)
    account_balances: list[Row] = field(default_factory=list)
    """Of accounts that are opened."""
    plan_instances: list[Row] = field(default_factory=list)
    plan_instance_balances: list[Row] = field(default_factory=list)
    invoices: list[Row] = field(default_factory=list)
    invoice_voids: list[Row] = field(default_factory=list)
    due_dates: list[Row] = field(default_factory=list)

    balance_changes: dict[tuple[int, int], int] = field(default_factory=dict)
    """By account that was there before: what its balance changes by."""
    last_events: dict[tuple[int, int], int] = field(default_factory=dict)
    last_dates: dict[tuple[int, int], date] = field(default_factory=dict)
    """By account: the last effective date of what is posted on it."""
    plan_balance_changes: dict[tuple[int, int], int] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)

    @property
    def digest(self) -> bytes:
        """The digest of the whole group."""
        return group_digest((part.client_no, part.digest) for part in self.parts)

    @property
    def first_event_no(self) -> int:
        """The first transaction; there is at least one."""
        return self.parts[0].first_event_no

    @property
    def last_event_no(self) -> int:
        """The last transaction."""
        return self.parts[-1].last_event_no


def numbers_needed(accepted: Sequence[Posted]) -> dict[str, int]:
    """How many numbers of each kind the documents take."""
    decisions = [each.decision for each in accepted if isinstance(each, Accepted)]
    postings = [posting for decision in decisions for posting in decision.postings]
    needed = numbers_of_drafts(each.drafts for each in accepted if isinstance(each, AcceptedDrafts))
    needed.update(posting.type.source_table for posting in postings if posting.row is not None)
    needed["event_no"] += len(postings)
    needed["invoice_no"] += len([each for each in decisions if each.invoice is not None])
    for opening in [each.opening for each in decisions if each.opening is not None]:
        if isinstance(opening, AccountOpening):
            needed["acct_no"] += 1
            needed["plan_instance_no"] += len(opening.plan_instance_names)
        else:
            needed["plan_instance_no"] += 1
    return {name: count for name, count in needed.items() if count}


def numbers_of_drafts(plain: Iterable[PlainDrafts]) -> Counter[str]:
    """How many numbers of each kind a group of plain drafts takes, if all are accepted."""
    needed = Counter({"group_no": 1})
    for drafts in plain:
        needed["event_no"] += len(drafts)
        for table, rows in drafts.sources.items():
            needed[table] += len(rows.places)
        if drafts.invoices is not None:
            needed["invoice_no"] += len(drafts.invoices.line_counts)
    return needed


def lay_out(accepted: Sequence[Posted], first_numbers: Mapping[str, int], now: datetime) -> CommitGroup:
    """Give every document its numbers, and lay out the rows. The order of a client's documents is kept."""
    layout = _Layout(CommitGroup(first_numbers["group_no"], now), dict(first_numbers))
    by_client = sorted(accepted, key=lambda each: each.client_no)
    for client_no, documents in groupby(by_client, key=lambda each: each.client_no):
        layout.add_client(client_no, list(documents))
    return layout.group


@dataclass(slots=True)
class _Layout:
    """A group in the making, and the next number of each kind."""

    group: CommitGroup
    next_numbers: dict[str, int]

    def _take(self, name: str, count: int = 1) -> int:
        first = self.next_numbers[name]
        self.next_numbers[name] = first + count
        return first

    def add_client(self, client_no: int, documents: Sequence[Posted]) -> None:
        group = self.group
        before = len(group.transactions)
        names = set()
        for each in documents:
            if isinstance(each, AcceptedDrafts):
                self._add_plain(each)
                names.add(each.actor)
                continue
            each.created_at = group.created_at
            self._open(each)
            if each.decision.postings:
                self._add(each)
                names.add(each.actor)
            self._touch(each.decision.application, each.decision.opening)
        rows = group.transactions[before:]
        if rows:
            actors = tuple(sorted(names))
            first, last = rows[0][1], rows[-1][1]
            group.parts.append(Part(client_no, first, last, len(rows), part_digest(rows), actors))

    def _touch(self, *orders: CreditApplication | AccountOpening | PlanInstanceOpening | None) -> None:
        """What is decided by the state of an account changes the account's row, also where it posts nothing:
        so nobody decides by the old state any more.
        """
        for order in orders:
            if isinstance(order, CreditApplication | PlanInstanceOpening):
                self.group.balance_changes.setdefault((order.client_no, order.acct_no), 0)

    def _add(self, accepted: Accepted) -> None:
        """The transactions of a document and their source rows."""
        decision = accepted.decision
        first = accepted.first_event_no = self._take("event_no", len(decision.postings))
        invoice = decision.invoice
        if invoice is not None:
            self._add_invoice(invoice, first, len(decision.postings))
        if decision.voided_invoice_no:
            last = first + len(decision.postings) - 1
            self.group.invoice_voids.append((accepted.client_no, decision.voided_invoice_no, first, last))
        if decision.new_due_date is not None:
            invoice_no, due_date = decision.new_due_date
            self.group.due_dates.append((accepted.client_no, invoice_no, first, due_date))
        created_at = self.group.created_at
        source_no = 0
        for event_no, posting in enumerate(decision.postings, first):
            acct_no = posting.acct_no or accepted.acct_no
            kind = posting.type
            if posting.row is not None:
                source_no = self._take(kind.source_table)
                row_event_no = first if kind.shares_source else event_no
                row = (posting.client_no, source_no, row_event_no, acct_no, *posting.row)
                self.group.source_rows[kind.source_table].append(
                    row if invoice is None else (*row, invoice.invoice_no)
                )
            elif posting.source_no:
                source_no = posting.source_no
            accepted.source_nos.append(source_no)
            self.group.transactions.append(
                (
                    posting.client_no,
                    event_no,
                    acct_no,
                    posting.plan_instance_no or None,
                    kind.code,
                    source_no,
                    posting.amount,
                    posting.currency,
                    posting.effective_date,
                    created_at,
                    posting.related_event_no or None,
                    posting.reason_code or None,
                    posting.comment or None,
                )
            )
            if posting.acct_no:
                self._change_balances(posting, event_no)

    def _add_plain(self, accepted: AcceptedDrafts) -> None:
        """The transactions of plain drafts and their source rows."""
        group, drafts, columns = self.group, accepted.drafts, accepted.drafts.columns
        client_no, count = accepted.client_no, len(accepted.drafts)
        first = self._take("event_no", count)
        event_nos = accepted.event_nos = range(first, first + count)
        accepted.created_at = group.created_at
        if drafts.invoices is not None:
            for invoice, lines in zip(accepted.invoices, drafts.invoices.line_counts, strict=True):
                self._add_invoice(invoice, first, lines)
                first += lines
        for table, rows in drafts.sources.items():
            self._add_sources(accepted, table, rows)
        group.transactions += zip(
            repeat(client_no),
            event_nos,
            columns.acct_nos,
            _or_nones(columns.plan_instance_nos),
            map(_CODE, columns.types),
            accepted.source_nos,
            columns.amounts,
            columns.currencies,
            columns.effective_dates,
            repeat(group.created_at),
            repeat(None),
            _or_nones(columns.reason_codes),
            _or_nones(columns.comments),
        )
        add_changes(group.balance_changes, drafts.balance_changes)
        add_changes(group.plan_balance_changes, drafts.plan_balance_changes)
        accounts = [(client_no, acct_no) for acct_no in columns.acct_nos]
        group.last_events.update(zip(accounts, event_nos, strict=True))
        for day, acct_nos in drafts.days.items():
            self._date_all(zip(repeat(client_no), acct_nos), day)

    def _add_sources(self, accepted: AcceptedDrafts, table: str, rows: SourceColumns) -> None:
        """The source rows of plain drafts in one table."""
        first = self._take(table, len(rows.places))
        source_nos = range(first, first + len(rows.places))
        event_nos: Sequence[int] = accepted.event_nos
        if len(rows.places) == len(event_nos):
            accepted.source_nos = list(source_nos)
        else:
            event_nos = [event_nos[place] for place in rows.places]
            for place, source_no in zip(rows.places, source_nos, strict=True):
                accepted.source_nos[place] = source_no
        invoice_nos = accepted.of_lines(attrgetter("invoice_no"))
        self.group.source_rows[table] += zip(
            repeat(accepted.client_no),
            source_nos,
            event_nos,
            rows.acct_nos,
            *rows.values,
            *([invoice_nos] if invoice_nos else []),
        )

    def _date_all(self, accounts: Iterable[AccountKey], day: date) -> None:
        dated = dict.fromkeys(accounts, day)
        if self.group.last_dates.keys().isdisjoint(dated):
            self.group.last_dates.update(dated)
        else:
            for account in dated:
                self._date(account, day)

    def _date(self, account: AccountKey, day: date) -> None:
        last_date = self.group.last_dates.get(account)
        if last_date is None or day > last_date:
            self.group.last_dates[account] = day

    def _change_balances(self, posting: Posting, event_no: int) -> None:
        group, effect = self.group, posting.type.effect * posting.amount
        account = (posting.client_no, posting.acct_no)
        group.balance_changes[account] = group.balance_changes.get(account, 0) + effect
        group.last_events[account] = event_no
        self._date(account, posting.effective_date)
        if posting.plan_instance_no:
            plan_instance = (posting.client_no, posting.plan_instance_no)
            before = group.plan_balance_changes.get(plan_instance, 0)
            group.plan_balance_changes[plan_instance] = before + effect

    def _add_invoice(self, invoice: NewInvoice, first_event_no: int, lines: int) -> None:
        invoice.invoice_no = self._take("invoice_no")
        self.group.invoices.append(
            (
                invoice.client_no,
                invoice.invoice_no,
                invoice.acct_no,
                invoice.plan_instance_no or None,
                invoice.billing_period_start,
                invoice.billing_period_end,
                invoice.issue,
                invoice.invoice_date,
                invoice.due_date,
                invoice.total,
                invoice.currency,
                first_event_no,
                first_event_no + lines - 1,
                self.group.created_at,
            )
        )

    def _open(self, accepted: Accepted) -> None:
        """The rows of what a document opens."""
        opening = accepted.decision.opening
        if isinstance(opening, AccountOpening):
            accepted.acct_no = self._take("acct_no")
            self._open_account(opening, accepted)
            self._open_plan_instances(accepted, accepted.acct_no, opening.plan_instance_names)
        elif isinstance(opening, PlanInstanceOpening):
            self._open_plan_instances(accepted, opening.acct_no, (opening.name,))

    def _open_account(self, opening: AccountOpening, accepted: Accepted) -> None:
        self.group.accounts.append(
            (
                opening.client_no,
                accepted.acct_no,
                opening.external_id or None,
                opening.name,
                opening.currency,
                opening.payment_term_days,
                self.group.created_at,
            )
        )
        first_event_no = self.next_numbers["event_no"] if opening.opening_balance else 0
        self.group.account_balances.append(
            (
                opening.client_no,
                accepted.acct_no,
                opening.opening_balance,
                first_event_no,
                opening.effective_date if opening.opening_balance else None,
                0,
                0,
            )
        )

    def _open_plan_instances(self, accepted: Accepted, acct_no: int, names: Sequence[str]) -> None:
        if not names:
            return
        first = self._take("plan_instance_no", len(names))
        accepted.plan_instance_nos = range(first, first + len(names))
        for plan_instance_no, name in zip(accepted.plan_instance_nos, names, strict=True):
            self.group.plan_instances.append(
                (accepted.client_no, plan_instance_no, acct_no, name, self.group.created_at)
            )
            self.group.plan_instance_balances.append((accepted.client_no, plan_instance_no, 0))
