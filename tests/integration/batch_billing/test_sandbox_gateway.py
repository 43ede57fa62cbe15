"""The sandbox gateway: what each token does, that an attempt is taken once, and outages."""

from collections.abc import AsyncIterator
from typing import TypeAlias

import asyncpg
import grpc
import pytest

from batch_service.sandbox_gateway import serving_sandbox
from service_kit.database import create_pool
from tallybook.payments.v1 import payment_gateway_pb2, payment_gateway_pb2_grpc, sandbox_pb2, sandbox_pb2_grpc
from tests.integration.batch_billing.caller import CLIENT, batch_settings, usd
from tests.support.databases import FreshDatabase

APPROVED = payment_gateway_pb2.CHARGE_OUTCOME_APPROVED
PENDING = payment_gateway_pb2.CHARGE_OUTCOME_PENDING

Gateway: TypeAlias = "payment_gateway_pb2_grpc.PaymentGatewayAsyncStub"


@pytest.fixture
async def pool(batch_database: FreshDatabase) -> AsyncIterator[asyncpg.Pool]:
    """The books of the sandbox."""
    async with await create_pool(batch_settings(batch_database), name="sandbox", size=2) as opened:
        yield opened


@pytest.fixture
async def gateway(pool: asyncpg.Pool) -> AsyncIterator[Gateway]:
    """The sandbox as its callers see it."""
    async with serving_sandbox(pool) as target, grpc.aio.insecure_channel(target) as channel:
        yield payment_gateway_pb2_grpc.PaymentGatewayStub(channel)


async def charge(
    gateway: Gateway, token: str, attempt_id: str = "a1", minor_units: int = 500
) -> payment_gateway_pb2.Charge:
    response = await gateway.Charge(
        payment_gateway_pb2.ChargeRequest(
            client_no=CLIENT, attempt_id=attempt_id, payment_token=token, amount=usd(minor_units)
        ),
        timeout=0.5,
    )
    return response.charge


async def ask(gateway: Gateway, attempt_id: str = "a1") -> payment_gateway_pb2.Charge:
    response = await gateway.GetCharge(
        payment_gateway_pb2.GetChargeRequest(client_no=CLIENT, attempt_id=attempt_id)
    )
    return response.charge


@pytest.mark.parametrize(
    ("token", "outcome", "decline_code"),
    [
        ("tok_approve", APPROVED, ""),
        ("tok_of_somebody", APPROVED, ""),
        ("tok_soft_decline", payment_gateway_pb2.CHARGE_OUTCOME_SOFT_DECLINE, "insufficient_funds"),
        ("tok_hard_decline", payment_gateway_pb2.CHARGE_OUTCOME_HARD_DECLINE, "stolen_card"),
        ("tok_pending", PENDING, ""),
    ],
)
async def test_the_token_decides(
    gateway: Gateway, token: str, outcome: payment_gateway_pb2.ChargeOutcome.ValueType, decline_code: str
) -> None:
    answer = await charge(gateway, token)
    assert (answer.outcome, answer.decline_code, answer.amount) == (outcome, decline_code, usd(500))
    assert bool(answer.gateway_reference) is (outcome == APPROVED)


async def test_an_attempt_is_decided_once(gateway: Gateway) -> None:
    first = await charge(gateway, "tok_approve")
    assert await charge(gateway, "tok_hard_decline", minor_units=900) == first
    assert await ask(gateway) == first


async def test_a_pending_charge_is_approved_when_asked(gateway: Gateway) -> None:
    assert (await charge(gateway, "tok_pending")).outcome == PENDING
    assert (await ask(gateway)).outcome == APPROVED


async def test_a_time_out_takes_the_money_and_a_lost_charge_does_not(gateway: Gateway) -> None:
    for token in ("tok_timeout", "tok_lost"):
        with pytest.raises(grpc.aio.AioRpcError) as silence:
            await charge(gateway, token, token)
        assert silence.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert (await ask(gateway, "tok_timeout")).outcome == APPROVED
    with pytest.raises(grpc.aio.AioRpcError) as absent:
        await ask(gateway, "tok_lost")
    assert absent.value.code() == grpc.StatusCode.NOT_FOUND


async def test_what_was_taken_survives_a_restart(gateway: Gateway, pool: asyncpg.Pool) -> None:
    taken = await charge(gateway, "tok_approve")
    async with serving_sandbox(pool) as target, grpc.aio.insecure_channel(target) as channel:
        assert await ask(payment_gateway_pb2_grpc.PaymentGatewayStub(channel)) == taken


async def test_an_outage_of_a_client_ends_when_it_is_ended(
    gateway: Gateway, batch_channel: grpc.aio.Channel
) -> None:
    control: sandbox_pb2_grpc.SandboxGatewayServiceAsyncStub = sandbox_pb2_grpc.SandboxGatewayServiceStub(
        batch_channel
    )
    check = payment_gateway_pb2.CheckAvailabilityRequest(client_no=CLIENT)
    await gateway.CheckAvailability(check)
    for _ in range(2):
        await control.SetOutage(sandbox_pb2.SetOutageRequest(client_no=CLIENT, outage=True))
    for call in (gateway.CheckAvailability(check), charge(gateway, "tok_approve"), ask(gateway)):
        with pytest.raises(grpc.aio.AioRpcError) as away:
            await call
        assert away.value.code() == grpc.StatusCode.UNAVAILABLE
    await gateway.CheckAvailability(payment_gateway_pb2.CheckAvailabilityRequest(client_no=2))
    await control.SetOutage(sandbox_pb2.SetOutageRequest(client_no=CLIENT, outage=False))
    assert (await charge(gateway, "tok_approve")).outcome == APPROVED
