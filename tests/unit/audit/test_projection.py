"""Rule 36: late or repeated events never turn a newer state back."""

from datetime import UTC, date, datetime, timedelta
from operator import attrgetter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from audit_service.rules.projection import Recency, RecordResult, SessionSnapshot, newest

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def snapshot(version: int, *, session_no: int = 1, status: int = 0, minute: int = 0) -> SessionSnapshot:
    """A session at a version."""
    recency = Recency(version, NOON + timedelta(minutes=minute), UUID(int=version))
    return SessionSnapshot(1, session_no, recency, date(2026, 3, 4), status, 22, "Invoicer", "", "", b"")


RECENCIES = st.builds(
    Recency,
    st.integers(0, 3),
    st.integers(0, 2).map(lambda minutes: NOON + timedelta(minutes=minutes)),
    st.integers(0, 2**128 - 1).map(lambda number: UUID(int=number)),
)
RECORDS = st.lists(
    st.builds(
        RecordResult,
        st.integers(1, 2),
        st.integers(1, 2),
        st.integers(1, 3),
        RECENCIES,
        st.booleans(),
        st.just(b""),
    ),
    # An event says one thing of a record.
    unique_by=lambda result: (result.key, result.recency),
)


def test_the_higher_version_wins_though_it_happened_earlier() -> None:
    late, newer = snapshot(2, minute=5), snapshot(3)
    assert newest([newer, late], key=attrgetter("key")) == [newer]


def test_each_session_has_its_own_newest_state() -> None:
    first, second = snapshot(9, session_no=1), snapshot(1, session_no=2)
    assert newest([second, first], key=attrgetter("key")) == [first, second]


def test_each_version_is_kept_for_the_history() -> None:
    versions = [snapshot(1), snapshot(2, status=1), snapshot(3, status=2)]
    assert newest(reversed(versions), key=attrgetter("version_key")) == versions


@given(RECORDS, st.data())
def test_any_order_and_repetition_of_what_is_told_gives_the_same(
    told: list[RecordResult], data: st.DataObject
) -> None:
    repeated = told + data.draw(st.lists(st.sampled_from(told), max_size=5) if told else st.just([]))
    shuffled = data.draw(st.permutations(repeated))
    assert newest(shuffled, key=attrgetter("key")) == newest(told, key=attrgetter("key"))


@given(RECORDS, st.integers(0, 20))
def test_what_is_told_may_be_taken_in_parts(told: list[RecordResult], cut: int) -> None:
    key = attrgetter("key")
    assert newest(newest(told[:cut], key) + newest(told[cut:], key), key) == newest(told, key)
