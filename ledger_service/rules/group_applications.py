"""The applications of a commit group: what has to be read for them, and what they come to.

What is read does not grow with the history of an account, and for what is posted most it does not grow with
what is open either: a charge takes waiting credits, a credit pays waiting charges, both from the front of a
queue until it has enough. What names another transaction may touch any open item of its account: then all are
read.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

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
from ledger_service.rules.commit_groups import Accepted
from ledger_service.rules.postings import Decision, Posting
from ledger_service.rules.sources import WriteOff
from ledger_service.rules.transaction_types import CHARGE, CREDIT


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


_WAITING_FOR: Final = {CHARGE: Queue.CREDIT, CREDIT: Queue.CHARGE}


def items_needed(accepted: Sequence[Accepted], balances: Mapping[AccountKey, int]) -> ItemsNeeded:
    """What the accepted documents need. `balances` are those before the group."""
    needed = ItemsNeeded()
    whole = needed.whole
    posted: dict[tuple[int, int, int], int] = {}
    instructed: set[AccountKey] = set()
    for each in accepted:
        decision = each.decision
        if decision.application is not None:
            whole.add((decision.application.client_no, decision.application.acct_no))
        for posting in decision.postings:
            if not posting.acct_no:
                continue
            if _names_another(posting):
                whole.add((posting.client_no, posting.acct_no))
                if posting.related_event_no and (posting.type.is_void or posting.type.is_charge):
                    needed.undone.add((posting.client_no, posting.related_event_no))
                continue
            side = (posting.client_no, posting.acct_no, posting.type.effect)
            posted[side] = posted.get(side, 0) + posting.amount
            if posting.application is not BY_CHARGE_DATE:
                instructed.add((posting.client_no, posting.acct_no))
    for (client_no, acct_no, effect), amount in posted.items():
        account = (client_no, acct_no)
        if account in whole:
            continue
        if (client_no, acct_no, -effect) not in posted and account not in instructed:
            needed.one_sided.add(account)
        # While a credit waits no charge does, so the balance is below zero.
        if effect == CREDIT or balances[account] < 0:
            needed.fronts[client_no, acct_no, _WAITING_FOR[effect]] = amount
    return needed


def _names_another(posting: Posting) -> bool:
    return bool(
        posting.related_event_no
        or isinstance(posting.source, WriteOff)
        or (posting.application is not BY_CHARGE_DATE and posting.application.method in _OUT_OF_ORDER)
    )


_OUT_OF_ORDER: Final = frozenset({Method.DUE_DATE, Method.DIRECTED})


class OpenedItem(NamedTuple):
    """An item that is new and open in full: the columns of open_item."""

    client_no: int
    acct_no: int
    queue: Queue
    effective_date: date
    event_no: int
    transaction_type: int
    open_amount: int
    due_date: date
    invoice_no: int | None


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
    accepted: Sequence[Accepted],
    accounts: dict[AccountKey, AccountItems],
    one_sided: Container[AccountKey] = (),
) -> GroupApplications:
    """Apply what a group posts, once it has its event numbers; `accounts` has what was needed."""
    result = GroupApplications()
    for each in accepted:
        decision = each.decision
        if decision.application is not None:
            order = decision.application
            items = accounts[order.client_no, order.acct_no]
            each.applications = items.apply_credit(
                order.credit_event_no, order.instruction, order.effective_date
            )
        for acct_no, document in _by_account(each):
            key = (each.client_no, acct_no)
            if key not in accounts:
                if key in one_sided:
                    result.opened += [_opened(each.client_no, acct_no, entry) for entry in document]
                    continue
                accounts[key] = AccountItems()
            accounts[key].post(document)
            if decision.new_due_date is not None:
                accounts[key].re_age(*decision.new_due_date)
            for entry in document:
                if entry.instruction is not BY_CHARGE_DATE:
                    result.instructions.append(
                        (each.client_no, entry.event_no, entry.instruction.method.value)
                    )
    for (client_no, acct_no), items in accounts.items():
        result.applications += [NewApplication(client_no, acct_no, made) for made in items.made]
        result.changes += [ItemChange(client_no, acct_no, item) for item in items.changed()]
    return result


_QUEUES: Final = {CHARGE: Queue.CHARGE, CREDIT: Queue.CREDIT}


def _opened(client_no: int, acct_no: int, entry: Entry) -> OpenedItem:
    return OpenedItem._make(
        (
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
