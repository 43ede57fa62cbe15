"""docs/how_credits_find_charges.md says what the ledger does: its example is played through the contract."""

import re
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any, Final, NamedTuple

import grpc
import pytest

from ledger_service.rules.applications import Method
from tallybook.ledger.v1 import application_pb2, ledger_pb2
from tests.house.tree import ROOT
from tests.integration.ledger.applications import FIRST_DUE, NONE, Applications, directed
from tests.integration.ledger.caller import (
    REASON,
    Ledger,
    check,
    check_refund,
    day,
    external_charge,
    memo_line,
    transfer,
    usd,
    write_off,
)
from tests.integration.ledger.conftest import Serve

PAGE: Final = (ROOT / "docs" / "how_credits_find_charges.md").read_text(encoding="utf-8")
NOTHING: Final = "—"


class Row(NamedTuple):
    """A row of the example: in March 2026, what happens, and the books after it."""

    day: str
    what: str
    applied: str
    open: str
    balance: str
    overdue: str


ROWS: Final = [
    Row(*(cell.strip() for cell in line.strip("|").split("|")))
    for line in re.findall(r"^\| \d+ \|(?:[^|\n]+\|){5}$", PAGE, re.MULTILINE)
]


class Story:
    """Ada's account. What is posted gets the numbers of the page, since nothing else is in the ledger."""

    def __init__(self, ledger: Ledger, acct: int, other: int) -> None:
        self.ledger = ledger
        self.applications = Applications(ledger)
        self.acct = acct
        self.other = other
        self.invoice_no = 0

    async def bill(self, on: date) -> None:
        """The invoice."""
        billed = await self.ledger.invoice(self.acct, (1, 100_00), invoice_date=on)
        self.invoice_no = billed.invoice_no

    async def dispute(self, on: date) -> None:
        """What is unpaid of the invoice is held."""
        await self.ledger.operate(
            "CreateDispute",
            invoice_no=self.invoice_no,
            amount=usd(4_00),
            effective_date=day(on),
            expires_on=day(date(2026, 4, 30)),
            **REASON,
        )

    async def settle(self, on: date) -> None:
        """The customer owes it, from now on."""
        await self.ledger.operate(
            "SettleDispute",
            event_no=13,
            resolution=ledger_pb2.DISPUTE_RESOLUTION_RE_AGE,
            effective_date=day(on),
            **REASON,
        )


def posts(
    draft: Callable[[Story], ledger_pb2.TransactionDraft],
) -> Callable[[Story, date], Awaitable[Any]]:
    """A step that posts one draft."""

    async def step(story: Story, on: date) -> None:
        made = draft(story)
        made.effective_date.CopyFrom(day(on))
        await story.ledger.posted(made)

    return step


STEPS: Final[list[Callable[[Story, date], Awaitable[Any]]]] = [
    Story.bill,
    posts(lambda story: external_charge(story.acct, 40_00)),
    posts(lambda story: check(story.acct, 30_00)),
    posts(lambda story: check(story.acct, 50_00, application=FIRST_DUE)),
    posts(lambda story: external_charge(story.acct, 20_00)),
    posts(lambda story: check(story.acct, 25_00, application=directed(5))),
    posts(lambda story: check(story.acct, 30_00, application=NONE)),
    lambda story, on: story.applications.apply(7, effective_date=day(on)),
    posts(lambda story: check(story.acct, 45_00)),
    posts(lambda story: external_charge(story.acct, 12_00)),
    lambda story, on: story.ledger.void(4, effective_date=day(on)),
    posts(lambda story: check_refund(story.acct, 8, 15_00)),
    posts(lambda story: memo_line(story.acct, 1, 6_00)),
    Story.dispute,
    Story.settle,
    posts(lambda story: write_off(story.acct, story.invoice_no, 4_00)),
    posts(lambda story: transfer(story.acct, story.other, 47_00)),
]


def money(minor_units: int) -> str:
    """An amount as the page writes it."""
    return f"{minor_units / 100:.2f}"


def applied_by(made: application_pb2.Application) -> str:
    """An application as the page writes it."""
    sign = "-" if made.takes_back_application_no else ""
    return f"{made.credit_event_no} → {made.charge_event_no}: {sign}{money(made.amount.minor_units)}"


def open_as(item: application_pb2.OpenItem) -> str:
    """An open item as the page writes it."""
    waits = "" if item.charge else " held" if item.held else " credit"
    return f"{item.event_no}: {money(item.open_amount.minor_units)}{waits}"


async def row_after(story: Story, row: Row, made_before: int) -> tuple[Row, int]:
    """What the ledger says where the page says `row`, and how many applications there are now."""
    made = await story.applications.made(acct_no=story.acct)
    aging = await story.ledger.aging(story.acct, date(2026, 3, int(row.day)))
    said = Row(
        row.day,
        row.what,
        ", ".join(map(applied_by, made[made_before:])) or NOTHING,
        ", ".join(map(open_as, await story.applications.open(story.acct))) or NOTHING,
        money(aging.balance.minor_units),
        money(aging.overdue.minor_units),
    )
    return said, len(made)


@pytest.fixture
async def story(serve: Serve) -> Story:
    """Before the first row."""
    channel: grpc.aio.Channel = await serve()
    ledger = Ledger(channel, client_no=1)
    return Story(ledger, await ledger.account(payment_term_days=14), await ledger.account())


async def test_the_example_of_the_page_goes_as_it_says(story: Story) -> None:
    made = 0
    said = []
    for step, row in zip(STEPS, ROWS, strict=True):
        await step(story, date(2026, 3, int(row.day)))
        after, made = await row_after(story, row, made)
        said.append(after)
        for event_no in re.findall(r"event (\d+)\*\*", row.what):
            posted = await story.ledger.transaction(int(event_no))
            assert money(posted.amount.minor_units) in row.what
            assert posted.effective_date.day == int(row.day)

    assert said == ROWS
    assert re.findall(r"\*\*event (\d+)\*\*", PAGE) == [str(number) for number in range(1, 18)]
    (owed,) = await Applications(story.ledger).open(story.other)
    assert (owed.event_no, owed.open_amount) == (17, usd(47_00))
    assert await story.ledger.findings() == []


def test_every_method_is_explained_in_its_order() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == [method.name for method in Method]
