"""The table of transaction types is that of the business, row by row."""

import pytest

from ledger_service.rules.gl_accounts import ACCOUNTS_RECEIVABLE, CHART
from ledger_service.rules.invoice_line_types import INVOICE_LINE_TYPES
from ledger_service.rules.transaction_types import TRANSACTION_TYPES

BY_DUNNING = "posted by the dunning manager; read with get_transaction_information"

# code, name, results in a charge, source table, source key, operation
FACTS = f"""
2,Check,0,external_payments,payment_id,record_external_payment
-2,Voided Check,1,external_payments,payment_id,void_transaction
3,Electronic Payment,0,payments,payment_id,collect_from_account
-3,Voided Electronic Payment,1,payments,payment_id,void_transaction
4,Balance Transfer To Account,1,balance_transfer,transfer_no,transfer_account_balance
-4,Voided Balance Transfer To Account,0,balance_transfer,transfer_no,void_transaction
5,Balance Transfer From Account,0,balance_transfer,transfer_no,transfer_account_balance
-5,Voided Balance Transfer From Account,1,balance_transfer,transfer_no,void_transaction
6,Write Off/Dispute Hold,0,write_offs,write_off_no,create_writeoff_or_dispute
-6,Voided Write Off,1,write_offs,write_off_no,void_transaction
8,Refund Related Reversal,0,refunds,refund_no,issue_refund_to_account
-8,Voided Refund Related Reversal,1,refunds,refund_no,void_transaction
9,Balance Forward,1,balance_forward,balance_no,create_account
-9,Voided Balance Forward,0,balance_forward,balance_no,void_transaction
10,Cash Credit,0,cash_credits,credit_no,apply_cash_credit
-10,Voided Cash Credit,1,cash_credits,credit_no,void_transaction
12,Refund of Electronic Payment,1,payments,payment_id,issue_refund_to_account
-12,Voided Refund of Electronic Payment,0,payments,payment_id,void_transaction
13,Refund of External Payment,1,check_refund,check_id,issue_refund_to_account
-13,Voided Refund of External Payment,0,check_refund,check_id,void_transaction
14,External Charge,1,external_charge,charge_no,support only
-14,Voided External Charge,0,external_charge,charge_no,support only
15,Dunning Charge,1,dunning_charge,charge_id,{BY_DUNNING}
-15,Voided Dunning Charge,0,dunning_charge,charge_id,void_transaction
18,Negative Balance Forward,0,balance_forward,balance_no,create_account
-18,Voided Negative Balance Forward,1,balance_forward,balance_no,void_transaction
21,Invoice Charge Line Item,1,gl_detail,invoice_detail_no,generate_invoice
-21,Voided Invoice Charge Line Item,0,gl_detail,invoice_detail_no,void_invoice
22,Invoice Credit Line Item,0,gl_detail,invoice_detail_no,generate_invoice
-22,Voided Invoice Credit Line Item,1,gl_detail,invoice_detail_no,void_invoice
24,Credit Memo Line,0,credit_memo,cm_no,create_credit_memo
-24,Voided Credit Memo Line,1,credit_memo,cm_no,void_credit_memo
""".strip().splitlines()

LINE_FACTS = """
1,Recurring Charge,21
2,Tax Charge,21
3,Service Credit,22
4,Coupon Credit,22
5,Activation Charge,21
6,Usage Charge,21
7,Recurring Arrears Charge,21
8,Order Charge,21
9,Surcharge,21
""".strip().splitlines()


@pytest.mark.parametrize("fact", FACTS)
def test_the_row_of_a_type_is_that_of_the_business(fact: str) -> None:
    code, *columns = fact.split(",")
    row = TRANSACTION_TYPES[int(code)]
    served = [row.name, str(int(row.is_charge)), row.source_table, row.source_key, row.operation]
    assert served == columns


def test_there_are_these_types_and_no_others() -> None:
    assert [str(code) for code in TRANSACTION_TYPES] == [fact.split(",")[0] for fact in FACTS]


@pytest.mark.parametrize("fact", LINE_FACTS)
def test_the_row_of_a_line_type_is_that_of_the_business(fact: str) -> None:
    code, name, transaction_type = fact.split(",")
    row = INVOICE_LINE_TYPES[int(code)]
    assert (row.name, row.transaction_type) == (name, int(transaction_type))


def test_there_are_these_line_types_and_no_others() -> None:
    assert [str(code) for code in INVOICE_LINE_TYPES] == [fact.split(",")[0] for fact in LINE_FACTS]


@pytest.mark.parametrize("code", [code for code in TRANSACTION_TYPES if code > 0])
def test_a_void_undoes_its_type(code: int) -> None:
    row, void = TRANSACTION_TYPES[code], TRANSACTION_TYPES[-code]
    assert void.effect == -row.effect
    assert (void.source_table, void.source_key) == (row.source_table, row.source_key)
    assert (void.debit_gl_account, void.credit_gl_account) == (row.credit_gl_account, row.debit_gl_account)


def test_every_charge_debits_accounts_receivable_and_all_else_credits_it() -> None:
    rows = [row for row in TRANSACTION_TYPES.values() if row.debit_gl_account is not None]
    for row in rows:
        side = row.debit_gl_account if row.is_charge else row.credit_gl_account
        assert side == ACCOUNTS_RECEIVABLE, row.name
    for line in INVOICE_LINE_TYPES.values():
        side = line.debit_gl_account if line.transaction_type == 21 else line.credit_gl_account
        assert side == ACCOUNTS_RECEIVABLE, line.name


def test_every_account_that_a_row_names_is_in_the_chart() -> None:
    named = {
        code for row in TRANSACTION_TYPES.values() for code in (row.debit_gl_account, row.credit_gl_account)
    }
    named |= {
        code for row in INVOICE_LINE_TYPES.values() for code in (row.debit_gl_account, row.credit_gl_account)
    }
    assert named - {None} == set(CHART)
