"""Which refusal wins: for each RPC of the ledger, the refusals of a request that has many faults at once.

A ladder begins with a request in which everything is wrong that can be wrong at once. Each rung names the
refusal that the request gets as it is, and what mends the fault, so that the next refusal shows. The page
docs/error_precedence.md is made from the ladders by `precedence_page`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

UNKNOWN: Final = 999_999_999
USED_KEY: Final = "a key that was used for another request"
NEW_KEY: Final = "a key that was never used"

Fields = Mapping[str, Any]


@dataclass(slots=True)
class World:
    """The numbers of what the requests name. All of client 1; what is `foreign` is of another account."""

    acct: int = 0
    plan: int = 0
    euro_acct: int = 0
    empty_acct: int = 0
    charge: int = 0
    foreign_charge: int = 0
    check: int = 0
    refunded_check: int = 0
    payment: int = 0
    voided_payment: int = 0
    refund: int = 0
    reversal: int = 0
    void: int = 0
    invoice: int = 0
    line: int = 0
    other_line: int = 0
    memo_line: int = 0
    memo: int = 0
    voided_memo: int = 0
    voided_invoice: int = 0
    corrected_invoice: int = 0
    written_off_invoice: int = 0
    hold: int = 0
    settled_hold: int = 0
    statement: int = 0


class Rung(NamedTuple):
    """A refusal, "" for none, and what is changed in the request before the next rung."""

    reason: str
    mend: Fields = {}  # noqa: RUF012  # nobody changes it


class Ladder(NamedTuple):
    """The first request of an RPC, by the role of its caller, and its rungs."""

    role: str
    worst: Fields
    rungs: Sequence[Rung]


def usd(minor_units: int, currency: str = "USD") -> Fields:
    """An amount."""
    return {"currency_code": currency, "minor_units": minor_units}


def day(year: int, month: int = 1, of_month: int = 15) -> Fields:
    """A day."""
    return {"year": year, "month": month, "day": of_month}


NO_DAY: Final = day(2026, 2, 30)
BEFORE_ALL: Final = day(1800)
GOOD: Final = day(2026)
BLANK: Final = {"reason_code": " ", "comment": " "}
REASONS: Final = {"reason_code": "TEST", "comment": "because the test wants it"}
FINE: Final = Rung("")


def ladders(it: World) -> dict[str, Ladder]:
    """By RPC, as "Service/Method"."""
    return {
        **_accounts(it),
        **_postings(it),
        **_corrections(it),
        **_voids(it),
        **_invoices(it),
        **_reads(it),
        **_statements(it),
        **_journal(),
    }


def _accounts(it: World) -> dict[str, Ladder]:
    return {
        "AccountService/CreateAccount": Ladder(
            "poster",
            {
                "name": "Ada\0",
                "currency_code": "QQQ",
                "opening_balance": usd(1, "EUR"),
                "effective_date": BEFORE_ALL,
                "external_id": "taken",
            },
            [
                Rung("INVALID_REQUEST", {"request_id": USED_KEY, "name": "Ada"}),
                Rung("CURRENCY_UNKNOWN", {"currency_code": "USD"}),
                Rung("CURRENCY_MISMATCH", {"opening_balance": usd(1)}),
                Rung("DATE_INVALID", {"effective_date": GOOD}),
                Rung("REQUEST_ID_REUSED", {"request_id": NEW_KEY}),
                Rung("EXTERNAL_ID_TAKEN", {"external_id": "free"}),
                FINE,
            ],
        ),
        "AccountService/CreatePlanInstance": Ladder(
            "poster",
            {"acct_no": UNKNOWN, "name": "a plan"},
            [
                Rung("INVALID_REQUEST", {"request_id": USED_KEY}),
                Rung("REQUEST_ID_REUSED", {"request_id": NEW_KEY}),
                Rung("ACCOUNT_NOT_FOUND", {"acct_no": it.acct}),
                FINE,
            ],
        ),
    }


def _payment(it: World, source: str, details: Fields, taken: Rung) -> Ladder:
    return Ladder(
        "poster",
        {
            "acct_no": UNKNOWN,
            "plan_instance_no": UNKNOWN,
            "amount": usd(5, "QQQ"),
            "effective_date": BEFORE_ALL,
            source: details,
        },
        [
            Rung("INVALID_REQUEST", {"request_id": USED_KEY}),
            Rung("DATE_INVALID", {"effective_date": GOOD}),
            Rung("CURRENCY_UNKNOWN", {"amount": usd(5, "EUR")}),
            Rung("REQUEST_ID_REUSED", {"request_id": NEW_KEY}),
            Rung("ACCOUNT_NOT_FOUND", {"acct_no": it.acct}),
            Rung("PLAN_INSTANCE_NOT_FOUND", {"plan_instance_no": it.plan}),
            Rung("CURRENCY_MISMATCH", {"amount": usd(5)}),
            taken,
            FINE,
        ],
    )


def _charge(it: World, role: str, source: str, details: Fields) -> Ladder:
    ladder = _payment(it, source, details, FINE)
    return Ladder(role, ladder.worst, [rung for rung in ladder.rungs if rung.reason] + [FINE])


def _postings(it: World) -> dict[str, Ladder]:
    taken_check = {"reference_code": "taken"}
    taken_payment = {"gateway_reference": "taken", "payment_method_kind": 1}
    return {
        "LedgerService/PostTransactions": _drafts(it),
        "LedgerService/RecordExternalPayment": _payment(
            it,
            "external_payment",
            taken_check,
            Rung("REFERENCE_CODE_TAKEN", {"external_payment": {"reference_code": "free"}}),
        ),
        "LedgerService/RecordElectronicPayment": _payment(
            it,
            "electronic_payment",
            taken_payment,
            Rung(
                "GATEWAY_REFERENCE_TAKEN",
                {"electronic_payment": {**taken_payment, "gateway_reference": "free payment"}},
            ),
        ),
        "LedgerService/CreateExternalCharge": _charge(
            it, "support", "external_charge", {"description": "a charge"}
        ),
        "LedgerService/AssessDunningCharge": _charge(
            it, "dunning", "dunning_charge", {"dunning_step": 1, "description": "late fee"}
        ),
        "LedgerService/ApplyCashCredit": Ladder(
            "poster",
            {
                "acct_no": UNKNOWN,
                "plan_instance_no": UNKNOWN,
                "amount": usd(10**12, "QQQ"),
                "effective_date": BEFORE_ALL,
                "reason_code": " ",
            },
            [
                Rung("INVALID_REQUEST", {"request_id": USED_KEY}),
                Rung("DATE_INVALID", {"effective_date": GOOD}),
                Rung("CURRENCY_UNKNOWN", {"amount": usd(10**12, "EUR")}),
                Rung("REASON_REQUIRED", {"reason_code": "GOODWILL"}),
                Rung("REQUEST_ID_REUSED", {"request_id": NEW_KEY}),
                Rung("ACCOUNT_NOT_FOUND", {"acct_no": it.acct}),
                Rung("PLAN_INSTANCE_NOT_FOUND", {"plan_instance_no": 0}),
                Rung("CURRENCY_MISMATCH", {"amount": usd(10**12)}),
                Rung("CREDIT_EXCEEDS_BALANCE", {"amount": usd(1)}),
                FINE,
            ],
        ),
        "LedgerService/TransferAccountBalance": Ladder(
            "poster",
            {
                "from_acct_no": UNKNOWN,
                "to_acct_no": UNKNOWN,
                "from_plan_instance_no": UNKNOWN,
                "amount": usd(10**12, "QQQ"),
                "effective_date": BEFORE_ALL,
            },
            [
                Rung("INVALID_REQUEST", {"request_id": USED_KEY}),
                Rung("DATE_INVALID", {"effective_date": GOOD}),
                Rung("CURRENCY_UNKNOWN", {"amount": usd(10**12, "EUR")}),
                Rung("TRANSFER_TO_ITSELF", {"to_acct_no": UNKNOWN + 1}),
                Rung("REQUEST_ID_REUSED", {"request_id": NEW_KEY}),
                Rung("ACCOUNT_NOT_FOUND", {"from_acct_no": it.acct}),
                Rung("PLAN_INSTANCE_NOT_FOUND", {"from_plan_instance_no": 0}),
                Rung("CURRENCY_MISMATCH", {"amount": usd(10**12)}),
                Rung("ACCOUNT_NOT_FOUND", {"to_acct_no": it.euro_acct}),
                Rung("CURRENCY_MISMATCH", {"to_acct_no": it.empty_acct}),
                Rung("TRANSFER_EXCEEDS_BALANCE", {"amount": usd(1)}),
                FINE,
            ],
        ),
    }


def _drafts(it: World) -> Ladder:
    """One draft in a call that is all or nothing, so that its refusal is that of the call."""
    bad = {"acct_no": UNKNOWN, "plan_instance_no": UNKNOWN, "transaction_type": 14}
    charge = {**bad, "effective_date": GOOD}
    described = {**charge, "external_charge": {"description": "a charge"}}
    memo = {
        **charge,
        "transaction_type": 24,
        "credit_memo_line": {"charge_event_no": UNKNOWN},
        "comment": " ",
    }
    euro = {**memo, "amount": usd(10**12, "EUR")}
    reversal = {
        **charge,
        "transaction_type": 8,
        "refund_reversal": {"charge_event_no": UNKNOWN},
        "amount": usd(1),
    }
    told = {**euro, "comment": "a memo"}
    known = {**told, "acct_no": it.acct}
    placed = {**known, "plan_instance_no": 0}
    dollars = {**placed, "amount": usd(10**12)}
    foreign = {**dollars, "credit_memo_line": {"charge_event_no": it.foreign_charge}}
    own = {**dollars, "credit_memo_line": {"charge_event_no": it.line}}
    return Ladder(
        "poster",
        {"all_or_nothing": True, "drafts": [{**bad, "effective_date": BEFORE_ALL}]},
        [
            Rung("INVALID_REQUEST", {"request_id": USED_KEY}),
            Rung("DATE_INVALID", {"drafts": [charge]}),
            Rung("SOURCE_MISMATCH", {"drafts": [described]}),
            Rung("TYPE_NOT_ALLOWED", {"drafts": [memo]}),
            Rung("AMOUNT_INVALID", {"drafts": [{**memo, "amount": usd(1, "QQQ")}]}),
            Rung("CURRENCY_UNKNOWN", {"drafts": [euro]}),
            Rung("REASON_REQUIRED", {"drafts": [reversal]}),
            Rung("DOCUMENT_INVALID", {"drafts": [told]}),
            Rung("REQUEST_ID_REUSED", {"request_id": NEW_KEY}),
            Rung("ACCOUNT_NOT_FOUND", {"drafts": [known]}),
            Rung("PLAN_INSTANCE_NOT_FOUND", {"drafts": [placed]}),
            Rung("CURRENCY_MISMATCH", {"drafts": [dollars]}),
            Rung("TRANSACTION_NOT_FOUND", {"drafts": [foreign]}),
            Rung("SOURCE_MISMATCH", {"drafts": [own]}),
            Rung("MEMO_EXCEEDS_CHARGE", {"drafts": [{**own, "amount": usd(1)}]}),
            FINE,
        ],
    )


def _corrections(it: World) -> dict[str, Ladder]:
    def reversal(event_no: int, minor_units: int) -> Fields:
        return {"reversals": [{"charge_event_no": event_no, "amount": usd(minor_units)}]}

    def memo(event_no: int, minor_units: int = 10**12, currency: str = "USD") -> Fields:
        return {"lines": [{"charge_event_no": event_no, "amount": usd(minor_units, currency)}]}

    written_off = [
        Rung("CURRENCY_UNKNOWN", {"amount": usd(10**12, "EUR")}),
        Rung("REASON_REQUIRED", REASONS),
        Rung("REQUEST_ID_REUSED", {"request_id": NEW_KEY}),
        Rung("CURRENCY_MISMATCH", {"amount": usd(10**12)}),
        Rung("WRITE_OFF_EXCEEDS_INVOICE", {"amount": usd(1)}),
        FINE,
    ]
    write_off = {"invoice_no": UNKNOWN, "amount": usd(1, "QQQ"), "effective_date": BEFORE_ALL, **BLANK}
    return {
        "LedgerService/IssueRefund": Ladder(
            "poster",
            {
                "payment_event_no": UNKNOWN,
                "check_number": "1",
                "amount": usd(10**12, "QQQ"),
                "effective_date": BEFORE_ALL,
                **reversal(UNKNOWN, 10**12),
            },
            [
                Rung("INVALID_REQUEST", {"request_id": USED_KEY}),
                Rung("TRANSACTION_NOT_FOUND", {"payment_event_no": it.charge}),
                Rung("PAYMENT_NOT_REFUNDABLE", {"payment_event_no": it.voided_payment}),
                Rung("SOURCE_MISMATCH", {"check_number": None, "gateway_reference": "taken"}),
                Rung("DATE_INVALID", {"effective_date": GOOD}),
                Rung("CURRENCY_UNKNOWN", {"amount": usd(10**12, "EUR")}),
                Rung("REQUEST_ID_REUSED", {"request_id": NEW_KEY}),
                Rung("CURRENCY_MISMATCH", {"amount": usd(10**12)}),
                Rung("PAYMENT_NOT_REFUNDABLE", {"payment_event_no": it.payment}),
                Rung("REFUND_EXCEEDS_PAYMENT", {"amount": usd(2)}),
                Rung("GATEWAY_REFERENCE_TAKEN", {"gateway_reference": "free refund"}),
                Rung("TRANSACTION_NOT_FOUND", reversal(it.foreign_charge, 10**12)),
                Rung("SOURCE_MISMATCH", reversal(it.charge, 10**12)),
                Rung("REVERSAL_EXCEEDS_CHARGE", reversal(it.charge, 1)),
                FINE,
            ],
        ),
        "LedgerService/CreateWriteOff": Ladder(
            "poster",
            write_off,
            [
                Rung("INVALID_REQUEST", {"request_id": USED_KEY}),
                Rung("INVOICE_NOT_FOUND", {"invoice_no": it.invoice}),
                Rung("DATE_INVALID", {"effective_date": GOOD}),
                *written_off,
            ],
        ),
        "LedgerService/CreateDispute": Ladder(
            "poster",
            {**write_off, "expires_on": NO_DAY},
            [
                Rung("INVALID_REQUEST", {"request_id": USED_KEY}),
                Rung("DATE_INVALID", {"expires_on": day(1900)}),
                Rung("INVOICE_NOT_FOUND", {"invoice_no": it.invoice}),
                Rung("DATE_INVALID", {"effective_date": GOOD}),
                *written_off[:2],
                Rung("DATE_INVALID", {"expires_on": day(2027)}),
                *written_off[2:],
            ],
        ),
        "LedgerService/SettleDispute": Ladder(
            "poster",
            {"event_no": UNKNOWN, "resolution": 3, "effective_date": BEFORE_ALL, **BLANK},
            [
                Rung("INVALID_REQUEST", {"request_id": USED_KEY}),
                Rung("TRANSACTION_NOT_FOUND", {"event_no": it.charge}),
                Rung("NOT_A_DISPUTE", {"event_no": it.settled_hold}),
                Rung("DATE_INVALID", {"effective_date": GOOD}),
                Rung("REASON_REQUIRED", REASONS),
                Rung("REQUEST_ID_REUSED", {"request_id": NEW_KEY}),
                Rung("ALREADY_VOIDED", {"event_no": it.hold}),
                FINE,
            ],
        ),
        "LedgerService/CreateCreditMemo": Ladder(
            "poster",
            {**memo(UNKNOWN, currency="QQQ"), "effective_date": BEFORE_ALL, "comment": " "},
            [
                Rung("INVALID_REQUEST", {"request_id": USED_KEY}),
                Rung("TRANSACTION_NOT_FOUND", memo(it.charge, currency="QQQ")),
                Rung("DATE_INVALID", {"effective_date": GOOD}),
                Rung("CURRENCY_UNKNOWN", memo(it.charge, currency="EUR")),
                Rung("REASON_REQUIRED", REASONS),
                Rung("REQUEST_ID_REUSED", {"request_id": NEW_KEY}),
                Rung(
                    "CURRENCY_MISMATCH",
                    {"lines": memo(it.line, 1)["lines"] + memo(it.foreign_charge)["lines"]},
                ),
                Rung("SOURCE_MISMATCH", memo(it.charge)),
                Rung(
                    "MEMO_EXCEEDS_CHARGE",
                    {"lines": memo(it.line, 1)["lines"] + memo(it.other_line, 1)["lines"]},
                ),
                Rung("DOCUMENT_INVALID", memo(it.line, 1)),
                FINE,
            ],
        ),
    }


def _voids(it: World) -> dict[str, Ladder]:
    wrong = {"effective_date": BEFORE_ALL, **BLANK}
    told = [
        Rung("DATE_INVALID", {"effective_date": GOOD}),
        Rung("REASON_REQUIRED", REASONS),
        Rung("REQUEST_ID_REUSED", {"request_id": NEW_KEY}),
    ]
    return {
        "LedgerService/VoidCreditMemo": Ladder(
            "poster",
            {"cm_no": UNKNOWN, **wrong},
            [
                Rung("INVALID_REQUEST", {"request_id": USED_KEY}),
                Rung("CREDIT_MEMO_NOT_FOUND", {"cm_no": it.voided_memo}),
                *told,
                Rung("ALREADY_VOIDED", {"cm_no": it.memo}),
                FINE,
            ],
        ),
        "LedgerService/VoidTransaction": Ladder(
            "poster",
            {"event_no": UNKNOWN, **wrong},
            [
                Rung("INVALID_REQUEST", {"request_id": USED_KEY}),
                *told,
                Rung("TRANSACTION_NOT_FOUND", {"event_no": it.void}),
                Rung("VOID_OF_VOID", {"event_no": it.line}),
                Rung("VOID_THE_INVOICE", {"event_no": it.reversal}),
                Rung("VOID_THE_REFUND", {"event_no": it.memo_line}),
                Rung("VOID_THE_CREDIT_MEMO", {"event_no": it.charge}),
                Rung("TYPE_NOT_ALLOWED", {"event_no": it.voided_payment}),
                Rung("ALREADY_VOIDED", {"event_no": it.refunded_check}),
                Rung("PAYMENT_REFUNDED", {"event_no": it.check}),
                FINE,
            ],
        ),
        "InvoiceService/VoidInvoice": Ladder(
            "poster",
            {"invoice_no": UNKNOWN, **wrong},
            [
                Rung("INVALID_REQUEST", {"request_id": USED_KEY}),
                *told,
                Rung("INVOICE_NOT_FOUND", {"invoice_no": it.voided_invoice}),
                Rung("INVOICE_ALREADY_VOIDED", {"invoice_no": it.corrected_invoice}),
                Rung("INVOICE_HAS_CREDIT_MEMO", {"invoice_no": it.written_off_invoice}),
                Rung("INVOICE_HAS_WRITE_OFF", {"invoice_no": it.invoice}),
            ],
        ),
    }


def _invoices(it: World) -> dict[str, Ladder]:
    """The draft of an invoice is told of its faults in its own result."""
    taken = {"billing_period_start": day(2026, 1, 1), "billing_period_end": day(2026, 1, 31)}

    def draft(currency: str = "USD", **fields: Any) -> Fields:
        line = {"line_type": 1, "amount": usd(1, currency)}
        known = {"acct_no": it.acct, "plan_instance_no": 0, "invoice_date": GOOD, "lines": [line], **taken}
        return {"invoices": [{**known, **fields}]}

    reversed_period = {"billing_period_end": day(2025)}
    bad = {"acct_no": UNKNOWN, "plan_instance_no": UNKNOWN}
    return {
        "InvoiceService/CreateInvoices": Ladder(
            "poster",
            draft("QQQ", invoice_date=BEFORE_ALL, **bad, **reversed_period),
            [
                Rung("INVALID_REQUEST", {"request_id": USED_KEY}),
                Rung("DATE_INVALID", draft("QQQ", **bad, **reversed_period)),
                Rung("CURRENCY_UNKNOWN", draft("EUR", **bad, **reversed_period)),
                Rung("DATE_INVALID", draft("EUR", **bad)),
                Rung("REQUEST_ID_REUSED", {"request_id": NEW_KEY}),
                Rung("ACCOUNT_NOT_FOUND", draft("EUR", plan_instance_no=UNKNOWN)),
                Rung("PLAN_INSTANCE_NOT_FOUND", draft("EUR")),
                Rung("CURRENCY_MISMATCH", draft()),
                Rung("INVOICE_EXISTS", draft(acct_no=it.empty_acct)),
                FINE,
            ],
        )
    }


def _list(worst: Fields, *rungs: Rung) -> Ladder:
    """A list: its size and token are looked at before its filters."""
    return Ladder(
        "reader",
        {**worst, "page_size": -1, "page_token": "none of ours"},
        [
            Rung("INVALID_REQUEST", {"page_size": 0}),
            Rung("INVALID_PAGE_TOKEN", {"page_token": ""}),
            *rungs,
            FINE,
        ],
    )


def _reads(it: World) -> dict[str, Ladder]:
    def one(field: str, reason: str, number: int) -> Ladder:
        return Ladder(
            "reader", {}, [Rung("INVALID_REQUEST", {field: UNKNOWN}), Rung(reason, {field: number}), FINE]
        )

    reversed_days = {"effective_from": day(2027), "effective_to": day(2026)}
    return {
        "AccountService/GetAccount": one("acct_no", "ACCOUNT_NOT_FOUND", it.acct),
        "AccountService/ListAccounts": _list({}),
        "AccountService/GetBalance": Ladder(
            "reader",
            {"effective_date": NO_DAY},
            [
                Rung("INVALID_REQUEST", {"acct_no": UNKNOWN}),
                Rung("DATE_INVALID", {"effective_date": GOOD}),
                Rung("ACCOUNT_NOT_FOUND", {"acct_no": it.acct}),
                FINE,
            ],
        ),
        "AccountService/BatchGetBalances": Ladder(
            "reader", {}, [Rung("INVALID_REQUEST", {"acct_nos": [UNKNOWN]}), FINE]
        ),
        "AccountService/ListAging": _list({"as_of_date": NO_DAY}, Rung("DATE_INVALID", {"as_of_date": GOOD})),
        "AccountService/GetStatement": Ladder(
            "reader",
            {"period_start": NO_DAY, "period_end": day(2025)},
            [
                Rung("INVALID_REQUEST", {"acct_no": UNKNOWN}),
                Rung("DATE_INVALID", {"period_start": GOOD}),
                Rung("DATE_INVALID", {"period_end": GOOD}),
                Rung("ACCOUNT_NOT_FOUND", {"acct_no": it.acct}),
                FINE,
            ],
        ),
        "LedgerService/GetTransaction": one("event_no", "TRANSACTION_NOT_FOUND", it.charge),
        "LedgerService/BatchGetTransactions": Ladder(
            "reader", {}, [Rung("INVALID_REQUEST", {"event_nos": [UNKNOWN]}), FINE]
        ),
        "LedgerService/ListTransactions": _list(
            {**reversed_days, "amount_from": usd(2), "amount_to": usd(1)},
            Rung("DATE_INVALID", {"effective_to": day(2028)}),
            Rung("AMOUNT_INVALID", {"amount_to": usd(3)}),
        ),
        "LedgerService/ListDisputes": _list(
            {"expires_to": NO_DAY}, Rung("DATE_INVALID", {"expires_to": GOOD})
        ),
        "InvoiceService/GetInvoice": one("invoice_no", "INVOICE_NOT_FOUND", it.invoice),
        "InvoiceService/ListInvoices": _list(
            {"invoice_from": day(2027), "invoice_to": day(2026)},
            Rung("DATE_INVALID", {"invoice_to": day(2028)}),
        ),
        "ApplicationService/ListOpenItems": _list(
            {"acct_no": UNKNOWN}, Rung("ACCOUNT_NOT_FOUND", {"acct_no": it.acct})
        ),
        "ApplicationService/ListApplications": _list({"acct_no": UNKNOWN}),
        "VerificationService/GetTrialBalance": Ladder(
            "reader", {"as_of_date": NO_DAY}, [Rung("DATE_INVALID", {"as_of_date": GOOD}), FINE]
        ),
    }


def _statements(it: World) -> dict[str, Ladder]:
    """An account whose statement is not closed is told so in its own result."""
    return {
        "StatementService/CloseStatements": Ladder(
            "poster",
            {"acct_nos": [UNKNOWN], "period_end": BEFORE_ALL},
            [
                Rung("INVALID_REQUEST", {"request_id": USED_KEY}),
                Rung("DATE_INVALID", {"period_end": day(2026, 2)}),
                Rung("REQUEST_ID_REUSED", {"request_id": NEW_KEY}),
                Rung("ACCOUNT_NOT_FOUND", {"acct_nos": [it.acct]}),
                Rung("STATEMENT_PERIOD_CLOSED", {"period_end": day(2026, 4)}),
                FINE,
            ],
        ),
        "StatementService/ListStatements": _list(
            {"period_end_from": day(2027), "period_end_to": day(2026)},
            Rung("DATE_INVALID", {"period_end_to": day(2028)}),
        ),
        "StatementService/GetClosedStatement": _list(
            {"statement_no": UNKNOWN}, Rung("STATEMENT_NOT_FOUND", {"statement_no": it.statement})
        ),
        "ApplicationService/ApplyUnappliedCredit": Ladder(
            "poster",
            {"credit_event_no": UNKNOWN, "effective_date": BEFORE_ALL},
            [
                Rung("INVALID_REQUEST", {"request_id": USED_KEY}),
                Rung("DATE_INVALID", {"effective_date": GOOD}),
                Rung("REQUEST_ID_REUSED", {"request_id": NEW_KEY}),
                Rung("TRANSACTION_NOT_FOUND", {"credit_event_no": it.charge}),
                Rung("SOURCE_MISMATCH", {"credit_event_no": it.payment}),
                FINE,
            ],
        ),
    }


def _journal() -> dict[str, Ladder]:
    """The journal, and the chart that it is kept in."""
    reused = Rung("REQUEST_ID_REUSED", {"request_id": NEW_KEY})
    keyed = Rung("INVALID_REQUEST", {"request_id": USED_KEY, "key": {"transaction_type": 14}})
    dated = Rung("DATE_INVALID", {"effective_from": GOOD})
    return {
        "JournalService/WatchTransactions": Ladder(
            "reader",
            {"page_size": -1},
            [
                Rung("INVALID_REQUEST", {"cursor": "nonsense"}),
                Rung("INVALID_REQUEST", {"page_size": 1}),
                Rung("CURSOR_INVALID", {"cursor": None, "start_at": 1}),
                FINE,
            ],
        ),
        "JournalService/ExportJournal": Ladder(
            "reader",
            {"effective_from": day(2027), "effective_to": day(2026), "recorded_from": NO_DAY},
            [
                Rung("DATE_INVALID", {"effective_to": day(2028)}),
                Rung("DATE_INVALID", {"recorded_from": GOOD}),
                FINE,
            ],
        ),
        "GlAccountService/CreateGlAccount": Ladder(
            "operator",
            {"code": "1200", "name": "Fibre revenue\0"},
            [
                Rung("INVALID_REQUEST", {"request_id": USED_KEY, "kind": 4}),
                Rung("INVALID_REQUEST", {"name": "Fibre revenue"}),
                reused,
                Rung("GL_ACCOUNT_EXISTS", {"code": "4001"}),
                FINE,
            ],
        ),
        "GlAccountService/ListGlMappings": Ladder(
            "reader", {"effective_date": NO_DAY}, [Rung("DATE_INVALID", {"effective_date": GOOD}), FINE]
        ),
        "GlAccountService/SetGlMapping": Ladder(
            "operator",
            {"gl_account": "1200", "effective_from": NO_DAY},
            [
                keyed,
                dated,
                reused,
                Rung("GL_ACCOUNT_NOT_ALLOWED", {"gl_account": "4999"}),
                Rung("GL_ACCOUNT_NOT_FOUND", {"gl_account": "4100"}),
                FINE,
            ],
        ),
        "GlAccountService/ResetGlMapping": Ladder(
            "operator", {"effective_from": NO_DAY}, [keyed, dated, reused, FINE]
        ),
    }
