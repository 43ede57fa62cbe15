"""What all calls that change the books have in common: who calls, under which key, and what the answer is."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from ledger_service.keyed_changes import KeyedCall
from ledger_service.posting import Poster
from ledger_service.requests import Outcome, PostingRequest, fingerprint_of
from ledger_service.rules.commit_groups import Accepted
from ledger_service.rules.decisions import Order
from ledger_service.rules.documents import Document
from ledger_service.rules.drafts import Draft, check_draft
from ledger_service.rules.transactions import Transaction
from ledger_service.servicers.draft_contract import business_date_from_proto
from ledger_service.servicers.transaction_contract import transaction_to_proto, write_transaction
from service_kit.clock import Clock
from service_kit.errors import DomainError, invalid_field
from service_kit.principal import current_principal
from service_kit.ready_answers import ready_answer

Answer = TypeVar("Answer", bound=Message)


def keyed_call(request: Any) -> KeyedCall:
    """Who calls, under which key, of a call that posts nothing. Takes the key out of the request."""
    request_id: str = request.request_id
    return KeyedCall(request.client_no, request_id, fingerprint_of(request), current_principal().subject)


class PostingCalls:
    """Hands calls to the poster. The requests are messages with the fields client_no and request_id."""

    def __init__(self, poster: Poster, clock: Clock) -> None:
        self._poster = poster
        self._clock = clock

    def today(self) -> date:
        """The business date of what names none: today in UTC."""
        return self._clock.now().date()

    def effective_date(self, request: Any) -> date:
        """The business date of a request that may name one; DATE_INVALID."""
        if request.HasField("effective_date"):
            return business_date_from_proto(request.effective_date, "effective_date", self.today())
        return self.today()

    async def post_one(
        self, request: Any, order: Order, answer: Callable[[Accepted], Answer], response: type[Answer]
    ) -> Answer:
        """Post the one order that a call consists of; `answer` makes the response when it is posted now."""
        return await self._post_order(
            request, order, lambda accepted: _serialised(answer(accepted)), response
        )

    async def post_draft(self, request: Any, draft: Draft, response: type[Answer]) -> Answer:
        """Post one draft, which makes one transaction; `response` has the field transaction."""

        def answer(transaction: Transaction) -> bytes:
            answered: Any = response()
            write_transaction(answered.transaction, transaction)
            return _serialised(answered)

        def answer_of_accepted(accepted: Accepted) -> bytes:
            (transaction,) = accepted.transactions()
            return answer(transaction)

        document = document_of(request, draft)
        return await self._post_order(request, document, answer_of_accepted, response, answer)

    async def _post_order(
        self,
        request: Any,
        order: Order,
        answer: Callable[[Accepted], bytes],
        response: type[Answer],
        transaction_answer: Callable[[Transaction], bytes] | None = None,
    ) -> Answer:
        def answer_of_call(outcomes: Sequence[Outcome]) -> bytes:
            (accepted,) = outcomes
            assert isinstance(accepted, Accepted), "a call whose only order is refused fails"
            return answer(accepted)

        content = PostingRequest(
            client_no=request.client_no,
            request_id=request.request_id,
            fingerprint=fingerprint_of(request),
            actor=current_principal().subject,
            orders=(order,),
            all_or_nothing=True,
            answer=answer_of_call,
            locate=_located_in_operation,
            transaction_answer=transaction_answer,
        )
        return ready_answer(await self._poster.post(content), response)

    async def post_document(self, request: Any, document: Document, response: type[Answer]) -> Answer:
        """Post a document; `response` has the field transactions."""

        def answer(accepted: Accepted) -> Answer:
            return response(transactions=map(transaction_to_proto, accepted.transactions()))

        return await self.post_one(request, document, answer, response)

    async def post(self, request: PostingRequest) -> bytes:
        """Post a request of any shape; its answer, serialised."""
        return await self._poster.post(request)


def _serialised(answer: Message) -> bytes:
    return answer.SerializeToString(deterministic=True)


def document_of(request: Any, *drafts: Draft) -> Document:
    """The document of drafts of one operation: of the kind of its first; refused as `check_draft` does."""
    roles = current_principal().roles
    try:
        for draft in drafts:
            check_draft(draft, roles)
    except DomainError as refusal:
        raise _in_terms_of_operation(refusal) from None
    return Document(request.client_no, drafts[0].type.document, drafts, roles)


# The fields of drafts that the operation of their type calls otherwise.
_FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "write_off.expires_on": "expires_on",
        "balance_transfer.counterpart_acct_no": "to_acct_no",
        "refund_reversal.charge_event_no": "reversals.charge_event_no",
        "credit_memo_line.charge_event_no": "lines.charge_event_no",
    }
)


def _located_in_operation(_place: int, refusal: DomainError) -> DomainError:
    return _in_terms_of_operation(refusal)


def _in_terms_of_operation(refusal: DomainError) -> DomainError:
    """A refusal about a field, which the caller of an operation knows by the name in its own request."""
    named = [each for each in refusal.field_violations if each.field in _FIELDS]
    if not named:
        return refusal
    (fault,) = named
    return invalid_field(_FIELDS[fault.field], fault.description, fault.reason)
