"""grpcurl and buf curl drive the services by reflection alone, with no proto file at hand."""

import asyncio
import base64
import json
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.launches import RunningTallybook

TOOLS = str(Path(sys.executable).parent)
LEDGER = "tallybook.ledger.v1"


@dataclass(frozen=True)
class Answer:
    """What a tool printed. body: the message, or the error with its details."""

    status: int
    body: dict[str, Any]
    text: str


async def run(*command: str) -> Answer:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = (stream.decode() for stream in await process.communicate())
    assert process.returncode is not None
    text = out.strip() or err.strip()
    # grpcurl prints the names of the contract, buf those of protobuf's JSON: read both alike.
    body = json.loads(text, object_hook=with_names_of_the_contract) if text.startswith("{") else {}
    return Answer(process.returncode, body, out + err + "".join(decoded_details(body)))


def decoded_details(body: dict[str, Any]) -> Iterator[str]:
    """The texts within the details of an error, which buf prints as the bytes of their messages."""
    for detail in body.get("details", []):
        if "value" in detail and "type" in detail:
            padded = detail["value"] + "=" * (-len(detail["value"]) % 4)
            yield base64.b64decode(padded).decode(errors="replace")


def with_names_of_the_contract(fields: dict[str, Any]) -> dict[str, Any]:
    return {re.sub("([A-Z])", r"_\1", name).lower(): value for name, value in fields.items()}


class Grpcurl:
    """grpcurl; prints errors as JSON when asked."""

    name = "grpcurl"

    @staticmethod
    async def call(target: str, method: str, request: dict[str, Any]) -> Answer:
        return await run(
            f"{TOOLS}/grpcurl", "-plaintext", "-format-error", "-d", json.dumps(request), target, method
        )


class BufCurl:
    """buf curl; prints errors as JSON always."""

    name = "buf"

    @staticmethod
    async def call(target: str, method: str, request: dict[str, Any]) -> Answer:
        return await run(
            *(f"{TOOLS}/buf", "curl", "--protocol", "grpc", "--http2-prior-knowledge"),
            *("--data", json.dumps(request), f"http://{target}/{method}"),
        )


Tool = type[Grpcurl] | type[BufCurl]


@pytest.fixture(params=[Grpcurl, BufCurl], ids=["grpcurl", "buf curl"])
def tool(request: pytest.FixtureRequest) -> Tool:
    chosen: Tool = request.param
    if shutil.which(chosen.name, path=TOOLS) is None:
        pytest.skip(f"{chosen.name} is not installed here: its wheel is not made for this platform")
    return chosen


async def test_list_the_transaction_types(tallybook: RunningTallybook, tool: Tool) -> None:
    answer = await tool.call(
        tallybook.target("ledger"), f"{LEDGER}.TransactionTypeService/ListTransactionTypes", {}
    )

    assert answer.status == 0, answer.text
    rows = answer.body["transaction_types"]
    assert len(rows) == 32
    assert rows[0] == {
        "transaction_type": "TRANSACTION_TYPE_CHECK",
        "name": "Check",
        "source_table": "external_payments",
        "source_key": "payment_id",
        "operation": "record_external_payment",
        "debit_gl_account": rows[0]["debit_gl_account"],
        "credit_gl_account": rows[0]["credit_gl_account"],
    }
    assert rows[1]["results_in_charge"] is True


async def test_create_an_account_and_post_to_it(tallybook: RunningTallybook, tool: Tool) -> None:
    ledger = tallybook.target("ledger")
    created = await tool.call(
        ledger,
        f"{LEDGER}.AccountService/CreateAccount",
        {
            "client_no": 7,
            "request_id": f"create by {tool.name}".replace(" ", "-"),
            "name": "Katherine Johnson",
            "currency_code": "EUR",
            "opening_balance": {"currency_code": "EUR", "minor_units": 9_900},
        },
    )
    assert created.status == 0, created.text
    acct_no = created.body["account"]["acct_no"]

    posted = await tool.call(
        ledger,
        f"{LEDGER}.LedgerService/PostTransactions",
        {
            "client_no": 7,
            "request_id": f"post-by-{tool.name}",
            "drafts": [
                {
                    "acct_no": acct_no,
                    "transaction_type": "TRANSACTION_TYPE_CHECK",
                    "amount": {"currency_code": "EUR", "minor_units": 4_000},
                    "external_payment": {"reference_code": "check 17"},
                }
            ],
        },
    )
    assert posted.status == 0, posted.text
    assert int(posted.body["results"][0]["transactions"][0]["event_no"]) > 0

    balance = await tool.call(
        ledger, f"{LEDGER}.AccountService/GetBalance", {"client_no": 7, "acct_no": acct_no}
    )
    assert balance.body["balance"] == {"currency_code": "EUR", "minor_units": "5900"}


async def test_a_wrong_request_is_refused_with_its_reason_and_its_field(
    tallybook: RunningTallybook, tool: Tool
) -> None:
    answer = await tool.call(
        tallybook.target("ledger"),
        f"{LEDGER}.LedgerService/VoidTransaction",
        {"client_no": 7, "request_id": "void", "event_no": 1, "reason_code": "ERROR"},
    )

    assert answer.status != 0
    assert "INVALID_REQUEST" in answer.text
    assert "comment" in answer.text
    assert "ledger.tallybook" in answer.text


async def test_a_refusal_of_the_business_names_its_reason(tallybook: RunningTallybook, tool: Tool) -> None:
    answer = await tool.call(
        tallybook.target("ledger"),
        f"{LEDGER}.LedgerService/VoidTransaction",
        {
            "client_no": 7,
            "request_id": "void-nothing",
            "event_no": 999_999_999,
            "reason_code": "ERROR",
            "comment": "there is no such transaction",
        },
    )

    assert answer.status != 0
    assert "TRANSACTION_NOT_FOUND" in answer.text
    assert "999999999" in answer.text
