"""The applications of a commit group: what has to be read for them, and what they come to.

Most accounts of most groups need nothing: what is posted on them raises or lowers what waits already, and
waits behind it in its turn; the row of the account alone tells that (see Waiting). Of the others as much is
read as may be paid, or may pay, from the front of what waits. Where something is posted out of turn, because
it is held, back-dated, or for the charges of its own invoice, what waits in its turn is read as well. Only
what names another transaction may touch any open item of its account: then all are read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import chain, islice, repeat
from operator import attrgetter
from typing import Final, NamedTuple, TypeAlias

from ledger_service.rules.applications import (
    BY_CHARGE_DATE,
    NOTHING_WAITS,
    AccountItems,
    Application,
    Entry,
    Item,
    Method,
    Queue,
    Waiting,
)
from ledger_service.rules.books import AccountKey, EventKey
from ledger_service.rules.commit_groups import Accepted, AcceptedDrafts, Posted
from ledger_service.rules.paid_in_turn import NO_FRONTS, Front, PaidInTurn, pay_in_turn
from ledger_service.rules.plain_drafts import InvoiceColumns, PlainDrafts
from ledger_service.rules.postings import Decision, Posting
from ledger_service.rules.sources import WriteOff
from ledger_service.rules.transaction_types import CHARGE, CREDIT, TransactionType

APPLICATION: Final = "application"
"""The kind of the numbers of applications."""

FrontKey: TypeAlias = tuple[int, int, Queue]
"""Client, account, and which side waits."""

WAITING_FOR: Final = {CHARGE: Queue.CREDIT, CREDIT: Queue.CHARGE}

# ---------------------------------------------------------------------------------------- what has to be read


@dataclass(slots=True)
class ItemsNeeded:
    """What a group needs to know of the items that were there before it.

    before: the accounts on which anything may be applied, or is posted out of turn, and what waited there. On
        all others nothing is looked at, and nothing but the balance changes.
    fronts: how much of what waits, from its front.
    tails: the accounts of which all is needed that waits in its turn, and so has no row of its own.
    whole: the accounts of which all open items are needed.
    undone: the transactions whose applications may be taken back.
    out_of_turn: the accounts on which not all that is open may wait in its turn after the group.
    in_turn: the accounts on which nothing is posted but plain drafts that meet what waits, at most as much as
        that is; and none of them is a line of an invoice.
    """

    before: dict[AccountKey, Waiting] = field(default_factory=dict)
    fronts: dict[FrontKey, int] = field(default_factory=dict)
    tails: set[AccountKey] = field(default_factory=set)
    whole: set[AccountKey] = field(default_factory=set)
    undone: set[EventKey] = field(default_factory=set)
    out_of_turn: set[AccountKey] = field(default_factory=set)
    in_turn: set[AccountKey] = field(default_factory=set)

    @property
    def is_nothing(self) -> bool:
        """Whether nothing has to be known, since nothing is applied, or posted out of turn."""
        return not (self.before or self.undone)


def items_needed(accepted: Iterable[Posted], waiting: Mapping[AccountKey, Waiting]) -> ItemsNeeded:
    """What the accepted documents need. `waiting` is what waited before the group."""
    survey = _Survey(waiting)
    for each in accepted:
        if isinstance(each, AcceptedDrafts):
            survey.add_drafts(each)
        else:
            survey.add_document(each.decision)
    return survey.needed()


def sides_of(plain: Sequence[PlainDrafts]) -> dict[AccountKey, int]:
    """By account: the effect of all that is posted on it, where that is one effect and on one day; else 0,
    and also where it is a credit of an invoice, which pays the charges beside it.

    What has such a side waits behind what waits already, unless that is the other side, or of a later day.
    Then nothing is applied, and nothing has to be known of what was there before.
    """
    effects = {effect for drafts in plain for effect in drafts.sides}
    if (
        len(effects) == 1
        and len({day for drafts in plain for day in drafts.days}) == 1
        and (CHARGE in effects or all(drafts.invoices is None for drafts in plain))
    ):
        (effect,) = effects
        return dict.fromkeys(chain.from_iterable(drafts.balance_changes for drafts in plain), effect)
    sides: dict[AccountKey, int] = {}
    days: dict[AccountKey, date] = {}
    for drafts in plain:
        client_no = drafts.client_no
        for effect, amounts in drafts.sides.items():
            for acct_no in amounts:
                account = (client_no, acct_no)
                is_alone = sides.setdefault(account, effect) == effect
                if not is_alone or (drafts.invoices is not None and effect == CREDIT):
                    sides[account] = 0
        for day, acct_nos in drafts.days.items():
            for acct_no in acct_nos:
                account = (client_no, acct_no)
                if days.setdefault(account, day) != day:
                    sides[account] = 0
    return sides


@dataclass(slots=True)
class _Demand:
    """What a group posts on an account, as far as it was looked at.

    amount: what would wait by now if nothing named another.
    last_date: no effective date of what waits is later.
    against: how much is posted against what waited before the group.
    applies: whether anything may be paid.
    out_of_turn: whether anything is posted that may not wait behind all else.
    names_items: whether any open item may have to be known.
    has_document: whether anything is part of a document that is applied as a whole, or was decided by itself.
    """

    before: Waiting
    amount: int
    last_date: date
    against: int = 0
    applies: bool = False
    out_of_turn: bool = False
    names_items: bool = False
    has_document: bool = False

    def add(self, effect: int, amount: int, day: date) -> None:
        """Add what is posted on a day and names nothing: a charge (1) or a credit (-1)."""
        if self.amount * effect < 0:
            self.applies = True
        if self.before.amount * effect < 0:
            self.against += amount
        elif not (self.amount or self.before.amount):
            # It is the first that waits, whatever its day.
            self.last_date = day
        elif day < self.last_date:
            self.out_of_turn = True
        self.amount += effect * amount
        self.last_date = max(self.last_date, day)

    @property
    def is_in_turn(self) -> bool:
        """Whether all that is posted meets what waits, and is used up by it."""
        all_against = abs(self.before.amount) - abs(self.amount) == self.against
        return all_against and not (self.out_of_turn or self.has_document)

    def add_credit_of_invoice(self) -> None:
        """Say that what was added has such a credit: it pays the charges of its invoice, whatever waits."""
        self.out_of_turn = True

    def add_held(self, day: date) -> None:
        """Add a credit that is held: it is open, but does not wait."""
        self.out_of_turn = True
        self.last_date = max(self.last_date, day)


@dataclass(slots=True)
class _Survey:
    """What a group posts, as far as it says what is needed."""

    waiting: Mapping[AccountKey, Waiting]
    demands: dict[AccountKey, _Demand] = field(default_factory=dict)
    undone: set[EventKey] = field(default_factory=set)

    def add_drafts(self, accepted: AcceptedDrafts) -> None:
        client_no, drafts = accepted.client_no, accepted.drafts
        columns = drafts.columns
        if len(drafts.days) == 1:
            (day,) = drafts.days
            for effect, amounts in drafts.sides.items():
                for acct_no, amount in amounts.items():
                    self._demand((client_no, acct_no)).add(effect, amount, day)
        else:
            for acct_no, kind, amount, day in zip(
                columns.acct_nos, columns.types, columns.amounts, columns.effective_dates, strict=True
            ):
                self._demand((client_no, acct_no)).add(kind.effect, amount, day)
        if drafts.invoices is not None:
            for effect, acct_nos in drafts.sides.items():
                for acct_no in acct_nos:
                    demand = self._demand((client_no, acct_no))
                    demand.has_document = True
                    if effect == CREDIT:
                        demand.add_credit_of_invoice()

    def add_document(self, decision: Decision) -> None:
        if decision.application is not None:
            self._demand((decision.application.client_no, decision.application.acct_no)).names_items = True
        for posting in decision.postings:
            # An account that is being opened has no other transaction.
            if posting.acct_no:
                self._add_posting(posting, decision)

    def _add_posting(self, posting: Posting, decision: Decision) -> None:
        kind = posting.type
        demand = self._demand((posting.client_no, posting.acct_no))
        demand.has_document = True
        if posting.application.method is Method.NONE:
            demand.add_held(posting.effective_date)
            return
        demand.add(kind.effect, posting.amount, posting.effective_date)
        if (
            posting.related_event_no
            or posting.application is not BY_CHARGE_DATE
            or isinstance(posting.source, WriteOff)
        ):
            demand.names_items = True
            if posting.related_event_no and (kind.is_void or kind.is_charge):
                self.undone.add((posting.client_no, posting.related_event_no))
        elif decision.invoice is not None and not kind.is_charge:
            demand.add_credit_of_invoice()

    def _demand(self, account: AccountKey) -> _Demand:
        demand = self.demands.get(account)
        if demand is None:
            before = self.waiting.get(account, NOTHING_WAITS)
            demand = self.demands[account] = _Demand(before, before.amount, before.last_date)
        return demand

    def needed(self) -> ItemsNeeded:
        needed = ItemsNeeded(undone=self.undone)
        for account, demand in self.demands.items():
            if demand.applies or demand.out_of_turn or demand.names_items:
                needed.before[account] = demand.before
                _add_needed(needed, account, demand)
        return needed


def _add_needed(needed: ItemsNeeded, account: AccountKey, demand: _Demand) -> None:
    before = demand.before
    if demand.out_of_turn or demand.names_items:
        needed.out_of_turn.add(account)
    if demand.names_items:
        needed.whole.add(account)
        return
    if demand.against:
        needed.fronts[*account, before.queue] = demand.against
        if demand.is_in_turn:
            needed.in_turn.add(account)
    if demand.out_of_turn and before.has_tail:
        needed.tails.add(account)


# ------------------------------------------------------------------------------------------ what it comes to


class ItemChange(NamedTuple):
    """An item of which another amount is open than its row says, or which has no row and needs one."""

    client_no: int
    acct_no: int
    item: Item


class NewApplication(NamedTuple):
    """An application that is to be written."""

    client_no: int
    acct_no: int
    application: Application


class WaitingChange(NamedTuple):
    """What changes of what waits on an account, beside its balance.

    held: how much more is held, possibly below zero.
    after: the new mark (see Waiting), unless the old one is higher.
    """

    held: int
    after: int


UNCHANGED: Final = WaitingChange(0, 0)


@dataclass(slots=True)
class GroupApplications:
    """What a group changes. `instructions` are those that are not the default: client, event_no, method."""

    applications: list[NewApplication] = field(default_factory=list)
    in_turn: PaidInTurn = field(default_factory=PaidInTurn)
    """What is paid in turn, on other accounts than those of the lists; its marks are in `waiting` as well."""
    changes: list[ItemChange] = field(default_factory=list)
    instructions: list[tuple[int, int, int]] = field(default_factory=list)
    waiting: dict[AccountKey, WaitingChange] = field(default_factory=dict)
    """By account, where it changes otherwise than the balance."""
    first_in_turn_no: int = 0
    """The number of the first that is paid in turn; those of the others follow."""

    @property
    def count(self) -> int:
        """How many applications there are."""
        return len(self.applications) + len(self.in_turn.applications)

    def number(self, first_application_no: int) -> None:
        """Give the applications their numbers, one after the other."""
        for application_no, each in enumerate(self.applications, first_application_no):
            each.application.application_no = application_no
        self.first_in_turn_no = first_application_no + len(self.applications)


@dataclass(slots=True)
class _AccountAtWork:
    """An account on which something may be applied: what is known of its items, and what was posted by now.

    effect: the sum of the effects on the balance.
    """

    items: AccountItems
    before: Waiting
    last_event_no: int
    effect: int = 0

    def post(self, document: Sequence[Entry]) -> None:
        """Post a document, or what of it is on this account."""
        self.items.post(document)
        for entry in document:
            self.effect += entry.kind.effect * entry.amount
        self.last_event_no = document[-1].event_no

    def post_single(self, event_no: int, kind: TransactionType, amount: int, day: date) -> None:
        """Post a document of one transaction that says nothing of whom it pays, or is paid by."""
        self.items.post_single(event_no, kind, amount, day)
        self.effect += kind.effect * amount
        self.last_event_no = event_no


_AtWork: TypeAlias = dict[AccountKey, _AccountAtWork]


def apply_group(
    accepted: Sequence[Posted],
    needed: ItemsNeeded,
    accounts: Mapping[AccountKey, AccountItems],
    fronts: Mapping[AccountKey, Front] = NO_FRONTS,
) -> GroupApplications:
    """Apply what a group posts, once it has its event numbers; `accounts` has what was needed. An account of
    which nothing was needed, or nothing is open, may be missing there. `fronts` has what was needed of some
    of the accounts on which all is paid in turn.
    """
    result = GroupApplications()
    at_work: _AtWork = {
        key: _AccountAtWork(
            accounts.get(key) or AccountItems(is_whole=key in needed.whole), before, before.last_event_no
        )
        for key, before in needed.before.items()
        if key not in fronts
    }
    if fronts:
        _apply_in_turn(accepted, needed, fronts, result)
    if at_work:
        for each in accepted:
            if isinstance(each, AcceptedDrafts):
                _apply_drafts(each, at_work)
            else:
                _apply_document(each, at_work, result)
    for key, account in at_work.items():
        _close(key, account, key in needed.out_of_turn, result)
    return result


def _apply_in_turn(
    accepted: Iterable[Posted],
    needed: ItemsNeeded,
    fronts: Mapping[AccountKey, Front],
    result: GroupApplications,
) -> None:
    drafts = [each for each in accepted if isinstance(each, AcceptedDrafts)]
    emptied = {
        key
        for key, front in fronts.items()
        if needed.fronts[*key, front.queue] == abs(needed.before[key].amount)
    }
    result.in_turn = pay_in_turn(drafts, fronts, emptied)
    for key, mark in result.in_turn.marks.items():
        result.waiting[key] = WaitingChange(0, mark)


def _apply_drafts(accepted: AcceptedDrafts, at_work: _AtWork) -> None:
    client_no = accepted.client_no
    accounts = {
        acct_no: account
        for acct_no in chain.from_iterable(accepted.drafts.sides.values())
        if (account := at_work.get((client_no, acct_no))) is not None
    }
    if not accounts:
        return
    columns, invoices = accepted.drafts.columns, accepted.drafts.invoices
    if invoices is not None:
        for acct_no, document in _documents(accepted, invoices):
            account = accounts.get(acct_no)
            if account is not None:
                account.post(document)
        return
    for acct_no, event_no, kind, amount, day in zip(
        columns.acct_nos,
        accepted.event_nos,
        columns.types,
        columns.amounts,
        columns.effective_dates,
        strict=True,
    ):
        account = accounts.get(acct_no)
        if account is not None:
            account.post_single(event_no, kind, amount, day)


def _documents(accepted: AcceptedDrafts, invoices: InvoiceColumns) -> Iterable[tuple[int, Sequence[Entry]]]:
    """The invoices, each with its account."""
    columns = accepted.drafts.columns
    lines = map(
        Entry,
        accepted.event_nos,
        columns.types,
        columns.amounts,
        columns.effective_dates,
        accepted.of_lines(attrgetter("due_date")),
        accepted.of_lines(attrgetter("invoice_no")),
    )
    return (
        (acct_no, list(islice(lines, count)))
        for acct_no, count in zip(invoices.acct_nos, invoices.line_counts, strict=True)
    )


def _apply_document(accepted: Accepted, at_work: _AtWork, result: GroupApplications) -> None:
    client_no, decision = accepted.client_no, accepted.decision
    if decision.application is not None:
        order = decision.application
        items = at_work[client_no, order.acct_no].items
        accepted.applications = items.apply_credit(
            order.credit_event_no, order.instruction, order.effective_date
        )
    for acct_no, document in _by_account(accepted):
        account = at_work.get((client_no, acct_no))
        if account is None:
            continue
        account.post(document)
        if decision.new_due_date is not None:
            account.items.re_age(*decision.new_due_date)
        for entry in document:
            if entry.instruction is not BY_CHARGE_DATE:
                result.instructions.append((client_no, entry.event_no, entry.instruction.method.value))


def _close(key: AccountKey, account: _AccountAtWork, out_of_turn: bool, result: GroupApplications) -> None:
    """What changes of an account: its applications, the rows of its items, and its mark."""
    before, items = account.before, account.items
    result.applications += map(NewApplication, repeat(key[0]), repeat(key[1]), items.made)
    held, changed = 0, []
    for item in items.all():
        if item.open_amount != item.stored_amount:
            changed.append(item)
            if item.is_held:
                held += item.open_amount - item.stored_amount
    amount = before.amount + account.effect + held
    if out_of_turn or before.amount * amount <= 0:
        # All that waits in its turn is known, and what is still open gets a row.
        after = account.last_event_no
    else:
        # Behind the last that was paid, all waits as before.
        last_closed = items.last_closed_charge_no if amount > 0 else items.last_closed_credit_no
        after = max([item.event_no for item in items.all() if _was_in_turn(item, amount)], default=0)
        after = max(after, last_closed)
    result.waiting[key] = WaitingChange(held, after)
    mark = max(after, before.after)
    result.changes += [
        ItemChange(*key, item) for item in changed if item.stored_amount or item.event_no <= mark
    ]


def _was_in_turn(item: Item, waiting: int) -> bool:
    """Whether the item waited in its turn, and was paid or paid; `waiting` has the sign of what waits."""
    return item.is_touched and not item.stored_amount and item.kind.effect * waiting > 0


def _by_account(accepted: Accepted) -> Iterable[tuple[int, list[Entry]]]:
    """What a document posts on each of its accounts."""
    decision = accepted.decision
    postings = decision.postings
    if len(postings) == 1:
        posting = postings[0]
        acct_no = posting.acct_no or accepted.acct_no
        return ((acct_no, [_entry(accepted.first_event_no, posting, decision)]),)
    documents: dict[int, list[Entry]] = {}
    for event_no, posting in enumerate(postings, accepted.first_event_no):
        acct_no = posting.acct_no or accepted.acct_no
        documents.setdefault(acct_no, []).append(_entry(event_no, posting, decision))
    return documents.items()


def _entry(event_no: int, posting: Posting, decision: Decision) -> Entry:
    due_date: date = posting.effective_date
    invoice_no = 0
    if decision.invoice is not None:
        due_date, invoice_no = decision.invoice.due_date, decision.invoice.invoice_no
    elif isinstance(posting.source, WriteOff) and not posting.type.is_void:
        invoice_no = posting.source.invoice_no
    return Entry(
        event_no,
        posting.type,
        posting.amount,
        posting.effective_date,
        due_date,
        invoice_no,
        posting.related_event_no,
        posting.application,
    )
