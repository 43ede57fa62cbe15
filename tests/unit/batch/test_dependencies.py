"""Whether a session may start (rule 23)."""

from itertools import permutations

import pytest

from batch_service.rules.dependencies import Upstream, Verdict, decide_start
from batch_service.rules.statuses import BatchStatus

NEW, RUNNING, OK, INCOMPLETE, ERROR, PARTIAL, WARNING, SUSPENDED = BatchStatus


def upstream(status: BatchStatus, code: str = "invoicer", blocked_by: str = "") -> Upstream:
    return Upstream(code, code.title(), 17, status, blocked_by)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (OK, Verdict.GO),
        (PARTIAL, Verdict.GO),
        (ERROR, Verdict.GIVE_UP),
        (WARNING, Verdict.GIVE_UP),
        (INCOMPLETE, Verdict.WAIT),
        (SUSPENDED, Verdict.WAIT),
        (NEW, Verdict.WAIT),
        (RUNNING, Verdict.WAIT),
    ],
)
def test_the_status_of_what_it_depends_on_decides(status: BatchStatus, verdict: Verdict) -> None:
    decision = decide_start([upstream(status)])
    assert decision.verdict is verdict
    assert decision.blocked_by == ("" if verdict is Verdict.GO else "invoicer")
    assert bool(decision.message) is (verdict is not Verdict.GO)


def test_who_depends_on_nobody_goes() -> None:
    assert decide_start([]).verdict is Verdict.GO


def test_an_error_weighs_more_than_somebody_who_is_still_running() -> None:
    sessions = [upstream(RUNNING, "a"), upstream(OK, "b"), upstream(ERROR, "c")]
    for order in permutations(sessions):
        assert decide_start(order).blocked_by == "c"


def test_everybody_has_to_have_ended() -> None:
    assert decide_start([upstream(OK, "a"), upstream(INCOMPLETE, "b")]).blocked_by == "b"


def test_the_message_names_the_session_and_the_cause_behind_it() -> None:
    assert decide_start([upstream(ERROR)]).message == (
        "did not run, because Invoicer (session 17) ended in Error"
    )
    assert decide_start([upstream(WARNING, blocked_by="housekeeping")]).message == (
        "did not run, because Invoicer (session 17) did not run itself: housekeeping kept it from running"
    )


def test_who_waits_is_told_what_to_do() -> None:
    assert decide_start([upstream(INCOMPLETE)]).message.endswith("is Incomplete: resume it, or run it again")
    assert decide_start([upstream(SUSPENDED)]).message.endswith("is Suspended: resume the process")
