"""The statuses of a batch session: their numbers, which may follow which, and which one a run ends with.

Rules 22 to 25. Everything that asks about a status asks here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final


class BatchStatus(IntEnum):
    """The status codes themselves, as operators and the contract know them."""

    NEW = 0
    """Queued and not started yet."""
    RUNNING = 1
    OK = 2
    """Finished and every record succeeded, also when there was nothing to do."""
    INCOMPLETE = 3
    """Stopped before its end, by a person; what was committed stays."""
    ERROR = 4
    """A fault of the process itself stopped it."""
    PARTIAL = 5
    """Ran to its end, but one or more records failed, or all of them."""
    WARNING = 6
    """Did not run, because a process that it depends on did not do its work."""
    SUSPENDED = 7
    """Queued, but a person suspended its process."""

    @property
    def title(self) -> str:
        """The word that people read."""
        return self.name.capitalize()


WAITING: Final = frozenset({BatchStatus.NEW, BatchStatus.SUSPENDED})
"""It is still to run."""
ENDED: Final = frozenset(
    {
        BatchStatus.OK,
        BatchStatus.INCOMPLETE,
        BatchStatus.ERROR,
        BatchStatus.PARTIAL,
        BatchStatus.WARNING,
    }
)
"""Nothing happens to it by itself any more."""
RAN_TO_ITS_END: Final = frozenset({BatchStatus.OK, BatchStatus.PARTIAL})
"""What depends on it may run."""
DID_NOT_DO_ITS_WORK: Final = frozenset({BatchStatus.ERROR, BatchStatus.WARNING})
"""What depends on it must not run."""
INTERRUPTIBLE: Final = frozenset({BatchStatus.NEW, BatchStatus.RUNNING})
RESUMABLE: Final = frozenset({BatchStatus.INCOMPLETE})
RESUMABLE_WITH_A_FILE: Final = RESUMABLE | {BatchStatus.ERROR}
"""A file is loaded by one session ever, so there is no re-run to put an Error right."""
RETRYABLE: Final = frozenset({BatchStatus.PARTIAL, BatchStatus.INCOMPLETE, BatchStatus.ERROR})
"""It may have failed records that are worth another try."""

TRANSITIONS: Final[Mapping[BatchStatus, frozenset[BatchStatus]]] = MappingProxyType(
    {
        BatchStatus.NEW: frozenset(
            {BatchStatus.RUNNING, BatchStatus.WARNING, BatchStatus.SUSPENDED, BatchStatus.INCOMPLETE}
        ),
        BatchStatus.RUNNING: frozenset(
            {BatchStatus.OK, BatchStatus.PARTIAL, BatchStatus.ERROR, BatchStatus.INCOMPLETE}
        ),
        BatchStatus.OK: frozenset(),
        # Resumed or retried, it waits again: as Suspended while its process is suspended.
        BatchStatus.INCOMPLETE: WAITING,
        BatchStatus.ERROR: WAITING,
        BatchStatus.PARTIAL: WAITING,
        # Nothing was done, so there is nothing to go on with: a re-run is a new attempt.
        BatchStatus.WARNING: frozenset(),
        BatchStatus.SUSPENDED: frozenset({BatchStatus.NEW}),
    }
)


class IllegalTransitionError(Exception):
    """A fault of the program: no rule lets the one status follow the other."""


def require_transition(before: BatchStatus, after: BatchStatus) -> None:
    """IllegalTransitionError unless `after` may follow `before`."""
    if after not in TRANSITIONS[before]:
        raise IllegalTransitionError(f"{after.title} may not follow {before.title}")


def queued_status(process_is_suspended: bool) -> BatchStatus:
    """The status of a session that is queued, for the first time or again (rule 24)."""
    return BatchStatus.SUSPENDED if process_is_suspended else BatchStatus.NEW


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is known of a run that is over. `stopped_as` is set when it was told to stop."""

    records_failed: int
    records_unworked: int
    stopped_as: BatchStatus | None = None


def outcome_of(run: RunFacts) -> BatchStatus:
    """How a run ends; the first line that fits decides (rule 22)."""
    assert run.stopped_as in {None, BatchStatus.INCOMPLETE, BatchStatus.ERROR}
    if run.stopped_as is not None:
        return run.stopped_as
    if run.records_unworked:
        # Only the failed records were worked again, and the rest of the interrupted run is still to do.
        return BatchStatus.INCOMPLETE
    return BatchStatus.PARTIAL if run.records_failed else BatchStatus.OK
