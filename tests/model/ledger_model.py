"""A small ledger in memory, written from the rules of the business and the comments of the contracts alone.

It shares no code with the service, and is as plain as can be: slow, and easy to believe. Here is how calls
are answered: part by part, all or nothing, once for each key. What the operations do is in `rules`, what
there is in `books`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date
from typing import Final, TypeAlias

from tests.model.calls import (
    AddPlan,
    ApplyCredit,
    Call,
    Close,
    CreateInvoices,
    Draft,
    InvoiceDraft,
    OpenAccount,
    Operate,
    Post,
    Settle,
    Void,
    VoidInvoice,
    VoidMemo,
)
from tests.model.draft_checks import CURRENCIES, check_document, check_draft, line_code
from tests.model.rules import REFUND_OF, Rules
from tests.model.things import Answer, Outcome, RefusedError

Document: TypeAlias = tuple[tuple[Draft, ...], list[int]]
"""The drafts that are accepted or refused together, and the places in the call of what they answer."""

ROLE_OF_OPERATION: Final = {"CreateExternalCharge": "support", "AssessDunningCharge": "dunning"}


class LedgerModel(Rules):
    """The books of one client, and the keys of its callers."""

    def __init__(self, today: Callable[[], date]) -> None:
        super().__init__(today)
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
        if isinstance(call, Close):
            return self._answer_closing(key, call)
        try:
            sound = self._sound(call, roles)
            known = self._known(key, call)
            if known is not None:
                return known
            (outcome,) = self._all_or_nothing(lambda: [self._decide_single(sound, roles)])
        except RefusedError as refusal:
            return Answer(refusal.reason, ())
        answer = Answer("", (outcome,))
        self._calls[key] = (call, answer)
        return answer

    def _answer_closing(self, key: str, call: Close) -> Answer:
        """Each account is decided on its own."""
        try:
            known = self._known(key, call)
        except RefusedError as refusal:
            return Answer(refusal.reason, ())
        if known is not None:
            return known
        outcomes = []
        for number in call.accounts:
            try:
                outcomes.append(self._close(self.account(number), call.through))
            except RefusedError as refusal:
                outcomes.append(Outcome(refusal.reason))
        answer = Answer("", tuple(outcomes))
        if any(outcome.closed for outcome in outcomes):
            self._calls[key] = (call, answer)
        return answer

    def rehearse(self, call: Call, roles: frozenset[str]) -> Answer:
        """What the ledger would answer now; nothing is posted."""
        mark, keys = self.mark(), len(self._documents)
        answer = self.answer("", call, roles)
        self._forget(mark, keys)
        self._calls.pop("", None)
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

    def _sound(self, call: Call, roles: frozenset[str]) -> Call:
        """The call with all that it leaves out; what never changes is looked at before the key is."""
        match call:
            case OpenAccount():
                if not {call.currency, call.opening_currency} <= CURRENCIES:
                    raise RefusedError("CURRENCY_UNKNOWN")
                if call.currency != call.opening_currency:
                    raise RefusedError("CURRENCY_MISMATCH")
            case Operate():
                if ROLE_OF_OPERATION.get(call.operation, "") not in {"", *roles}:
                    raise RefusedError("ROLE_MISSING")
                call = replace(call, drafts=self._placed(call))
                for draft in call.drafts:
                    check_draft(draft, roles, self.today())
            case Settle():
                self.hold(call.event)
            case VoidMemo():
                self.memo_lines(call.memo)
        return call

    def _placed(self, call: Operate) -> tuple[Draft, ...]:
        """The drafts of an operation, on the account of what they name."""
        first = call.drafts[0]
        match call.operation:
            case "IssueRefund":
                payment = self.entry(first.names)
                if payment.code not in REFUND_OF:
                    raise RefusedError("PAYMENT_NOT_REFUNDABLE")
                if REFUND_OF[payment.code] != first.code:
                    raise RefusedError("SOURCE_MISMATCH")
                account = payment.account
            case "CreateWriteOff" | "CreateDispute":
                account = self.invoice(first.names).account
            case "CreateCreditMemo":
                account = self.entry(first.names).account
            case _:
                return call.drafts
        return tuple(replace(draft, account=account.number) for draft in call.drafts)

    def _decide_single(self, call: Call, roles: frozenset[str]) -> Outcome:
        match call:
            case OpenAccount():
                return self._open_account(call)
            case AddPlan():
                return self._add_plan(call)
            case Operate():
                return _joined(self._rule_of(call.drafts)(call.drafts, roles))
            case ApplyCredit():
                return self._apply_credit(call)
            case Void():
                entries = self._void(self.entry(call.event), call.on, roles, None)
            case Settle():
                entries = self._settle(call)
            case VoidMemo():
                entries = self._void_whole_memo(call)
            case VoidInvoice():
                entries = self._void_invoice(call)
            case _:
                raise AssertionError(call)
        return Outcome(entries=entries)

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
        sound = [each for each in documents if not self._tell_fault(each, roles, outcomes)]
        faults = [outcome.reason for outcome in outcomes if outcome.reason]
        if faults and all_or_nothing:
            return Answer(faults[0], ())
        if not sound:
            return Answer("", tuple(outcomes))
        mark, keys = self.mark(), len(self._documents)
        try:
            known = self._known(key, call)
            if known is not None:
                return known
            for document in sound:
                self._answer_document(call, document, all_or_nothing, roles, outcomes)
        except RefusedError as refusal:
            self._forget(mark, keys)
            return Answer(refusal.reason, ())
        answer = Answer("", tuple(outcomes))
        if self.mark() != mark:
            self._calls[key] = (call, answer)
        return answer

    def _tell_fault(self, document: Document, roles: frozenset[str], outcomes: list[Outcome]) -> bool:
        """Whether something is wrong with the document in itself; it is told of at its places."""
        drafts, places = document
        try:
            check_document(drafts, roles, self.today())
        except RefusedError as refusal:
            for place in places:
                outcomes[place] = Outcome(refusal.reason)
            return True
        return False

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
        outcomes = self._all_or_nothing(lambda: self._rule_of(drafts)(drafts, roles))
        if key:
            self._documents[key] = (content, outcomes)
        return outcomes

    def _all_or_nothing(self, decide: Callable[[], list[Outcome]]) -> list[Outcome]:
        """Post what belongs together, or refuse all of it."""
        mark, before = self.mark(), len(self.posted)
        try:
            outcomes = decide()
        except RefusedError:
            self.take_back(mark)
            raise
        self.history.append(tuple(self.posted[before:]))
        return outcomes

    def _rule_of(
        self, drafts: tuple[Draft, ...]
    ) -> Callable[[tuple[Draft, ...], frozenset[str]], list[Outcome]]:
        code = drafts[0].code
        rules = {
            -24: self._void_memo, 5: self._transfer, 8: self._refund, 12: self._refund, 13: self._refund,
            21: self._invoice, 22: self._invoice, 24: self._memo,
        }  # fmt: skip
        return rules.get(code, self._void_drafted if code < 0 else self._plain)

    def _forget(self, mark: tuple[int, ...], keys: int) -> None:
        self.take_back(mark)
        for key in list(self._documents)[keys:]:
            del self._documents[key]


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
