"""Balance transfers (rule 16): 5 on the source and 4 on the target, one transfer_no."""

from typing import Final

from ledger_service.rules import refusals
from ledger_service.rules.books import Books
from ledger_service.rules.documents import Document
from ledger_service.rules.postings import Decision, Posting
from ledger_service.rules.sources import BalanceTransfer
from ledger_service.rules.transaction_types import TRANSACTION_TYPES

TARGET_LEG: Final = TRANSACTION_TYPES[4]


def decide_transfer(document: Document, books: Books) -> Decision:
    """Move the balance of the account (or of the plan instance named, or a smaller amount) to another
    account.
    """
    client_no, (draft,) = document.client_no, document.drafts
    assert isinstance(draft.source, BalanceTransfer)
    source = books.account_of(client_no, draft)
    target_acct_no = draft.source.counterpart_acct_no
    target = books.account(client_no, target_acct_no)
    if target.currency != source.currency:
        raise refusals.currency_mismatch(target_acct_no, target.currency, source.currency)
    balance = books.balance_of(client_no, draft.acct_no, draft.plan_instance_no)
    if balance <= 0 or draft.amount > balance:
        raise refusals.transfer_exceeds_balance(draft.acct_no, books.money(client_no, draft.acct_no, balance))
    outgoing = Posting(
        client_no,
        draft.acct_no,
        draft.plan_instance_no,
        draft.type,
        draft.amount or balance,
        source.currency,
        draft.effective_date,
        draft.reason_code,
        draft.comment,
        0,
        draft.source,
        (target_acct_no,),
        0,
        0,
    )
    incoming = outgoing._replace(
        acct_no=target_acct_no,
        plan_instance_no=0,
        type=TARGET_LEG,
        source=BalanceTransfer(draft.acct_no),
        row=None,
    )
    return Decision([outgoing, incoming])
