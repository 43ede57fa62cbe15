"""The model and the service side by side: Hypothesis chooses what is asked of both, and they must agree."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, ClassVar, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.model.calls import Call, CreateInvoices, InvoiceDraft, OpenAccount, Post
from tests.model.comparison import Comparison
from tests.model.conftest import RealLedger
from tests.model.coverage import Fate, Seen
from tests.model.intents import (
    DOCUMENTS,
    PLACES,
    Foreign,
    Intent,
    day,
    drafts_of,
    intents,
    period,
    plain_intent,
)
from tests.model.ledger_model import LedgerModel
from tests.model.operations import OPERATIONS, operation_of
from tests.model.things import Account, Answer, Outcome
from tests.model.wire import Reply, Wire, day_of

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
    # Nothing is taken from these, so they can be voided.
    plain_intent("charge", which=1),
    plain_intent("check", which=1),
    plain_intent("payment", which=1),
)
_CHOICES: Final = 16
_FULL_CHECK_EVERY: Final = 12
_CLIENT_NOS: Final = itertools.count(1)
# A server takes a second to be there again.
_STEPS_BETWEEN_KILLS: Final = 250

DISTURBED: Final = st.integers(0, 4).map(lambda number: number == 4)
STEERED: Final = st.integers(0, 3).map(bool)


class LedgerBesideModel(RuleBasedStateMachine):
    """Each example is a client of its own.

    steered: whether what was rarely seen is likelier. That depends on the examples before, so that none can
    be repeated alone and made shorter; Hypothesis would call it flaky, and say nothing of what went wrong.
    failures: what went wrong, with the story of the example; after the first nothing is done any more.
    """

    real: ClassVar[RealLedger]
    seen: ClassVar[Seen]
    channels: ClassVar[Sequence[Any]]
    steered: ClassVar[bool]
    failures: ClassVar[list[Exception]]

    def __init__(self) -> None:
        super().__init__()
        self.books = LedgerModel(_today)
        self.wire = self._wire(next(_CLIENT_NOS))
        self.comparison = Comparison(self.books, self.wire)
        self.keys = itertools.count(1)
        self.calls: list[tuple[str, Call, frozenset[str]]] = []
        self.touched: list[Account] = []

    def _wire(self, client_no: int) -> Wire:
        return Wire(self.real.targets, self.channels, client_no, self.real.poster_token)

    @initialize()
    def begin(self) -> None:
        """Books with something of every kind, and another client whose numbers are known."""
        if self.steered and self.failures:
            raise self.failures[0]
        self.foreign = _foreign_books(self._wire(next(_CLIENT_NOS)))
        for external_id, opening in (("", 0), ("a", 5000), ("b", -1000)):
            self._do(OpenAccount(external_id, "USD", 14, 1, opening, "USD", day(0)), Fate.NONE)
        for intent in OPENING_DOCUMENTS:
            drafts = drafts_of(intent, "the document", self.books, self.foreign)
            self._do(Post(tuple(drafts), all_or_nothing=True), Fate.NONE)
            assert self.books.used(self.calls[-1][0]), f"{intent} is refused"
        # Somebody who may only post is too seldom one who wants that.
        charge = drafts_of(plain_intent("charge"), "", self.books, self.foreign)
        self._do(Post(tuple(charge), all_or_nothing=False), Fate.BY_POSTER)

    # ---------------------------------------------------------------------------------------------- calls

    @rule(
        wanted=st.lists(
            st.lists(intents(DOCUMENTS), min_size=1, max_size=4), min_size=_CHOICES, max_size=_CHOICES
        ),
        all_or_nothing=st.integers(0, 3).map(lambda number: number == 3),
        steered=STEERED,
        disturbed=DISTURBED,
    )
    def post(self, wanted: list[list[Intent]], all_or_nothing: bool, steered: bool, disturbed: bool) -> None:
        calls = (self._post(each, all_or_nothing) for each in wanted)
        self._do_one_of(calls, steered, disturbed)

    def _post(self, wanted: Sequence[Intent], all_or_nothing: bool) -> Post:
        documents = [
            drafts_of(intent, f"document {place}", self.books, self.foreign)
            for place, intent in enumerate(wanted)
        ]
        return Post(tuple(itertools.chain.from_iterable(documents)), all_or_nothing)

    # Twice as often: here a whole call is about one thing.
    @rule(
        wanted=st.lists(intents(OPERATIONS), min_size=_CHOICES, max_size=_CHOICES),
        steered=STEERED,
        disturbed=DISTURBED,
    )
    def operate(self, wanted: list[Intent], steered: bool, disturbed: bool) -> None:
        calls = (operation_of(intent, self.books, self.foreign) for intent in wanted)
        self._do_one_of(calls, steered, disturbed)

    @rule(
        wanted=st.lists(intents(OPERATIONS), min_size=_CHOICES, max_size=_CHOICES),
        steered=STEERED,
        disturbed=DISTURBED,
    )
    def operate_again(self, wanted: list[Intent], steered: bool, disturbed: bool) -> None:
        self.operate(wanted, steered, disturbed)

    @rule(which=PLACES, other=st.one_of(st.none(), PLACES))
    def use_a_key_again(self, which: int, other: int | None) -> None:
        """For the same call or, by mistake, for another one."""
        key, call, roles = self.calls[-1 - which % len(self.calls)]
        if other is not None:
            _, call, roles = self.calls[-1 - other % len(self.calls)]
        self._send(key, call, roles, Fate.NONE)

    # --------------------------------------------------------------------------------------------- sending

    def _do_one_of(self, calls: Iterable[Call], steered: bool, disturbed: bool) -> None:
        """Make the call that shows what was seen least or, without steering, the first."""
        fate = self._fate(disturbed)
        if steered and self.steered:
            roles = _roles(fate)
            call = self.seen.rarest((each, self.books.rehearse(each, roles)) for each in calls)
        else:
            call = next(iter(calls))
        self._do(call, fate)

    def _fate(self, disturbed: bool) -> Fate:
        if not disturbed:
            return Fate.NONE
        fates = set(Fate) - {Fate.NONE}
        if self.seen.fates.total() < _STEPS_BETWEEN_KILLS * (1 + self.seen.fates[Fate.SERVER_KILLED]):
            fates.remove(Fate.SERVER_KILLED)
        return self.seen.rarest_fate([fate for fate in Fate if fate in fates])

    def _do(self, call: Call, fate: Fate) -> None:
        key = f"call-{next(self.keys)}"
        self.calls.append((key, call, _roles(fate)))
        self._send(key, call, _roles(fate), fate)

    def _send(self, key: str, call: Call, roles: frozenset[str], fate: Fate) -> None:
        with self._telling_the_story():
            self.touched = []
            # Documents with keys of their own are known to whoever comes second: that is another race.
            if fate is Fate.THREE_CALLERS and not _has_draft_keys(call):
                self._race(call, roles)
            else:
                fate = self._send_by(fate, key, call, roles)
            self.seen.fates[fate] += 1

    def _send_by(self, fate: Fate, key: str, call: Call, roles: frozenset[str]) -> Fate:
        """Send a call whose answer is known before; returns the fate that it met with."""
        expected = self.books.answer(key, call, roles)
        # What posts nothing uses no key, so a call that was given up could still be answered much later.
        if not self.books.used(key) and fate not in {Fate.BY_POSTER, Fate.SENT_THRICE}:
            fate = Fate.NONE
        for reply in self._replies(key, call, roles, fate):
            self._compare(call, expected, reply)
        return fate

    @contextmanager
    def _telling_the_story(self) -> Iterator[None]:
        try:
            yield
        except Exception as failure:
            story = "\n".join(
                f"{key} {'' if roles else '(poster) '}{call}" for key, call, roles in self.calls
            )
            failure.add_note(f"client {self.wire.client_no}, {self.touched}:\n{story}")
            self.failures.append(failure)
            raise

    def _replies(self, key: str, call: Call, roles: frozenset[str], fate: Fate) -> Iterable[Reply]:
        match fate:
            case Fate.HUNG_UP:
                return [self.wire.hang_up(key, call, self._moment())]
            case Fate.CONNECTION_CUT:
                return [self.wire.cut_connection(key, call, self._moment())]
            case Fate.DATABASE_CUT:
                return [self.wire.disturbed(key, call, self.real.cut_database)]
            case Fate.SERVER_KILLED:
                return [self.wire.disturbed(key, call, self.real.kill_server)]
            case Fate.SENT_THRICE:
                return self.wire.race([key] * 3, call)
        return [self.wire.send(key, call, as_poster=roles is POSTER_ONLY)]

    def _moment(self) -> float:
        """In seconds: about as long as the service works on a call."""
        return self.comparison.step % 6 * 0.001

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
        self.seen.add(call, expected)
        for outcome, (_, numbers, number) in zip(expected.outcomes, reply.parts, strict=True):
            _learn_outcome(outcome, numbers, number, reply)
            self.touched += [entry.account for entry in outcome.entries]
            self.touched += [outcome.closed.account] if outcome.closed else []
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
                    and day_of(each.billing_period_start) == invoice.period[0]
                ]
                invoice.number = min(found)

    # -------------------------------------------------------------------------------------------- checking

    @invariant()
    def books_are_the_models(self) -> None:
        """After every step; and now and then everything."""
        with self._telling_the_story():
            self.comparison.after_a_step(self.touched)
            if self.comparison.step % _FULL_CHECK_EVERY == 0:
                self.comparison.everything()

    def teardown(self) -> None:
        # An example that failed is not looked at any further.
        if self.failures:
            return
        with self._telling_the_story():
            self.comparison.everything()
            self.comparison.soundness()


def _today() -> date:
    return datetime.now(UTC).date()


def _roles(fate: Fate) -> frozenset[str]:
    return POSTER_ONLY if fate is Fate.BY_POSTER else EVERY_ROLE


def _has_draft_keys(call: Call) -> bool:
    return isinstance(call, Post) and any(draft.key for draft in call.drafts)


def _learn_outcome(outcome: Outcome, numbers: Sequence[tuple[int, int]], number: int, reply: Reply) -> None:
    """Give what the model posted the service's numbers; a second time they must be the same."""
    assert len(numbers) == len(outcome.entries)
    for entry, (event_no, source_no) in zip(outcome.entries, numbers, strict=True):
        _learn(entry, event_no)
        _learn(entry.row, source_no)
    if outcome.invoice is not None and number:
        _learn(outcome.invoice, number)
    if outcome.closed is not None:
        _learn(outcome.closed, number)
    if outcome.account is not None:
        _learn(outcome.account, reply.acct_no)
    for plan, plan_no in zip(outcome.plans, reply.plan_instance_nos, strict=True):
        _learn(plan, plan_no)
    assert reply.applied == tuple(
        (row.credit.number, row.charge.number, row.amount) for row in outcome.applied
    )


def _learn(thing: Any, number: int) -> None:
    assert number > 0
    assert thing.number in {0, number}, f"{thing} was {thing.number} and is now {number}"
    thing.number = number


def _foreign_books(wire: Wire) -> Foreign:
    """Somebody else's account, plan instance, transaction and invoice."""
    opened = wire.send("account", OpenAccount("", "USD", 0, 1, 700, "USD", day(0)))
    draft = InvoiceDraft(opened.acct_no, 0, period(0), day(0), "USD", ((1, 500),))
    invoiced = wire.send("invoice", CreateInvoices((draft,)))
    return Foreign(
        account=opened.acct_no,
        plan=opened.plan_instance_nos[0],
        event=opened.parts[0][1][0][0],
        invoice=invoiced.parts[0][2],
    )
