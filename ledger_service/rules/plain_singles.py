"""Plain drafts that are documents of their own: payments and charges whose rule asks for no more than that a
name is free.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import date
from functools import partial
from itertools import chain, repeat
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ledger_service.rules.applications import BY_CHARGE_DATE
from ledger_service.rules.business_dates import FIRST_BUSINESS_DATE, last_business_date
from ledger_service.rules.documents import Document
from ledger_service.rules.drafts import Draft
from ledger_service.rules.plain_drafts import Columns, PlainDrafts, SourceColumns, plain_drafts
from ledger_service.rules.sources import Source
from ledger_service.rules.transaction_types import TRANSACTION_TYPES
from service_kit.money import CURRENCY_EXPONENTS


class _Name(NamedTuple):
    """What drafts of a type give only once, and where the books have what was given."""

    register: str
    of: Callable[[int, SourceColumns], Iterable[tuple[Any, ...]]]


def _reference_codes(client_no: int, checks: SourceColumns) -> Iterable[tuple[Any, ...]]:
    return zip(repeat(client_no), checks.acct_nos, checks.values[0])


def _gateway_references(client_no: int, payments: SourceColumns) -> Iterable[tuple[Any, ...]]:
    return zip(repeat(client_no), payments.values[0])


# The types whose rule (`single_postings`) asks for nothing else than that a name is free: the first field of
# their source.
_PLAIN_TYPES: Final[Mapping[int, _Name | None]] = MappingProxyType(
    {
        2: _Name("reference_codes", _reference_codes),
        3: _Name("gateway_references", _gateway_references),
        14: None,
        15: None,
    }
)


def plain_singles(
    client_no: int,
    columns: Columns,
    sources: Mapping[int, SourceColumns],
    roles: Container[str],
    today: date,
) -> PlainDrafts | None:
    """The drafts, if `check_draft` surely has nothing against any of them.

    sources: by type, a column for each field of its source. Every draft has the source of its type, and says
        nothing about what it pays.
    """
    if not (
        all(code in _PLAIN_TYPES and TRANSACTION_TYPES[code].required_role in roles for code in sources)
        and all(columns.amounts)
        and CURRENCY_EXPONENTS.keys() >= set(columns.currencies)
        and min(columns.effective_dates) >= FIRST_BUSINESS_DATE
        and max(columns.effective_dates) <= last_business_date(today)
        and not any("\0" in text for text in _texts(columns, sources.values()))
    ):
        return None
    return _named(client_no, columns, sources, partial(_documents, client_no, columns, sources, roles))


def is_plain(draft: Draft) -> bool:
    """Whether a draft that `check_draft` has nothing against is plain: of a plain type, and saying nothing
    about what it pays.
    """
    return draft.type.code in _PLAIN_TYPES and draft.application is BY_CHARGE_DATE


def plain_of_checked(client_no: int, drafts: Sequence[Draft]) -> PlainDrafts | None:
    """Drafts that are plain, each a document of its own, in their order; None when a name is given twice. Who
    has them has their documents too, so there are none to be made.
    """
    *fields, details, _ = zip(*drafts, strict=True)
    columns = Columns._make(fields)
    codes = [kind.code for kind in columns.types]
    sources = {}
    for code in set(codes):
        places = [place for place, each in enumerate(codes) if each == code]
        values = list(zip(*(details[place] for place in places), strict=True))
        sources[code] = SourceColumns(places, [columns.acct_nos[place] for place in places], values)
    return _named(client_no, columns, sources, _no_documents)


def _no_documents() -> list[Document]:
    raise AssertionError("who asks has them")


def _named(
    client_no: int,
    columns: Columns,
    sources: Mapping[int, SourceColumns],
    documents: Callable[[], list[Document]],
) -> PlainDrafts | None:
    """None when a name is given twice."""
    names = _names(client_no, sources)
    if names is None:
        return None
    by_table = {TRANSACTION_TYPES[code].source_table: of_type for code, of_type in sources.items()}
    return plain_drafts(client_no, columns, by_table, names, documents)


def _texts(columns: Columns, sources: Iterable[SourceColumns]) -> Iterable[str]:
    yield from {*columns.reason_codes, *columns.comments}
    for values in chain.from_iterable(of_type.values for of_type in sources):
        if isinstance(values[0], str):
            yield "".join(values)


def _names(client_no: int, sources: Mapping[int, SourceColumns]) -> dict[str, list[tuple[Any, ...]]] | None:
    """None when one is given twice."""
    names = {}
    for code, of_type in sources.items():
        name = _PLAIN_TYPES[code]
        if name is not None:
            given = names[name.register] = list(name.of(client_no, of_type))
            if len(set(given)) < len(given):
                return None
    return names


def _documents(
    client_no: int, columns: Columns, sources: Mapping[int, SourceColumns], roles: Container[str]
) -> list[Document]:
    by_place: dict[int, Source] = {}
    for code, of_type in sources.items():
        source = TRANSACTION_TYPES[code].source
        assert source is not None, "plain types have details"
        for place, details in zip(of_type.places, zip(*of_type.values, strict=True), strict=True):
            by_place[place] = source._make(details)
    drafts = map(Draft, *columns, map(by_place.__getitem__, range(len(by_place))))
    return [Document(client_no, draft.type.document, (draft,), roles) for draft in drafts]
