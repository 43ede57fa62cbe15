"""Requests to the poster: what is asked, by whom, under which key, and how it is answered."""

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final, NamedTuple, TypeAlias

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from ledger_service.rules.commit_groups import Accepted, AcceptedDrafts
from ledger_service.rules.decisions import Order
from ledger_service.rules.documents import Document
from ledger_service.rules.needs import Needs
from ledger_service.rules.plain_drafts import PlainDrafts
from ledger_service.rules.transactions import Transaction
from service_kit.errors import DomainError

RequestKey: TypeAlias = tuple[int, int, str]
"""Client, scope, request_id: the keys of calls and those of single documents don't meet."""

CALL_SCOPE: Final = 1
_DOCUMENT_SCOPE: Final = 2


class FirstAnswer(NamedTuple):
    """What a key was first used for, and what was answered."""

    fingerprint: bytes
    answer: bytes


Outcome: TypeAlias = Accepted | FirstAnswer | DomainError
"""Of an order: accepted now, accepted before under the same key, or refused."""


def no_document_answer(_accepted: Accepted) -> bytes:
    """For requests whose documents have no keys of their own."""
    raise AssertionError("the documents of this request have no keys")


def no_drafts_answer(_accepted: AcceptedDrafts) -> bytes:
    """For requests without plain drafts."""
    raise AssertionError("the request has no plain drafts")


def not_located(_place: int, refusal: DomainError) -> DomainError:
    """For requests with a single order."""
    return refusal


class PostingRequest(NamedTuple):
    """A call that changes the books.

    fingerprint: of the whole call without its key; the same key with another fingerprint is refused.
    actor: the subject of the caller's credential.
    answer: makes the answer, which is stored, from the outcomes of the orders.
    plain: in place of orders, where they are plain drafts.
    drafts_answer: makes the answer where all of them are accepted at once.
    transaction_answer: of a call whose only order is a document of one draft without a key of its own: makes
        the answer from its transaction.
    locate: says in a refusal of the whole call which of its orders was refused.
    document_answer: makes the answer that is stored for the key of one document.
    """

    client_no: int
    request_id: str
    fingerprint: bytes
    actor: str
    orders: Sequence[Order]
    all_or_nothing: bool
    answer: Callable[[Sequence[Outcome]], bytes]
    document_answer: Callable[[Accepted], bytes] = no_document_answer
    locate: Callable[[int, DomainError], DomainError] = not_located
    plain: PlainDrafts | None = None
    drafts_answer: Callable[[AcceptedDrafts], bytes] = no_drafts_answer
    transaction_answer: Callable[[Transaction], bytes] | None = None

    @property
    def key(self) -> RequestKey:
        """The key of the call."""
        return (self.client_no, CALL_SCOPE, self.request_id)

    @property
    def is_one_draft(self) -> bool:
        """Whether its only order is a document of one draft without a key of its own."""
        return self.transaction_answer is not None

    @property
    def document(self) -> Document:
        """The document that is its only order."""
        (document,) = self.orders
        assert isinstance(document, Document), "it was asked of a call that is none"
        return document

    def document_key(self, document: Document) -> RequestKey:
        """The key of one of its documents, which has one."""
        return (self.client_no, _DOCUMENT_SCOPE, document.request_id)

    def all_keys(self) -> list[RequestKey]:
        """Every key that it names."""
        if self.plain is not None or self.is_one_draft:
            return [self.key]
        documents = (order for order in self.orders if isinstance(order, Document))
        return [self.key, *(self.document_key(each) for each in documents if each.request_id)]

    def add_needs(self, needs: Needs) -> None:
        """Add what it names."""
        if self.plain is not None:
            needs.add_plain(self.plain)
        for order in self.orders:
            needs.add(order)

    @property
    def weight(self) -> int:
        """How much work it is: its drafts."""
        if self.plain is not None:
            return len(self.plain)
        if self.is_one_draft:
            return 1
        return sum(len(order.drafts) if isinstance(order, Document) else 1 for order in self.orders)


def fingerprint_of(request: Message) -> bytes:
    """What makes two calls the same: their name, and all of their fields but the key.

    Takes the key out of `request`, which is the servicer's own: to copy a large call would cost more than all
    else that is done with it.
    """
    request.ClearField("request_id")
    content = request.SerializeToString(deterministic=True)
    return hashlib.sha256(_name_of(request.DESCRIPTOR) + content).digest()


@cache
def _name_of(kind: Descriptor) -> bytes:
    return kind.full_name.encode() + b"\0"
