"""The real ledger answers as the model does, call by call, and its books are the model's.

Reproduce a failure with the seed that it names: TALLYBOOK_MODEL_SEED=7 make test ARGS=tests/model
For a longer search: TALLYBOOK_MODEL_EXAMPLES=1000, with any seed. TALLYBOOK_MODEL_SHRINK=1 looks, for
minutes, for the shortest story that fails as well.
"""

import asyncio
import itertools
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Any, ClassVar, Final

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.model.conftest import RealLedger
from tests.model.intents import (
    DAYS,
    PLACES,
    Flaw,
    Foreign,
    Intent,
    day,
    drafts_of,
    intents,
    invoice_of,
    period,
    pick,
    plain_intent,
)
from tests.model.ledger_model import (
    TABLES,
    Account,
    AddPlan,
    Answer,
    Call,
    CreateInvoices,
    Entry,
    InvoiceDraft,
    LedgerModel,
    OpenAccount,
    Outcome,
    Post,
    Record,
    Row,
    Void,
    VoidInvoice,
)
from tests.model.wire import Reply, Wire

SEED: Final = int(os.environ.get("TALLYBOOK_MODEL_SEED", "1"))
EXAMPLES: Final = int(os.environ.get("TALLYBOOK_MODEL_EXAMPLES", "12"))
# What a run has to come across, lest it prove little. The same seed does not always mean the same examples:
# Hypothesis also draws constants that it finds in the modules that happen to be loaded. So these are well
# below what is usual.
FEWEST_TYPES: Final = 18
FEWEST_REASONS: Final = 18
FEWEST_FATES: Final = 4
SHRINK: Final = bool(os.environ.get("TALLYBOOK_MODEL_SHRINK"))
STEPS: Final = 40
SECONDS_AN_EXAMPLE: Final = 10

EVERY_ROLE: Final = frozenset({"support", "dunning"})
POSTER_ONLY: Final[frozenset[str]] = frozenset()
# What every example starts with: so that there is something to be refunded and voided from the first step on.
OPENING_DOCUMENTS: Final = (
    plain_intent("charge"),
    plain_intent("late fee"),
    plain_intent("invoice"),
    plain_intent("credit"),
    plain_intent("transfer"),
    plain_intent("check"),
    plain_intent("payment"),
    plain_intent("refund", which=0),
    plain_intent("refund", which=1),
    plain_intent("write-off"),
    # Of another invoice: a memo of this one would be more than the write-off left open.
    plain_intent("invoice", which=1),
    plain_intent("memo", which=1),
)
_FULL_CHECK_EVERY: Final = 12
_CLIENT_NOS: Final = itertools.count(1)


class Fate(Enum):
    """What happens to a call on its way."""

    NONE = "none"
    BY_POSTER = "sent by somebody who may only post"
    HUNG_UP = "the caller hangs up and sends it again"
    DATABASE_CUT = "the service loses its connections to the database"
    SENT_THRICE = "sent three times at once"
    THREE_CALLERS = "three callers want the same at once"


FATES: Final = st.integers(0, 5).flatmap(
    lambda number: st.sampled_from(list(Fate)[1:]) if number == 5 else st.just(Fate.NONE)
)


@dataclass
class Seen:
    """What a run came across, so that a run that tests nothing is noticed."""

    codes: Counter[int] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    fates: Counter[Fate] = field(default_factory=Counter)


class LedgerBesideModel(RuleBasedStateMachine):
    """The service and the model; each example is a client of its own."""

    real: ClassVar[RealLedger]
    seen: ClassVar[Seen]
    channels: ClassVar[Sequence[Any]]

    def __init__(self) -> None:
        super().__init__()
        self.books = LedgerModel()
        self.wire = Wire(self.channels, next(_CLIENT_NOS), self.real.poster_token)
        self.keys = itertools.count(1)
        self.calls: list[tuple[str, Call, frozenset[str]]] = []
        self.steps = 0
        # An example that failed is not looked at any further.
        self.sound = True

    @initialize()
    def begin(self) -> None:
        """Books with something of every kind, and another client whose numbers are known."""
        self.foreign = _foreign_books(self.channels, next(_CLIENT_NOS), self.real.poster_token)
        for opening in (0, 5000, -1000):
            self._do(OpenAccount("", "USD", 14, 1, opening, "USD", day(0)), Fate.NONE)
        for intent in OPENING_DOCUMENTS:
            drafts = drafts_of(intent, "the document", self.books, self.foreign)
            self._do(Post(tuple(drafts), all_or_nothing=True), Fate.NONE)
            assert self.books.used(self.calls[-1][0]), f"{intent} is refused"

    # ---------------------------------------------------------------------------------------------- calls

    @rule(
        currency=st.sampled_from(["USD", "USD", "USD", "JPY", "QQQ"]),
        opening_currency=st.sampled_from(["", "", "", "EUR", "QQQ"]),
        opening=st.integers(-3, 3).map(lambda number: number * 1000),
        plans=st.integers(0, 3),
        term_days=st.sampled_from([0, 14, 30]),
        external_id=st.sampled_from(["", "a", "b", "c"]),
        on=DAYS,
        fate=FATES,
    )
    def open_account(
        self,
        currency: str,
        opening_currency: str,
        opening: int,
        plans: int,
        term_days: int,
        external_id: str,
        on: int,
        fate: Fate,
    ) -> None:
        given = opening_currency or currency
        self._do(OpenAccount(external_id, currency, term_days, plans, opening, given, day(on)), fate)

    @rule(which=PLACES, foreign=st.booleans(), fate=FATES)
    def add_plan(self, which: int, foreign: bool, fate: Fate) -> None:
        account = pick(self.books.accounts, which)
        number = self.foreign.account if (foreign and which == 0) or account is None else account.number
        self._do(AddPlan(number), fate)

    @rule(
        wanted=st.lists(intents(), min_size=1, max_size=5),
        all_or_nothing=st.integers(0, 4).map(lambda number: number == 4),
        fate=FATES,
    )
    def post(self, wanted: list[Intent], all_or_nothing: bool, fate: Fate) -> None:
        documents = [
            drafts_of(intent, f"document {place}", self.books, self.foreign)
            for place, intent in enumerate(wanted)
        ]
        self._do(Post(tuple(itertools.chain.from_iterable(documents)), all_or_nothing), fate)

    # The same again, so that a whole call is more often about what is rare.
    @rule(wanted=intents("refund", "memo", "write-off", "transfer", "void of a memo"), fate=FATES)
    def post_one(self, wanted: Intent, fate: Fate) -> None:
        drafts = drafts_of(wanted, "the document", self.books, self.foreign)
        self._do(Post(tuple(drafts), all_or_nothing=True), fate)

    @rule(
        wanted=intents("check", "payment", "credit", "late fee").filter(
            lambda intent: intent.flaw not in {Flaw.TWICE, Flaw.OTHER_SOURCE, Flaw.OTHER_TYPE, Flaw.NO_REASON}
        ),
        fate=FATES,
    )
    def record(self, wanted: Intent, fate: Fate) -> None:
        (draft,) = drafts_of(wanted, "", self.books, self.foreign)
        if draft.amount:
            self._do(Record(draft), fate)

    @rule(which=PLACES, other=PLACES, of_any_state=st.integers(0, 9), on=DAYS, fate=FATES)
    def void(self, which: int, other: int, of_any_state: int, on: int, fate: Fate) -> None:
        entries = self.books.posted if of_any_state == 0 else self.books.live()
        codes = sorted({entry.code for entry in entries})
        code = pick(codes, which)
        target = pick([entry for entry in entries if entry.code == code], other)
        number = self.foreign.event if of_any_state == 9 or target is None else target.number
        self._do(Void(number, day(on)), fate)

    @rule(wanted=st.lists(intents("invoice"), min_size=1, max_size=4), fate=FATES)
    def create_invoices(self, wanted: list[Intent], fate: Fate) -> None:
        invoices = [invoice_of(intent, self.books, self.foreign) for intent in wanted]
        self._do(CreateInvoices(tuple(invoices)), fate)

    @rule(which=PLACES, on=DAYS, fate=FATES)
    def void_invoice(self, which: int, on: int, fate: Fate) -> None:
        invoice = pick(self.books.invoices, which)
        self._do(VoidInvoice(invoice.number if invoice else self.foreign.invoice, day(on)), fate)

    @rule(which=PLACES)
    def send_again(self, which: int) -> None:
        key, call, roles = self.calls[-1 - which % len(self.calls)]
        self._send(key, call, roles, Fate.NONE)

    @rule(which=PLACES, other=PLACES)
    def use_a_key_for_another_call(self, which: int, other: int) -> None:
        key, _, _ = self.calls[-1 - which % len(self.calls)]
        _, call, roles = self.calls[-1 - other % len(self.calls)]
        self._send(key, call, roles, Fate.NONE)

    # --------------------------------------------------------------------------------------------- sending

    def _do(self, call: Call, fate: Fate) -> None:
        roles = POSTER_ONLY if fate is Fate.BY_POSTER else EVERY_ROLE
        key = f"call-{next(self.keys)}"
        self.calls.append((key, call, roles))
        self.seen.fates[fate] += 1
        self._send(key, call, roles, fate)

    def _send(self, key: str, call: Call, roles: frozenset[str], fate: Fate) -> None:
        self.sound = False
        # Documents with keys of their own are known to whoever comes second: that is another race.
        if fate is Fate.THREE_CALLERS and not _has_draft_keys(call):
            self._race(call, roles)
        else:
            expected = self.books.answer(key, call, roles)
            # What posts nothing uses no key, so a caller that hangs up could still be answered much later.
            if not self.books.used(key) and fate in {Fate.HUNG_UP, Fate.DATABASE_CUT}:
                fate = Fate.NONE
            for reply in self._replies(key, call, roles, fate):
                self._compare(call, expected, reply)
        self.sound = True

    def _replies(self, key: str, call: Call, roles: frozenset[str], fate: Fate) -> Iterable[Reply]:
        match fate:
            case Fate.HUNG_UP:
                return [self.wire.cut(key, call, after_seconds=self.steps % 5 * 0.001)]
            case Fate.DATABASE_CUT:
                return [self.wire.cut_database(key, call, self.real.cut_database)]
            case Fate.SENT_THRICE:
                return self.wire.race([key] * 3, call)
        return [self.wire.send(key, call, as_poster=roles is POSTER_ONLY)]

    def _race(self, call: Call, roles: frozenset[str]) -> None:
        """Who comes first is chance, and nothing else: the calls are the same but for their keys."""
        keys = [f"call-{next(self.keys)}" for _ in range(3)]
        expected = [self.books.answer(key, call, roles) for key in keys]
        replies = self.wire.race(keys, call)
        assert Counter(each.reasons for each in expected) == Counter(each.reasons for each in replies), call
        for reasons in {each.reasons for each in expected}:
            ours = [each for each in expected if each.reasons == reasons]
            theirs = sorted(
                (each for each in replies if each.reasons == reasons),
                key=lambda reply: (reply.parts, reply.acct_no, reply.plan_instance_nos),
            )
            for answer, reply in zip(ours, theirs, strict=True):
                self._compare(call, answer, reply)

    def _compare(self, call: Call, expected: Answer, reply: Reply) -> None:
        assert reply.reasons == expected.reasons, f"the model expects {expected.reasons} of {call}"
        self.seen.reasons.update(filter(None, expected.reasons))
        for outcome, (_, numbers, invoice_no) in zip(expected.outcomes, reply.parts, strict=True):
            _learn_outcome(outcome, numbers, invoice_no, reply)
            self.seen.codes.update(entry.code for entry in outcome.entries)
        self._learn_invoices(expected)

    def _learn_invoices(self, expected: Answer) -> None:
        """PostTransactions does not tell the number of an invoice: the list of invoices does."""
        for outcome in expected.outcomes:
            invoice = outcome.invoice
            if invoice is not None and not invoice.number:
                known = {each.number for each in self.books.invoices}
                found = [
                    each.invoice_no
                    for each in self.wire.invoices()
                    if each.invoice_no not in known
                    and each.acct_no == invoice.account.number
                    and each.plan_instance_no == (invoice.plan.number if invoice.plan else 0)
                    and _day_of(each.billing_period_start) == invoice.period[0]
                ]
                invoice.number = min(found)

    # -------------------------------------------------------------------------------------------- checking

    @invariant()
    def balances_are_the_models(self) -> None:
        """After every step; and now and then everything else."""
        if not self.sound:
            return
        self.steps += 1
        expected = {account.number: self.books.balance(account) for account in self.books.accounts}
        assert self.wire.balances_now(list(expected)) == expected
        if self.steps % _FULL_CHECK_EVERY == 0:
            self._check_everything()

    def teardown(self) -> None:
        if not self.sound:
            return
        self._check_everything()
        findings, summary = self.wire.verify()
        assert findings == []
        assert (summary.transactions, summary.accounts) == (
            len(self.books.posted),
            len(self.books.accounts),
        )
        self._check_trial_balance()

    def _check_everything(self) -> None:
        self._check_transactions()
        self._check_invoices()
        days = [day(0), day(45 + self.steps % 20), day(100), day(400)]
        for account in self.books.accounts:
            self._check_balances(account, days)
            self._check_statement(account, day(self.steps % 60), day(90))
        for at in days:
            self._check_aging(at)

    def _check_transactions(self) -> None:
        listed = {each.event_no: each for each in self.wire.transactions()}
        assert set(listed) == {entry.number for entry in self.books.posted}
        assert list(listed) == sorted(listed, reverse=True)
        rows: dict[tuple[str, int], Row] = {}
        for entry in self.books.posted:
            read, void = listed[entry.number], self.books.void_of(entry)
            assert (
                read.client_no, read.acct_no, read.plan_instance_no, int(read.transaction_type),
                read.amount.minor_units, read.amount.currency_code, _day_of(read.effective_date),
                read.voids_event_no, read.voided_by_event_no, read.source_no,
            ) == (
                self.wire.client_no, entry.account.number, _plan_no(entry), entry.code,
                entry.amount, entry.account.currency, entry.on,
                entry.voids.number if entry.voids else 0, void.number if void else 0, entry.row.number,
            )  # fmt: skip
            # Two rows of one table never have one number.
            assert rows.setdefault((TABLES[abs(entry.code)], entry.row.number), entry.row) is entry.row
        for account in self.books.accounts:
            numbers = [entry.number for entry in self.books.entries_of(account)]
            assert numbers == sorted(numbers), "the numbers of an account grow as it is posted to"

    def _check_invoices(self) -> None:
        listed = {each.invoice_no: each for each in self.wire.invoices()}
        assert set(listed) == {invoice.number for invoice in self.books.invoices}
        for invoice in self.books.invoices:
            read = listed[invoice.number]
            lines = self.books.lines_of(invoice)
            assert (read.acct_no, read.total.minor_units, read.voided, _day_of(read.due_date)) == (
                invoice.account.number,
                sum(line.effect for line in lines),
                self.books.is_voided_invoice(invoice),
                invoice.due_date,
            )

    def _check_balances(self, account: Account, days: Sequence[date]) -> None:
        entries = self.books.entries_of(account)
        self._compare_balances(account, entries, {})
        for at in days:
            self._compare_balances(account, [entry for entry in entries if entry.on <= at], {"at": at})
        anyone = pick(self.books.posted, self.steps * 7)
        if anyone is not None:
            recorded = [entry for entry in entries if entry.number <= anyone.number]
            self._compare_balances(account, recorded, {"event_no": anyone.number})

    def _compare_balances(self, account: Account, entries: Sequence[Entry], when: dict[str, Any]) -> None:
        read = self.wire.balances(account.number, **when)
        assert (read.balance, read.account_only, read.plans) == (
            sum(entry.effect for entry in entries),
            sum(entry.effect for entry in entries if entry.plan is None),
            {
                plan.number: sum(entry.effect for entry in entries if entry.plan is plan)
                for plan in account.plans
            },
        ), when

    def _check_statement(self, account: Account, first: date, last: date) -> None:
        read = self.wire.statement(account.number, first, last)
        entries = sorted(self.books.entries_of(account), key=lambda entry: (entry.on, entry.number))
        balance = sum(entry.effect for entry in entries if entry.on < first)
        assert read.opening_balance.minor_units == balance
        lines = []
        for entry in entries:
            if first <= entry.on <= last:
                balance += entry.effect
                lines.append((entry.number, entry.effect, balance))
        assert lines == [
            (line.transaction.event_no, line.effect.minor_units, line.running_balance.minor_units)
            for line in read.lines
        ]
        assert read.closing_balance.minor_units == balance
        assert read.total_charges.minor_units == sum(max(effect, 0) for _, effect, _ in lines)
        assert read.total_credits.minor_units == sum(max(-effect, 0) for _, effect, _ in lines)

    def _check_aging(self, at: date) -> None:
        listed = self.wire.aging(at)
        for account in self.books.accounts:
            balance = sum(entry.effect for entry in self.books.entries_of(account) if entry.on <= at)
            read = listed.pop(account.number, None)
            assert (read is not None) == (balance != 0)
            if read is None:
                continue
            assert read.balance.minor_units == balance
            expected = self.books.aging(account, at)
            if expected is None:
                continue
            parts = (
                read.not_due, read.days_1_to_30, read.days_31_to_60, read.days_61_to_90, read.days_over_90
            )  # fmt: skip
            if all(entry.on <= at for entry in self.books.entries_of(account)):
                # Aged as it was applied when it was posted: other charges may be open, but no other amount.
                assert sum(part.minor_units for part in parts) == sum(expected.buckets)
                assert read.unapplied_credit.minor_units == expected.unapplied_credit
                continue
            assert tuple(part.minor_units for part in parts) == expected.buckets
            assert read.overdue.minor_units == sum(expected.buckets[1:])
            assert (
                read.overdue_without_dunning_charges.minor_units,
                read.unapplied_credit.minor_units,
                _day_of(read.oldest_due_date) if read.HasField("oldest_due_date") else None,
            ) == (
                expected.overdue_without_dunning_charges,
                expected.unapplied_credit,
                expected.oldest_due_date,
            )
        assert not listed, "aging lists accounts that owe nothing"

    def _check_trial_balance(self) -> None:
        for trial in self.wire.trial_balances():
            assert trial.total_debits == trial.total_credits
            assert sum(line.debits.minor_units for line in trial.lines) == trial.total_debits.minor_units
            (receivable,) = (line for line in trial.lines if line.name == "Accounts receivable")
            assert receivable.debits.minor_units - receivable.credits.minor_units == sum(
                self.books.balance(account)
                for account in self.books.accounts
                if account.currency == trial.currency_code
            )


def _has_draft_keys(call: Call) -> bool:
    return isinstance(call, Post) and any(draft.key for draft in call.drafts)


def _learn_outcome(
    outcome: Outcome, numbers: Sequence[tuple[int, int]], invoice_no: int, reply: Reply
) -> None:
    """Give what the model posted the service's numbers; a second time they must be the same."""
    assert len(numbers) == len(outcome.entries)
    for entry, (event_no, source_no) in zip(outcome.entries, numbers, strict=True):
        _learn(entry, event_no)
        _learn(entry.row, source_no)
    if outcome.invoice is not None and invoice_no:
        _learn(outcome.invoice, invoice_no)
    if outcome.account is not None:
        _learn(outcome.account, reply.acct_no)
        for plan, number in zip(outcome.account.plans, reply.plan_instance_nos, strict=False):
            _learn(plan, number)
    if outcome.plan is not None:
        _learn(outcome.plan, reply.plan_instance_nos[0])


def _learn(thing: Any, number: int) -> None:
    assert number > 0
    assert thing.number in {0, number}, f"{thing} was {thing.number} and is now {number}"
    thing.number = number


def _plan_no(entry: Entry) -> int:
    return entry.plan.number if entry.plan else 0


def _day_of(value: Any) -> date:
    return date(value.year, value.month, value.day)


def _foreign_books(channels: Sequence[Any], client_no: int, token: str) -> Foreign:
    """Somebody else's account, plan instance, transaction and invoice."""
    wire = Wire(channels, client_no, token)
    opened = wire.send("account", OpenAccount("", "USD", 0, 1, 700, "USD", day(0)))
    draft = InvoiceDraft(opened.acct_no, 0, period(0), day(0), "USD", ((1, 500),))
    invoiced = wire.send("invoice", CreateInvoices((draft,)))
    return Foreign(
        account=opened.acct_no,
        plan=opened.plan_instance_nos[0],
        event=opened.parts[0][1][0][0],
        invoice=invoiced.parts[0][2],
    )


@pytest.mark.timeout(max(120, EXAMPLES * SECONDS_AN_EXAMPLE) + 600 * SHRINK)
async def test_the_ledger_and_its_model_agree_on_every_answer_and_every_balance(
    real_ledger: RealLedger,
) -> None:
    print(f"TALLYBOOK_MODEL_SEED={SEED} TALLYBOOK_MODEL_EXAMPLES={EXAMPLES}")  # noqa: T201
    seen = Seen()

    def run() -> None:
        with real_ledger.channels() as channels:

            @seed(SEED)
            class Machine(LedgerBesideModel):
                real = real_ledger

            Machine.channels, Machine.seen = channels, seen
            run_state_machine_as_test(
                Machine,
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=STEPS,
                    database=None,
                    deadline=None,
                    phases=[Phase.generate, *([Phase.shrink] if SHRINK else [])],
                    suppress_health_check=list(HealthCheck),
                    print_blob=False,
                ),
            )

    await asyncio.to_thread(run)
    print(seen)  # noqa: T201
    assert len(seen.codes) >= FEWEST_TYPES
    assert len(seen.reasons) >= FEWEST_REASONS
    assert len(seen.fates) >= FEWEST_FATES
