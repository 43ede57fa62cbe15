"""Reading lists to their end, or to a limit, page by page."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol, TypeVar

LARGEST_PAGE: Final = 1000


class _PagedRequest(Protocol):
    page_size: int
    page_token: str


class _PagedResponse(Protocol):
    next_page_token: str


Request = TypeVar("Request", bound=_PagedRequest)
Response = TypeVar("Response", bound=_PagedResponse)
Row = TypeVar("Row")


async def read_rows(
    call: Callable[[Request], Awaitable[Response]],
    request: Request,
    rows_of: Callable[[Response], Iterable[Row]],
    limit: int | None = None,
) -> list[Row]:
    """All rows of a list method, or the first `limit`. `request` is used for each page and changed by it."""
    rows: list[Row] = []
    while True:
        request.page_size = LARGEST_PAGE if limit is None else min(LARGEST_PAGE, limit - len(rows))
        response = await call(request)
        rows.extend(rows_of(response))
        request.page_token = response.next_page_token
        if not request.page_token or (limit is not None and len(rows) >= limit):
            return rows[:limit]
