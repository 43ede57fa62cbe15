"""The ledger on its database decides as the one in memory, which looks everything up in the simplest way.

So what a group reads, in a few statements for all of it, is what its rules need.
"""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger_service.group_decisions import named_refusal
from ledger_service.posting import running_poster
from ledger_service.requests import Outcome, PostingRequest
from ledger_service.rules.decisions import Order
from ledger_service.rules.postings import AccountOpening
from ledger_service.settings import LedgerSettings
from ledger_service.store_transactions import read_transactions
from service_kit.clock import VirtualClock
from service_kit.database import engine_on, raw_connection
from service_kit.errors import DomainError
from tests.support.databases import FreshDatabase, NewDatabase
from tests.unit.ledger.memory_ledger import CLIENT, NOW, TODAY, MemoryLedger
from tests.unit.ledger.wishes import STEPS, Wishes, named_by, numbers_of


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(STEPS, st.data())
async def test_the_same_orders_come_to_the_same(
    new_database: NewDatabase, steps: int, data: st.DataObject
) -> None:
    memory = MemoryLedger()
    stored = StoredLedger(await new_database("ledger_service"))
    async with stored:
        await stored.open_accounts(memory.accounts)
        group: list[Order] = []
        expected: list[str] = []
        before_group = numbers_of(memory)
        for _ in range(steps):
            order = Wishes(data, memory).order()
            names_its_group = bool(named_by(order) & (numbers_of(memory) - before_group))
            if names_its_group or data.draw(st.integers(0, 2)) == 0:
                assert await stored.post(group) == expected
                group, expected = [], []
                before_group = numbers_of(memory)
            group.append(order)
            expected += memory.post(order)
        assert await stored.post(group) == expected
        await stored.require_same(memory)


class StoredLedger:
    """The poster alone, on a database of its own."""

    def __init__(self, database: FreshDatabase) -> None:
        settings = LedgerSettings(database_url=database.url, port=0, posting_lanes=1)
        self._running = running_poster(settings, VirtualClock(NOW), lambda: None)
        self._engine = engine_on(database.owner_url, name="test")
        self._calls = 0

    async def __aenter__(self) -> None:
        self._poster = await self._running.__aenter__()

    async def __aexit__(self, *_: object) -> None:
        await self._running.__aexit__(None, None, None)
        await self._engine.dispose()

    async def open_accounts(self, accounts: object) -> None:
        """As many as the ledger in memory has; they get the same numbers."""
        opening = AccountOpening(CLIENT, "", "Ada", "USD", 30, (), 0, TODAY)
        await self.post([opening for _ in accounts])  # type: ignore[attr-defined]

    async def post(self, orders: list[Order]) -> list[str]:
        """Post orders as one call; of each, "" or the reason of its refusal."""
        if not orders:
            return []
        self._calls += 1
        reasons: list[str] = []

        def answer(outcomes: object) -> bytes:
            reasons.extend(_reason(outcome) for outcome in outcomes)  # type: ignore[attr-defined]
            return b""

        request = PostingRequest(CLIENT, f"call {self._calls}", b"", "test", orders, False, answer)
        await self._poster.post(request)
        return reasons

    async def require_same(self, memory: MemoryLedger) -> None:
        """Every transaction reads as in memory, and every balance is its sum."""
        keys = [(CLIENT, each.event_no) for each in memory.transactions]
        voids = {each.related_event_no: each.event_no for each in memory.transactions if each.type.is_void}
        async with self._engine.connect() as connection:
            driver = await raw_connection(connection)
            found = await read_transactions(driver, keys)
            for each in memory.transactions:
                expected = each._replace(voided_by_event_no=voids.get(each.event_no, 0))
                assert found[CLIENT, each.event_no] == expected
            assert await driver.fetchval("SELECT count(*) FROM acct_transaction") == len(keys)
            for acct_no, balance in await driver.fetch("SELECT acct_no, balance FROM account_balance"):
                assert balance == memory.balance(acct_no)


def _reason(outcome: Outcome) -> str:
    return named_refusal(outcome).reason if isinstance(outcome, DomainError) else ""
