"""Fixtures of all unit tests."""

from collections.abc import Iterator

import pytest

from service_kit import message_columns


@pytest.fixture(
    scope="module",
    params=[1, message_columns.FEWEST_JOINED],
    ids=["however few are joined", "many are joined"],
)
def joined_or_listed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Lists of messages are looked at both ways, also if they are as short as those of most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(message_columns, "FEWEST_JOINED", request.param)
        yield
