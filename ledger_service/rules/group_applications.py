"""The applications of a commit group: what has to be read for them, and what they come to.

What is read does not grow with the history of an account, and for what is posted most it does not grow with
what is open either: a charge takes waiting credits, a credit pays waiting charges, both from the front of a
queue until it has enough. What names another transaction may touch any open item of its account: then all are
read.
"""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import islice, repeat, starmap
from operator import attrgetter
from typing import Final, NamedTuple, TypeAlias

from ledger_service.rules.applications import (
    BY_CHARGE_DATE,
    AccountItems,
    Application,
    Entry,
    Item,
    Method,
    Queue,
)
from ledger_service.rules.books import AccountKey, EventKey
from ledger_service.rules.commit_groups import Accepted, AcceptedDrafts, Posted
from ledger_service.rules.postings import Decision, Posting
from ledger_service.rules.sources import WriteOff
from ledger_service.rules.transaction_types import CHARGE, CREDIT, TransactionType

APPLICATION: Final = "application"
"""The kind of the numbers of applications."""


@dataclass(slots=True)
class ItemsNeeded:
    """What a group needs to know of the items that were there before it.

    fronts: by account and queue, how much of its front.
    whole: the accounts of which all open items are needed.
    undone: the transactions whose applications may be taken back.
    one_sided: the accounts on which the group posts only charges, or only credits, that name nothing. Where
        the queue that they need is empty, all of them are open in full.
    """

    fronts: dict[tuple[int, int, Queue], int] = field(default_factory=dict)
    whole: set[AccountKey] = field(default_factory=set)
    undone: set[EventKey] = field(default_factory=set)
    one_sided: set[AccountKey] = field(default_factory=set)


WAITING_FOR: Final = {CHARGE: Queue.CREDIT, CREDIT: Queue.CHARGE}


def items_needed(accepted: Iterable[Posted], balances: Mapping[AccountKey, int]) -> ItemsNeeded:
    """What the accepted documents need. `balances` are those before the group."""
    survey = _Survey()
    for each in accepted:
        if isinstance(each, AcceptedDrafts):
            survey.add_drafts(each)
        else:
            survey.add_document(each.decision)
    return survey.needed(balances)


@dataclass(slots=True)
class _Survey:
    """What a group posts, as far as it says what is needed.

    sides: by account and effect, the sum of the amounts of what names nothing.
    instructed: accounts with a credit that says how it is to be applied.
    """

    sides: dict[tuple[int, int, int], int] = field(default_factory=dict)
    instructed: set[AccountKey] = field(default_factory=set)
    whole: set[AccountKey] = field(default_factory=set)
    undone: set[EventKey] = field(default_factory=set)

    def add_drafts(self, accepted: AcceptedDrafts) -> None:
        for (acct_no, effect), amount in accepted.drafts.sides.items():
            side = (accepted.client_no, acct_no, effect)
            self.sides[side] = self.sides.get(side, 0) + amount

    def add_document(self, decision: Decision) -> None:
        if decision.application is not None:
            self.whole.add((decision.application.client_no, decision.application.acct_no))
        for posting in decision.postings:
            if posting.acct_no:
                self._add_posting(posting)

    def _add_posting(self, posting: Posting) -> None:
        account = (posting.client_no, posting.acct_no)
        if _names_another(posting):
            self.whole.add(account)
            if posting.related_event_no and (posting.type.is_void or posting.type.is_charge):
                self.undone.add((posting.client_no, posting.related_event_no))
            return
        side = (*account, posting.type.effect)
        self.sides[side] = self.sides.get(side, 0) + posting.amount
        if posting.application is not BY_CHARGE_DATE:
            self.instructed.add(account)

    def needed(self, balances: Mapping[AccountKey, int]) -> ItemsNeeded:
        fronts, one_sided = {}, set()
        for (client_no, acct_no, effect), amount in self.sides.items():
            account = (client_no, acct_no)
            if account in self.whole:
                continue
            if (client_no, acct_no, -effect) not in self.sides and account not in self.instructed:
                one_sided.add(account)
            # While a credit waits no charge does, so the balance is below zero.
            if effect == CREDIT or balances[account] < 0:
                fronts[client_no, acct_no, WAITING_FOR[effect]] = amount
        return ItemsNeeded(fronts, self.whole, self.undone, one_sided)


def _names_another(posting: Posting) -> bool:
    return bool(
        posting.related_event_no
        or isinstance(posting.source, WriteOff)
        or (posting.application is not BY_CHARGE_DATE and posting.application.method in _OUT_OF_ORDER)
    )


_OUT_OF_ORDER: Final = frozenset({Method.DUE_DATE, Method.DIRECTED})


OpenedItem: TypeAlias = tuple[int, int, Queue, date, int, int, int, date, int | None]
"""An item that is new and open in full, as the columns of open_item."""


class ItemChange(NamedTuple):
    """An item of which another amount is open than before, or which has another due date."""

    client_no: int
    acct_no: int
    item: Item


class NewApplication(NamedTuple):
    """An application that is to be written."""

    client_no: int
    acct_no: int
    application: Application


@dataclass(slots=True)
class GroupApplications:
    """What a group changes. `instructions` are those that are not the default: client, event_no, method."""

    applications: list[NewApplication] = field(default_factory=list)
    opened: list[OpenedItem] = field(default_factory=list)
    changes: list[ItemChange] = field(default_factory=list)
    instructions: list[tuple[int, int, int]] = field(default_factory=list)

    def number(self, first_application_no: int) -> None:
        """Give the applications their numbers, one after the other."""
        for application_no, each in enumerate(self.applications, first_application_no):
            each.application.application_no = application_no


def apply_group(
    accepted: Iterable[Posted],
    accounts: dict[AccountKey, AccountItems],
    one_sided: Container[AccountKey] = (),
) -> GroupApplications:
    """Apply what a group posts, once it has its event numbers; `accounts` has what was needed."""
    result = GroupApplications()
    for each in accepted:
        if isinstance(each, AcceptedDrafts):
            _apply_drafts(each, accounts, one_sided, result)
        else:
            _apply_document(each, accounts, one_sided, result)
    # In the order of their key, of which an index takes neighbours for a quarter less.
    result.opened.sort()
    for (client_no, acct_no), items in accounts.items():
        result.applications += [NewApplication(client_no, acct_no, made) for made in items.made]
        result.changes += [ItemChange(client_no, acct_no, item) for item in items.changed()]
    return result


def _apply_document(
    accepted: Accepted,
    accounts: dict[AccountKey, AccountItems],
    one_sided: Container[AccountKey],
    result: GroupApplications,
) -> None:
    client_no, decision = accepted.client_no, accepted.decision
    if decision.application is not None:
        order = decision.application
        items = accounts[client_no, order.acct_no]
        accepted.applications = items.apply_credit(
            order.credit_event_no, order.instruction, order.effective_date
        )
    for acct_no, document in _by_account(accepted):
        key = (client_no, acct_no)
        if key not in accounts:
            if key in one_sided:
                result.opened += [_opened(client_no, acct_no, entry) for entry in document]
                continue
            accounts[key] = AccountItems()
        accounts[key].post(document)
        if decision.new_due_date is not None:
            accounts[key].re_age(*decision.new_due_date)
        for entry in document:
            if entry.instruction is not BY_CHARGE_DATE:
                result.instructions.append((client_no, entry.event_no, entry.instruction.method.value))


def _apply_drafts(
    accepted: AcceptedDrafts,
    accounts: dict[AccountKey, AccountItems],
    one_sided: Container[AccountKey],
    result: GroupApplications,
) -> None:
    client_no = accepted.client_no
    keys = {acct_no: (client_no, acct_no) for acct_no, _ in accepted.drafts.sides}
    in_full = {acct_no for acct_no, key in keys.items() if key not in accounts and key in one_sided}
    result.opened += [
        (
            client_no,
            acct_no,
            _QUEUES[kind.effect],
            day,
            event_no,
            kind.code,
            amount,
            due_date,
            invoice_no or None,
        )
        for acct_no, (event_no, kind, amount, day, due_date, invoice_no) in zip(
            accepted.drafts.columns.acct_nos, _entry_columns(accepted), strict=True
        )
        if acct_no in in_full
    ]
    if len(in_full) < len(keys):
        for acct_no, document in _documents(accepted):
            if acct_no not in in_full:
                accounts.setdefault(keys[acct_no], AccountItems()).post(document)


def _entry_columns(accepted: AcceptedDrafts) -> Iterable[tuple[int, TransactionType, int, date, date, int]]:
    """Of each draft what an `Entry` begins with."""
    columns = accepted.drafts.columns
    return zip(
        accepted.event_nos,
        columns.types,
        columns.amounts,
        columns.effective_dates,
        accepted.of_lines(attrgetter("due_date")) or columns.effective_dates,
        accepted.of_lines(attrgetter("invoice_no")) or repeat(0, len(columns.types)),
        strict=True,
    )


def _documents(accepted: AcceptedDrafts) -> Iterable[tuple[int, list[Entry]]]:
    """The documents that the drafts are, each with its account: invoices, or single drafts."""
    drafts, entries = accepted.drafts, starmap(Entry, _entry_columns(accepted))
    if drafts.invoices is None:
        return ((acct_no, [entry]) for acct_no, entry in zip(drafts.columns.acct_nos, entries, strict=True))
    heads = zip(drafts.invoices.acct_nos, drafts.invoices.line_counts, strict=True)
    return ((acct_no, list(islice(entries, lines))) for acct_no, lines in heads)


_QUEUES: Final = {CHARGE: Queue.CHARGE, CREDIT: Queue.CREDIT}


def _opened(client_no: int, acct_no: int, entry: Entry) -> OpenedItem:
    return (
        client_no,
        acct_no,
        _QUEUES[entry.kind.effect],
        entry.effective_date,
        entry.event_no,
        entry.kind.code,
        entry.amount,
        entry.due_date,
        entry.invoice_no or None,
    )


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
