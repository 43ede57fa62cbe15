"""Pages: sizes, and tokens that fit the list they came from and nothing else."""

import base64
import json
from datetime import UTC, date, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service_kit.errors import DomainError
from service_kit.paging import page_size, page_start, page_token
from tallybook.audit.v1.audit_pb2 import SearchBatchProcessesRequest
from tallybook.ledger.v1.ledger_pb2 import ListTransactionsRequest


def listed(**fields: object) -> ListTransactionsRequest:
    """A request for a list."""
    return ListTransactionsRequest(client_no=1, acct_no=7, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("requested", "shown"), [(0, 50), (1, 1), (1000, 1000), (1001, 1000), (2**31 - 1, 1000)]
)
def test_nothing_is_the_default_and_too_many_are_cut(requested: int, shown: int) -> None:
    assert page_size(requested) == shown


def test_a_service_may_have_sizes_of_its_own() -> None:
    assert page_size(0, default=100, largest=200) == 100
    assert page_size(500, default=100, largest=200) == 200


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(DomainError, match="page_size: -1 is negative"):
        page_size(-1)


def test_the_first_page_has_no_start() -> None:
    assert page_start(listed(), int) is None


def test_a_key_comes_back_with_its_types() -> None:
    key = (17, "a b", date(2024, 2, 29), datetime(2024, 2, 29, 12, 30, 0, 123456, UTC), UUID(int=5))
    request = listed(page_token=page_token(listed(), key[:3]))
    assert page_start(request, int, str, date) == key[:3]
    request = listed(page_token=page_token(listed(), key[3:]))
    assert page_start(request, datetime, UUID) == key[3:]


def test_an_instant_of_another_zone_is_the_same_instant() -> None:
    instant = datetime(2024, 1, 1, 5, tzinfo=timezone(timedelta(hours=5)))
    request = listed(page_token=page_token(listed(), (instant,)))
    assert page_start(request, datetime) == (instant,)


def test_a_token_is_opaque_text_that_fits_into_a_url() -> None:
    token = page_token(listed(), (2**63 - 1, "ü?&/" * 10))
    assert token.isascii()
    assert not set(token) & set("+/=&?")


def test_the_size_of_the_page_may_change_on_the_way() -> None:
    token = page_token(listed(page_size=10), (17,))
    assert page_start(listed(page_size=20, page_token=token), int) == (17,)


def test_changed_filters_are_refused() -> None:
    token = page_token(listed(), (17,))
    other = ListTransactionsRequest(client_no=1, acct_no=8, page_token=token)
    with pytest.raises(DomainError, match="other filters") as refused:
        page_start(other, int)
    assert refused.value.reason == "INVALID_PAGE_TOKEN"
    assert refused.value.field_violations[0].field == "page_token"


def test_a_token_of_another_list_with_the_same_filters_is_refused() -> None:
    token = page_token(SearchBatchProcessesRequest(), (17,))
    with pytest.raises(DomainError, match="other filters"):
        page_start(ListTransactionsRequest(page_token=token), int)


def test_a_key_of_other_types_is_refused() -> None:
    token = page_token(listed(), ("17",))
    for wrong in (int, date, datetime, UUID):
        with pytest.raises(DomainError, match="page token does not fit"):
            page_start(listed(page_token=token), wrong)
    with pytest.raises(DomainError, match="page token does not fit"):
        page_start(listed(page_token=token), str, str)


def forged(*key: object) -> str:
    """A token with the right fingerprint and a key of the forger's."""
    content = base64.urlsafe_b64decode(page_token(listed(), (1,)) + "==")
    return base64.urlsafe_b64encode(json.dumps([json.loads(content)[0], *key]).encode()).decode()


@pytest.mark.parametrize("key", [10**30, True, 1.5, None, [1], {}, -(2**63) - 1])
def test_a_forged_number_that_the_database_can_not_hold_is_refused(key: object) -> None:
    with pytest.raises(DomainError):
        page_start(listed(page_token=forged(key)), int)


@pytest.mark.parametrize("key", ["a\0b", "\ud800", 1])
def test_a_forged_text_that_the_database_can_not_hold_is_refused(key: object) -> None:
    with pytest.raises(DomainError):
        page_start(listed(page_token=forged(key)), str)


@pytest.mark.parametrize("key", ["2024-01-01T00:00:00", "yesterday", "2024-13-01", 5])
def test_a_forged_instant_is_refused(key: object) -> None:
    with pytest.raises(DomainError):
        page_start(listed(page_token=forged(key)), datetime)


@given(st.one_of(st.text(), st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode())))
def test_garbage_is_refused_and_never_a_crash(token: str) -> None:
    request = listed()
    try:
        request.page_token = token
    except ValueError:
        return  # protobuf itself refuses what is no Unicode
    if token:
        with pytest.raises(DomainError) as refused:
            page_start(request, int)
        assert refused.value.reason == "INVALID_PAGE_TOKEN"


@pytest.mark.parametrize("content", ["[" * 3000, "[]", "{}", "[1]", "null", "1e999", '["x"]', "[[[[]]]]"])
def test_garbage_in_our_own_encoding_is_refused(content: str) -> None:
    token = base64.urlsafe_b64encode(content.encode()).decode()
    with pytest.raises(DomainError):
        page_start(listed(page_token=token), int)
