"""Reading lists to their end, or to a limit, page by page."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

LARGEST_PAGE: Final = 1000


class _PagedRequest(Protocol):
    page_size: int
    page_token: str


class _PagedResponse(Protocol):
    next_page_token: str


Request = TypeVar("Request", bound=_PagedRequest)
Response = TypeVar("Response", bound=_PagedResponse)
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class FirstRows(Generic[Row]):
    """The first rows of a list, and whether there are more."""

    rows: list[Row]
    more: bool


async def read_rows(
    call: Callable[[Request], Awaitable[Response]],
    request: Request,
    rows_of: Callable[[Response], Iterable[Row]],
) -> list[Row]:
    """All rows of a list method. `request` is used for each page and changed by it."""
    rows: list[Row] = []
    while True:
        request.page_size = LARGEST_PAGE
        response = await call(request)
        rows.extend(rows_of(response))
        request.page_token = response.next_page_token
        if not request.page_token:
            return rows


async def read_first_rows(
    call: Callable[[Request], Awaitable[Response]],
    request: Request,
    rows_of: Callable[[Response], Iterable[Row]],
    limit: int,
) -> FirstRows[Row]:
    """The first `limit` rows of a list method. `request` is used for each page and changed by it."""
    rows: list[Row] = []
    while True:
        request.page_size = min(LARGEST_PAGE, limit - len(rows))
        response = await call(request)
        rows.extend(rows_of(response))
        request.page_token = response.next_page_token
        if not request.page_token or len(rows) >= limit:
            return FirstRows(rows, more=bool(request.page_token))
