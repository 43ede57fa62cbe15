"""The drafts of a call out of the form of the contract, field by field, where that is all there is to them.

`draft_contract` reads drafts one by one, and says what is wrong with them; the answer here is only ever
"plain" or "don't know" (`rules.plain_drafts`).
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Container, Mapping, Sequence
from datetime import date
from functools import partial
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

from ledger_service.rules.applications import Method
from ledger_service.rules.plain_drafts import Columns, PlainDrafts, SourceColumns
from ledger_service.rules.plain_singles import plain_singles
from ledger_service.rules.transaction_types import TRANSACTION_TYPES
from ledger_service.servicers.columns import days_or, in_parts, joined
from service_kit.message_columns import ListedMessages, Messages, NotJoinedError, joined_members
from tallybook.ledger.v1 import ledger_pb2

Value = TypeVar("Value")


_Read: TypeAlias = tuple[Columns, Mapping[int, SourceColumns]]
"""What all drafts have, and by type what those of one have."""


class _NotPlainError(Exception):
    """At least one draft is to be read by itself."""


async def read_plain_drafts(
    request: ledger_pb2.PostTransactionsRequest, roles: Container[str], today: date
) -> PlainDrafts | None:
    """The drafts of the call, at least one, if every one is surely right in itself and a document without a
    key.
    """
    try:
        try:
            columns, sources = _read(joined_members(request, "drafts"), 0, today)
        except NotJoinedError:
            columns, sources = await _read_in_parts(request, today)
    except (_NotPlainError, ValueError):  # the latter: a day that is none
        return None
    return plain_singles(request.client_no, columns, sources, roles, today)


async def _read_in_parts(request: ledger_pb2.PostTransactionsRequest, today: date) -> _Read:
    columns: list[Columns] = []
    sources: dict[int, list[SourceColumns]] = defaultdict(list)
    for first, part in in_parts(request.drafts):
        if first:
            await asyncio.sleep(0)
        of_part, sources_of_part = _read(ListedMessages(part), first, today)
        columns.append(of_part)
        for code, of_type in sources_of_part.items():
            sources[code].append(of_type)
    return Columns._make(joined(columns)), {code: _joined_sources(parts) for code, parts in sources.items()}


def _read(messages: Messages, first: int, today: date) -> _Read:
    """Of a part of the call, or of all of it; `first` is the place of its first draft in the call."""
    columns = _columns(messages, today)
    return columns, {
        code: _source_columns(code, messages, columns, places, first)
        for code, places in _places_by_type(columns).items()
    }


def _columns(messages: Messages, today: date) -> Columns:
    if any(messages.values("document")) or any(messages.values("request_id")):
        raise _NotPlainError
    told = messages.present("application")
    if told and max(told.values("method")) > Method.CHARGE_DATE:
        raise _NotPlainError
    amounts = messages.within("amount")
    return Columns(
        list(map(TRANSACTION_TYPES.__getitem__, messages.column("transaction_type"))),
        messages.column("acct_no"),
        messages.column("plan_instance_no"),
        amounts.column("minor_units"),
        amounts.column("currency_code"),
        days_or("effective_date", messages, [today] * len(messages)),
        messages.column("reason_code"),
        messages.column("comment"),
    )


def _places_by_type(columns: Columns) -> Mapping[int, Sequence[int]]:
    codes = [kind.code for kind in columns.types]
    if len(set(codes)) == 1:
        return {codes[0]: range(len(codes))}
    places: dict[int, list[int]] = defaultdict(list)
    for place, code in enumerate(codes):
        places[code].append(place)
    return places


def _source_columns(
    code: int, messages: Messages, columns: Columns, places: Sequence[int], first: int
) -> SourceColumns:
    """The details of the drafts of one type."""
    details = _DETAILS.get(code)
    if details is None:
        raise _NotPlainError
    of_type = messages if len(places) == len(messages) else messages.picked(places)
    if not all(of_type.has(details.field)):
        raise _NotPlainError
    return SourceColumns(
        range(first, first + len(messages)) if of_type is messages else [first + place for place in places],
        _picked(columns.acct_nos, places),
        details.read(of_type.within(details.field), _picked(columns.effective_dates, places)),
    )


def _picked(values: Sequence[Value], places: Sequence[int]) -> Sequence[Value]:
    return values if len(places) == len(values) else [values[place] for place in places]


def _joined_sources(parts: Sequence[SourceColumns]) -> SourceColumns:
    places, acct_nos = joined(part[:2] for part in parts)
    return SourceColumns(places, acct_nos, joined(part.values for part in parts))


class _Details(NamedTuple):
    """The details of a type: the field that they are in, and how they are read, with the effective dates."""

    field: str
    read: Callable[[Messages, Sequence[date]], Sequence[Sequence[Any]]]


def _read_external_payments(payments: Messages, effective_dates: Sequence[date]) -> Sequence[Sequence[Any]]:
    received = days_or("received_date", payments, effective_dates)
    return payments.column("reference_code"), received, [None] * len(payments)


def _read_fields(
    names: Sequence[str], messages: Messages, _effective_dates: Sequence[date]
) -> Sequence[Sequence[Any]]:
    return [messages.column(name) for name in names]


_DETAILS: Final[Mapping[int, _Details]] = MappingProxyType(
    {
        2: _Details("external_payment", _read_external_payments),
        3: _Details(
            "electronic_payment", partial(_read_fields, ("gateway_reference", "payment_method_kind"))
        ),
        14: _Details("external_charge", partial(_read_fields, ("description",))),
        15: _Details("dunning_charge", partial(_read_fields, ("dunning_step", "description"))),
    }
)
"""By type, for those that can be plain: a column for each field of the source, in its order."""
