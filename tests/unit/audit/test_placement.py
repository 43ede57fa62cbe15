"""Where events go in the log."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from audit_service.rules.placement import Arrival, Entry, Placement, Placing, place

A, B, C = UUID(int=1), UUID(int=2), UUID(int=3)


def test_new_events_stand_one_after_the_other() -> None:
    assert place([Arrival(B, b"b"), Arrival(A, b"a")], {}, 7) == [
        Placement(Placing.APPENDED, 7),
        Placement(Placing.APPENDED, 8),
    ]


def test_a_known_event_keeps_its_place_and_leaves_no_gap() -> None:
    known = {A: Entry(3, b"a"), B: Entry(4, b"b")}
    assert place([Arrival(A, b"a"), Arrival(B, b"other"), Arrival(C, b"c")], known, 7) == [
        Placement(Placing.DUPLICATE, 3),
        Placement(Placing.REUSED, 4),
        Placement(Placing.APPENDED, 7),
    ]


def test_an_event_that_arrives_twice_at_once_is_new_once() -> None:
    assert place([Arrival(A, b"a"), Arrival(A, b"a"), Arrival(A, b"other")], {}, 0) == [
        Placement(Placing.APPENDED, 0),
        Placement(Placing.DUPLICATE, 0),
        Placement(Placing.REUSED, 0),
    ]


ARRIVALS = st.lists(st.builds(Arrival, st.sampled_from([A, B, C]), st.sampled_from([b"x", b"y"])))


@given(ARRIVALS, ARRIVALS)
def test_the_log_is_the_same_however_arrivals_are_grouped(
    first: list[Arrival], second: list[Arrival]
) -> None:
    together = place([*first, *second], {}, 0)
    before = place(first, {}, 0)
    known = {
        arrival.event_id: Entry(placement.log_index, arrival.leaf_hash)
        for arrival, placement in zip(first, before, strict=True)
        if placement.placing is Placing.APPENDED
    }
    assert before + place(second, known, len(known)) == together
    appended = [placement.log_index for placement in together if placement.placing is Placing.APPENDED]
    assert appended == list(range(len(appended)))
