"""What becomes of a chunk that takes its workers down (rule 28)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_service.rules.splitting import LostChunk, Rescue, decide_rescue, losses_of_half, split_sizes


@pytest.mark.parametrize(
    ("records", "losses", "rescue"),
    [
        (500, 1, Rescue.AGAIN),
        (500, 2, Rescue.AGAIN),
        (500, 3, Rescue.SPLIT),
        (2, 3, Rescue.SPLIT),
        (1, 2, Rescue.AGAIN),
        (1, 3, Rescue.GIVE_UP),
        (0, 2, Rescue.AGAIN),
        (0, 3, Rescue.GIVE_UP),
    ],
)
def test_a_chunk_gets_some_tries_then_it_is_split_then_it_is_given_up(
    records: int, losses: int, rescue: Rescue
) -> None:
    assert decide_rescue(LostChunk(records, losses), losses_allowed=3) is rescue


@given(records=st.integers(2, 10_000))
def test_a_split_loses_no_record(records: int) -> None:
    first, second = split_sizes(records)
    assert first + second == records
    assert min(first, second) >= 1


@given(records=st.integers(1, 10_000), poison=st.data(), allowed=st.integers(1, 5))
def test_a_poison_record_is_isolated_after_a_bounded_number_of_losses(
    records: int, poison: st.DataObject, allowed: int
) -> None:
    """The half with the poison is lost again and again; every other record is in a half that is not."""
    place = poison.draw(st.integers(0, records - 1))
    size, losses, lost_workers = records, 0, 0
    while True:
        losses, lost_workers = losses + 1, lost_workers + 1
        decision = decide_rescue(LostChunk(size, losses), allowed)
        if decision is Rescue.GIVE_UP:
            break
        if decision is Rescue.SPLIT:
            first, second = split_sizes(size)
            size, place = (first, place) if place < first else (second, place - first)
            losses = losses_of_half(size, allowed)
    assert size == 1
    assert lost_workers <= 2 * allowed + records.bit_length()


def test_a_record_that_is_alone_gets_all_its_tries_once_more() -> None:
    assert losses_of_half(1, losses_allowed=3) == 0
    assert losses_of_half(2, losses_allowed=3) == 2
