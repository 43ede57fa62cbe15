"""Documents as a test wants to say them."""

from datetime import date
from typing import Any

from ledger_service.rules import sources
from ledger_service.rules.documents import Document, document_kind
from ledger_service.rules.drafts import Draft, check_draft
from ledger_service.rules.transaction_types import ANY_VOID, TRANSACTION_TYPES, DocumentKind
from tests.unit.ledger.memory_ledger import CLIENT, TODAY

EVERY_ROLE = frozenset({"poster", "support", "dunning"})


def draft(
    code: int, acct_no: int, amount: int = 0, source: sources.Source | None = None, **fields: Any
) -> Draft:
    """A draft with a reason, in dollars, of today."""
    return Draft(
        TRANSACTION_TYPES[code],
        acct_no,
        0,
        amount,
        "USD" if amount else "",
        TODAY,
        "R",
        "a comment",
        source,
    )._replace(**fields)


def document(*drafts: Draft, roles: frozenset[str] = EVERY_ROLE) -> Document:
    """A document, once its drafts are checked as those of a call are."""
    for each in drafts:
        check_draft(each, roles)
    return Document(CLIENT, document_kind(drafts), drafts, roles)


def check(acct_no: int, amount: int, code: str) -> Document:
    """2"""
    return document(draft(2, acct_no, amount, sources.ExternalPayment(code, TODAY)))


def payment(acct_no: int, amount: int, reference: str) -> Document:
    """3"""
    return document(draft(3, acct_no, amount, sources.ElectronicPayment(reference, 1)))


def transfer(acct_no: int, target: int, amount: int = 0) -> Document:
    """5 and 4"""
    return document(draft(5, acct_no, amount, sources.BalanceTransfer(target)))


def write_off(acct_no: int, invoice_no: int, amount: int = 0) -> Document:
    """6"""
    return document(draft(6, acct_no, amount, sources.WriteOff(1, invoice_no, None)))


def dispute(acct_no: int, invoice_no: int, amount: int = 0) -> Document:
    """6, to be settled"""
    return document(draft(6, acct_no, amount, sources.WriteOff(2, invoice_no, TODAY)))


def settle(event_no: int, invoice_no: int, resolution: sources.Resolution) -> Document:
    """-6, and 6 where it is written off"""
    source = sources.DisputeSettlement(event_no, invoice_no, resolution)
    one = draft(2, 0)._replace(type=ANY_VOID, source=source)
    return Document(CLIENT, DocumentKind.DISPUTE_SETTLEMENT, (one,), EVERY_ROLE)


def credit(acct_no: int, amount: int) -> Document:
    """10"""
    return document(draft(10, acct_no, amount))


def charge(acct_no: int, amount: int) -> Document:
    """14"""
    return document(draft(14, acct_no, amount, sources.ExternalCharge("a charge")))


def refund(acct_no: int, paid: int, amount: int, *reversals: tuple[int, int]) -> Document:
    """13, with an 8 for each (charge, amount)"""
    return document(
        draft(13, acct_no, amount, sources.CheckRefund(paid, "4711")),
        *(draft(8, acct_no, part, sources.RefundReversal(event_no)) for event_no, part in reversals),
    )


def invoice(acct_no: int, month: int, *lines: tuple[int, int]) -> Document:
    """21 and 22, for (line type, amount)"""
    period = (date(2026, month, 1), date(2026, month, 28))
    return document(
        *(
            draft(
                22 if kind in {3, 4} else 21, acct_no, amount, sources.NewInvoiceLine(kind, "a line", *period)
            )
            for kind, amount in lines
        )
    )


def memo(acct_no: int, *lines: tuple[int, int]) -> Document:
    """24, for (charge, amount)"""
    return document(
        *(draft(24, acct_no, amount, sources.CreditMemoLine(event_no)) for event_no, amount in lines)
    )


def void(event_no: int) -> Document:
    """The void of a transaction, whatever it is"""
    return document(draft(2, 0)._replace(type=ANY_VOID, source=sources.VoidOf(event_no)))


def void_memo(acct_no: int, *event_nos: int) -> Document:
    """-24 for each"""
    return document(*(draft(-24, acct_no, 0, sources.VoidOf(event_no)) for event_no in event_nos))


def void_invoice(invoice_no: int) -> Document:
    """-21 or -22 for each line"""
    one = draft(2, 0)._replace(type=ANY_VOID, source=sources.InvoiceVoid(invoice_no))
    return Document(CLIENT, DocumentKind.INVOICE_VOID, (one,), EVERY_ROLE)
