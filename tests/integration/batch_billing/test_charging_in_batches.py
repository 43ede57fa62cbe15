"""What a gateway does with many charges at once, and what the service makes of gateways that can't."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
import grpc
import pytest

from batch_service.gateway_client import Gateway
from batch_service.rules.collection import ChargeAnswer, ChargeOrder, GatewayAnswer
from batch_service.sandbox_gateway import serving_sandbox
from service_kit.database import create_pool
from service_kit.money import Money
from tallybook.payments.v1 import payment_gateway_pb2, payment_gateway_pb2_grpc
from tests.integration.batch_billing.caller import CLIENT, batch_settings, usd
from tests.support.databases import FreshDatabase

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Results: TypeAlias = list[payment_gateway_pb2.BatchChargeResult]


class ScriptedGateway(payment_gateway_pb2_grpc.PaymentGatewayServicer):
    """Approves every single charge but one of the attempt "bad"; what it does with a batch is its script."""

    def __init__(self, script: Callable[[payment_gateway_pb2.BatchChargeRequest], Results]) -> None:
        self._script = script
        self.calls: list[str] = []

    async def Charge(
        self, request: payment_gateway_pb2.ChargeRequest, context: Context
    ) -> payment_gateway_pb2.ChargeResponse:
        self.calls.append(f"charge {request.attempt_id}")
        if request.attempt_id == "bad":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no such token")
        return payment_gateway_pb2.ChargeResponse(charge=approved(request.attempt_id))

    async def BatchCharge(
        self, request: payment_gateway_pb2.BatchChargeRequest, context: Context
    ) -> payment_gateway_pb2.BatchChargeResponse:
        self.calls.append(f"batch of {len(request.charges)}")
        try:
            return payment_gateway_pb2.BatchChargeResponse(results=self._script(request))
        except grpc.RpcError as failure:
            await context.abort(failure.args[0], "as the script says")
            raise AssertionError from failure

    async def GetCharge(
        self, request: payment_gateway_pb2.GetChargeRequest, context: Context
    ) -> payment_gateway_pb2.GetChargeResponse:
        raise AssertionError("no test asks it")

    async def CheckAvailability(
        self, request: payment_gateway_pb2.CheckAvailabilityRequest, context: Context
    ) -> payment_gateway_pb2.CheckAvailabilityResponse:
        raise AssertionError("no test asks it")


def approved(attempt_id: str) -> payment_gateway_pb2.Charge:
    return payment_gateway_pb2.Charge(
        attempt_id=attempt_id,
        outcome=payment_gateway_pb2.CHARGE_OUTCOME_APPROVED,
        gateway_reference=f"reference of {attempt_id}",
        amount=usd(500),
    )


def fails_with(code: grpc.StatusCode) -> Callable[[payment_gateway_pb2.BatchChargeRequest], Results]:
    def script(_request: payment_gateway_pb2.BatchChargeRequest) -> Results:
        raise grpc.RpcError(code)

    return script


@asynccontextmanager
async def serving(scripted: ScriptedGateway) -> AsyncIterator[Gateway]:
    server = grpc.aio.server()
    payment_gateway_pb2_grpc.add_PaymentGatewayServicer_to_server(scripted, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Gateway(channel, 2.0)
    await server.stop(grace=None)


def orders(*attempt_ids: str, token: str = "tok_approve") -> list[ChargeOrder]:
    return [ChargeOrder(attempt_id, token, Money(500, "USD")) for attempt_id in attempt_ids]


def kinds(answers: list[ChargeAnswer]) -> list[GatewayAnswer]:
    return [each.answer for each in answers]


async def test_many_charges_are_sent_in_batches_and_answered_in_order() -> None:
    scripted = ScriptedGateway(
        lambda request: [
            payment_gateway_pb2.BatchChargeResult(charge=approved(each.attempt_id))
            for each in request.charges
        ]
    )
    async with serving(scripted) as gateway:
        answers = await gateway.charge(CLIENT, orders(*(f"a{place}" for place in range(250))))
    assert [each.gateway_reference for each in answers] == [f"reference of a{place}" for place in range(250)]
    assert sorted(scripted.calls) == ["batch of 100", "batch of 100", "batch of 50"]


async def test_a_gateway_without_batches_gets_every_charge_alone_and_is_not_asked_again() -> None:
    scripted = ScriptedGateway(fails_with(grpc.StatusCode.UNIMPLEMENTED))
    async with serving(scripted) as gateway:
        for attempt_id in ("a1", "a2"):
            assert kinds(await gateway.charge(CLIENT, orders(attempt_id))) == [GatewayAnswer.APPROVED]
    assert scripted.calls == ["batch of 1", "charge a1", "charge a2"]


async def test_a_batch_that_is_refused_for_one_of_its_charges_fails_none_of_the_others() -> None:
    scripted = ScriptedGateway(fails_with(grpc.StatusCode.INVALID_ARGUMENT))
    async with serving(scripted) as gateway:
        answers = await gateway.charge(CLIENT, orders("a1", "bad", "a2"))
        again = await gateway.charge(CLIENT, orders("a3"))
    assert kinds(answers) == [GatewayAnswer.APPROVED, GatewayAnswer.REFUSED, GatewayAnswer.APPROVED]
    assert kinds(again) == [GatewayAnswer.APPROVED]
    assert scripted.calls.count("batch of 1") == 1, "a refusal is no reason to send no more batches"


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (grpc.StatusCode.DEADLINE_EXCEEDED, GatewayAnswer.NO_ANSWER),
        (grpc.StatusCode.INTERNAL, GatewayAnswer.NO_ANSWER),
        (grpc.StatusCode.UNAVAILABLE, GatewayAnswer.UNAVAILABLE),
    ],
)
async def test_of_a_batch_without_an_answer_nothing_is_known_and_nothing_is_charged_again(
    code: grpc.StatusCode, answer: GatewayAnswer
) -> None:
    scripted = ScriptedGateway(fails_with(code))
    async with serving(scripted) as gateway:
        assert kinds(await gateway.charge(CLIENT, orders("a1", "a2"))) == [answer, answer]
    assert scripted.calls == ["batch of 2"]


@pytest.mark.parametrize("results", [[], [payment_gateway_pb2.BatchChargeResult(charge=approved("other"))]])
async def test_an_answer_for_other_attempts_is_no_more_than_silence(results: Results) -> None:
    async with serving(ScriptedGateway(lambda _request: results)) as gateway:
        assert kinds(await gateway.charge(CLIENT, orders("a1"))) == [GatewayAnswer.NO_ANSWER]


@pytest.fixture
async def sandbox(batch_database: FreshDatabase) -> AsyncIterator[tuple[Gateway, asyncpg.Pool]]:
    """The sandbox as the service calls it, and its books."""
    async with (
        await create_pool(batch_settings(batch_database), name="sandbox", size=2) as books,
        serving_sandbox(books) as target,
        grpc.aio.insecure_channel(target) as channel,
    ):
        yield Gateway(channel, 2.0), books


async def test_the_sandbox_decides_each_charge_of_a_batch_by_its_own_token(
    sandbox: tuple[Gateway, asyncpg.Pool],
) -> None:
    gateway, books = sandbox
    expected = {
        "tok_approve": GatewayAnswer.APPROVED,
        "tok_soft_decline": GatewayAnswer.SOFT_DECLINE,
        "tok_hard_decline": GatewayAnswer.HARD_DECLINE,
        "tok_pending": GatewayAnswer.PENDING,
        "tok_timeout": GatewayAnswer.NO_ANSWER,
        "tok_lost": GatewayAnswer.NO_ANSWER,
    }
    batch = [order for token in expected for order in orders(token, token=token)]
    assert kinds(await gateway.charge(CLIENT, batch)) == list(expected.values())
    assert kinds(await gateway.ask(CLIENT, ["tok_timeout", "tok_lost"])) == [
        GatewayAnswer.APPROVED,
        GatewayAnswer.ABSENT,
    ]
    taken = await books.fetchval("SELECT count(*) FROM sandbox_charge WHERE outcome = 1")
    assert taken == 2


async def test_the_sandbox_takes_an_attempt_once_alone_or_in_a_batch(
    sandbox: tuple[Gateway, asyncpg.Pool],
) -> None:
    gateway, books = sandbox
    first = await gateway.charge(CLIENT, orders("a1"))
    both = await gateway.charge(CLIENT, orders("a2", "a1"))
    assert both[1] == first[0]
    assert await books.fetchval("SELECT count(*) FROM sandbox_charge") == 2


async def test_the_sandbox_takes_no_batch_in_an_outage(sandbox: tuple[Gateway, asyncpg.Pool]) -> None:
    gateway, books = sandbox
    await books.execute("INSERT INTO sandbox_outage VALUES ($1)", CLIENT)
    assert kinds(await gateway.charge(CLIENT, orders("a1", "a2"))) == [GatewayAnswer.UNAVAILABLE] * 2
    assert await books.fetchval("SELECT count(*) FROM sandbox_charge") == 0
