"""Plain drafts that are documents of their own: payments and charges whose rule asks for no more than that a
name is free.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain, repeat
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ledger_service.rules.applications import BY_CHARGE_DATE
from ledger_service.rules.documents import Document
from ledger_service.rules.drafts import Draft
from ledger_service.rules.plain_drafts import Columns, PlainDrafts, SourceColumns, plain_drafts
from ledger_service.rules.sources import Source
from ledger_service.rules.transaction_types import TRANSACTION_TYPES
from service_kit.money import CURRENCY_EXPONENTS


class _OfType(NamedTuple):
    """The drafts of one type: their places, and of their fields those that are looked at by type."""

    places: Sequence[int]
    acct_nos: Sequence[int]
    sources: Sequence[Source]


class _Name(NamedTuple):
    """What drafts of a type give only once, and where the books have what was given."""

    register: str
    of: Callable[[int, _OfType], Iterable[tuple[Any, ...]]]


def _reference_codes(client_no: int, checks: _OfType) -> Iterable[tuple[Any, ...]]:
    return zip(repeat(client_no), checks.acct_nos, map(attrgetter("reference_code"), checks.sources))


def _gateway_references(client_no: int, payments: _OfType) -> Iterable[tuple[Any, ...]]:
    return zip(repeat(client_no), map(attrgetter("gateway_reference"), payments.sources))


# The types whose rule (`single_postings`) asks for nothing else than that a name is free.
_PLAIN_TYPES: Final[Mapping[int, _Name | None]] = MappingProxyType(
    {
        2: _Name("reference_codes", _reference_codes),
        3: _Name("gateway_references", _gateway_references),
        14: None,
        15: None,
    }
)


def plain_singles(client_no: int, drafts: Sequence[Draft], roles: Container[str]) -> PlainDrafts | None:
    """The drafts, if `check_draft` surely has nothing against any of them."""
    *common, sources, applications = zip(*drafts, strict=True)
    columns = Columns._make(common)
    by_type = _by_type(columns, sources)
    if not (
        all(_is_plain(code, drafts, roles) for code, drafts in by_type.items())
        and all(columns.amounts)
        and CURRENCY_EXPONENTS.keys() >= set(columns.currencies)
        and applications.count(BY_CHARGE_DATE) == len(drafts)
        and not any("\0" in text for text in _texts(columns, sources))
    ):
        return None
    names = _names(client_no, by_type)
    if names is None:
        return None
    return plain_drafts(
        client_no,
        columns,
        {TRANSACTION_TYPES[code].source_table: _source_columns(drafts) for code, drafts in by_type.items()},
        names,
        partial(_documents, client_no, drafts, roles),
    )


def _by_type(columns: Columns, sources: Sequence[Source]) -> dict[int, _OfType]:
    codes = list(map(attrgetter("code"), columns.types))
    facts = _OfType(range(len(codes)), columns.acct_nos, sources)
    distinct = set(codes)
    if len(distinct) == 1:
        return {codes[0]: facts}
    return {
        each: _OfType._make(
            [value for value, code in zip(column, codes, strict=True) if code == each] for column in facts
        )
        for each in distinct
    }


def _is_plain(code: int, drafts: _OfType, roles: Container[str]) -> bool:
    kind = TRANSACTION_TYPES[code]
    return (
        code in _PLAIN_TYPES
        and kind.required_role in roles
        and set(map(type, drafts.sources)) == {kind.source}
    )


def _texts(columns: Columns, sources: Sequence[Source]) -> Iterable[str]:
    distinct = {*columns.reason_codes, *columns.comments}
    return chain(distinct, (value for value in chain.from_iterable(sources) if isinstance(value, str)))


def _names(client_no: int, by_type: Mapping[int, _OfType]) -> dict[str, list[tuple[Any, ...]]] | None:
    """None when one is given twice."""
    names = {}
    for code, drafts in by_type.items():
        name = _PLAIN_TYPES[code]
        if name is not None:
            given = names[name.register] = list(name.of(client_no, drafts))
            if len(set(given)) < len(given):
                return None
    return names


def _source_columns(drafts: _OfType) -> SourceColumns:
    return SourceColumns(drafts.places, drafts.acct_nos, list(zip(*drafts.sources, strict=True)))


def _documents(client_no: int, drafts: Sequence[Draft], roles: Container[str]) -> list[Document]:
    return [Document(client_no, draft.type.document, (draft,), roles) for draft in drafts]
