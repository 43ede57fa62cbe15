"""Opening accounts and plan instances (rule 17)."""

from typing import Final

from ledger_service.rules import refusals
from ledger_service.rules.books import Books
from ledger_service.rules.postings import AccountOpening, Decision, PlanInstanceOpening, Posting
from ledger_service.rules.transaction_types import TRANSACTION_TYPES

BALANCE_FORWARD: Final = TRANSACTION_TYPES[9]
NEGATIVE_BALANCE_FORWARD: Final = TRANSACTION_TYPES[18]

# With names of the greatest length, so many and their balances are the largest answer that a client takes.
MOST_PLAN_INSTANCES: Final = 3_000


def decide_account_opening(opening: AccountOpening, books: Books) -> Decision:
    """Open the account, with a balance forward where there is an opening balance; EXTERNAL_ID_TAKEN."""
    if opening.external_id:
        taken_by = books.external_ids.get((opening.client_no, opening.external_id))
        if taken_by is not None:
            raise refusals.external_id_taken(opening.external_id, taken_by)
        books.enter_external_id(opening.client_no, opening.external_id)
    return Decision([_balance_forward(opening)] if opening.opening_balance else [], opening=opening)


def decide_plan_instance_opening(opening: PlanInstanceOpening, books: Books) -> Decision:
    """Add the plan instance; ACCOUNT_NOT_FOUND, TOO_MANY_PLAN_INSTANCES."""
    books.account(opening.client_no, opening.acct_no)
    if books.plan_instance_count(opening.client_no, opening.acct_no) >= MOST_PLAN_INSTANCES:
        raise refusals.too_many_plan_instances(opening.acct_no, MOST_PLAN_INSTANCES)
    books.enter_plan_instance(opening.client_no, opening.acct_no)
    return Decision([], opening=opening)


def _balance_forward(opening: AccountOpening) -> Posting:
    return Posting(
        client_no=opening.client_no,
        acct_no=0,
        plan_instance_no=0,
        type=BALANCE_FORWARD if opening.opening_balance > 0 else NEGATIVE_BALANCE_FORWARD,
        amount=abs(opening.opening_balance),
        currency=opening.currency,
        effective_date=opening.effective_date,
        reason_code="",
        comment="",
        related_event_no=0,
        source=None,
        row=(),
        source_no=0,
        draft=0,
    )
