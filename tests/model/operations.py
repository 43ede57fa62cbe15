"""Intents as single calls: each operation that posts something, by the name that intents have for it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from tests.model.calls import (
    AddPlan,
    ApplyCredit,
    Call,
    Close,
    CreateInvoices,
    Draft,
    Method,
    OpenAccount,
    Operate,
    Resolution,
    Settle,
    Void,
    VoidInvoice,
    VoidMemo,
)
from tests.model.draft_checks import AMOUNT_MAY_BE_OMITTED
from tests.model.intents import (
    Flaw,
    Foreign,
    Intent,
    Size,
    day,
    drafts_of,
    instruction_of,
    invoice_of,
    maybe_day,
    period,
    pick,
)
from tests.model.ledger_model import LedgerModel
from tests.model.things import Entry

_NO_SUCH_NUMBER: Final = 10**12
# What else may be wrong with a draft can't be said in an operation.
_FLAWS: Final = {
    Flaw.NONE, Flaw.FOREIGN_ACCOUNT, Flaw.FOREIGN_PLAN, Flaw.FOREIGN_NAME, Flaw.OTHER_ACCOUNT,
    Flaw.OTHER_PLAN, Flaw.OTHER_CURRENCY, Flaw.UNKNOWN_CURRENCY, Flaw.BACKWARDS,
}  # fmt: skip
_RPC_OF: Final = {
    2: "RecordExternalPayment", 3: "RecordElectronicPayment", 5: "TransferAccountBalance",
    6: "CreateWriteOff", 10: "ApplyCashCredit", 12: "IssueRefund", 13: "IssueRefund",
    14: "CreateExternalCharge", 15: "AssessDunningCharge", 24: "CreateCreditMemo",
}  # fmt: skip
_DRAFTED: Final = (
    "check", "payment", "charge", "late fee", "credit", "transfer", "write-off", "refund", "memo",
)  # fmt: skip
# These find the account and the plan instance by what they name.
_FIND_THE_PLACE: Final = {6, 8, 12, 13, 24}


def operation_of(intent: Intent, books: LedgerModel, foreign: Foreign) -> Call:
    """The call of an intent to do one thing."""
    return OPERATIONS[intent.what](intent, books, foreign)


def _drafted(intent: Intent, books: LedgerModel, foreign: Foreign) -> Call:
    if intent.what == "refund" and intent.flaw is Flaw.OTHER_TYPE:
        intent = replace(intent, lines=1)
    elif intent.flaw not in _FLAWS:
        intent = replace(intent, flaw=Flaw.NONE)
    # The refund of an IssueRefund comes first.
    drafts = sorted(drafts_of(intent, "", books, foreign), key=lambda draft: draft.code == 8)
    operation = "CreateDispute" if drafts[0].expires_on is not None else _RPC_OF[drafts[0].code]
    return Operate(operation, tuple(_said(draft) for draft in drafts))


def _said(draft: Draft) -> Draft:
    """What of a draft an operation says."""
    draft = replace(draft, key="", label="")
    if draft.code == 10:
        draft = replace(draft, pays=None)
    if draft.code in _FIND_THE_PLACE:
        draft = replace(draft, account=0, plan=0)
    if not draft.amount and draft.code not in AMOUNT_MAY_BE_OMITTED:
        draft = replace(draft, amount=1, currency="USD")
    return draft


def _void(intent: Intent, books: LedgerModel, foreign: Foreign) -> Call:
    """Most often of what stands; of every type as often as of any other."""
    entries = books.posted if intent.size is Size.TOO_MUCH else books.live()
    codes = sorted({entry.code for entry in entries})
    code = pick(codes, intent.which)
    target = pick([entry for entry in entries if entry.code == code], intent.other)
    return Void(_number(target, intent, foreign), maybe_day(intent.day))


def _settle(intent: Intent, books: LedgerModel, foreign: Foreign) -> Call:
    holds: Sequence[Entry] = [entry for entry in books.posted if entry.expires_on is not None]
    if intent.size is Size.TOO_MUCH:
        holds = books.posted
    resolution = list(Resolution)[intent.other % 3]
    return Settle(_number(pick(holds, intent.which), intent, foreign), resolution, maybe_day(intent.day))


def _is_lost(intent: Intent) -> bool:
    """Whether it names what is another client's, or nobody's."""
    return intent.flaw in {Flaw.FOREIGN_NAME, Flaw.FOREIGN_ACCOUNT, Flaw.FOREIGN_PLAN}


def _number(entry: Entry | None, intent: Intent, foreign: Foreign) -> int:
    return foreign.event if entry is None or _is_lost(intent) else entry.number


def _void_memo(intent: Intent, books: LedgerModel, foreign: Foreign) -> Call:
    line = pick([entry for entry in books.posted if entry.code == 24], intent.which)
    lost = line is None or intent.size is Size.TOO_MUCH
    number = _NO_SUCH_NUMBER if line is None or lost else line.row.number
    return VoidMemo(number, maybe_day(intent.day))


def _void_invoice(intent: Intent, books: LedgerModel, foreign: Foreign) -> Call:
    invoice = pick(books.invoices, intent.which)
    number = foreign.invoice if invoice is None or _is_lost(intent) else invoice.number
    return VoidInvoice(number, maybe_day(intent.day))


def _apply_credit(intent: Intent, books: LedgerModel, foreign: Foreign) -> Call:
    wrong = intent.size is Size.TOO_MUCH
    credit = pick([entry for entry in books.live() if entry.effect < 0 or wrong], intent.which)
    if intent.pays is Method.NONE:
        intent = replace(intent, pays=None)
    account = credit.account.number if credit is not None else foreign.account
    pays = instruction_of(intent, account, books, foreign)
    return ApplyCredit(_number(credit, intent, foreign), pays, maybe_day(intent.day))


def _close(intent: Intent, books: LedgerModel, foreign: Foreign) -> Call:
    """Of accounts that follow one another, up to the end of a month or another day."""
    accounts = [pick(books.accounts, intent.which + place) for place in range(intent.lines)]
    numbers = dict.fromkeys(each.number for each in accounts if each is not None)
    if _is_lost(intent):
        numbers[foreign.account] = None
    on = intent.other * 10 if intent.day is None else intent.day
    return Close(tuple(numbers), day(on) if on % 2 else period(on)[1])


def _create_invoices(intent: Intent, books: LedgerModel, foreign: Foreign) -> Call:
    """Several, for the accounts that follow one another."""
    intents = [replace(intent, which=intent.which + place) for place in range(intent.lines)]
    return CreateInvoices(tuple(invoice_of(each, books, foreign) for each in intents))


def _open_account(intent: Intent, books: LedgerModel, foreign: Foreign) -> Call:
    currency = "QQQ" if intent.flaw is Flaw.UNKNOWN_CURRENCY else "JPY" if intent.which % 5 == 0 else "USD"
    return OpenAccount(
        external_id=("", "a", "b")[intent.which % 3],
        currency=currency,
        term_days=(0, 14, 30)[intent.lines - 1],
        plans=intent.plan,
        opening=(intent.other % 7 - 3) * 1000,
        opening_currency="EUR" if intent.flaw is Flaw.OTHER_CURRENCY else currency,
        on=maybe_day(intent.day),
    )


def _add_plan(intent: Intent, books: LedgerModel, foreign: Foreign) -> Call:
    account = pick(books.accounts, intent.which)
    return AddPlan(foreign.account if account is None or _is_lost(intent) else account.number)


OPERATIONS: Final[dict[str, Callable[[Intent, LedgerModel, Foreign], Call]]] = {
    **dict.fromkeys(
        ("check", "payment", "charge", "late fee", "credit", "transfer", "write-off", "refund", "memo"),
        _drafted,
    ),
    "void": _void,
    "settlement": _settle,
    "void of a memo": _void_memo,
    "void of an invoice": _void_invoice,
    "application": _apply_credit,
    "closing": _close,
    "invoice": _create_invoices,
    "account": _open_account,
    "plan": _add_plan,
}
