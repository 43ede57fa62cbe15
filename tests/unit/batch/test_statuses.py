"""The statuses, which may follow which, and how a run ends (rules 22 to 25)."""

import pytest

from batch_service.rules.statuses import (
    ENDED,
    INTERRUPTIBLE,
    RESUMABLE,
    RETRYABLE,
    TRANSITIONS,
    WAITING,
    BatchStatus,
    IllegalTransitionError,
    RunFacts,
    outcome_of,
    queued_status,
    require_transition,
)
from tallybook.batch.v1 import batch_status_pb2

NEW, RUNNING, OK, INCOMPLETE, ERROR, PARTIAL, WARNING, SUSPENDED = BatchStatus

# The reference table of statuses: code and name.
REFERENCE = [
    (0, "New"),
    (1, "Running"),
    (2, "Ok"),
    (3, "Incomplete"),
    (4, "Error"),
    (5, "Partial"),
    (6, "Warning"),
    (7, "Suspended"),
]


def test_the_codes_and_names_are_those_of_the_reference_table() -> None:
    assert [(status.value, status.title) for status in BatchStatus] == REFERENCE


def test_the_contract_has_the_same_codes() -> None:
    contract = {
        name.removeprefix("BATCH_STATUS_"): code for name, code in batch_status_pb2.BatchStatus.items()
    }
    assert contract == {status.name: status.value for status in BatchStatus}


def test_every_status_is_waiting_running_or_ended() -> None:
    assert WAITING | {RUNNING} | ENDED == set(BatchStatus)
    assert not WAITING & ENDED


ALLOWED = {
    (NEW, RUNNING),
    (NEW, WARNING),
    (NEW, SUSPENDED),
    (NEW, INCOMPLETE),
    (RUNNING, OK),
    (RUNNING, PARTIAL),
    (RUNNING, ERROR),
    (RUNNING, INCOMPLETE),
    (SUSPENDED, NEW),
    (INCOMPLETE, NEW),
    (INCOMPLETE, SUSPENDED),
    (PARTIAL, NEW),
    (PARTIAL, SUSPENDED),
    (ERROR, NEW),
    (ERROR, SUSPENDED),
}


@pytest.mark.parametrize("before", BatchStatus)
@pytest.mark.parametrize("after", BatchStatus)
def test_only_the_transitions_of_the_table_are_allowed(before: BatchStatus, after: BatchStatus) -> None:
    if (before, after) in ALLOWED:
        require_transition(before, after)
    else:
        with pytest.raises(IllegalTransitionError):
            require_transition(before, after)


def test_a_running_session_never_jumps_to_suspended() -> None:
    assert SUSPENDED not in TRANSITIONS[RUNNING]


def test_what_can_be_interrupted_resumed_or_retried_has_a_way_there() -> None:
    assert all(INCOMPLETE in TRANSITIONS[status] for status in INTERRUPTIBLE)
    assert all(TRANSITIONS[status] >= WAITING for status in RESUMABLE | RETRYABLE)


def test_a_session_of_a_suspended_process_is_queued_as_suspended() -> None:
    assert queued_status(process_is_suspended=True) is SUSPENDED
    assert queued_status(process_is_suspended=False) is NEW


@pytest.mark.parametrize(
    ("run", "status"),
    [
        # In the order of precedence: what a person or a fault stopped, what is left, what failed.
        (RunFacts(records_failed=5, records_unworked=5, stopped_as=ERROR), ERROR),
        (RunFacts(records_failed=0, records_unworked=0, stopped_as=ERROR), ERROR),
        (RunFacts(records_failed=5, records_unworked=5, stopped_as=INCOMPLETE), INCOMPLETE),
        (RunFacts(records_failed=0, records_unworked=0, stopped_as=INCOMPLETE), INCOMPLETE),
        (RunFacts(records_failed=5, records_unworked=1), INCOMPLETE),
        (RunFacts(records_failed=0, records_unworked=1), INCOMPLETE),
        (RunFacts(records_failed=1, records_unworked=0), PARTIAL),
        (RunFacts(records_failed=20, records_unworked=0), PARTIAL),
        (RunFacts(records_failed=0, records_unworked=0), OK),
    ],
)
def test_the_outcome_of_a_run_follows_from_its_facts(run: RunFacts, status: BatchStatus) -> None:
    assert outcome_of(run) is status
