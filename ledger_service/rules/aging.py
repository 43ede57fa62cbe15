"""Aging: which charges of an account are open at a date, and for how long they are overdue.

What is open now is stored (see `applications`). What was open at a date after which there are transactions is
worked out here from those up to the date: credits pay charges first in, first out (rule 8), with one
exception: a credit that names what it is for (a line of a credit memo, a reversal, a write-off, a credit line
of an invoice) lowers that first, and only its rest joins the queue. So what is overdue is never what the
business has already taken back.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple


class AgingEntry(NamedTuple):
    """A transaction of an account, as far as aging cares. A tuple: a page of aging reads tens of thousands.

    amount: minor units, positive.
    related_event_no: what a void voids; the charge that a credit names. None: a credit pays the oldest.
    invoice_no: the invoice that it is a line of or, for a credit, is against; None for any other.
    due_date: when that invoice is to be paid; None for what is due on its effective date.
    """

    event_no: int
    effective_date: date
    amount: int
    is_charge: bool
    is_void: bool = False
    is_dunning_charge: bool = False
    related_event_no: int | None = None
    invoice_no: int | None = None
    due_date: date | None = None


@dataclass(frozen=True, slots=True)
class OpenCharge:
    """A charge that is not paid in full, with what is left of it in minor units."""

    event_no: int
    due_date: date
    is_dunning_charge: bool
    open_amount: int


@dataclass(frozen=True, slots=True)
class Aging:
    """What an account owes at a date, by days past due, in minor units; nothing here is below zero."""

    not_due: int
    days_1_to_30: int
    days_31_to_60: int
    days_61_to_90: int
    days_over_90: int
    overdue_dunning_charges: int
    oldest_due_date: date | None
    unapplied_credit: int

    @property
    def overdue(self) -> int:
        """All that is past due."""
        return self.days_1_to_30 + self.days_31_to_60 + self.days_61_to_90 + self.days_over_90

    @property
    def overdue_without_dunning_charges(self) -> int:
        """The base of dunning charges in percent, which do not compound (rule 32)."""
        return self.overdue - self.overdue_dunning_charges

    @property
    def is_settled(self) -> bool:
        """Whether nothing is open on either side; a balance of zero may also hide a credit that is held."""
        return not (self.not_due or self.overdue or self.unapplied_credit)

    @property
    def balance(self) -> int:
        """The balance of the same transactions: what is open less what no charge has taken."""
        return self.not_due + self.overdue - self.unapplied_credit

    def is_overdue_for(self, days: int, as_of: date) -> bool:
        """Whether something is overdue for at least `days` days (0: always)."""
        return not days or (self.oldest_due_date is not None and (as_of - self.oldest_due_date).days >= days)


# The last day past due that each bucket holds, in the order of Aging's fields; the last bucket has no end.
_BUCKET_ENDS: Final = (0, 30, 60, 90)


def age(entries: Iterable[AgingEntry], as_of: date) -> Aging:
    """The aging of one account whose transactions at `as_of` are `entries`, in any order.

    `entries` has no transaction that takes effect after `as_of`.
    """
    open_charges, unapplied_credit = apply_credits(entries)
    return age_open(open_charges, unapplied_credit, as_of)


def age_open(open_charges: Iterable[OpenCharge], unapplied_credit: int, as_of: date) -> Aging:
    """The aging of one account of which this is open at `as_of`."""
    oldest_due_date: date | None = None
    buckets = [0] * (len(_BUCKET_ENDS) + 1)
    overdue_dunning_charges = 0
    for charge in open_charges:
        if oldest_due_date is None or charge.due_date < oldest_due_date:
            oldest_due_date = charge.due_date
        days_past_due = (as_of - charge.due_date).days
        buckets[sum(days_past_due > end for end in _BUCKET_ENDS)] += charge.open_amount
        if charge.is_dunning_charge and days_past_due > 0:
            overdue_dunning_charges += charge.open_amount
    not_due, days_1_to_30, days_31_to_60, days_61_to_90, days_over_90 = buckets
    return Aging(
        not_due=not_due,
        days_1_to_30=days_1_to_30,
        days_31_to_60=days_31_to_60,
        days_61_to_90=days_61_to_90,
        days_over_90=days_over_90,
        overdue_dunning_charges=overdue_dunning_charges,
        oldest_due_date=oldest_due_date,
        unapplied_credit=unapplied_credit,
    )


def apply_credits(entries: Iterable[AgingEntry]) -> tuple[list[OpenCharge], int]:
    """What is left of the charges, oldest first, and of the credits, after the credits have paid the charges.

    A charge's age is its effective date and, among charges of one day the order in which they were recorded.
    """
    in_order = sorted(_standing(entries), key=lambda entry: (entry.effective_date, entry.event_no))
    charges = [entry for entry in in_order if entry.is_charge]
    reductions = [entry for entry in in_order if not entry.is_charge]
    left = {charge.event_no: charge.amount for charge in charges}
    unapplied = _pay_named(charges, reductions, left)
    unapplied = _pay([charge.event_no for charge in charges], unapplied, left)
    return [
        OpenCharge(
            charge.event_no, charge.due_date or charge.effective_date, charge.is_dunning_charge, amount
        )
        for charge in charges
        if (amount := left[charge.event_no])
    ], unapplied


def _standing(entries: Iterable[AgingEntry]) -> list[AgingEntry]:
    """The entries without voids and what they void: what a voided payment paid is open again (rule 9).

    Either half of a pair may take effect first: until the other has, it counts by itself.
    """
    entries = list(entries)
    voids = {entry.related_event_no: entry.event_no for entry in entries if entry.is_void}
    if not voids:
        return entries
    paired = {entry.event_no for entry in entries} & voids.keys()
    paired |= {voids[event_no] for event_no in paired}
    return [entry for entry in entries if entry.event_no not in paired]


def _pay_named(charges: Sequence[AgingEntry], reductions: Sequence[AgingEntry], left: dict[int, int]) -> int:
    """Pay the charges that credits name, and return what the credits have left.

    A named charge comes before a named invoice: a memo's line is for that line, a write-off for what is open
    of the whole invoice, and taken the other way round the write-off could use up the memo's line.
    """
    of_invoice: dict[int, list[int]] = defaultdict(list)
    for charge in charges:
        if charge.invoice_no is not None:
            of_invoice[charge.invoice_no].append(charge.event_no)
    unapplied = 0
    for_invoices = []
    for credit in reductions:
        rest = credit.amount
        if credit.related_event_no in left:
            rest = _pay([credit.related_event_no], rest, left)
        if credit.invoice_no in of_invoice:
            for_invoices.append((credit.invoice_no, rest))
        else:
            unapplied += rest
    for invoice_no, amount in for_invoices:
        unapplied += _pay(of_invoice[invoice_no], amount, left)
    return unapplied


def _pay(event_nos: Iterable[int], amount: int, left: dict[int, int]) -> int:
    """Pay the charges in this order, and return what is left of the amount."""
    for event_no in event_nos:
        if not amount:
            break
        paid = min(amount, left[event_no])
        left[event_no] -= paid
        amount -= paid
    return amount
