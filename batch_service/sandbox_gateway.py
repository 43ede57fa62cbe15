"""A payment gateway for development: it decides by the payment token and moves no money.

It plays the outside world, so it keeps its own books (the sandbox tables), which survive restarts, and
remembers an attempt for ever. A time-out is real: it takes the money, or not, and then says nothing until
the caller gives up.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Never

import asyncpg
import grpc
from google.rpc.status_pb2 import Status

from batch_service.arrays import columns
from tallybook.payments.v1 import (
    payment_gateway_pb2,
    payment_gateway_pb2_grpc,
    sandbox_pb2,
    sandbox_pb2_grpc,
)
from tallybook.type.v1 import money_pb2

Context = grpc.aio.ServicerContext[Any, Any]

_APPROVED: Final = payment_gateway_pb2.CHARGE_OUTCOME_APPROVED
_PENDING: Final = payment_gateway_pb2.CHARGE_OUTCOME_PENDING


@dataclass(frozen=True, slots=True)
class TokenRule:
    """What the sandbox does with a payment token.

    outcome: what it writes down first; None when it writes nothing down, as if the request had never arrived.
    answers: whether the caller hears of it.
    """

    outcome: int | None
    decline_code: str = ""
    answers: bool = True


_RULES: Final = {
    "tok_approve": TokenRule(_APPROVED),
    "tok_soft_decline": TokenRule(payment_gateway_pb2.CHARGE_OUTCOME_SOFT_DECLINE, "insufficient_funds"),
    "tok_hard_decline": TokenRule(payment_gateway_pb2.CHARGE_OUTCOME_HARD_DECLINE, "stolen_card"),
    "tok_timeout": TokenRule(_APPROVED, answers=False),
    "tok_pending": TokenRule(_PENDING),
    "tok_lost": TokenRule(None, answers=False),
}
_ANY_OTHER_TOKEN: Final = TokenRule(_APPROVED)

# For callers that set no deadline at all.
_LONGEST_SILENCE_SECONDS: Final = 300.0

_SILENCE: Final = Status(
    code=grpc.StatusCode.DEADLINE_EXCEEDED.value[0], message="the sandbox keeps silent about this attempt"
)

_OUTAGE: Final = "SELECT EXISTS (SELECT FROM sandbox_outage WHERE client_no = $1)"

_START_OUTAGE: Final = "INSERT INTO sandbox_outage (client_no) VALUES ($1) ON CONFLICT DO NOTHING"

_END_OUTAGE: Final = "DELETE FROM sandbox_outage WHERE client_no = $1"

# The first request of an attempt decides. Its number is made of what names it, so that it needs no second
# statement.
_CHARGE: Final = """
    INSERT INTO sandbox_charge
        (client_no, attempt_id, outcome, gateway_reference, decline_code, amount_minor, currency)
    SELECT $1, $2, $3, 'sbx_' || md5($1::bigint || '/' || $2::text), $4, $5, $6
    WHERE NOT EXISTS (SELECT FROM sandbox_outage WHERE client_no = $1)
    ON CONFLICT (client_no, attempt_id) DO NOTHING
    RETURNING attempt_id, outcome, gateway_reference, decline_code, amount_minor, currency
"""

# In the order of their names, so that two batches with the same attempts never wait for each other.
_CHARGE_MANY: Final = """
    INSERT INTO sandbox_charge
        (client_no, attempt_id, outcome, gateway_reference, decline_code, amount_minor, currency)
    SELECT $1, given.attempt_id, given.outcome, 'sbx_' || md5($1::bigint || '/' || given.attempt_id),
           given.decline_code, given.amount_minor, given.currency
    FROM unnest($2::text[], $3::smallint[], $4::text[], $5::bigint[], $6::text[])
        AS given (attempt_id, outcome, decline_code, amount_minor, currency)
    WHERE NOT EXISTS (SELECT FROM sandbox_outage WHERE client_no = $1)
    ORDER BY given.attempt_id
    ON CONFLICT (client_no, attempt_id) DO NOTHING
    RETURNING attempt_id, outcome, gateway_reference, decline_code, amount_minor, currency
"""

# To be asked is what settles a pending attempt.
_ASK: Final = """
    UPDATE sandbox_charge SET outcome = CASE outcome WHEN 4 THEN 1 ELSE outcome END
    WHERE client_no = $1 AND attempt_id = $2
    RETURNING attempt_id, outcome, gateway_reference, decline_code, amount_minor, currency
"""


_ASK_MANY: Final = """
    UPDATE sandbox_charge SET outcome = CASE outcome WHEN 4 THEN 1 ELSE outcome END
    WHERE client_no = $1 AND attempt_id = ANY($2::text[])
    RETURNING attempt_id, outcome, gateway_reference, decline_code, amount_minor, currency
"""


class SandboxGateway(payment_gateway_pb2_grpc.PaymentGatewayServicer):
    """The gateway that `sandbox.proto` describes."""

    def __init__(self, books: asyncpg.Pool) -> None:
        self._books = books

    async def Charge(  # noqa: N802  # the name in the contract
        self, request: payment_gateway_pb2.ChargeRequest, context: Context
    ) -> payment_gateway_pb2.ChargeResponse:
        """Decide an attempt by its token, once."""
        rule = _rule_of(request)
        row = None
        if rule.outcome is not None:
            row = await self._books.fetchrow(
                _CHARGE,
                request.client_no,
                request.attempt_id,
                rule.outcome,
                rule.decline_code,
                request.amount.minor_units,
                request.amount.currency_code,
            )
        if row is None:
            await self._refuse_in_outage(request.client_no, context)
            row = await self._books.fetchrow(_ASK, request.client_no, request.attempt_id)
        if row is None or not rule.answers:
            await _stay_silent(context)
        return payment_gateway_pb2.ChargeResponse(charge=_charge(row))

    async def BatchCharge(  # noqa: N802
        self, request: payment_gateway_pb2.BatchChargeRequest, context: Context
    ) -> payment_gateway_pb2.BatchChargeResponse:
        """Decide attempts by their tokens, in one statement. Of what a token keeps silent about, the answer
        says that.
        """
        client_no = request.client_no
        heard = [each for each in request.charges if _rule_of(each).outcome is not None]
        rows = await self._books.fetch(
            _CHARGE_MANY, client_no, *columns([_decided(each) for each in heard], 5)
        )
        found = {row["attempt_id"]: row for row in rows}
        known = [each.attempt_id for each in heard if each.attempt_id not in found]
        if known or not heard:
            await self._refuse_in_outage(client_no, context)
        if known:
            for row in await self._books.fetch(_ASK_MANY, client_no, known):
                found[row["attempt_id"]] = row
        return payment_gateway_pb2.BatchChargeResponse(
            results=[_result(each, found.get(each.attempt_id)) for each in request.charges]
        )

    async def GetCharge(  # noqa: N802
        self, request: payment_gateway_pb2.GetChargeRequest, context: Context
    ) -> payment_gateway_pb2.GetChargeResponse:
        """Say what became of an attempt."""
        await self._refuse_in_outage(request.client_no, context)
        row = await self._books.fetchrow(_ASK, request.client_no, request.attempt_id)
        if row is None:
            await context.abort(
                grpc.StatusCode.NOT_FOUND,
                f"the attempt {request.attempt_id!r} never arrived: no money was taken",
            )
        return payment_gateway_pb2.GetChargeResponse(charge=_charge(row))

    async def CheckAvailability(  # noqa: N802
        self, request: payment_gateway_pb2.CheckAvailabilityRequest, context: Context
    ) -> payment_gateway_pb2.CheckAvailabilityResponse:
        """Answer, unless there is an outage."""
        await self._refuse_in_outage(request.client_no, context)
        return payment_gateway_pb2.CheckAvailabilityResponse()

    async def _refuse_in_outage(self, client_no: int, context: Context) -> None:
        if await self._books.fetchval(_OUTAGE, client_no):
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the sandbox gateway has an outage")


class SandboxGatewayControl(sandbox_pb2_grpc.SandboxGatewayServiceServicer):
    """Starts and ends outages of the sandbox."""

    def __init__(self, books: asyncpg.Pool) -> None:
        self._books = books

    async def SetOutage(  # noqa: N802
        self, request: sandbox_pb2.SetOutageRequest, context: Context
    ) -> sandbox_pb2.SetOutageResponse:
        """Start or end an outage of a client's gateway."""
        await self._books.execute(_START_OUTAGE if request.outage else _END_OUTAGE, request.client_no)
        return sandbox_pb2.SetOutageResponse()


@asynccontextmanager
async def serving_sandbox(books: asyncpg.Pool) -> AsyncIterator[str]:
    """Serve the sandbox to this process alone, on a loopback port of its own; yields its target.

    Every worker process may have one: what they know is in the database.
    """
    server = grpc.aio.server()
    payment_gateway_pb2_grpc.add_PaymentGatewayServicer_to_server(SandboxGateway(books), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(grace=1.0)


async def _stay_silent(context: Context) -> Never:
    left = context.time_remaining() or _LONGEST_SILENCE_SECONDS
    await asyncio.sleep(min(left, _LONGEST_SILENCE_SECONDS))
    await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "the sandbox keeps silent")
    raise AssertionError("abort does not return")


def _rule_of(request: payment_gateway_pb2.ChargeRequest) -> TokenRule:
    return _RULES.get(request.payment_token, _ANY_OTHER_TOKEN)


def _decided(request: payment_gateway_pb2.ChargeRequest) -> tuple[Any, ...]:
    """What is written down of an attempt that arrived."""
    rule, amount = _rule_of(request), request.amount
    return request.attempt_id, rule.outcome, rule.decline_code, amount.minor_units, amount.currency_code


def _result(request: payment_gateway_pb2.ChargeRequest, row: Any) -> payment_gateway_pb2.BatchChargeResult:
    if row is None or not _rule_of(request).answers:
        return payment_gateway_pb2.BatchChargeResult(error=_SILENCE)
    return payment_gateway_pb2.BatchChargeResult(charge=_charge(row))


def _charge(row: Any) -> payment_gateway_pb2.Charge:
    outcome = row["outcome"]
    return payment_gateway_pb2.Charge(
        attempt_id=row["attempt_id"],
        outcome=payment_gateway_pb2.ChargeOutcome.ValueType(outcome),
        gateway_reference=row["gateway_reference"] if outcome == _APPROVED else "",
        decline_code=row["decline_code"],
        amount=money_pb2.Money(currency_code=row["currency"], minor_units=row["amount_minor"]),
    )
