"""Whether a session may start, given the sessions that it depends on (rule 23)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from batch_service.rules.statuses import DID_NOT_DO_ITS_WORK, RAN_TO_ITS_END, BatchStatus


class Verdict(Enum):
    """What becomes of a session that wants to start."""

    GO = auto()
    WAIT = auto()
    """It stays New."""
    GIVE_UP = auto()
    """It becomes Warning and does nothing."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """The latest session of a process that ours depends on, of the same client and business date."""

    process_code: str
    name: str
    session_no: int
    status: BatchStatus
    blocked_by: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of it, and what a person is told: which process is the cause, and why."""

    verdict: Verdict
    blocked_by: str = ""
    message: str = ""


GO = Decision(Verdict.GO)


def decide_start(upstream: Sequence[Upstream]) -> Decision:
    """Decide from every upstream session there is; a process without a session for the date holds nobody up.

    Who did not do its work weighs more than who is still at it: waiting would change nothing.
    """
    for session in upstream:
        if session.status in DID_NOT_DO_ITS_WORK:
            return Decision(Verdict.GIVE_UP, session.process_code, _gave_up(session))
    for session in upstream:
        if session.status not in RAN_TO_ITS_END:
            return Decision(Verdict.WAIT, session.process_code, _waits(session))
    return GO


def _gave_up(session: Upstream) -> str:
    if session.status is BatchStatus.ERROR:
        return f"did not run, because {session.name} (session {session.session_no}) ended in Error"
    return f"did not run, because {session.name} (session {session.session_no}) did not run" + (
        f" itself: {session.blocked_by} kept it from running" if session.blocked_by else ""
    )


def _waits(session: Upstream) -> str:
    advice = {
        BatchStatus.INCOMPLETE: ": resume it, or run it again",
        BatchStatus.SUSPENDED: ": resume the process",
    }.get(session.status, "")
    return f"waits for {session.name} (session {session.session_no}), which is {session.status.title}{advice}"
