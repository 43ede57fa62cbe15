"""When waiting for sessions is over."""

import pytest

from console.exit_codes import ExitCode
from console.waiting import SessionBoard
from tallybook.batch.v1.batch_pb2 import BatchSession
from tallybook.batch.v1.batch_status_pb2 import BatchStatus

NEW = BatchStatus.BATCH_STATUS_NEW
RUNNING = BatchStatus.BATCH_STATUS_RUNNING
OK = BatchStatus.BATCH_STATUS_OK
INCOMPLETE = BatchStatus.BATCH_STATUS_INCOMPLETE
ERROR = BatchStatus.BATCH_STATUS_ERROR
PARTIAL = BatchStatus.BATCH_STATUS_PARTIAL
WARNING = BatchStatus.BATCH_STATUS_WARNING
SUSPENDED = BatchStatus.BATCH_STATUS_SUSPENDED


def board(*states: tuple[str, BatchStatus.ValueType, str]) -> SessionBoard:
    """A board of sessions: process, status, what keeps it."""
    return SessionBoard(
        BatchSession(session_no=number, process_code=process, status=status, blocked_by=blocked_by, version=1)
        for number, (process, status, blocked_by) in enumerate(states, start=1)
    )


@pytest.mark.parametrize(
    ("states", "settled"),
    [
        ([("a", OK, ""), ("b", WARNING, "a")], True),
        ([("a", OK, ""), ("b", RUNNING, "")], False),
        ([("a", OK, ""), ("b", NEW, "")], False),
        ([("a", SUSPENDED, "")], True),
        ([("a", SUSPENDED, ""), ("b", NEW, "a"), ("c", NEW, "b")], True),
        ([("a", INCOMPLETE, ""), ("b", NEW, "a")], True),
        ([("a", INCOMPLETE, ""), ("b", NEW, "a"), ("c", RUNNING, "")], False),
        ([("a", RUNNING, ""), ("b", NEW, "a")], False),
    ],
)
def test_waiting_ends_when_all_have_ended_or_wait_for_a_person(
    states: list[tuple[str, BatchStatus.ValueType, str]], settled: bool
) -> None:
    assert board(*states).settled is settled


@pytest.mark.parametrize(
    ("status", "exit_code"),
    [
        (OK, ExitCode.OK),
        (PARTIAL, ExitCode.FOUND_WRONG),
        (ERROR, ExitCode.FOUND_WRONG),
        (WARNING, ExitCode.FOUND_WRONG),
        (INCOMPLETE, ExitCode.FOUND_WRONG),
        (SUSPENDED, ExitCode.FOUND_WRONG),
    ],
)
def test_the_exit_code_is_0_only_when_every_session_ended_as_ok(
    status: BatchStatus.ValueType, exit_code: ExitCode
) -> None:
    assert board(("a", OK, ""), ("b", status, "")).exit_code is exit_code


def test_an_older_state_that_comes_late_changes_nothing() -> None:
    waiting = board(("a", RUNNING, ""))
    assert waiting.take(BatchSession(session_no=1, process_code="a", status=OK, version=3))
    assert not waiting.take(BatchSession(session_no=1, process_code="a", status=RUNNING, version=2))
    assert waiting.sessions[0].status == OK
