"""Decides the requests of a commit group: each on its own, in the order in which they came; first those that
are joined, together if surely none of them is refused (`joined_calls`).

A request is known by its key: what was answered before, or is being answered in this very group, gets the
same answer again (AIP-155). A request or document that is refused leaves no trace, and its key neither.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from ledger_service.joined_calls import JoinedCalls
from ledger_service.requests import FirstAnswer, Outcome, PostingRequest, RequestKey
from ledger_service.rules import refusals
from ledger_service.rules.books import Books
from ledger_service.rules.commit_groups import Accepted, AcceptedDrafts, Posted
from ledger_service.rules.decisions import decide
from ledger_service.rules.documents import Document
from ledger_service.rules.plain_drafts import PlainDrafts, enter_if_surely_right, fit_their_accounts
from ledger_service.rules.plain_invoices import make_invoices
from ledger_service.rules.postings import UnnumberedInvoiceExistsError
from service_kit.errors import DomainError

Refusal: TypeAlias = DomainError | UnnumberedInvoiceExistsError


@dataclass(slots=True)
class Decided:
    """A request and what became of each of its orders."""

    request: PostingRequest
    outcomes: list[Outcome | UnnumberedInvoiceExistsError]
    drafts: AcceptedDrafts | None = None
    """In place of outcomes, where all drafts were accepted at once."""
    place: int | None = None
    """Of a call that was joined with others, of whose drafts one is its own: which."""
    _answer: bytes | None = None

    def posts(self) -> bool:
        """Whether anything of it is accepted."""
        return self.drafts is not None or any(isinstance(outcome, Accepted) for outcome in self.outcomes)

    def posts_all(self) -> bool:
        """Whether all of it is accepted, and now."""
        return self.drafts is not None or (
            bool(self.outcomes) and all(isinstance(outcome, Accepted) for outcome in self.outcomes)
        )

    def answer(self) -> bytes:
        """The answer; ask for it once everything has its number."""
        if self._answer is None:
            self._answer = self._made_answer()
        return self._answer

    def _made_answer(self) -> bytes:
        request = self.request
        if self.drafts is None:
            named = [
                named_refusal(outcome) if isinstance(outcome, UnnumberedInvoiceExistsError) else outcome
                for outcome in self.outcomes
            ]
            return request.answer(named)
        if self.place is None:
            return request.drafts_answer(self.drafts)
        assert request.transaction_answer is not None, "only such calls are joined"
        (draft,) = request.document.drafts
        return request.transaction_answer(self.drafts.transaction(self.place, draft.source))


def named_refusal(refusal: Refusal) -> DomainError:
    """The refusal, with the number of the invoice that it is about."""
    if isinstance(refusal, UnnumberedInvoiceExistsError):
        named = refusals.invoice_exists(refusal.invoice.acct_no, refusal.invoice.invoice_no)
        return refusal.locate(named)
    return refusal


@dataclass(frozen=True, slots=True)
class _KeyedDocument:
    """A document that was accepted in this group under a key of its own."""

    request: PostingRequest
    fingerprint: bytes
    accepted: Accepted


_KeyedDocuments: TypeAlias = dict[RequestKey, _KeyedDocument]


@dataclass(slots=True)
class GroupDecisions:
    """The decisions of one group. `known` are the keys that were used in earlier groups."""

    books: Books
    known: Mapping[RequestKey, FirstAnswer]
    accepted: list[Posted] = field(default_factory=list)
    """All documents of the group that are accepted, in the order in which they were decided."""
    _calls: dict[RequestKey, Decided] = field(default_factory=dict)
    _documents: _KeyedDocuments = field(default_factory=dict)

    def decide(self, request: PostingRequest) -> Decided | FirstAnswer | Refusal:
        """Decide one request, and enter what is accepted in the books."""
        key = request.key
        first = self.known.get(key)
        if first is not None:
            fits = first.fingerprint == request.fingerprint
            return first if fits else refusals.request_id_reused(request.request_id)
        twin = self._calls.get(key)
        if twin is not None:
            fits = twin.request.fingerprint == request.fingerprint
            return twin if fits else refusals.request_id_reused(request.request_id)
        try:
            decided = self._decide_plain(request) or self._decide_orders(request)
        except (DomainError, UnnumberedInvoiceExistsError) as refusal:
            return refusal
        if decided.posts():
            self._calls[key] = decided
        return decided

    def decide_joined(self, joined: JoinedCalls) -> Sequence[Decided | FirstAnswer | Refusal]:
        """Decide calls that are joined: together, if none of them came before and surely none is refused."""
        calls, keys = joined.calls, joined.keys
        if (
            len(keys) < len(calls)
            or not keys.isdisjoint(self.known)
            or not keys.isdisjoint(self._calls)
            or not enter_if_surely_right(joined.plain, self.books)
        ):
            return [self.decide(call) for call in calls]
        accepted = AcceptedDrafts(calls[0].client_no, calls[0].actor, joined.plain)
        self.accepted.append(accepted)
        decided = [Decided(call, [], accepted, place) for place, call in enumerate(calls)]
        self._calls |= {each.request.key: each for each in decided}
        return decided

    def accept_at_once(self, requests: Sequence[PostingRequest]) -> Sequence[Decided] | None:
        """Accept all drafts of all requests, if they are plain and surely none of them is refused: provided
        that their names are free and the balances stay in range, which is not looked at.
        """
        if len({request.key for request in requests} - self.known.keys()) < len(requests):
            return None
        accepted = []
        for request in requests:
            if request.plain is None or not fit_their_accounts(request.plain, self.books):
                return None
            accepted.append(self._accept(request, request.plain))
        self._calls |= {each.request.key: each for each in accepted}
        return accepted

    def key_rows(self) -> list[tuple[int, int, str, bytes, bytes]]:
        """Every key that the group uses, with its fingerprint and answer; once everything has its number."""
        calls = [(*key, each.request.fingerprint, each.answer()) for key, each in self._calls.items()]
        documents = [
            (*key, each.fingerprint, each.request.document_answer(each.accepted))
            for key, each in self._documents.items()
        ]
        return calls + documents

    def _decide_plain(self, request: PostingRequest) -> Decided | None:
        """Accept all drafts of a call at once, if surely none of them is refused."""
        plain = request.plain
        if plain is None or not enter_if_surely_right(plain, self.books):
            return None
        return self._accept(request, plain)

    def _accept(self, request: PostingRequest, plain: PlainDrafts) -> Decided:
        invoices = make_invoices(plain, self.books)
        accepted = AcceptedDrafts(request.client_no, request.actor, plain, invoices)
        self.accepted.append(accepted)
        return Decided(request, [], accepted)

    def _decide_orders(self, request: PostingRequest) -> Decided:
        outcomes: list[Outcome | UnnumberedInvoiceExistsError] = []
        fresh: list[Accepted] = []
        documents: _KeyedDocuments = {}
        # One order leaves no trace by itself when it is refused.
        orders = request.orders if request.plain is None else request.plain.documents()
        together = request.all_or_nothing and len(orders) > 1
        with self.books.all_or_nothing() if together else nullcontext():
            for place, order in enumerate(orders):
                try:
                    if isinstance(order, Document) and order.request_id:
                        known = self._known_outcome(request, order, documents)
                        if known is not None:
                            outcomes.append(known)
                            continue
                    accepted = Accepted(request.client_no, request.actor, decide(order, self.books))
                    fresh.append(accepted)
                    outcomes.append(accepted)
                    if isinstance(order, Document) and order.request_id:
                        key = request.document_key(order)
                        documents[key] = _KeyedDocument(request, order.fingerprint, accepted)
                except UnnumberedInvoiceExistsError as refusal:
                    if request.all_or_nothing:
                        refusal.locate = partial(request.locate, place)
                        raise
                    outcomes.append(refusal)
                except DomainError as refusal:
                    if request.all_or_nothing:
                        raise request.locate(place, refusal) from None
                    outcomes.append(refusal)
        self.accepted += fresh
        self._documents |= documents
        return Decided(request, outcomes)

    def _known_outcome(
        self, request: PostingRequest, document: Document, fresh: _KeyedDocuments
    ) -> Outcome | None:
        """What became of the document with this key before, in whatever group or request that was."""
        key = request.document_key(document)
        known = self.known.get(key) or fresh.get(key) or self._documents.get(key)
        if known is None:
            return None
        if known.fingerprint != document.fingerprint:
            raise refusals.request_id_reused(document.request_id)
        return known if isinstance(known, FirstAnswer) else known.accepted
