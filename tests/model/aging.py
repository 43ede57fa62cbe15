"""What an account owes by how long it is overdue, in the model."""

from collections.abc import Iterable, Sequence
from datetime import date

from tests.model.books import Books
from tests.model.things import Account, Aging, Entry, Invoice


def aging(books: Books, account: Account, at: date) -> Aging:
    """What is open as it is applied or, where the account has later transactions, as if credits had paid the
    oldest charges first; what a credit names, a charge or an invoice, before that.

    Either half of a voided pair may take effect first: until the other has, it counts by itself.
    """
    entries = books.entries_of(account)
    if all(each.on <= at for each in entries):
        applications = books.applications()
        charges = applications.open_charges(account)
        unapplied = sum(applications.opened[each] for each in applications.open_credits(account))
        return _aging_of(books, charges, applications.opened, unapplied, at)
    entries = [each for each in entries if each.on <= at]
    standing = [each for each in entries if each.voids not in entries and each.void not in entries]
    standing.sort(key=lambda each: (each.on, each.number))
    left = {each: each.amount for each in standing if each.effect > 0}
    charges = [each for each in standing if each.effect > 0]
    pool = 0
    of_invoices: list[tuple[Invoice, int]] = []
    for credit in standing:
        if credit.effect > 0:
            continue
        rest = credit.amount
        if credit.names is not None:
            rest = _pay([credit.names], rest, left)
        if credit.invoice is not None:
            of_invoices.append((credit.invoice, rest))
        else:
            pool += rest
    for invoice, amount in of_invoices:
        pool += _pay([each for each in charges if each.invoice is invoice], amount, left)
    pool = _pay(charges, pool, left)
    return _aging_of(books, charges, left, pool, at)


def _pay(charges: Iterable[Entry], amount: int, left: dict[Entry, int]) -> int:
    for charge in charges:
        paid = min(amount, left.get(charge, 0))
        if paid:
            left[charge] -= paid
            amount -= paid
    return amount


def _aging_of(
    books: Books, charges: Sequence[Entry], left: dict[Entry, int], unapplied: int, at: date
) -> Aging:
    buckets = [0, 0, 0, 0, 0]
    of_dunning = 0
    due_dates = []
    for charge in charges:
        rest = left[charge]
        if not rest:
            continue
        due_date = books.due_date_of(charge, at)
        due_dates.append(due_date)
        days = (at - due_date).days
        bucket = 0 if days <= 0 else 1 if days <= 30 else 2 if days <= 60 else 3 if days <= 90 else 4
        buckets[bucket] += rest
        if charge.code == 15 and days > 0:
            of_dunning += rest
    return Aging(
        buckets=(buckets[0], buckets[1], buckets[2], buckets[3], buckets[4]),
        overdue_without_dunning_charges=sum(buckets[1:]) - of_dunning,
        oldest_due_date=min(due_dates, default=None),
        unapplied_credit=unapplied,
    )
