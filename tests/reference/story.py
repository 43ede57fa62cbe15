"""The story that the reference tells: a small business, one call after the other.

It is played against a real ledger that is empty, and what was asked and answered stands as an example on the
page of each operation. In a request, "$name.field.0.other" is a value of the answer that was kept as `name`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

Json: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the story.

    operation: "LedgerService.IssueRefund".
    says: what the reader sees happen.
    keep: the name of the answer, for later calls.
    refused: the reason with which it is refused; "" for none.
    shows: of a long list in the answer, by its name, how many items the page shows.
    messages: of a long stream, how many messages the page shows before the last one; 0 for all.
    reads: of a stream that never ends, how many messages are read.
    """

    operation: str
    says: str
    request: Json
    keep: str = ""
    refused: str = ""
    shows: Mapping[str, int] = field(default_factory=dict)
    messages: int = 0
    reads: int = 0


def _usd(minor_units: int) -> Json:
    return {"currency_code": "USD", "minor_units": minor_units}


def _day(year: int, month: int, day: int) -> Json:
    return {"year": year, "month": month, "day": day}


_JANUARY: Final = {"billing_period_start": _day(2026, 1, 1), "billing_period_end": _day(2026, 1, 31)}
_FEBRUARY: Final = {"billing_period_start": _day(2026, 2, 1), "billing_period_end": _day(2026, 2, 28)}
_MARCH: Final = {"billing_period_start": _day(2026, 3, 1), "billing_period_end": _day(2026, 3, 31)}


def _line(kind: str, description: str, minor_units: int) -> Json:
    return {
        "line_type": f"INVOICE_LINE_TYPE_{kind}",
        "description": description,
        "amount": _usd(minor_units),
    }


_OPENING: Final = (
    Call(
        "AccountService.CreateAccount",
        "An account with a plan.",
        {
            "client_no": 1,
            "request_id": "open-ada",
            "external_id": "ada",
            "name": "Ada Lovelace",
            "currency_code": "USD",
            "payment_term_days": 14,
            "plan_instance_names": ["Basic"],
        },
        keep="ada",
    ),
    Call(
        "AccountService.CreateAccount",
        "An account that owes something from before: the balance forward is posted with it.",
        {
            "client_no": 1,
            "request_id": "open-bob",
            "name": "Bob",
            "currency_code": "USD",
            "opening_balance": _usd(2500),
            "effective_date": _day(2026, 1, 1),
        },
        keep="bob",
    ),
    Call(
        "AccountService.CreateAccount",
        "Another account under an identifier that is taken.",
        {
            "client_no": 1,
            "request_id": "open-another-ada",
            "external_id": "ada",
            "name": "Ada Byron",
            "currency_code": "USD",
        },
        refused="EXTERNAL_ID_TAKEN",
    ),
    Call(
        "AccountService.CreatePlanInstance",
        "A second plan for the account.",
        {
            "client_no": 1,
            "request_id": "add-storage",
            "acct_no": "$ada.account.acct_no",
            "name": "Storage",
        },
    ),
    Call(
        "AccountService.CreatePlanInstance",
        "A plan for an account that does not exist.",
        {"client_no": 1, "request_id": "add-nowhere", "acct_no": 987654, "name": "Storage"},
        refused="ACCOUNT_NOT_FOUND",
    ),
    Call(
        "AccountService.GetAccount",
        "An account by the caller's own identifier.",
        {"client_no": 1, "external_id": "ada"},
    ),
    Call(
        "AccountService.GetAccount",
        "By both identifiers at once.",
        {"client_no": 1, "acct_no": "$ada.account.acct_no", "external_id": "ada"},
        refused="INVALID_REQUEST",
    ),
    Call(
        "AccountService.ListAccounts",
        "The first page, of one account.",
        {"client_no": 1, "page_size": 1},
        keep="first_page",
    ),
    Call(
        "AccountService.ListAccounts",
        "The page after it, which is the last.",
        {"client_no": 1, "page_size": 1, "page_token": "$first_page.next_page_token"},
    ),
)

_BILLING: Final = (
    Call(
        "InvoiceService.CreateInvoices",
        "Two invoices in one call. The second account does not exist: its invoice alone is refused.",
        {
            "client_no": 1,
            "request_id": "bill-2026-01",
            "invoices": [
                {
                    "acct_no": "$ada.account.acct_no",
                    "plan_instance_no": "$ada.account.plan_instances.0.plan_instance_no",
                    **_JANUARY,
                    "invoice_date": _day(2026, 1, 1),
                    "lines": [
                        _line("RECURRING_CHARGE", "Basic, January", 10000),
                        _line("TAX_CHARGE", "Sales tax", 800),
                        _line("COUPON_CREDIT", "Welcome", 500),
                    ],
                },
                {
                    "acct_no": 987654,
                    **_JANUARY,
                    "invoice_date": _day(2026, 1, 1),
                    "lines": [_line("RECURRING_CHARGE", "Basic, January", 10000)],
                },
            ],
        },
        keep="january",
    ),
    Call(
        "InvoiceService.CreateInvoices",
        "The same billing period again, under another key: there is an invoice for it.",
        {
            "client_no": 1,
            "request_id": "bill-2026-01-again",
            "invoices": [
                {
                    "acct_no": "$ada.account.acct_no",
                    "plan_instance_no": "$ada.account.plan_instances.0.plan_instance_no",
                    **_JANUARY,
                    "invoice_date": _day(2026, 1, 1),
                    "lines": [_line("RECURRING_CHARGE", "Basic, January", 10000)],
                }
            ],
        },
    ),
    Call(
        "InvoiceService.CreateInvoices",
        "The invoices of February and March.",
        {
            "client_no": 1,
            "request_id": "bill-2026-02",
            "invoices": [
                {
                    "acct_no": "$ada.account.acct_no",
                    "plan_instance_no": "$ada.account.plan_instances.0.plan_instance_no",
                    **period,
                    "invoice_date": period["billing_period_start"],
                    "lines": [_line("RECURRING_CHARGE", "Basic", 10000)],
                }
                for period in (_FEBRUARY, _MARCH)
            ],
        },
        keep="later",
    ),
    Call(
        "InvoiceService.GetInvoice",
        "An invoice with its lines.",
        {"client_no": 1, "invoice_no": "$january.results.0.invoice_no"},
    ),
    Call(
        "InvoiceService.GetInvoice",
        "An invoice that does not exist.",
        {"client_no": 1, "invoice_no": 987654},
        refused="INVOICE_NOT_FOUND",
    ),
    Call(
        "InvoiceService.ListInvoices",
        "The invoices of an account since February.",
        {"client_no": 1, "acct_no": "$ada.account.acct_no", "invoice_from": _day(2026, 2, 1)},
    ),
)

_PAYING: Final = (
    Call(
        "LedgerService.RecordExternalPayment",
        "A check. Sent once more with the same key, the call returns the same answer and posts nothing.",
        {
            "client_no": 1,
            "request_id": "check-4711",
            "acct_no": "$ada.account.acct_no",
            "amount": _usd(6000),
            "effective_date": _day(2026, 1, 10),
            "external_payment": {"reference_code": "4711", "received_date": _day(2026, 1, 9)},
        },
        keep="check",
    ),
    Call(
        "LedgerService.RecordExternalPayment",
        "The same key with another amount.",
        {
            "client_no": 1,
            "request_id": "check-4711",
            "acct_no": "$ada.account.acct_no",
            "amount": _usd(6001),
            "effective_date": _day(2026, 1, 10),
            "external_payment": {"reference_code": "4711", "received_date": _day(2026, 1, 9)},
        },
        refused="REQUEST_ID_REUSED",
    ),
    Call(
        "LedgerService.RecordExternalPayment",
        "The same check under another key.",
        {
            "client_no": 1,
            "request_id": "check-4711-again",
            "acct_no": "$ada.account.acct_no",
            "amount": _usd(6000),
            "external_payment": {"reference_code": "4711"},
        },
        refused="REFERENCE_CODE_TAKEN",
    ),
    Call(
        "LedgerService.RecordElectronicPayment",
        "A payment by card on a plan, after the gateway confirmed it.",
        {
            "client_no": 1,
            "request_id": "card-1",
            "acct_no": "$ada.account.acct_no",
            "plan_instance_no": "$ada.account.plan_instances.0.plan_instance_no",
            "amount": _usd(4300),
            "effective_date": _day(2026, 1, 12),
            "electronic_payment": {
                "payment_method_kind": "PAYMENT_METHOD_KIND_CARD",
                "gateway_reference": "ch_1",
            },
        },
        keep="card",
    ),
    Call(
        "LedgerService.RecordElectronicPayment",
        "In a currency that is not the account's.",
        {
            "client_no": 1,
            "request_id": "card-2",
            "acct_no": "$ada.account.acct_no",
            "amount": {"currency_code": "EUR", "minor_units": 4300},
            "electronic_payment": {
                "payment_method_kind": "PAYMENT_METHOD_KIND_CARD",
                "gateway_reference": "ch_2",
            },
        },
        refused="CURRENCY_MISMATCH",
    ),
    Call(
        "AccountService.GetBalance",
        "The balance now.",
        {"client_no": 1, "acct_no": "$ada.account.acct_no"},
    ),
    Call(
        "AccountService.GetBalance",
        "The balance as of a day: what takes effect later does not count.",
        {"client_no": 1, "acct_no": "$ada.account.acct_no", "effective_date": _day(2026, 1, 11)},
    ),
    Call(
        "AccountService.GetBalance",
        "The balance as recorded at an event: what was recorded later does not count.",
        {
            "client_no": 1,
            "acct_no": "$ada.account.acct_no",
            "event_no": "$check.transaction.event_no",
        },
    ),
    Call(
        "AccountService.BatchGetBalances",
        "The balances of several accounts. What does not exist is left out.",
        {
            "client_no": 1,
            "acct_nos": ["$ada.account.acct_no", "$bob.account.acct_no", 987654],
        },
    ),
)

_APPLYING: Final = (
    Call(
        "LedgerService.RecordElectronicPayment",
        "A payment that is to pay nothing by itself.",
        {
            "client_no": 1,
            "request_id": "card-3",
            "acct_no": "$ada.account.acct_no",
            "amount": _usd(2000),
            "effective_date": _day(2026, 2, 2),
            "electronic_payment": {
                "payment_method_kind": "PAYMENT_METHOD_KIND_ELECTRONIC_CHECK",
                "gateway_reference": "ch_3",
            },
            "application": {"method": "APPLICATION_METHOD_NONE"},
        },
        keep="held",
    ),
    Call(
        "ApplicationService.ListOpenItems",
        "What is open: the charges of February and March, and the payment that is held.",
        {"client_no": 1, "acct_no": "$ada.account.acct_no"},
    ),
    Call(
        "ApplicationService.ApplyUnappliedCredit",
        "The payment that was held pays the invoice of March, although that of February is older.",
        {
            "client_no": 1,
            "request_id": "apply-1",
            "credit_event_no": "$held.transaction.event_no",
            "application": {
                "method": "APPLICATION_METHOD_DIRECTED",
                "invoice_nos": ["$later.results.1.invoice_no"],
            },
            "effective_date": _day(2026, 2, 3),
        },
    ),
    Call(
        "ApplicationService.ApplyUnappliedCredit",
        "A charge is no credit.",
        {
            "client_no": 1,
            "request_id": "apply-2",
            "credit_event_no": "$january.results.0.lines.0.event_no",
        },
        refused="SOURCE_MISMATCH",
    ),
    Call(
        "ApplicationService.ListApplications",
        "What the check paid.",
        {"client_no": 1, "credit_event_no": "$check.transaction.event_no"},
    ),
)

_CORRECTING: Final = (
    Call(
        "LedgerService.IssueRefund",
        "A refund by check that reverses a part of a charge, so that it is not owed again.",
        {
            "client_no": 1,
            "request_id": "refund-1",
            "payment_event_no": "$check.transaction.event_no",
            "amount": _usd(2000),
            "check_number": "90210",
            "reversals": [
                {"charge_event_no": "$january.results.0.lines.0.event_no", "amount": _usd(2000)},
            ],
            "effective_date": _day(2026, 1, 20),
            "reason_code": "OUTAGE",
        },
        keep="refund",
    ),
    Call(
        "LedgerService.IssueRefund",
        "More than is left of the payment.",
        {
            "client_no": 1,
            "request_id": "refund-2",
            "payment_event_no": "$check.transaction.event_no",
            "amount": _usd(4001),
            "check_number": "90211",
        },
        refused="REFUND_EXCEEDS_PAYMENT",
    ),
    Call(
        "LedgerService.VoidTransaction",
        "A payment with a refund that stands.",
        {
            "client_no": 1,
            "request_id": "void-check",
            "event_no": "$check.transaction.event_no",
            "reason_code": "BOUNCED",
            "comment": "returned by the bank",
        },
        refused="PAYMENT_REFUNDED",
    ),
    Call(
        "LedgerService.VoidTransaction",
        "The refund: its reversal is voided with it.",
        {
            "client_no": 1,
            "request_id": "void-refund",
            "event_no": "$refund.transactions.0.event_no",
            "reason_code": "MISTAKE",
            "comment": "the check was never sent",
            "effective_date": _day(2026, 1, 21),
        },
    ),
    Call(
        "LedgerService.VoidTransaction",
        "Once more.",
        {
            "client_no": 1,
            "request_id": "void-refund-again",
            "event_no": "$refund.transactions.0.event_no",
            "reason_code": "MISTAKE",
            "comment": "the check was never sent",
        },
        refused="ALREADY_VOIDED",
    ),
    Call(
        "LedgerService.CreateCreditMemo",
        "A part of an invoice's charge is credited.",
        {
            "client_no": 1,
            "request_id": "memo-1",
            "lines": [
                {"charge_event_no": "$later.results.0.lines.0.event_no", "amount": _usd(1500)},
            ],
            "effective_date": _day(2026, 2, 5),
            "comment": "two days without service",
        },
        keep="memo",
    ),
    Call(
        "LedgerService.CreateCreditMemo",
        "More than is left of the charge.",
        {
            "client_no": 1,
            "request_id": "memo-2",
            "lines": [
                {"charge_event_no": "$later.results.0.lines.0.event_no", "amount": _usd(8501)},
            ],
            "comment": "the rest, and a cent",
        },
        refused="MEMO_EXCEEDS_CHARGE",
    ),
    Call(
        "InvoiceService.VoidInvoice",
        "An invoice on which a credit memo stands.",
        {
            "client_no": 1,
            "request_id": "void-february",
            "invoice_no": "$later.results.0.invoice_no",
            "reason_code": "MISTAKE",
            "comment": "the wrong plan was billed",
        },
        refused="INVOICE_HAS_CREDIT_MEMO",
    ),
    Call(
        "LedgerService.VoidCreditMemo",
        "The whole memo.",
        {
            "client_no": 1,
            "request_id": "void-memo",
            "cm_no": "$memo.cm_no",
            "reason_code": "MISTAKE",
            "comment": "the service was there",
            "effective_date": _day(2026, 2, 6),
        },
    ),
    Call(
        "LedgerService.VoidCreditMemo",
        "A memo that does not exist.",
        {
            "client_no": 1,
            "request_id": "void-no-memo",
            "cm_no": 987654,
            "reason_code": "MISTAKE",
            "comment": "the service was there",
        },
        refused="CREDIT_MEMO_NOT_FOUND",
    ),
    Call(
        "LedgerService.CreateDispute",
        "The customer disputes a part of an invoice.",
        {
            "client_no": 1,
            "request_id": "dispute-1",
            "invoice_no": "$later.results.0.invoice_no",
            "amount": _usd(4000),
            "effective_date": _day(2026, 2, 10),
            "reason_code": "QUALITY",
            "comment": "slow line",
            "expires_on": _day(2026, 3, 10),
        },
        keep="dispute",
    ),
    Call(
        "LedgerService.CreateDispute",
        "More than is open of the invoice.",
        {
            "client_no": 1,
            "request_id": "dispute-2",
            "invoice_no": "$later.results.0.invoice_no",
            "amount": _usd(6001),
            "effective_date": _day(2026, 2, 10),
            "reason_code": "QUALITY",
            "comment": "slow line",
            "expires_on": _day(2026, 3, 10),
        },
        refused="WRITE_OFF_EXCEEDS_INVOICE",
    ),
    Call(
        "LedgerService.ListDisputes",
        "The disputes that should be settled by the middle of March.",
        {"client_no": 1, "expires_to": _day(2026, 3, 15)},
    ),
    Call(
        "LedgerService.SettleDispute",
        "The customer owes it after all, from now on.",
        {
            "client_no": 1,
            "request_id": "settle-1",
            "event_no": "$dispute.transaction.event_no",
            "resolution": "DISPUTE_RESOLUTION_RE_AGE",
            "effective_date": _day(2026, 2, 20),
            "reason_code": "MEASURED",
            "comment": "the line is as fast as promised",
        },
    ),
    Call(
        "LedgerService.SettleDispute",
        "Once more.",
        {
            "client_no": 1,
            "request_id": "settle-2",
            "event_no": "$dispute.transaction.event_no",
            "resolution": "DISPUTE_RESOLUTION_WRITE_OFF",
            "effective_date": _day(2026, 2, 20),
            "reason_code": "MEASURED",
            "comment": "for the sake of peace",
        },
        refused="ALREADY_VOIDED",
    ),
    Call(
        "LedgerService.CreateWriteOff",
        "A part of an invoice is written off.",
        {
            "client_no": 1,
            "request_id": "write-off-1",
            "invoice_no": "$later.results.0.invoice_no",
            "amount": _usd(500),
            "effective_date": _day(2026, 2, 25),
            "reason_code": "SMALL",
            "comment": "not worth a letter",
        },
        keep="write_off",
    ),
    Call(
        "LedgerService.CreateWriteOff",
        "Without a comment.",
        {
            "client_no": 1,
            "request_id": "write-off-2",
            "invoice_no": "$later.results.0.invoice_no",
            "reason_code": "SMALL",
        },
        refused="INVALID_REQUEST",
    ),
    Call(
        "InvoiceService.VoidInvoice",
        "The invoice of March: its billing period is free again.",
        {
            "client_no": 1,
            "request_id": "void-march",
            "invoice_no": "$later.results.1.invoice_no",
            "reason_code": "MISTAKE",
            "comment": "cancelled in February",
            "effective_date": _day(2026, 3, 1),
        },
    ),
)

_CHARGING: Final = (
    Call(
        "LedgerService.CreateExternalCharge",
        "A charge by hand.",
        {
            "client_no": 1,
            "request_id": "charge-1",
            "acct_no": "$bob.account.acct_no",
            "amount": _usd(1200),
            "effective_date": _day(2026, 2, 2),
            "external_charge": {"description": "Replacement router"},
        },
    ),
    Call(
        "LedgerService.CreateExternalCharge",
        "An amount below zero: the direction is that of the type.",
        {
            "client_no": 1,
            "request_id": "charge-2",
            "acct_no": "$bob.account.acct_no",
            "amount": _usd(-1200),
            "external_charge": {"description": "Replacement router"},
        },
        refused="INVALID_REQUEST",
    ),
    Call(
        "LedgerService.AssessDunningCharge",
        "A late fee.",
        {
            "client_no": 1,
            "request_id": "late-1",
            "acct_no": "$bob.account.acct_no",
            "amount": _usd(300),
            "effective_date": _day(2026, 2, 3),
            "dunning_charge": {"dunning_step": 1, "description": "Late fee"},
        },
    ),
    Call(
        "LedgerService.AssessDunningCharge",
        "On a plan that the account does not have.",
        {
            "client_no": 1,
            "request_id": "late-2",
            "acct_no": "$bob.account.acct_no",
            "plan_instance_no": "$ada.account.plan_instances.0.plan_instance_no",
            "amount": _usd(300),
            "dunning_charge": {"dunning_step": 1, "description": "Late fee"},
        },
        refused="PLAN_INSTANCE_NOT_FOUND",
    ),
    Call(
        "LedgerService.ApplyCashCredit",
        "A part of the balance is given away.",
        {
            "client_no": 1,
            "request_id": "credit-1",
            "acct_no": "$bob.account.acct_no",
            "amount": _usd(300),
            "effective_date": _day(2026, 2, 4),
            "reason_code": "GOODWILL",
        },
    ),
    Call(
        "LedgerService.ApplyCashCredit",
        "More than the balance.",
        {
            "client_no": 1,
            "request_id": "credit-2",
            "acct_no": "$bob.account.acct_no",
            "amount": _usd(100000),
            "reason_code": "GOODWILL",
        },
        refused="CREDIT_EXCEEDS_BALANCE",
    ),
    Call(
        "LedgerService.TransferAccountBalance",
        "One account takes over what another owes.",
        {
            "client_no": 1,
            "request_id": "transfer-1",
            "from_acct_no": "$bob.account.acct_no",
            "to_acct_no": "$ada.account.acct_no",
            "effective_date": _day(2026, 2, 28),
            "comment": "the family pays together",
        },
        keep="transfer",
    ),
    Call(
        "LedgerService.TransferAccountBalance",
        "To the account itself.",
        {
            "client_no": 1,
            "request_id": "transfer-2",
            "from_acct_no": "$ada.account.acct_no",
            "to_acct_no": "$ada.account.acct_no",
        },
        refused="TRANSFER_TO_ITSELF",
    ),
    Call(
        "LedgerService.PostTransactions",
        "Two checks in one call. The second one's reference code is taken: it alone is refused.",
        {
            "client_no": 1,
            "request_id": "lockbox-2026-02-27",
            "drafts": [
                {
                    "acct_no": "$ada.account.acct_no",
                    "transaction_type": "TRANSACTION_TYPE_CHECK",
                    "amount": _usd(2500),
                    "effective_date": _day(2026, 2, 27),
                    "external_payment": {"reference_code": code},
                }
                for code in ("4712", "4711")
            ],
        },
        keep="lockbox",
    ),
    Call(
        "LedgerService.PostTransactions",
        "All or nothing: the first refusal is that of the call, and says which draft it is.",
        {
            "client_no": 1,
            "request_id": "lockbox-2026-02-28",
            "all_or_nothing": True,
            "drafts": [
                {
                    "acct_no": "$ada.account.acct_no",
                    "transaction_type": "TRANSACTION_TYPE_CHECK",
                    "amount": _usd(2500),
                    "effective_date": _day(2026, 2, 28),
                    "external_payment": {"reference_code": code},
                }
                for code in ("4713", "4711")
            ],
        },
        refused="REFERENCE_CODE_TAKEN",
    ),
)

_CLOSING: Final = (
    Call(
        "StatementService.CloseStatements",
        "January is closed. The second account does not exist: it alone is refused.",
        {
            "client_no": 1,
            "request_id": "close-2026-01",
            "acct_nos": ["$ada.account.acct_no", 987654],
            "period_end": _day(2026, 1, 31),
        },
        keep="closed",
    ),
    Call(
        "StatementService.CloseStatements",
        "The same key for other accounts.",
        {
            "client_no": 1,
            "request_id": "close-2026-01",
            "acct_nos": ["$bob.account.acct_no"],
            "period_end": _day(2026, 1, 31),
        },
        refused="REQUEST_ID_REUSED",
    ),
    Call(
        "LedgerService.RecordExternalPayment",
        "A check that takes effect in January, which is closed.",
        {
            "client_no": 1,
            "request_id": "check-4714",
            "acct_no": "$ada.account.acct_no",
            "amount": _usd(100),
            "effective_date": _day(2026, 1, 30),
            "external_payment": {"reference_code": "4714"},
        },
    ),
    Call(
        "StatementService.CloseStatements",
        "February is closed as well: the check of January is on its statement, as an adjustment.",
        {
            "client_no": 1,
            "request_id": "close-2026-02",
            "acct_nos": ["$ada.account.acct_no"],
            "period_end": _day(2026, 2, 28),
        },
        keep="february",
    ),
    Call(
        "StatementService.ListStatements",
        "The closed statements of an account.",
        {"client_no": 1, "acct_no": "$ada.account.acct_no"},
    ),
    Call(
        "StatementService.GetClosedStatement",
        "The first line of February: an adjustment.",
        {
            "client_no": 1,
            "statement_no": "$february.results.0.statement.statement_no",
            "page_size": 1,
        },
    ),
    Call(
        "StatementService.GetClosedStatement",
        "A statement that does not exist.",
        {"client_no": 1, "statement_no": 987654},
        refused="STATEMENT_NOT_FOUND",
    ),
)

_CHART: Final = (
    Call(
        "GlAccountService.CreateGlAccount",
        "An account of the client's own.",
        {
            "client_no": 1,
            "request_id": "chart-4001",
            "code": "4001",
            "name": "Hardware revenue",
            "kind": "GL_ACCOUNT_KIND_REVENUE",
        },
    ),
    Call(
        "GlAccountService.CreateGlAccount",
        "A code that is in the chart.",
        {
            "client_no": 1,
            "request_id": "chart-1200",
            "code": "1200",
            "name": "Receivables",
            "kind": "GL_ACCOUNT_KIND_ASSET",
        },
        refused="GL_ACCOUNT_EXISTS",
    ),
    Call(
        "GlAccountService.ListGlAccounts",
        "The chart.",
        {"client_no": 1},
        shows={"gl_accounts": 3},
    ),
    Call(
        "GlAccountService.SetGlMapping",
        "External charges are booked to it from April on.",
        {
            "client_no": 1,
            "request_id": "map-14",
            "key": {"transaction_type": "TRANSACTION_TYPE_EXTERNAL_CHARGE"},
            "gl_account": "4001",
            "effective_from": _day(2026, 4, 1),
        },
    ),
    Call(
        "GlAccountService.SetGlMapping",
        "To an account that is not in the chart.",
        {
            "client_no": 1,
            "request_id": "map-15",
            "key": {"transaction_type": "TRANSACTION_TYPE_DUNNING_CHARGE"},
            "gl_account": "4999",
        },
        refused="GL_ACCOUNT_NOT_FOUND",
    ),
    Call(
        "GlAccountService.ListGlMappings",
        "Which accounts the types are booked to in May.",
        {"client_no": 1, "effective_date": _day(2026, 5, 1)},
        shows={"mappings": 2},
    ),
    Call(
        "GlAccountService.ResetGlMapping",
        "The default again, from July on.",
        {
            "client_no": 1,
            "request_id": "map-14-again",
            "key": {"transaction_type": "TRANSACTION_TYPE_EXTERNAL_CHARGE"},
            "effective_from": _day(2026, 7, 1),
        },
    ),
    Call(
        "GlAccountService.ResetGlMapping",
        "Of no type.",
        {"client_no": 1, "request_id": "map-nothing"},
        refused="INVALID_REQUEST",
    ),
)

_READING: Final = (
    Call(
        "LedgerService.GetTransaction",
        "A write-off with its source row.",
        {"client_no": 1, "event_no": "$write_off.transaction.event_no"},
    ),
    Call(
        "LedgerService.GetTransaction",
        "A transaction that does not exist.",
        {"client_no": 1, "event_no": 987654},
        refused="TRANSACTION_NOT_FOUND",
    ),
    Call(
        "LedgerService.BatchGetTransactions",
        "The legs of a transfer: both have the transfer_no as source_no.",
        {
            "client_no": 1,
            "event_nos": ["$transfer.transactions.0.event_no", "$transfer.transactions.1.event_no"],
        },
    ),
    Call(
        "LedgerService.ListTransactions",
        "The checks of an account that were not voided.",
        {
            "client_no": 1,
            "acct_no": "$ada.account.acct_no",
            "transaction_types": ["TRANSACTION_TYPE_CHECK"],
            "voided": False,
        },
    ),
    Call(
        "LedgerService.ListTransactions",
        "A page token that came from elsewhere.",
        {"client_no": 1, "page_token": "$first_page.next_page_token"},
        refused="INVALID_PAGE_TOKEN",
    ),
    Call(
        "AccountService.GetStatement",
        "A month of an account.",
        {
            "client_no": 1,
            "acct_no": "$bob.account.acct_no",
            "period_start": _day(2026, 2, 1),
            "period_end": _day(2026, 2, 28),
        },
        shows={"lines": 2},
    ),
    Call(
        "AccountService.ListAging",
        "What is overdue for a day or longer.",
        {"client_no": 1, "as_of_date": _day(2026, 4, 1), "min_days_past_due": 1},
    ),
    Call(
        "JournalService.ExportJournal",
        "The journal of a day: the lines, then their totals.",
        {"client_no": 1, "effective_from": _day(2026, 2, 2), "effective_to": _day(2026, 2, 2)},
    ),
    Call(
        "JournalService.WatchTransactions",
        "All checks from the beginning on, of which two answers are shown. Only the caller ends a watch.",
        {
            "client_no": 1,
            "start_at": "WATCH_START_BEGINNING",
            "transaction_types": ["TRANSACTION_TYPE_CHECK"],
            "page_size": 1,
        },
        reads=2,
    ),
    Call(
        "JournalService.WatchTransactions",
        "After a cursor that is none.",
        {"client_no": 1, "cursor": "yesterday"},
        refused="CURSOR_INVALID",
    ),
    Call(
        "VerificationService.GetTrialBalance",
        "The debits and credits of every account of the general ledger.",
        {"client_no": 1},
    ),
    Call(
        "VerificationService.VerifyLedger",
        "The books are sound: every check runs to its end, and the summary names no finding.",
        {"client_no": 1},
        messages=1,
    ),
    Call(
        "TransactionTypeService.ListTransactionTypes",
        "The table of all types.",
        {},
        shows={"transaction_types": 2},
    ),
)

STORY: Final = (
    *_OPENING,
    *_BILLING,
    *_PAYING,
    *_APPLYING,
    *_CORRECTING,
    *_CHARGING,
    *_CLOSING,
    *_CHART,
    *_READING,
)
