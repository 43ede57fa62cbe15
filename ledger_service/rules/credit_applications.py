"""Applying what is left of a credit, and what a credit may name to be paid (rule 8)."""

from ledger_service.rules import refusals
from ledger_service.rules.applications import Instruction
from ledger_service.rules.books import Books
from ledger_service.rules.postings import CreditApplication, Decision


def decide_credit_application(order: CreditApplication, books: Books) -> Decision:
    """Apply the credit, as far as anything is left of it when its turn comes; TRANSACTION_NOT_FOUND,
    SOURCE_MISMATCH.
    """
    credit = books.transaction(order.client_no, order.credit_event_no)
    if credit.type.is_charge or credit.type.is_void:
        raise refusals.not_applicable(credit.event_no, credit.type)
    require_targets(order.client_no, credit.acct_no, order.instruction, books)
    return Decision([], application=order._replace(acct_no=credit.acct_no, currency=credit.currency))


def require_targets(client_no: int, acct_no: int, instruction: Instruction, books: Books) -> None:
    """What an instruction names is there, and of the account; TRANSACTION_NOT_FOUND, INVOICE_NOT_FOUND,
    SOURCE_MISMATCH. It need not be open: what can't be paid is passed over.
    """
    for event_no in instruction.charge_event_nos:
        charge = books.transaction(client_no, event_no)
        if charge.acct_no != acct_no:
            raise refusals.belongs_elsewhere(
                "application.charge_event_nos", f"transaction {event_no}", f"account {charge.acct_no}"
            )
        if not charge.type.is_charge or charge.type.is_void:
            raise refusals.no_charge(event_no, charge.type)
    for invoice_no in instruction.invoice_nos:
        invoice = books.invoice(client_no, invoice_no)
        if invoice.acct_no != acct_no:
            raise refusals.belongs_elsewhere(
                "application.invoice_nos", f"invoice {invoice_no}", f"account {invoice.acct_no}"
            )
