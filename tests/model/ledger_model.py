"""A small ledger in memory, written from the rules of the business and the comments of the contracts alone.

It shares no code with the service, and is as plain as can be: what was posted is one list, to which is only
appended (rule 7), and everything else is found by looking through it. Slow, and easy to believe.

Objects of the model have the service's numbers once the service has answered; until then 0.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Final, TypeAlias

# ------------------------------------------------------------------------------------- what is asked


@dataclass(frozen=True, slots=True)
class Draft:
    """A transaction that somebody wants to be posted.

    source: which details are given, by the name of their field in the contract; "" for none.
    names: the number of what the details name: an account, an invoice or a transaction.
    reference: the reference code, gateway reference or check number.
    period: of an invoice line. expires_on: of a dispute hold; None for a write-off for good.
    """

    code: int
    account: int
    on: date
    source: str
    plan: int = 0
    amount: int = 0
    currency: str = ""
    reason: str = ""
    comment: str = ""
    label: str = ""
    key: str = ""
    names: int = 0
    reference: str = ""
    line_type: int = 0
    period: tuple[date, date] | None = None
    expires_on: date | None = None


@dataclass(frozen=True, slots=True)
class OpenAccount:
    """CreateAccount. `opening` in minor units of `opening_currency`."""

    external_id: str
    currency: str
    term_days: int
    plans: int
    opening: int
    opening_currency: str
    on: date


@dataclass(frozen=True, slots=True)
class AddPlan:
    """CreatePlanInstance."""

    account: int


@dataclass(frozen=True, slots=True)
class Post:
    """PostTransactions."""

    drafts: tuple[Draft, ...]
    all_or_nothing: bool


@dataclass(frozen=True, slots=True)
class Record:
    """The call that records one draft of type 2, 3, 10 or 15."""

    draft: Draft


@dataclass(frozen=True, slots=True)
class Void:
    """VoidTransaction."""

    event: int
    on: date


@dataclass(frozen=True, slots=True)
class InvoiceDraft:
    """An invoice to be created; each line is its line type and amount."""

    account: int
    plan: int
    period: tuple[date, date]
    on: date
    currency: str
    lines: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class CreateInvoices:
    """CreateInvoices."""

    invoices: tuple[InvoiceDraft, ...]


@dataclass(frozen=True, slots=True)
class VoidInvoice:
    """VoidInvoice."""

    invoice: int
    on: date


Document: TypeAlias = tuple[tuple[Draft, ...], list[int]]
"""The drafts that are accepted or refused together, and the places in the call of what they answer."""

Call: TypeAlias = OpenAccount | AddPlan | Post | Record | Void | CreateInvoices | VoidInvoice

# ------------------------------------------------------------------------------------------ what there is


@dataclass(eq=False, slots=True)
class Plan:
    """A plan instance."""

    number: int = 0


@dataclass(eq=False, slots=True)
class Account:
    """An account."""

    external_id: str
    currency: str
    term_days: int
    plans: list[Plan]
    number: int = 0


@dataclass(eq=False, slots=True)
class Row:
    """A row of a source table; several transactions may share one (rule 3)."""

    number: int = 0


@dataclass(eq=False, slots=True)
class Invoice:
    """An invoice."""

    account: Account
    plan: Plan | None
    period: tuple[date, date]
    due_date: date
    number: int = 0


@dataclass(eq=False, slots=True)
class Entry:
    """A posted transaction.

    names: the payment or charge that it takes from. invoice: what it is a line of, or written off from.
    """

    account: Account
    plan: Plan | None
    code: int
    amount: int
    on: date
    row: Row
    reference: str = ""
    voids: "Entry | None" = None
    names: "Entry | None" = None
    invoice: Invoice | None = None
    number: int = 0

    @property
    def effect(self) -> int:
        """What it does to the balance."""
        return self.amount if raises_balance(self.code) else -self.amount


@dataclass(slots=True)
class Outcome:
    """What became of one draft, invoice or single operation: the reason of its refusal, or what it made."""

    reason: str = ""
    entries: list[Entry] = field(default_factory=list)
    invoice: Invoice | None = None
    account: Account | None = None
    plan: Plan | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a call: the reason why all of it is refused, or the outcome of each part."""

    refused: str
    outcomes: tuple[Outcome, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """What it looks like without the numbers."""
        return (self.refused, *(outcome.reason for outcome in self.outcomes))


@dataclass(frozen=True, slots=True)
class Aging:
    """What an account owes at a date, by days past due: 0, 1 to 30, 31 to 60, 61 to 90, more."""

    buckets: tuple[int, int, int, int, int]
    overdue_without_dunning_charges: int
    oldest_due_date: date | None
    unapplied_credit: int


class RefusedError(Exception):
    """The rules refuse it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


# --------------------------------------------------------------------------------------------- the rules

CHARGES: Final = {4, 9, 12, 13, 14, 15, 21}
SOURCES: Final = {
    2: "external_payment", 3: "electronic_payment", 4: "balance_transfer", 5: "balance_transfer",
    6: "write_off", 8: "refund_reversal", 9: "", 10: "", 12: "electronic_refund", 13: "check_refund",
    14: "external_charge", 15: "dunning_charge", 18: "", 21: "new_invoice_line", 22: "new_invoice_line",
    24: "credit_memo_line",
}  # fmt: skip
TABLES: Final = {
    2: "external_payments", 3: "payments", 4: "balance_transfer", 5: "balance_transfer", 6: "write_offs",
    8: "refunds", 9: "balance_forward", 10: "cash_credits", 12: "payments", 13: "check_refund",
    14: "external_charge", 15: "dunning_charge", 18: "balance_forward", 21: "gl_detail", 22: "gl_detail",
    24: "credit_memo",
}  # fmt: skip
AMOUNT_MAY_BE_OMITTED: Final = {5, 6}
NEEDS_REASON: Final = {6, 10}
NEEDS_COMMENT: Final = {6, 24}
ROLES: Final = {14: "support", -14: "support", 15: "dunning"}
CREDIT_LINES: Final = {3, 4}
CURRENCIES: Final = {"USD", "EUR", "JPY"}
REFUND_OF: Final = {2: 13, 3: 12}
# What is a charge to the customer: a refund or a transfer is none, so nothing of it is reversed.
REVERSIBLE: Final = {9, 14, 15, 21}


def raises_balance(code: int) -> bool:
    """Rule 2: charge(-t) = not charge(t)."""
    return code in CHARGES if code > 0 else -code not in CHARGES


def line_code(line_type: int) -> int:
    """The transaction type of an invoice line (rule 20)."""
    return 22 if line_type in CREDIT_LINES else 21


class LedgerModel:
    """The books of one client, and the keys of its callers."""

    def __init__(self) -> None:
        self.accounts: list[Account] = []
        self.invoices: list[Invoice] = []
        self.posted: list[Entry] = []
        self._calls: dict[str, tuple[Call, Answer]] = {}
        self._documents: dict[str, tuple[tuple[Draft, ...], list[Outcome]]] = {}

    # -------------------------------------------------------------------------------------------- calls

    def answer(self, key: str, call: Call, roles: frozenset[str]) -> Answer:
        """What the ledger answers. The order of refusals: the call in itself, its key, then the state."""
        if isinstance(call, Post):
            return self._answer_documents(key, call, _documents_of(call.drafts), call.all_or_nothing, roles)
        if isinstance(call, CreateInvoices):
            invoices = [(tuple(_lines_of(draft)), [place]) for place, draft in enumerate(call.invoices)]
            return self._answer_documents(key, call, invoices, False, roles)
        try:
            self._check_single(call, roles)
            known = self._known(key, call)
            if known is not None:
                return known
            outcome = self._decide_single(call, roles)
        except RefusedError as refusal:
            return Answer(refusal.reason, ())
        answer = Answer("", (outcome,))
        self._calls[key] = (call, answer)
        return answer

    def used(self, key: str) -> bool:
        """Whether a call with this key was accepted."""
        return key in self._calls

    def _known(self, key: str, call: Call) -> Answer | None:
        if key not in self._calls:
            return None
        first, answer = self._calls[key]
        if first != call:
            raise RefusedError("REQUEST_ID_REUSED")
        return answer

    def _check_single(self, call: Call, roles: frozenset[str]) -> None:
        if isinstance(call, OpenAccount):
            if not {call.currency, call.opening_currency} <= CURRENCIES:
                raise RefusedError("CURRENCY_UNKNOWN")
            if call.currency != call.opening_currency:
                raise RefusedError("CURRENCY_MISMATCH")
        elif isinstance(call, Record):
            # The call itself demands the role.
            if call.draft.code == 15 and "dunning" not in roles:
                raise RefusedError("ROLE_MISSING")
            _check_draft(call.draft, roles)

    def _decide_single(self, call: Call, roles: frozenset[str]) -> Outcome:
        match call:
            case OpenAccount():
                return self._open_account(call)
            case AddPlan():
                account = self._account(call.account)
                account.plans.append(Plan())
                return Outcome(plan=account.plans[-1])
            case Record():
                return self._decide_document((call.draft,), roles)[0]
            case Void():
                return Outcome(entries=self._void(self._entry(call.event), call.on, roles, None))
            case VoidInvoice():
                return Outcome(entries=self._void_invoice(call))
        raise AssertionError(call)

    # ----------------------------------------------------------------------------------------- documents

    def _answer_documents(
        self,
        key: str,
        call: Call,
        documents: Sequence[Document],
        all_or_nothing: bool,
        roles: frozenset[str],
    ) -> Answer:
        parts = len(call.drafts) if isinstance(call, Post) else len(documents)
        outcomes = [Outcome() for _ in range(parts)]
        sound = [each for each in documents if not _tell_fault(each, roles, outcomes)]
        faults = [outcome.reason for outcome in outcomes if outcome.reason]
        if faults and all_or_nothing:
            return Answer(faults[0], ())
        if not sound:
            return Answer("", tuple(outcomes))
        mark = self._mark()
        try:
            known = self._known(key, call)
            if known is not None:
                return known
            for document in sound:
                self._answer_document(call, document, all_or_nothing, roles, outcomes)
        except RefusedError as refusal:
            self._take_back(mark)
            return Answer(refusal.reason, ())
        answer = Answer("", tuple(outcomes))
        if self._mark() != mark:
            self._calls[key] = (call, answer)
        return answer

    def _answer_document(
        self,
        call: Call,
        document: Document,
        all_or_nothing: bool,
        roles: frozenset[str],
        outcomes: list[Outcome],
    ) -> None:
        drafts, places = document
        try:
            made = self._decide_keyed(drafts, roles)
        except RefusedError as refusal:
            if all_or_nothing:
                raise
            made = [Outcome(refusal.reason)] * len(drafts)
        if isinstance(call, CreateInvoices):
            made = [_joined(made)]
        for place, outcome in zip(places, made, strict=True):
            outcomes[place] = outcome

    def _decide_keyed(self, drafts: tuple[Draft, ...], roles: frozenset[str]) -> list[Outcome]:
        """A document whose key is known is not decided again."""
        key = next((draft.key for draft in drafts if draft.key), "")
        content = tuple(replace(draft, key="", label="") for draft in drafts)
        if key in self._documents:
            first, outcomes = self._documents[key]
            if first != content:
                raise RefusedError("REQUEST_ID_REUSED")
            return outcomes
        outcomes = self._decide_document(drafts, roles)
        if key:
            self._documents[key] = (content, outcomes)
        return outcomes

    def _decide_document(self, drafts: tuple[Draft, ...], roles: frozenset[str]) -> list[Outcome]:
        """Post the drafts of a document, or refuse all of them."""
        mark = self._mark()
        try:
            return self._rule_of(drafts)(drafts, roles)
        except RefusedError:
            self._take_back(mark)
            raise

    def _rule_of(
        self, drafts: tuple[Draft, ...]
    ) -> Callable[[tuple[Draft, ...], frozenset[str]], list[Outcome]]:
        code = drafts[0].code
        rules = {
            -24: self._void_memo, 5: self._transfer, 8: self._refund, 12: self._refund, 13: self._refund,
            21: self._invoice, 22: self._invoice, 24: self._memo,
        }  # fmt: skip
        return rules.get(code, self._void_drafted if code < 0 else self._plain)

    def _mark(self) -> tuple[int, int, int]:
        return (len(self.posted), len(self.invoices), len(self._documents))

    def _take_back(self, mark: tuple[int, int, int]) -> None:
        posted, invoices, documents = mark
        del self.posted[posted:]
        del self.invoices[invoices:]
        for key in list(self._documents)[documents:]:
            del self._documents[key]

    # ------------------------------------------------------------------------------- one rule after another

    def _open_account(self, call: OpenAccount) -> Outcome:
        if call.external_id and any(each.external_id == call.external_id for each in self.accounts):
            raise RefusedError("EXTERNAL_ID_TAKEN")
        plans = [Plan() for _ in range(call.plans)]
        account = Account(call.external_id, call.currency, call.term_days, plans)
        self.accounts.append(account)
        entries = []
        if call.opening:  # rule 17
            code = 9 if call.opening > 0 else 18
            entries.append(self._post(account, None, code, abs(call.opening), call.on))
        return Outcome(account=account, entries=entries)

    def _plain(self, drafts: tuple[Draft, ...], _roles: frozenset[str]) -> list[Outcome]:
        (draft,) = drafts
        account, plan = self._place(draft)
        amount, invoice = draft.amount, None
        if draft.code == 2 and any(
            each.code == 2 and each.account is account and each.reference == draft.reference
            for each in self.live()
        ):
            raise RefusedError("REFERENCE_CODE_TAKEN")
        if draft.code == 3:
            self._require_new_gateway_reference(draft.reference)
        if draft.code in {9, 18} and any(each.account is account for each in self.posted):
            raise RefusedError("BALANCE_FORWARD_NOT_FIRST")
        if draft.code == 10 and amount > self._balance_within(account, plan):
            raise RefusedError("CREDIT_EXCEEDS_BALANCE")
        if draft.code == 6:
            invoice = self._invoice_numbered(draft.names)
            self._require_same_place(draft, invoice.account, invoice.plan)
            left = self.open_of(invoice)
            if left <= 0 or amount > left:
                raise RefusedError("WRITE_OFF_EXCEEDS_INVOICE")
            amount, plan = amount or left, invoice.plan
        entry = self._post(account, plan, draft.code, amount, draft.on)
        entry.reference, entry.invoice = draft.reference, invoice
        return [Outcome(entries=[entry])]

    def _transfer(self, drafts: tuple[Draft, ...], _roles: frozenset[str]) -> list[Outcome]:
        (draft,) = drafts
        source, plan = self._place(draft)
        target = self._account(draft.names)
        if target.currency != source.currency:
            raise RefusedError("CURRENCY_MISMATCH")
        balance = self._balance_within(source, plan)
        if balance <= 0 or draft.amount > balance:
            raise RefusedError("TRANSFER_EXCEEDS_BALANCE")
        amount = draft.amount or balance
        outgoing = self._post(source, plan, 5, amount, draft.on)
        incoming = self._post(target, None, 4, amount, draft.on, outgoing.row)
        return [Outcome(entries=[outgoing, incoming])]

    def _refund(self, drafts: tuple[Draft, ...], _roles: frozenset[str]) -> list[Outcome]:
        refund = next(draft for draft in drafts if draft.code != 8)
        account, _ = self._place(refund)
        payment = self._entry(refund.names)
        self._require_same_place(refund, payment.account, payment.plan)
        if REFUND_OF.get(payment.code) != refund.code or self.is_voided(payment):
            raise RefusedError("PAYMENT_NOT_REFUNDABLE")
        if refund.amount > self.left_of(payment):
            raise RefusedError("REFUND_EXCEEDS_PAYMENT")
        if refund.code == 12:
            self._require_new_gateway_reference(refund.reference)
        entry = self._post(account, payment.plan, refund.code, refund.amount, refund.on)
        entry.names, entry.reference = payment, refund.reference
        row = Row()
        outcomes = {id(refund): Outcome(entries=[entry])}
        for draft in drafts:
            if draft is not refund:
                outcomes[id(draft)] = Outcome(entries=[self._take_from_charge(draft, row)])
        reversals = sum(draft.amount for draft in drafts if draft is not refund)
        if reversals > refund.amount:
            raise RefusedError("REVERSAL_EXCEEDS_CHARGE")
        taken = [each for outcome in outcomes.values() for each in outcome.entries if each.code == 8]
        self._require_room_beside_write_offs(taken, "REVERSAL_EXCEEDS_CHARGE")
        return [outcomes[id(draft)] for draft in drafts]

    def _memo(self, drafts: tuple[Draft, ...], _roles: frozenset[str]) -> list[Outcome]:
        row = Row()
        entries = [self._take_from_charge(draft, row) for draft in drafts]
        if len({id(entry.names.invoice) for entry in entries if entry.names}) != 1:
            raise RefusedError("DOCUMENT_INVALID")
        self._require_room_beside_write_offs(entries, "MEMO_EXCEEDS_CHARGE")
        return [Outcome(entries=[entry]) for entry in entries]

    def _require_room_beside_write_offs(self, entries: list[Entry], too_much: str) -> None:
        """What is taken from an invoice and what is written off of it are within its net charge (rule 15)."""
        for entry in entries:
            invoice = entry.names.invoice if entry.names else None
            written_off = any(each.code == 6 and each.invoice is invoice for each in self.live())
            if invoice is not None and written_off and self.open_of(invoice) < 0:
                raise RefusedError(too_much)

    def _take_from_charge(self, draft: Draft, row: Row) -> Entry:
        """A reversal (8) or a memo line (24): at most what is left of its charge."""
        account, _ = self._place(draft)
        charge = self._entry(draft.names)
        self._require_same_place(draft, charge.account, charge.plan)
        if draft.code == 8 and charge.code not in REVERSIBLE:
            raise RefusedError("SOURCE_MISMATCH")
        too_much = "MEMO_EXCEEDS_CHARGE" if draft.code == 24 else "REVERSAL_EXCEEDS_CHARGE"
        if (draft.code == 24 and charge.code != 21) or draft.amount > self.left_of(charge):
            raise RefusedError(too_much)
        entry = self._post(account, charge.plan, draft.code, draft.amount, draft.on, row)
        entry.names = charge
        return entry

    def _invoice(self, drafts: tuple[Draft, ...], _roles: frozenset[str]) -> list[Outcome]:
        period = drafts[0].period
        assert period is not None
        account, plan = self._place(drafts[0])
        for draft in drafts[1:]:
            self._place(draft)
        for other in self.invoices:
            same = other.account is account and other.plan is plan and other.period == period
            if same and not self.is_voided_invoice(other):
                raise RefusedError("INVOICE_EXISTS")
        due_date = drafts[0].on + timedelta(days=account.term_days)
        invoice = Invoice(account, plan, period, due_date)
        self.invoices.append(invoice)
        outcomes = []
        for draft in drafts:
            entry = self._post(account, plan, draft.code, draft.amount, draft.on)
            entry.invoice = invoice
            outcomes.append(Outcome(entries=[entry], invoice=invoice))
        return outcomes

    # ------------------------------------------------------------------------------------------------ voids

    def _void_drafted(self, drafts: tuple[Draft, ...], roles: frozenset[str]) -> list[Outcome]:
        (draft,) = drafts
        return [Outcome(entries=self._void(self._entry(draft.names), draft.on, roles, draft))]

    def _void(self, target: Entry, on: date, roles: frozenset[str], draft: Draft | None) -> list[Entry]:
        """Rule 13. draft: where the void was drafted, and so says what it thinks the target is."""
        if target.code < 0:
            raise RefusedError("VOID_OF_VOID")
        through = {21: "INVOICE", 22: "INVOICE", 8: "REFUND", 24: "CREDIT_MEMO"}
        if target.code in through:
            raise RefusedError(f"VOID_THE_{through[target.code]}")
        if draft is not None:
            _require_fitting_void(draft, target)
            self._require_same_place(draft, target.account, target.plan)
        if target.code == 14 and "support" not in roles:
            raise RefusedError("TYPE_NOT_ALLOWED")
        if self.is_voided(target):
            raise RefusedError("ALREADY_VOIDED")
        self._require_untouched(target)
        return [self._post_void(each, on) for each in (target, *self._companions(target))]

    def _companions(self, target: Entry) -> list[Entry]:
        """What can't stand without it: the other leg of a transfer, the reversals of a refund."""
        if target.code in {4, 5}:
            return [
                each
                for each in self.posted
                if each.row is target.row and each is not target and each.code > 0
            ]
        if target.code in {12, 13}:
            after = self.posted[self.posted.index(target) + 1 :]
            reversals = []
            for each in after:
                if each.code != 8:
                    break
                reversals.append(each)
            return reversals
        return []

    def _void_memo(self, drafts: tuple[Draft, ...], roles: frozenset[str]) -> list[Outcome]:
        targets = []
        for draft in drafts:
            target = self._entry(draft.names)
            if target.code != 24:
                self._void_only_refusal(target)
            _require_fitting_void(draft, target)
            self._require_same_place(draft, target.account, target.plan)
            targets.append(target)
        lines = [each for each in self.posted if each.row is targets[0].row and each.code == 24]
        if len(targets) != len(lines) or {id(each) for each in targets} != {id(each) for each in lines}:
            raise RefusedError("VOID_THE_CREDIT_MEMO" if len(targets) == 1 else "DOCUMENT_INVALID")
        if any(self.is_voided(target) for target in targets):
            raise RefusedError("ALREADY_VOIDED")
        return [
            Outcome(entries=[self._post_void(target, draft.on)])
            for target, draft in zip(targets, drafts, strict=True)
        ]

    def _void_only_refusal(self, target: Entry) -> None:
        if target.code < 0:
            raise RefusedError("VOID_OF_VOID")
        through = {21: "INVOICE", 22: "INVOICE", 8: "REFUND"}
        if target.code in through:
            raise RefusedError(f"VOID_THE_{through[target.code]}")

    def _void_invoice(self, call: VoidInvoice) -> list[Entry]:
        invoice = self._invoice_numbered(call.invoice)
        if self.is_voided_invoice(invoice):
            raise RefusedError("INVOICE_ALREADY_VOIDED")
        lines = self.lines_of(invoice)
        if any(each.code == 24 and each.names in lines for each in self.live()):
            raise RefusedError("INVOICE_HAS_CREDIT_MEMO")
        if any(each.code == 6 and each.invoice is invoice for each in self.live()):
            raise RefusedError("INVOICE_HAS_WRITE_OFF")
        for line in lines:
            self._require_untouched(line)
        return [self._post_void(line, call.on) for line in lines]

    def _require_untouched(self, target: Entry) -> None:
        """A payment with a refund stays (rule 13), and so does a charge with a reversal."""
        for each in self.live():
            if each.names is target and each.code in {8, 12, 13}:
                raise RefusedError("VOID_THE_REFUND" if each.code == 8 else "PAYMENT_REFUNDED")

    # --------------------------------------------------------------------------------------------- looking up

    def _account(self, number: int) -> Account:
        found = [account for account in self.accounts if account.number == number]
        if not found:
            raise RefusedError("ACCOUNT_NOT_FOUND")
        return found[0]

    def _place(self, draft: Draft) -> tuple[Account, Plan | None]:
        account = self._account(draft.account)
        plan = None
        if draft.plan:
            plans = [each for each in account.plans if each.number == draft.plan]
            if not plans:
                raise RefusedError("PLAN_INSTANCE_NOT_FOUND")
            plan = plans[0]
        if draft.currency and draft.currency != account.currency:
            raise RefusedError("CURRENCY_MISMATCH")
        return account, plan

    def _entry(self, number: int) -> Entry:
        found = [entry for entry in self.posted if entry.number == number]
        if not found:
            raise RefusedError("TRANSACTION_NOT_FOUND")
        return found[0]

    def _invoice_numbered(self, number: int) -> Invoice:
        found = [invoice for invoice in self.invoices if invoice.number == number]
        if not found:
            raise RefusedError("INVOICE_NOT_FOUND")
        return found[0]

    def _require_same_place(self, draft: Draft, account: Account, plan: Plan | None) -> None:
        """What a draft names is of its account, and of its plan instance where it says one."""
        if draft.account != account.number or draft.plan not in {0, plan.number if plan else 0}:
            raise RefusedError("SOURCE_MISMATCH")

    def _require_new_gateway_reference(self, reference: str) -> None:
        """The gateway gives no number twice, whatever became of the payment."""
        if any(each.code in {3, 12} and each.reference == reference for each in self.posted):
            raise RefusedError("GATEWAY_REFERENCE_TAKEN")

    def _balance_within(self, account: Account, plan: Plan | None) -> int:
        balance = self.balance(account)
        return balance if plan is None else min(balance, self.balance(account, plan))

    # ------------------------------------------------------------------------------------------------ posting

    def _post(
        self, account: Account, plan: Plan | None, code: int, amount: int, on: date, row: Row | None = None
    ) -> Entry:
        entry = Entry(account, plan, code, amount, on, row or Row())
        self.posted.append(entry)
        return entry

    def _post_void(self, target: Entry, on: date) -> Entry:
        entry = self._post(target.account, target.plan, -target.code, target.amount, on, target.row)
        entry.voids, entry.invoice = target, target.invoice
        return entry

    # ------------------------------------------------------------------------------------------------ reading

    def void_of(self, entry: Entry) -> Entry | None:
        """The void of a transaction, where there is one."""
        return next((each for each in self.posted if each.voids is entry), None)

    def is_voided(self, entry: Entry) -> bool:
        """Whether it was voided."""
        return self.void_of(entry) is not None

    def live(self) -> list[Entry]:
        """What stands: neither a void nor voided."""
        return [each for each in self.posted if each.code > 0 and not self.is_voided(each)]

    def left_of(self, entry: Entry) -> int:
        """What is left of a payment after refunds, of a charge after reversals and memo lines."""
        if self.is_voided(entry):
            return 0
        return entry.amount - sum(each.amount for each in self.live() if each.names is entry)

    def lines_of(self, invoice: Invoice) -> list[Entry]:
        """The lines of an invoice, in order."""
        return [each for each in self.posted if each.invoice is invoice and each.code in {21, 22}]

    def is_voided_invoice(self, invoice: Invoice) -> bool:
        """Whether it was voided."""
        return any(self.is_voided(line) for line in self.lines_of(invoice))

    def open_of(self, invoice: Invoice) -> int:
        """The net charge less what memos, reversals and write-offs took (rule 15)."""
        if self.is_voided_invoice(invoice):
            return 0
        lines = self.lines_of(invoice)
        taken = [
            each.amount
            for each in self.live()
            if each.names in lines or (each.code == 6 and each.invoice is invoice)
        ]
        return sum(line.effect for line in lines) - sum(taken)

    def entries_of(self, account: Account) -> list[Entry]:
        """The transactions of an account, in the order in which they were posted."""
        return [each for each in self.posted if each.account is account]

    def balance(self, account: Account, plan: Plan | None = None) -> int:
        """The balance now of an account, or of one of its plan instances."""
        return sum(each.effect for each in self.entries_of(account) if plan is None or each.plan is plan)

    def aging(self, account: Account, at: date) -> Aging | None:
        """Credits pay the oldest charges first; what a credit names, a charge or an invoice, before that.

        None where a void takes effect before what it voids does: the contract does not say what is open then.
        """
        entries = [each for each in self.entries_of(account) if each.on <= at]
        if any(each.voids is not None and each.voids not in entries for each in entries):
            return None
        voided = [each.voids for each in entries if each.voids is not None]
        standing = [each for each in entries if each.voids is None and each not in voided]
        standing.sort(key=lambda each: (each.on, each.number))
        left = {id(each): each.amount for each in standing if each.effect > 0}
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
        return _aging_of(charges, left, pool, at)


def _pay(charges: Iterable[Entry], amount: int, left: dict[int, int]) -> int:
    for charge in charges:
        paid = min(amount, left.get(id(charge), 0))
        if paid:
            left[id(charge)] -= paid
            amount -= paid
    return amount


def _aging_of(charges: Sequence[Entry], left: dict[int, int], unapplied: int, at: date) -> Aging:
    buckets = [0, 0, 0, 0, 0]
    of_dunning = 0
    due_dates = []
    for charge in charges:
        rest = left[id(charge)]
        if not rest:
            continue
        due_date = charge.invoice.due_date if charge.invoice else charge.on
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


# --------------------------------------------------------------------- what is wrong whatever the books say


def _documents_of(drafts: Sequence[Draft]) -> list[Document]:
    """The drafts with one label are one document; each with the places of its drafts in the call."""
    places: dict[object, list[int]] = {}
    for place, draft in enumerate(drafts):
        places.setdefault(draft.label or place, []).append(place)
    return [(tuple(drafts[place] for place in each), each) for each in places.values()]


def _lines_of(invoice: InvoiceDraft) -> Iterable[Draft]:
    for line_type, amount in invoice.lines:
        yield Draft(
            code=line_code(line_type),
            account=invoice.account,
            plan=invoice.plan,
            on=invoice.on,
            source="new_invoice_line",
            amount=amount,
            currency=invoice.currency,
            line_type=line_type,
            period=invoice.period,
        )


def _joined(lines: Sequence[Outcome]) -> Outcome:
    """The outcome of an invoice, from those of its lines."""
    entries = [entry for line in lines for entry in line.entries]
    return Outcome(lines[0].reason, entries, lines[0].invoice)


def _tell_fault(document: Document, roles: frozenset[str], outcomes: list[Outcome]) -> bool:
    """Whether something is wrong with the document in itself; it is told of at its places."""
    drafts, places = document
    try:
        _check_document(drafts, roles)
    except RefusedError as refusal:
        for place in places:
            outcomes[place] = Outcome(refusal.reason)
        return True
    return False


def _check_document(drafts: tuple[Draft, ...], roles: frozenset[str]) -> None:
    for draft in drafts:
        _check_draft(draft, roles)
    codes = [draft.code for draft in drafts]
    if len(drafts) == 1:
        # A leg of type 4 follows from its leg of type 5, a reversal goes with a refund.
        if codes[0] in {4, 8}:
            raise RefusedError("DOCUMENT_INVALID")
        return
    refunds = sum(code in {12, 13} for code in codes)
    a_refund = refunds == 1 and set(codes) - {12, 13} == {8}
    if not (a_refund or set(codes) <= {21, 22} or set(codes) in ({24}, {-24})):
        raise RefusedError("DOCUMENT_INVALID")
    if len({(draft.account, draft.on) for draft in drafts}) > 1:
        raise RefusedError("DOCUMENT_INVALID")
    if codes[0] in {21, 22} and len({(draft.plan, draft.period) for draft in drafts}) > 1:
        raise RefusedError("DOCUMENT_INVALID")
    if len({draft.key for draft in drafts} - {""}) > 1:
        raise RefusedError("DOCUMENT_INVALID")


def _check_draft(draft: Draft, roles: frozenset[str]) -> None:
    if draft.source != (SOURCES[draft.code] if draft.code > 0 else "void_of"):
        raise RefusedError("SOURCE_MISMATCH")
    if draft.code in ROLES and ROLES[draft.code] not in roles:
        raise RefusedError("TYPE_NOT_ALLOWED")
    if draft.amount:
        if draft.code < 0:
            raise RefusedError("AMOUNT_INVALID")
        if draft.currency not in CURRENCIES:
            raise RefusedError("CURRENCY_UNKNOWN")
    elif draft.code > 0 and draft.code not in AMOUNT_MAY_BE_OMITTED:
        raise RefusedError("AMOUNT_INVALID")
    if (draft.code < 0 or draft.code in NEEDS_REASON) and not draft.reason:
        raise RefusedError("REASON_REQUIRED")
    if (draft.code < 0 or draft.code in NEEDS_COMMENT) and not draft.comment.strip():
        raise RefusedError("REASON_REQUIRED")
    _check_details(draft)


def _check_details(draft: Draft) -> None:
    if draft.code in {4, 5} and draft.names == draft.account:
        raise RefusedError("TRANSFER_TO_ITSELF")
    if draft.code == 6 and draft.expires_on is not None and draft.expires_on < draft.on:
        raise RefusedError("DATE_INVALID")
    if draft.code in {21, 22}:
        if line_code(draft.line_type) != draft.code:
            raise RefusedError("SOURCE_MISMATCH")
        assert draft.period is not None
        if draft.period[1] < draft.period[0]:
            raise RefusedError("DATE_INVALID")


def _require_fitting_void(draft: Draft, target: Entry) -> None:
    if draft.code != -target.code:
        raise RefusedError("VOID_TYPE_MISMATCH")
