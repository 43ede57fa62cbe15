"""What each operation does to the books, one rule of the business after another."""

from datetime import date, timedelta
from typing import Final

from tests.model.books import Books
from tests.model.calls import (
    AddPlan,
    ApplyCredit,
    Draft,
    Instruction,
    Method,
    OpenAccount,
    Resolution,
    Settle,
    VoidInvoice,
    VoidMemo,
)
from tests.model.draft_checks import require_fitting_void
from tests.model.things import (
    Account,
    Applying,
    Closed,
    Entry,
    Invoice,
    Outcome,
    Plan,
    RefusedError,
    Row,
    Targets,
)

REFUND_OF: Final = {2: 13, 3: 12}
# What is a charge to the customer: a refund or a transfer is none, so nothing of it is reversed.
REVERSIBLE: Final = {9, 14, 15, 21}


class Rules(Books):
    """Books that are written by the rules. Each rule posts, or raises RefusedError and leaves what it has
    written to be taken back.
    """

    def _open_account(self, call: OpenAccount) -> Outcome:
        if call.external_id and any(each.external_id == call.external_id for each in self.accounts):
            raise RefusedError("EXTERNAL_ID_TAKEN")
        account = Account(call.external_id, call.currency, call.term_days, self.today())
        self.accounts.append(account)
        plans = [Plan(account) for _ in range(call.plans)]
        self.plans += plans
        entries = []
        if call.opening:  # rule 17
            code = 9 if call.opening > 0 else 18
            entries.append(self.post(account, None, code, abs(call.opening), call.on))
        return Outcome(account=account, plans=plans, entries=entries)

    def _add_plan(self, call: AddPlan) -> Outcome:
        plan = Plan(self.account(call.account))
        self.plans.append(plan)
        return Outcome(plans=[plan])

    def _plain(self, drafts: tuple[Draft, ...], _roles: frozenset[str]) -> list[Outcome]:
        (draft,) = drafts
        account, plan = self.place(draft)
        amount, invoice, pays = draft.amount, None, self._targets(account, draft.pays)
        if draft.code == 2 and any(
            each.code == 2 and each.account is account and each.reference == draft.reference
            for each in self.live()
        ):
            raise RefusedError("REFERENCE_CODE_TAKEN")
        if draft.code == 3:
            self._require_new_gateway_reference(draft.reference)
        if draft.code in {9, 18} and any(each.account is account for each in self.posted):
            raise RefusedError("BALANCE_FORWARD_NOT_FIRST")
        if draft.code == 10 and amount > self.balance_within(account, plan):
            raise RefusedError("CREDIT_EXCEEDS_BALANCE")
        if draft.code == 6:
            invoice = self.invoice(draft.names)
            self.require_same_place(draft, invoice.account, invoice.plan)
            left = self.open_of(invoice)
            if left <= 0 or amount > left:
                raise RefusedError("WRITE_OFF_EXCEEDS_INVOICE")
            amount, plan = amount or left, invoice.plan
        entry = self.post(account, plan, draft.code, amount, draft.on)
        entry.reference, entry.invoice, entry.expires_on = draft.reference, invoice, draft.expires_on
        entry.pays = pays
        if draft.code == 2:
            entry.received = draft.received or entry.on
        return [Outcome(entries=[entry])]

    def _transfer(self, drafts: tuple[Draft, ...], _roles: frozenset[str]) -> list[Outcome]:
        (draft,) = drafts
        source, plan = self.place(draft)
        target = self.account(draft.names)
        if target.currency != source.currency:
            raise RefusedError("CURRENCY_MISMATCH")
        balance = self.balance_within(source, plan)
        if balance <= 0 or draft.amount > balance:
            raise RefusedError("TRANSFER_EXCEEDS_BALANCE")
        amount = draft.amount or balance
        outgoing = self.post(source, plan, 5, amount, draft.on)
        incoming = self.post(target, None, 4, amount, draft.on, outgoing.row)
        return [Outcome(entries=[outgoing, incoming])]

    def _refund(self, drafts: tuple[Draft, ...], _roles: frozenset[str]) -> list[Outcome]:
        refund = next(draft for draft in drafts if draft.code != 8)
        account, _ = self.place(refund)
        payment = self.entry(refund.names)
        self.require_same_place(refund, payment.account, payment.plan)
        if REFUND_OF.get(payment.code) != refund.code or payment.void is not None:
            raise RefusedError("PAYMENT_NOT_REFUNDABLE")
        if refund.amount > self.left_of(payment):
            raise RefusedError("REFUND_EXCEEDS_PAYMENT")
        if refund.code == 12:
            self._require_new_gateway_reference(refund.reference)
        entry = self.post(account, payment.plan, refund.code, refund.amount, refund.on)
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
        account, _ = self.place(draft)
        charge = self.entry(draft.names)
        self.require_same_place(draft, charge.account, charge.plan)
        if draft.code == 8 and charge.code not in REVERSIBLE:
            raise RefusedError("SOURCE_MISMATCH")
        too_much = "MEMO_EXCEEDS_CHARGE" if draft.code == 24 else "REVERSAL_EXCEEDS_CHARGE"
        if (draft.code == 24 and charge.code != 21) or draft.amount > self.left_of(charge):
            raise RefusedError(too_much)
        entry = self.post(account, charge.plan, draft.code, draft.amount, draft.on, row)
        entry.names = charge
        return entry

    def _invoice(self, drafts: tuple[Draft, ...], _roles: frozenset[str]) -> list[Outcome]:
        period = drafts[0].period
        assert period is not None
        account, plan = self.place(drafts[0])
        for draft in drafts[1:]:
            self.place(draft)
        for other in self.invoices:
            same = other.account is account and other.plan is plan and other.period == period
            if same and not self.is_voided_invoice(other):
                raise RefusedError("INVOICE_EXISTS")
        due_date = self.day(drafts[0].on) + timedelta(days=account.term_days)
        invoice = Invoice(account, plan, period, due_date)
        self.invoices.append(invoice)
        outcomes = []
        for draft in drafts:
            entry = self.post(account, plan, draft.code, draft.amount, draft.on)
            entry.invoice = invoice
            outcomes.append(Outcome(entries=[entry], invoice=invoice))
        return outcomes

    # ------------------------------------------------------------------------------------------------ voids

    def _void_drafted(self, drafts: tuple[Draft, ...], roles: frozenset[str]) -> list[Outcome]:
        (draft,) = drafts
        return [Outcome(entries=self._void(self.entry(draft.names), draft.on, roles, draft))]

    def _void(
        self, target: Entry, on: date | None, roles: frozenset[str], draft: Draft | None
    ) -> list[Entry]:
        """Rule 13. draft: where the void was drafted, and so says what it thinks the target is."""
        if target.code < 0:
            raise RefusedError("VOID_OF_VOID")
        through = {21: "INVOICE", 22: "INVOICE", 8: "REFUND", 24: "CREDIT_MEMO"}
        if target.code in through:
            raise RefusedError(f"VOID_THE_{through[target.code]}")
        if draft is not None:
            require_fitting_void(draft, target)
            self.require_same_place(draft, target.account, target.plan)
        if target.code == 14 and "support" not in roles:
            raise RefusedError("TYPE_NOT_ALLOWED")
        if target.void is not None:
            raise RefusedError("ALREADY_VOIDED")
        self._require_untouched(target)
        return [self.post_void(each, on) for each in (target, *self._companions(target))]

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
            target = self.entry(draft.names)
            if target.code != 24:
                self._void_only_refusal(target)
            require_fitting_void(draft, target)
            self.require_same_place(draft, target.account, target.plan)
            targets.append(target)
        lines = [each for each in self.posted if each.row is targets[0].row and each.code == 24]
        if len(targets) != len(lines) or {id(each) for each in targets} != {id(each) for each in lines}:
            raise RefusedError("VOID_THE_CREDIT_MEMO" if len(targets) == 1 else "DOCUMENT_INVALID")
        if any(target.void is not None for target in targets):
            raise RefusedError("ALREADY_VOIDED")
        return [
            Outcome(entries=[self.post_void(target, draft.on)])
            for target, draft in zip(targets, drafts, strict=True)
        ]

    def _void_whole_memo(self, call: VoidMemo) -> list[Entry]:
        lines = self.memo_lines(call.memo)
        if any(line.void is not None for line in lines):
            raise RefusedError("ALREADY_VOIDED")
        return [self.post_void(line, call.on) for line in lines]

    def _void_only_refusal(self, target: Entry) -> None:
        if target.code < 0:
            raise RefusedError("VOID_OF_VOID")
        through = {21: "INVOICE", 22: "INVOICE", 8: "REFUND"}
        if target.code in through:
            raise RefusedError(f"VOID_THE_{through[target.code]}")

    def _void_invoice(self, call: VoidInvoice) -> list[Entry]:
        invoice = self.invoice(call.invoice)
        if self.is_voided_invoice(invoice):
            raise RefusedError("INVOICE_ALREADY_VOIDED")
        lines = self.lines_of(invoice)
        if any(each.code == 24 and each.names in lines for each in self.live()):
            raise RefusedError("INVOICE_HAS_CREDIT_MEMO")
        if any(each.code == 6 and each.invoice is invoice for each in self.live()):
            raise RefusedError("INVOICE_HAS_WRITE_OFF")
        for line in lines:
            self._require_untouched(line)
        return [self.post_void(line, call.on) for line in lines]

    def _require_untouched(self, target: Entry) -> None:
        """A payment with a refund stays (rule 13), and so does a charge with a reversal."""
        for each in self.live():
            if each.names is target and each.code in {8, 12, 13}:
                raise RefusedError("VOID_THE_REFUND" if each.code == 8 else "PAYMENT_REFUNDED")

    def _require_new_gateway_reference(self, reference: str) -> None:
        """The gateway gives no number twice, whatever became of the payment."""
        if any(each.code in {3, 12} and each.reference == reference for each in self.posted):
            raise RefusedError("GATEWAY_REFERENCE_TAKEN")

    # --------------------------------------------------------------------------------------------- disputes

    def hold(self, number: int) -> Entry:
        """A dispute hold, which may be settled already."""
        hold = self.entry(number)
        if hold.code != 6 or hold.expires_on is None:
            raise RefusedError("NOT_A_DISPUTE")
        return hold

    def _settle(self, call: Settle) -> list[Entry]:
        """Void the hold, and write off, re-age or leave it at that."""
        hold = self.hold(call.event)
        if hold.void is not None:
            raise RefusedError("ALREADY_VOIDED")
        invoice = hold.invoice
        assert invoice is not None
        entries = [self.post_void(hold, call.on)]
        if call.resolution is Resolution.WRITE_OFF:
            for_good = self.post(hold.account, hold.plan, 6, hold.amount, call.on)
            for_good.invoice = invoice
            entries.append(for_good)
        elif call.resolution is Resolution.RE_AGE:
            since = self.day(call.on)
            due = since + timedelta(days=hold.account.term_days)
            self.re_aged.append((invoice, since, len(self.history) + 1, due))
        return entries

    # ----------------------------------------------------------------------------------------- applications

    def _apply_credit(self, call: ApplyCredit) -> Outcome:
        """Rule 8: what is left of a credit pays charges; nothing is posted."""
        credit = self.entry(call.credit)
        if credit.effect > 0 or credit.code < 0:
            raise RefusedError("SOURCE_MISMATCH")
        targets = self._targets(credit.account, call.pays) or Targets(Method.CHARGE_DATE)
        before = len(self.applications().rows)
        self.history.append(Applying(credit, targets))
        return Outcome(applied=self.applications().rows[before:])

    def _targets(self, account: Account, pays: Instruction | None) -> Targets | None:
        """What an instruction names is there, and of the account."""
        if pays is None:
            return None
        charges = [self.entry(number) for number in pays.charges]
        invoices = [self.invoice(number) for number in pays.invoices]
        if any(each.account is not account or each.effect < 0 or each.code < 0 for each in charges):
            raise RefusedError("SOURCE_MISMATCH")
        if any(each.account is not account for each in invoices):
            raise RefusedError("SOURCE_MISMATCH")
        return Targets(pays.method, tuple(charges), tuple(invoices))

    # ------------------------------------------------------------------------------------- closed statements

    def _close(self, account: Account, through: date) -> Outcome:
        """Rule 6: what takes effect by that day and is on no statement yet."""
        before = self.closed_of(account)
        for each in before:
            if each.last == through:
                return Outcome(closed=each)
        if before and through < before[-1].last:
            raise RefusedError("STATEMENT_PERIOD_CLOSED")
        told = {entry for each in before for entry in each.entries}
        entries = [each for each in self.entries_of(account) if each.on <= through and each not in told]
        entries.sort(key=lambda each: each.on)
        first = min([account.opened_on, through, *(each.on for each in entries)])
        opening = 0
        if before:
            first, opening = before[-1].last + timedelta(days=1), before[-1].closing
        closing = opening + sum(each.effect for each in entries)
        self.closed.append(Closed(account, first, through, opening, closing, entries))
        return Outcome(closed=self.closed[-1])
