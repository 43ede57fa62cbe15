"""docs/reference is what the contracts say and what a ledger answers. `make reference` writes it anew."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import protovalidate
import pytest
from google.protobuf import descriptor_pool, text_format
from google.protobuf.message_factory import GetMessageClass

from audit_service.service import AUDIT
from batch_service.service import BATCH
from ledger_service.service import LEDGER
from ledger_service.settings import LedgerSettings
from tests.contract.precedence import World, ladders
from tests.house.tree import ROOT
from tests.reference.contracts import Contracts
from tests.reference.pages import Reference, Served
from tests.reference.replay import Exchange, play
from tests.reference.story import STORY
from tests.support.databases import NewDatabase
from tests.support.servers import StartServer

PRECEDENCE: Final = {
    rpc.replace("/", "."): [rung.reason for rung in ladder.rungs if rung.reason]
    for rpc, ladder in ladders(World()).items()
}

PAGES: Final = ROOT / "docs" / "reference"
WRITE: Final = "TALLYBOOK_WRITE_REFERENCE"

SERVED: Final = (
    Served("tallybook.ledger.v1", LEDGER),
    Served("tallybook.batch.v1", BATCH),
    Served("tallybook.audit.v1", AUDIT),
)


@pytest.fixture
async def exchanges(
    contracts: Contracts, new_database: NewDatabase, start_server: StartServer
) -> Sequence[Exchange]:
    """The story, played against an empty ledger."""
    database = await new_database("ledger_service")
    settings = LedgerSettings(database_url=database.url, port=0, development_principal=True)
    channel = await start_server(LEDGER, settings)
    methods = {method.short_name: method for method in contracts.methods("tallybook.ledger.v1")}
    return await play(STORY, channel, methods)


def test_the_story_calls_every_operation_of_the_ledger(contracts: Contracts) -> None:
    operations = {method.short_name for method in contracts.methods("tallybook.ledger.v1")}
    assert {call.operation for call in STORY} == operations


def test_the_story_shows_a_refusal_of_every_operation_that_changes_the_books(contracts: Contracts) -> None:
    changing = {
        method.short_name
        for method in contracts.methods("tallybook.ledger.v1")
        if "request_id" in {field.name for field in contracts.messages[method.request].fields}
    }
    # Each of its invoices has its own refusal, in the answer.
    in_the_answer = {"InvoiceService.CreateInvoices"}
    assert changing - in_the_answer <= {call.operation for call in STORY if call.refused}


def test_every_operation_of_the_ledger_has_an_example_in_its_contract_that_fits(contracts: Contracts) -> None:
    for method in contracts.methods("tallybook.ledger.v1"):
        request = GetMessageClass(descriptor_pool.Default().FindMessageTypeByName(method.request))()
        _, _, example = method.comment.partition("Example: ")
        text_format.Parse(_in_braces(example), request)
        protovalidate.validate(request)


async def test_every_call_of_the_story_goes_as_it_says(exchanges: Sequence[Exchange]) -> None:
    assert [(each.call.operation, each.refused, each.reason) for each in exchanges] == [
        (call.operation, bool(call.refused), call.refused) for call in STORY
    ]


async def test_every_reason_of_the_ledger_is_named_by_an_operation(
    contracts: Contracts, exchanges: Sequence[Exchange]
) -> None:
    ledger, *_ = SERVED
    reference = Reference(contracts, SERVED, exchanges, PRECEDENCE)
    named = {
        reason
        for method in contracts.methods(ledger.package)
        for reason in reference.reasons_of(ledger, method)
    }
    # Any operation may meet this one.
    assert set(reference.reasons(ledger)) - named == {"OVERLOADED"}


async def test_the_pages_are_those_of_the_contracts_and_of_the_story(
    contracts: Contracts, exchanges: Sequence[Exchange]
) -> None:
    expected = Reference(contracts, SERVED, exchanges, PRECEDENCE).pages()
    if WRITE in os.environ:
        _write(expected)
    written = {
        path.relative_to(PAGES).as_posix(): path.read_text(encoding="utf-8") for path in PAGES.rglob("*.md")
    }
    assert sorted(written) == sorted(expected), "make reference, and commit its pages"
    for path, text in expected.items():
        assert written[path] == text, f"docs/reference/{path} is out of date: make reference, and commit it"


def _in_braces(text: str) -> str:
    """What stands within the pair of braces with which a text begins."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if not depth:
            return text[1:place]
    raise AssertionError(f"no braces that end: {text}")


def _write(pages: dict[str, str]) -> None:
    for old in PAGES.rglob("*.md"):
        old.unlink()
    for path, text in pages.items():
        page: Path = PAGES / path
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, encoding="utf-8")
