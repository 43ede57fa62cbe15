"""What callers have in mind: random, small, and sensible enough to reach deep into the rules.

An intent says what is wanted in numbers that fit any books ("the third payment, all that is left of it"):
so an example means the same when Hypothesis makes it shorter. `drafts_of` reads it against the books as they
are when its turn comes.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import Enum
from typing import Final, TypeVar

from hypothesis import strategies as st

from tests.model.calls import Draft, Instruction, InvoiceDraft, Method
from tests.model.draft_checks import DIRECTABLE, line_code
from tests.model.ledger_model import LedgerModel
from tests.model.rules import REVERSIBLE
from tests.model.things import Account, Entry

Thing = TypeVar("Thing")

_FIRST_DAY: Final = date(2026, 1, 1)
_GATEWAY_REFERENCES: Final = 40
# After any day that is left out, whenever the test runs.
_FAR: Final = date(2200, 1, 1)


class Size(Enum):
    """How much, of what there is at most."""

    SOME = "some"
    ALL = "all"
    OMITTED = "omitted"
    TOO_MUCH = "too much"


class Flaw(Enum):
    """What is wrong with what is asked."""

    NONE = "none"
    FOREIGN_ACCOUNT = "another client's account"
    FOREIGN_PLAN = "another client's plan instance"
    FOREIGN_NAME = "names what is another client's"
    OTHER_ACCOUNT = "another account"
    OTHER_PLAN = "another plan instance"
    OTHER_CURRENCY = "another currency"
    UNKNOWN_CURRENCY = "no currency"
    AMOUNT = "an amount where there is none, or none where there is"
    NO_REASON = "no reason code"
    NO_COMMENT = "no comment"
    OTHER_SOURCE = "the details of another type"
    OTHER_TYPE = "another type"
    BACKWARDS = "an interval that ends before it starts"
    INCOMPLETE = "one draft of the document is missing"
    TWICE = "one draft of the document is there twice"
    OTHER_DAY = "drafts of one document on different days"
    DIRECTED = "says whom it pays, which it may not"


@dataclass(frozen=True, slots=True)
class Foreign:
    """The numbers of what belongs to another client."""

    account: int
    plan: int
    event: int
    invoice: int


@dataclass(frozen=True, slots=True)
class Intent:
    """One document that somebody wants to be posted.

    which, other: pick an account, a payment, a charge ... by its place among those that there are.
    day: None leaves the date out.
    key: of the drafts; 0 for none. Small, so that keys are used again.
    """

    what: str
    which: int
    other: int
    plan: int
    size: Size
    day: int | None
    lines: int
    flaw: Flaw
    key: int
    pays: Method | None


def day(number: int) -> date:
    """A day of the first months of 2026."""
    return _FIRST_DAY + timedelta(days=number)


def maybe_day(number: int | None) -> date | None:
    """The same, where there is one."""
    return None if number is None else day(number)


def period(number: int) -> tuple[date, date]:
    """One of four billing periods."""
    first = day(30 * (number % 4))
    return first, first + timedelta(days=29)


PLACES: Final = st.integers(0, 30)
_SIZES: Final = (Size.SOME, Size.SOME, Size.ALL, Size.OMITTED, Size.TOO_MUCH)


def intents(what: Iterable[str]) -> st.SearchStrategy[Intent]:
    """Intents of these kinds.

    A byte for each field, all drawn at once: Hypothesis takes longer for ten numbers than the model for an
    answer.
    """
    kinds = list(what)
    return st.binary(min_size=11, max_size=11).map(lambda drawn: _intent(kinds, drawn))


def _intent(kinds: Sequence[str], drawn: bytes) -> Intent:
    what, which, other, plan, size, on, lines, flaw, which_flaw, key, pays = drawn
    return Intent(
        what=kinds[what % len(kinds)],
        which=which % 31,
        other=other % 31,
        plan=plan % 4,
        size=_SIZES[size % len(_SIZES)],
        day=on if on <= 150 or on % 4 else None,
        lines=1 + lines % 3,
        flaw=list(Flaw)[1 + which_flaw % (len(Flaw) - 1)] if flaw % 4 == 3 else Flaw.NONE,
        key=key % 10 if key % 10 <= 5 else 0,
        pays=(None, None, *Method)[pays % 6],
    )


def plain_intent(what: str, which: int = 0) -> Intent:
    """A document of this kind with nothing remarkable about it."""
    return Intent(
        what, which, other=2 + which, plan=0, size=Size.SOME, day=3, lines=2, flaw=Flaw.NONE, key=0, pays=None
    )


def pick(things: Sequence[Thing], place: int) -> Thing | None:
    """One of them."""
    return things[place % len(things)] if things else None


def drafts_of(intent: Intent, label: str, books: LedgerModel, foreign: Foreign) -> list[Draft]:
    """The drafts of a document; all with the label, where there are several."""
    drafts = DOCUMENTS[intent.what](intent, books, foreign)
    key = f"draft-{intent.key}" if intent.key else ""
    drafts = [replace(draft, key=key) for draft in drafts]
    drafts = _spoilt(drafts, intent, books, foreign)
    # What has no amount has no currency: the contract gives both in one message.
    drafts = [draft if draft.amount else replace(draft, currency="") for draft in drafts]
    return [replace(draft, label=label) for draft in drafts] if len(drafts) > 1 else drafts


def invoice_of(intent: Intent, books: LedgerModel, foreign: Foreign) -> InvoiceDraft:
    """The same invoice as its drafts say, for CreateInvoices."""
    drafts = _spoilt(_invoice(intent, books, foreign), intent, books, foreign)
    first = drafts[0]
    assert first.period is not None
    return InvoiceDraft(
        account=first.account,
        plan=first.plan,
        period=first.period,
        on=first.on or day(0),
        currency=first.currency,
        lines=tuple((draft.line_type, draft.amount or 1) for draft in drafts),
    )


# -------------------------------------------------------------------------------- as it should be


def _plain(
    code: int, source: str, reference: Callable[[Intent], str] = lambda _: ""
) -> "Callable[[Intent, LedgerModel, Foreign], list[Draft]]":
    def write(intent: Intent, books: LedgerModel, foreign: Foreign) -> list[Draft]:
        draft = _draft(code, source, intent, pick(books.accounts, intent.which), books, foreign)
        received = day(intent.other) if code == 2 and intent.other % 2 else None
        amount = 100 * (1 + intent.other)
        pays = instruction_of(intent, draft.account, books, foreign) if code in DIRECTABLE else None
        return [replace(draft, amount=amount, reference=reference(intent), received=received, pays=pays)]

    return write


def _credit(intent: Intent, books: LedgerModel, foreign: Foreign) -> list[Draft]:
    account = pick(books.accounts, intent.which)
    draft = _draft(10, "", intent, account, books, foreign)
    balance = books.balance(account) if account else 0
    pays = instruction_of(intent, draft.account, books, foreign)
    return [replace(draft, amount=_amount(intent.size, balance) or 1, reason="GOODWILL", pays=pays)]


def instruction_of(intent: Intent, account: int, books: LedgerModel, foreign: Foreign) -> Instruction | None:
    """Which charges are to be paid; directed, up to two charges and an invoice."""
    if intent.pays is not Method.DIRECTED:
        return None if intent.pays is None else Instruction(intent.pays)
    astray = intent.flaw is Flaw.FOREIGN_NAME
    wrong = intent.flaw is Flaw.OTHER_TYPE
    charges = [
        each.number
        for each in books.posted
        if wrong or (each.account.number == account and each.effect > 0 and each.code > 0)
    ]
    invoices = [
        invoice.number
        for invoice in books.invoices
        if intent.flaw is Flaw.OTHER_ACCOUNT or invoice.account.number == account
    ]
    named = {pick(charges, intent.other), pick(charges, intent.which)} - {None}
    of_invoice = pick(invoices, intent.which)
    if intent.other % 2 or of_invoice is None:
        wanted = tuple(sorted(number for number in named if number)) or (foreign.event,)
        return Instruction(Method.DIRECTED, charges=(foreign.event,) if astray else wanted)
    first = (min(number for number in named if number),) if named and intent.lines > 1 else ()
    return Instruction(Method.DIRECTED, first, (foreign.invoice if astray else of_invoice,))


def _forward(intent: Intent, books: LedgerModel, foreign: Foreign) -> list[Draft]:
    account = pick(books.accounts[::-1], intent.which // 8)
    draft = _draft(18 if intent.other % 2 else 9, "", intent, account, books, foreign)
    return [replace(draft, amount=1000 + intent.other)]


def _transfer(intent: Intent, books: LedgerModel, foreign: Foreign) -> list[Draft]:
    account, target = pick(books.accounts, intent.which), pick(books.accounts, intent.other)
    draft = _draft(5, "balance_transfer", intent, account, books, foreign)
    amount = _amount(intent.size, books.balance(account) if account else 0)
    return [replace(draft, amount=amount, names=target.number if target else foreign.account)]


def _write_off(intent: Intent, books: LedgerModel, foreign: Foreign) -> list[Draft]:
    invoice = pick(books.invoices, intent.which)
    draft = _draft(6, "write_off", intent, invoice.account if invoice else None, books, foreign)
    return [
        replace(
            draft,
            plan=0,
            names=invoice.number if invoice else foreign.invoice,
            amount=_amount(intent.size, books.open_of(invoice) if invoice else 0),
            reason="UNCOLLECTIBLE",
            comment="will not pay",
            expires_on=(draft.on or _FAR) + timedelta(days=intent.other) if intent.other % 2 else None,
        )
    ]


def _refund(intent: Intent, books: LedgerModel, foreign: Foreign) -> list[Draft]:
    payments = [entry for entry in books.posted if entry.code in {2, 3} or intent.size is Size.OMITTED]
    payment = pick(payments, intent.which)
    account = payment.account if payment else None
    left = books.left_of(payment) if payment else 0
    by_card = payment is not None and payment.code == 3
    refund = replace(
        _draft(
            12 if by_card else 13,
            "electronic_refund" if by_card else "check_refund",
            intent,
            account,
            books,
            foreign,
        ),
        plan=0,
        names=payment.number if payment else foreign.event,
        amount=_amount(intent.size, left) or 1,
        reference=str(intent.other),
    )
    charges = [entry for entry in books.posted if entry.account is account and entry.code in REVERSIBLE]
    drafts = [refund]
    for place in range(intent.lines - 1):
        charge = pick(charges, intent.other + place)
        if charge is not None:
            reversal = replace(
                refund,
                code=8,
                source="refund_reversal",
                names=charge.number,
                reference="",
                amount=min(_amount(intent.size, books.left_of(charge)) or 1, refund.amount),
            )
            # The refund may stand anywhere in its document.
            drafts.insert(intent.other % 2, reversal)
    return drafts


def _memo(intent: Intent, books: LedgerModel, foreign: Foreign) -> list[Draft]:
    lines = [entry for entry in books.posted if entry.code == 21]
    first = pick(lines, intent.which)
    draft = replace(
        _draft(24, "credit_memo_line", intent, first.account if first else None, books, foreign),
        plan=0,
        comment="a memo",
    )
    of_invoice = [line for line in lines if first is not None and line.invoice is first.invoice]
    chosen = [pick(of_invoice, intent.other + place) for place in range(intent.lines)]
    return [
        replace(
            draft,
            names=line.number if line else foreign.event,
            amount=_amount(intent.size, books.left_of(line) if line else 0) or 1,
        )
        for line in chosen
    ]


def _void(intent: Intent, books: LedgerModel, foreign: Foreign) -> list[Draft]:
    target = pick(books.posted, intent.which * 31 + intent.other)
    return [_void_draft(intent, target, books, foreign)]


def _void_memo(intent: Intent, books: LedgerModel, foreign: Foreign) -> list[Draft]:
    first = pick([entry for entry in books.posted if entry.code == 24], intent.which)
    if first is None:
        return [_void_draft(intent, None, books, foreign)]
    lines = [entry for entry in books.posted if entry.row is first.row and entry.code == 24]
    return [_void_draft(intent, line, books, foreign) for line in lines]


def _void_draft(intent: Intent, target: Entry | None, books: LedgerModel, foreign: Foreign) -> Draft:
    draft = _draft(-2, "void_of", intent, target.account if target else None, books, foreign)
    return replace(
        draft,
        code=-abs(target.code) if target and intent.size is not Size.TOO_MUCH else -2,
        plan=0,
        currency="",
        names=target.number if target else foreign.event,
        reason="MISTAKE",
        comment="posted by mistake",
    )


def _invoice(intent: Intent, books: LedgerModel, foreign: Foreign) -> list[Draft]:
    draft = _draft(21, "new_invoice_line", intent, pick(books.accounts, intent.which), books, foreign)
    line_types = [1 + (intent.other + 2 * place) % 9 for place in range(intent.lines)]
    return [
        replace(
            draft,
            code=line_code(line_type),
            line_type=line_type,
            amount=1000 + 100 * intent.other if line_code(line_type) == 21 else 150,
            period=period(intent.other),
        )
        for line_type in line_types
    ]


def _draft(
    code: int, source: str, intent: Intent, account: Account | None, books: LedgerModel, foreign: Foreign
) -> Draft:
    plan = pick(books.plans_of(account), intent.plan) if account and intent.plan else None
    return Draft(
        code=code,
        account=account.number if account else foreign.account,
        plan=plan.number if plan else 0,
        on=maybe_day(intent.day),
        source=source,
        currency=account.currency if account else "USD",
    )


def _amount(size: Size, at_most: int) -> int:
    match size:
        case Size.OMITTED:
            return 0
        case Size.SOME:
            return max(at_most // 2, 1)
        case Size.ALL:
            return max(at_most, 1)
    return max(at_most, 0) + 1


DOCUMENTS: Final[dict[str, Callable[[Intent, LedgerModel, Foreign], list[Draft]]]] = {
    "check": _plain(2, "external_payment", lambda intent: f"check {intent.which % 3}-{intent.other % 5}"),
    "payment": _plain(
        3, "electronic_payment", lambda intent: str((intent.which * 31 + intent.other) % _GATEWAY_REFERENCES)
    ),
    "charge": _plain(14, "external_charge"),
    "late fee": _plain(15, "dunning_charge"),
    "credit": _credit,
    "forward": _forward,
    "transfer": _transfer,
    "write-off": _write_off,
    "refund": _refund,
    "memo": _memo,
    "invoice": _invoice,
    "void": _void,
    "void of a memo": _void_memo,
}

# -------------------------------------------------------------------------------- and as it is not


def _spoilt(drafts: list[Draft], intent: Intent, books: LedgerModel, foreign: Foreign) -> list[Draft]:
    """The document with one thing wrong, at its end."""
    last = drafts[-1]
    match intent.flaw:
        case Flaw.NONE:
            return drafts
        case Flaw.INCOMPLETE:
            return drafts[1:] or drafts
        case Flaw.TWICE:
            return [*drafts, last]
    return [*drafts[:-1], _spoilt_draft(last, intent, books, foreign)]


def _spoilt_draft(draft: Draft, intent: Intent, books: LedgerModel, foreign: Foreign) -> Draft:
    other_account = pick(books.accounts, intent.other)
    other_plan = pick(books.plans, intent.other)
    other_source = "dunning_charge" if draft.source == "external_charge" else "external_charge"
    spoilt = {
        Flaw.FOREIGN_ACCOUNT: replace(draft, account=foreign.account),
        Flaw.FOREIGN_PLAN: replace(draft, plan=foreign.plan),
        Flaw.FOREIGN_NAME: replace(draft, names=_foreign_name(draft, foreign)),
        Flaw.OTHER_ACCOUNT: replace(draft, account=other_account.number if other_account else draft.account),
        Flaw.OTHER_PLAN: replace(draft, plan=other_plan.number if other_plan else 0),
        Flaw.OTHER_CURRENCY: replace(draft, currency="EUR"),
        Flaw.UNKNOWN_CURRENCY: replace(draft, currency="QQQ"),
        Flaw.AMOUNT: replace(draft, amount=0 if draft.amount else 5, currency=draft.currency or "USD"),
        Flaw.NO_REASON: replace(draft, reason=""),
        Flaw.NO_COMMENT: replace(draft, comment=""),
        Flaw.OTHER_SOURCE: replace(draft, source=other_source),
        Flaw.OTHER_TYPE: _of_other_type(draft, intent),
        Flaw.BACKWARDS: _backwards(draft),
        Flaw.DIRECTED: replace(draft, pays=Instruction(Method.DUE_DATE)),
        Flaw.OTHER_DAY: replace(draft, on=(draft.on or _FIRST_DAY) + timedelta(days=1)),
    }
    return spoilt[intent.flaw]


def _foreign_name(draft: Draft, foreign: Foreign) -> int:
    if draft.source == "balance_transfer":
        return foreign.account
    return foreign.invoice if draft.source == "write_off" else foreign.event


def _of_other_type(draft: Draft, intent: Intent) -> Draft:
    """The type alone is wrong, or its details are those of the wrong type as well."""
    match draft.code:
        case 5:
            return replace(draft, code=4, amount=draft.amount or 1)
        case 12:
            return replace(draft, code=13, source="check_refund")
        case 13:
            return replace(draft, code=12, source="electronic_refund")
        case 21 | 22:
            return replace(draft, code=43 - draft.code)
        case code if code < 0:
            return replace(draft, code=-2 if code != -2 or intent.other % 2 else -24)
    return replace(draft, code=14)


def _backwards(draft: Draft) -> Draft:
    if draft.period is not None:
        return replace(draft, period=(draft.period[1], draft.period[0]))
    if draft.code == 6:
        return replace(draft, expires_on=(draft.on or _FIRST_DAY) - timedelta(days=1))
    return draft
