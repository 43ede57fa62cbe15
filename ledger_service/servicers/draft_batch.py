"""PostTransactions: the drafts of one call as documents, and the results of the documents as those of the
drafts.
"""

import asyncio
import hashlib
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from google.rpc.status_pb2 import Status

from ledger_service.requests import FirstAnswer, Outcome
from ledger_service.rules import refusals
from ledger_service.rules.commit_groups import Accepted, AcceptedDrafts
from ledger_service.rules.documents import Document, document_kind
from ledger_service.rules.drafts import check_draft
from ledger_service.rules.plain_drafts import PlainDrafts
from ledger_service.servicers.draft_contract import draft_from_proto
from ledger_service.servicers.plain_draft_contract import read_plain_drafts
from ledger_service.servicers.repeated_results import NotUniformError, message_field, number_field
from service_kit.answer_sizes import LARGEST_ANSWER_BYTES
from service_kit.error_status import shorten_status, to_status
from service_kit.errors import DomainError, FieldViolation
from service_kit.records import written
from tallybook.ledger.v1 import ledger_pb2

ERROR_DOMAIN: Final = "ledger.tallybook"


def status_of(refusal: DomainError) -> Status:
    """What a draft that is refused on its own gets for an answer."""
    return to_status(refusal, ERROR_DOMAIN)


@dataclass(slots=True)
class DraftBatch:
    """The drafts of one call.

    documents: those that nothing is wrong with in themselves, in the order of their first drafts.
    places: for each document, the places of its drafts in the call.
    refused: by place, the drafts that are refused already.
    plain: all of the drafts, where they are plain; then there are no documents and no places.
    """

    size: int
    documents: list[Document] = field(default_factory=list)
    places: list[Sequence[int]] = field(default_factory=list)
    refused: dict[int, DomainError] = field(default_factory=dict)
    plain: PlainDrafts | None = None

    def answer(self, outcomes: Sequence[Outcome]) -> bytes:
        """The answer to the call, from the outcomes of its documents."""
        response = ledger_pb2.PostTransactionsResponse()
        results = [response.results.add() for _ in range(self.size)]
        for place, refusal in self.refused.items():
            results[place].error.CopyFrom(status_of(refusal))
        for document, outcome in enumerate(outcomes):
            places = self._places(document)
            if isinstance(outcome, Accepted):
                for draft, event_no, source_no in outcome.numbers():
                    results[places[draft]].transactions.add(event_no=event_no, source_no=source_no)
            elif isinstance(outcome, FirstAnswer):
                first = ledger_pb2.PostTransactionsResponse.FromString(outcome.answer)
                for place, result in zip(places, first.results, strict=True):
                    results[place].CopyFrom(result)
            else:
                status = status_of(outcome)
                for place in places:
                    results[place].error.CopyFrom(status)
        _shorten_to_fit(response)
        return response.SerializeToString(deterministic=True)

    def locate(self, document: int, refusal: DomainError) -> DomainError:
        """The refusal of a whole call, saying by which draft."""
        return located(self._places(document)[0], refusal)

    def _places(self, document: int) -> Sequence[int]:
        return self.places[document] if self.plain is None else (document,)


def _shorten_to_fit(response: ledger_pb2.PostTransactionsResponse) -> None:
    """Shorten the last refusals until the answer fits: what was posted must be told, whatever was refused."""
    excess = response.ByteSize() - LARGEST_ANSWER_BYTES
    for result in reversed(response.results):
        if excess <= 0:
            return
        if result.HasField("error"):
            before = result.ByteSize()
            shorten_status(result.error)
            excess -= before - result.ByteSize()


def drafts_answer(accepted: AcceptedDrafts) -> bytes:
    """The answer to a call whose drafts are accepted at once."""
    event_nos, source_nos = accepted.event_nos, accepted.source_nos
    try:
        # results.transactions: event_no, source_no
        transaction = [*number_field(1, event_nos), *number_field(2, source_nos)]
        return written(message_field(1, message_field(1, transaction)), len(event_nos))
    except NotUniformError:
        response = ledger_pb2.PostTransactionsResponse()
        add_result = response.results.add
        for event_no, source_no in zip(event_nos, source_nos, strict=True):
            add_result().transactions.add(event_no=event_no, source_no=source_no)
        return response.SerializeToString(deterministic=True)


def document_answer(accepted: Accepted) -> bytes:
    """What is kept for the key of a document: the results of its drafts."""
    response = ledger_pb2.PostTransactionsResponse()
    numbers = accepted.numbers()
    results = [response.results.add() for _ in range(1 + max(draft for draft, _, _ in numbers))]
    for draft, event_no, source_no in numbers:
        results[draft].transactions.add(event_no=event_no, source_no=source_no)
    return response.SerializeToString(deterministic=True)


def located(place: int, refusal: DomainError) -> DomainError:
    """A refusal that says which draft of the call it is about."""
    return DomainError(
        refusal.kind,
        refusal.reason,
        f"drafts[{place}]: {refusal.message}",
        metadata={**refusal.metadata, "draft": str(place)},
        field_violations=tuple(
            FieldViolation(f"drafts[{place}].{each.field}", each.description, each.reason)
            for each in refusal.field_violations
        ),
        precondition_violations=refusal.precondition_violations,
        retry_after=refusal.retry_after,
    )


async def read_batch(
    request: ledger_pb2.PostTransactionsRequest, roles: Container[str], today: date
) -> DraftBatch:
    """The documents of a call. Drafts with one label are one document; what is wrong with one is wrong with
    all.
    """
    batch = DraftBatch(len(request.drafts), plain=await read_plain_drafts(request, roles, today))
    if batch.plain is not None:
        return batch
    messages = list(request.drafts)
    for number, places in enumerate(_places_of_documents(messages), 1):
        if number % _TURN == 0:
            await asyncio.sleep(0)
        try:
            document = _document(request.client_no, [messages[place] for place in places], roles, today)
        except DomainError as refusal:
            batch.refused |= dict.fromkeys(places, refusal)
        else:
            batch.documents.append(document)
            batch.places.append(places)
    return batch


# So many documents are read before others have their turn: a few milliseconds.
_TURN: Final = 500


def _places_of_documents(messages: Sequence[ledger_pb2.TransactionDraft]) -> list[list[int]]:
    documents: list[list[int]] = []
    by_label: dict[str, list[int]] = {}
    for place, message in enumerate(messages):
        label = message.document
        if not label:
            documents.append([place])
        elif label in by_label:
            by_label[label].append(place)
        else:
            by_label[label] = places = [place]
            documents.append(places)
    return documents


def _document(
    client_no: int, messages: Sequence[ledger_pb2.TransactionDraft], roles: Container[str], today: date
) -> Document:
    drafts = [draft_from_proto(message, today) for message in messages]
    for draft in drafts:
        check_draft(draft, roles)
    kind = document_kind(drafts)
    keys = {message.request_id for message in messages if message.request_id}
    if not keys:
        return Document(client_no, kind, drafts, roles)
    if len(keys) > 1:
        raise refusals.document_invalid("all drafts of a document have the same request_id or none")
    return Document(client_no, kind, drafts, roles, keys.pop(), _fingerprint(messages))


def _fingerprint(messages: Sequence[ledger_pb2.TransactionDraft]) -> bytes:
    """What makes two documents the same: the content of their drafts, whatever their label and place in the
    call.

    Takes keys and labels out of the messages, which are not read again.
    """
    digest = hashlib.sha256()
    for message in messages:
        message.ClearField("request_id")
        message.ClearField("document")
        content = message.SerializeToString(deterministic=True)
        digest.update(len(content).to_bytes(8))
        digest.update(content)
    return digest.digest()
