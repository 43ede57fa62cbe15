"""How sessions end (rule 22)."""

from tests.integration.batch.stage import Stage, status_name
from tests.integration.batch.staged_processes import Deed


async def test_a_session_whose_records_all_succeed_is_ok(stage: Stage) -> None:
    await stage.records("first", [Deed.OK] * 12)
    session = await stage.ended(await stage.run("first"))
    assert status_name(session) == "OK"
    assert (session.records_total, session.records_ok, session.records_failed) == (12, 12, 0)
    assert await stage.effects("first") == {f"account:{number}": 1 for number in range(1, 13)}
