"""The applications of a commit group: what has to be read for them, and what they come to.

What is read does not grow with the history of an account, and for what is posted most it does not grow with
what is open either: a charge takes waiting credits, a credit pays waiting charges, both from the front of a
queue until it has enough. What names another transaction may touch any open item of its account: then all are
read.
"""

from collections.abc import Iterable, Mapping, Sequence
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


@dataclass(slots=True)
class ItemsNeeded:
    """What a group needs to know of the items that were there before it.

    fronts: by account and queue, how much of its front.
    whole: the accounts of which all open items are needed.
    undone: the transactions whose applications may be taken back.
    """

    fronts: dict[tuple[int, int, Queue], int] = field(default_factory=dict)
    whole: set[AccountKey] = field(default_factory=set)
    undone: set[EventKey] = field(default_factory=set)


def items_needed(accepted: Sequence[Accepted], balances: Mapping[AccountKey, int]) -> ItemsNeeded:
    """What the accepted documents need. `balances` are those before the group."""
    needed = ItemsNeeded()
    fronts, whole = needed.fronts, needed.whole
    for each in accepted:
        application = each.decision.application
        if application is not None:
            whole.add((application.client_no, application.acct_no))
        for posting in each.decision.postings:
            account = (posting.client_no, posting.acct_no)
            if not posting.acct_no:
                continue
            if _names_another(posting):
                whole.add(account)
                if posting.related_event_no and (posting.type.is_void or posting.type.is_charge):
                    needed.undone.add((posting.client_no, posting.related_event_no))
            elif posting.type.is_charge:
                # While a credit waits no charge does, so the balance is below zero.
                if balances[account] < 0:
                    front = (*account, Queue.CREDIT)
                    fronts[front] = fronts.get(front, 0) + posting.amount
            else:
                front = (*account, Queue.CHARGE)
                fronts[front] = fronts.get(front, 0) + posting.amount
    if whole:
        needed.fronts = {front: amount for front, amount in fronts.items() if front[:2] not in whole}
    return needed


def _names_another(posting: Posting) -> bool:
    return bool(
        posting.related_event_no
        or isinstance(posting.source, WriteOff)
        or (posting.application is not BY_CHARGE_DATE and posting.application.method in _OUT_OF_ORDER)
    )


_OUT_OF_ORDER: Final = frozenset({Method.DUE_DATE, Method.DIRECTED})


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
    changes: list[ItemChange] = field(default_factory=list)
    instructions: list[tuple[int, int, int]] = field(default_factory=list)

    def number(self, first_application_no: int) -> None:
        """Give the applications their numbers, one after the other."""
        for application_no, each in enumerate(self.applications, first_application_no):
            each.application.application_no = application_no


def apply_group(accepted: Sequence[Accepted], accounts: dict[AccountKey, AccountItems]) -> GroupApplications:
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
