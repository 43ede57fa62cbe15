"""Of a request with many faults at once, the refusal that comes first is always the same: rung by rung."""

from collections.abc import AsyncIterator, Mapping
from datetime import date
from itertools import count
from typing import Any, Final

import grpc
import pytest
import pytest_asyncio
from google.protobuf.message import Message

from ledger_service.service import LEDGER
from service_kit.authorisation import ClientScope
from service_kit.server import ServiceDefinition
from tests.contract.precedence import NEW_KEY, USED_KEY, World, ladders
from tests.contract.precedence_page import PAGE, page
from tests.contract.served import DEFINITIONS, Rpc, Tokens, message_of, rpcs_of, serving
from tests.integration.ledger.caller import (
    FEBRUARY,
    REASON,
    Ledger,
    check,
    check_refund,
    external_charge,
    memo_line,
    payment,
    refusal_of,
    refusal_of_call,
    reversal,
    usd,
    write_off,
)
from tests.integration.ledger.statements import Statements
from tests.support.databases import Templates, fresh_databases

_NEW_KEYS: Final = count(1)
# A field that never ends.
NO_MESSAGE: Final = b"\xff"
MARCH: Final = (date(2026, 3, 1), date(2026, 3, 31))
# All that can be wrong with these is wrong with every RPC: who calls, for whom, and the form of the request.
NOTHING_OF_THEIR_OWN: Final = {
    "TransactionTypeService/ListTransactionTypes",
    "VerificationService/VerifyLedger",
    "GlAccountService/ListGlAccounts",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def signer(tmp_path_factory: pytest.TempPathFactory) -> Tokens:
    """Signs tokens."""
    return Tokens(tmp_path_factory.mktemp("tokens"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ledger_channel(database_templates: Templates, signer: Tokens) -> AsyncIterator[grpc.aio.Channel]:
    """A ledger for all rungs."""
    async with (
        fresh_databases(database_templates) as new_database,
        serving(LEDGER, new_database, signer) as channel,
    ):
        yield channel


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(ledger_channel: grpc.aio.Channel) -> World:
    """Client 1 with everything that the ladders name."""
    ledger = Ledger(ledger_channel, client_no=1)
    it = World()
    opened = await ledger.open_account(1_000, plans=["a plan"], external_id="taken")
    it.acct, it.plan = opened.account.acct_no, opened.account.plan_instances[0].plan_instance_no
    it.euro_acct = await ledger.account(currency="EUR")
    other = await ledger.account(request_id=USED_KEY.replace(" ", "-"))
    it.empty_acct = other
    it.charge, it.check, it.refunded_check = await ledger.posted(
        external_charge(it.acct, 100), check(it.acct, 10, "taken"), check(it.acct, 10)
    )
    (it.foreign_charge,) = await ledger.posted(external_charge(other, 100))
    it.payment, it.voided_payment = await ledger.posted(payment(it.acct, 50, "taken"), payment(it.acct, 5))
    it.void = (await ledger.void(it.voided_payment)).transactions[0].event_no
    it.refund, it.reversal = await ledger.posted(
        check_refund(it.acct, it.refunded_check, 4, document="r"),
        reversal(it.acct, it.charge, 1, document="r"),
    )
    await _invoices(ledger, it)
    it.statement = (await Statements(ledger).closed(MARCH[1], it.acct)).statement_no
    return it


async def _invoices(ledger: Ledger, it: World) -> None:
    """The invoices, and what is taken from them."""
    periods = [(date(2025, month, 1), date(2025, month, 20)) for month in range(1, 5)]
    invoice = await ledger.invoice(it.acct, (1, 100))
    it.invoice, it.line = invoice.invoice_no, invoice.lines[0].event_no
    it.other_line = (await ledger.invoice(it.acct, (1, 100), period=FEBRUARY)).lines[0].event_no
    voided = await ledger.invoice(it.acct, (1, 100), period=periods[0])
    await ledger.void_invoice(voided.invoice_no)
    it.voided_invoice = voided.invoice_no
    corrected = await ledger.invoice(it.acct, (1, 100), period=periods[1])
    it.corrected_invoice = corrected.invoice_no
    line = corrected.lines[0].event_no
    it.memo_line, gone = [(await ledger.posted(memo_line(it.acct, line, 1)))[0] for _ in range(2)]
    await ledger.posted(write_off(it.acct, corrected.invoice_no, 1))
    written_off = await ledger.invoice(it.acct, (1, 100), period=periods[2])
    it.written_off_invoice = written_off.invoice_no
    it.memo = (await ledger.transaction(it.memo_line)).source_no
    it.voided_memo = (await ledger.transaction(gone)).source_no
    await ledger.operate("VoidCreditMemo", cm_no=it.voided_memo, **REASON)
    holds = []
    for _ in range(2):
        dispute = await ledger.operate(
            "CreateDispute",
            invoice_no=written_off.invoice_no,
            amount=usd(1),
            expires_on={"year": 2027, "month": 1, "day": 1},
            **REASON,
        )
        holds.append(dispute.transaction.event_no)
    it.hold, it.settled_hold = holds
    await ledger.operate("SettleDispute", event_no=it.settled_hold, resolution=3, **REASON)
    # Stays, whatever becomes of the hold.
    await ledger.posted(write_off(it.acct, written_off.invoice_no, 1))


def _serialised(request: Message | bytes) -> bytes:
    return request if isinstance(request, bytes) else request.SerializeToString()


async def reason_of(
    channel: grpc.aio.Channel, rpc: Rpc, request: Message | bytes, metadata: tuple[tuple[str, str], ...]
) -> str:
    """Why a call, or the only thing that it decides, is refused; "" when it is not."""
    answer = message_of(rpc.method.output_type)
    kind = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }[rpc.method.client_streaming, rpc.method.server_streaming]
    method: Any = kind(
        rpc.path,
        request_serializer=_serialised,
        response_deserializer=type(answer).FromString,
    )
    sent = iter([request]) if rpc.method.client_streaming else request
    call = method(sent, metadata=metadata, timeout=20)
    try:
        found = await call.read() if rpc.method.server_streaming else await call
    except grpc.aio.AioRpcError as error:
        return refusal_of_call(error).reason
    finally:
        call.cancel()
    for result in getattr(found, "results", ()):
        if result.HasField("error"):
            return refusal_of(result.error).reason
    return ""


def request_of(rpc: Rpc, fields: Mapping[str, Any]) -> Message:
    """A request with these fields; a new key where one is asked for."""
    values = {name: value for name, value in fields.items() if value is not None}
    if values.get("request_id") == NEW_KEY:
        values["request_id"] = f"precedence-{next(_NEW_KEYS)}"
    elif values.get("request_id") == USED_KEY:
        values["request_id"] = USED_KEY.replace(" ", "-")
    return type(rpc.request())(**values)


LEDGER_RPCS: Final = {rpc.path.removeprefix("/tallybook.ledger.v1."): rpc for rpc in rpcs_of(LEDGER)}


def test_every_rpc_of_the_ledger_has_a_ladder() -> None:
    assert set(ladders(World())) == set(LEDGER_RPCS) - NOTHING_OF_THEIR_OWN


@pytest.mark.parametrize("name", sorted(ladders(World())))
async def test_the_first_refusal_of_a_request_with_many_faults_is_that_of_the_table(
    ledger_channel: grpc.aio.Channel, signer: Tokens, world: World, name: str
) -> None:
    rpc, ladder = LEDGER_RPCS[name], ladders(world)[name]
    metadata = signer.metadata("*", [ladder.role])
    fields: dict[str, Any] = {"client_no": 1, **ladder.worst}
    told = []
    for rung in ladder.rungs:
        told.append(await reason_of(ledger_channel, rpc, request_of(rpc, fields), metadata))
        fields |= rung.mend
    assert told == [rung.reason for rung in ladder.rungs]


@pytest.mark.parametrize("definition", DEFINITIONS, ids=[each.name for each in DEFINITIONS])
async def test_who_calls_comes_before_what_may_be_called_and_that_before_the_client_and_its_request(
    database_templates: Templates, tokens: Tokens, definition: ServiceDefinition[Any, Any]
) -> None:
    async with (
        fresh_databases(database_templates) as new_database,
        serving(definition, new_database, tokens) as channel,
    ):
        for rpc in rpcs_of(definition):
            if rpc.rule.public:
                continue
            request = rpc.request()
            named = "client_no" in rpc.method.input_type.fields_by_name
            if named:
                request.client_no = 1  # type: ignore[attr-defined]  # it has one
            allowed = tokens.metadata([2], sorted(rpc.rule.roles)[:1])
            ladder: list[tuple[str, Message | bytes, tuple[tuple[str, str], ...]]] = [
                ("CREDENTIALS_INVALID", NO_MESSAGE, (("authorization", "Bearer nonsense"),)),
                ("ROLE_MISSING", NO_MESSAGE, tokens.metadata([2], ["no role of ours"])),
                ("INVALID_REQUEST", NO_MESSAGE, allowed),
            ]
            if named and rpc.rule.client_scope is ClientScope.FROM_REQUEST:
                # Nothing else of the request is filled in.
                ladder.append(("CLIENT_NOT_ALLOWED", request, allowed))
            for reason, sent, metadata in ladder:
                assert await reason_of(channel, rpc, sent, metadata) == reason, rpc.path


def test_the_page_is_that_of_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.contract.precedence_page"
