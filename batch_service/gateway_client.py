"""The payment gateway, as collection sees it: every answer is one of `GatewayAnswer`, silence included
(rule 12).

Attempts go to it in batches, if it takes them: a call for each costs more than all else that is done with a
payment. A gateway that takes no batches, or refuses one, gets every attempt in a call of its own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar

import grpc
import structlog

from batch_service.processes.contract import ProcessFault
from batch_service.rules.collection import ChargeAnswer, ChargeOrder, GatewayAnswer
from service_kit.money import Money
from tallybook.payments.v1 import payment_gateway_pb2, payment_gateway_pb2_grpc
from tallybook.type.v1 import money_pb2

_ANSWERS: Final = {
    payment_gateway_pb2.CHARGE_OUTCOME_APPROVED: GatewayAnswer.APPROVED,
    payment_gateway_pb2.CHARGE_OUTCOME_SOFT_DECLINE: GatewayAnswer.SOFT_DECLINE,
    payment_gateway_pb2.CHARGE_OUTCOME_HARD_DECLINE: GatewayAnswer.HARD_DECLINE,
    payment_gateway_pb2.CHARGE_OUTCOME_PENDING: GatewayAnswer.PENDING,
}

_log = structlog.get_logger()

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")

# Enough to hide the time that a gateway takes to answer, few enough for its limits.
_CALLS_AT_ONCE: Final = 32
_BATCHES_AT_ONCE: Final = 4
_BATCH_SIZE: Final = 100
# A gateway may work a batch one by one.
_SECONDS_FOR_EACH: Final = 0.1

# With these the gateway says that it did not take the request, and so no money. Any other failure may have
# come after the money was taken.
_REFUSALS: Final = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
    }
)


_CODES: Final[Mapping[int, grpc.StatusCode]] = {code.value[0]: code for code in grpc.StatusCode}

# It answered, but not for what it was sent: that is no more than silence.
_NOTHING_TOLD: Final = ChargeAnswer(GatewayAnswer.NO_ANSWER)

# What the customer reads on the statement of the bank.
_DESCRIPTION: Final = "Subscription"


class Gateway:
    """A payment gateway behind a channel; `deadline_seconds` is how long it may take to answer."""

    def __init__(self, channel: grpc.aio.Channel, deadline_seconds: float) -> None:
        self._stub = payment_gateway_pb2_grpc.PaymentGatewayStub(channel)
        self._deadline_seconds = deadline_seconds
        self._takes_batches = True

    async def require_available(self, client_no: int) -> None:
        """ProcessFault when the gateway takes no charges for a client now."""
        request = payment_gateway_pb2.CheckAvailabilityRequest(client_no=client_no)
        try:
            await self._stub.CheckAvailability(request, timeout=self._deadline_seconds)
        except grpc.aio.AioRpcError as failure:
            raise ProcessFault(
                f"the payment gateway takes no charges ({failure.code().name}): nothing was collected;"
                " run the process again when the gateway is back"
            ) from failure

    async def charge(self, client_no: int, orders: Sequence[ChargeOrder]) -> list[ChargeAnswer]:
        """Charge payment methods; one answer each, in order. Again with the same attempt_id takes nothing
        twice.
        """
        requests = [_charge_request(client_no, order) for order in orders]
        batches = [requests[first : first + _BATCH_SIZE] for first in range(0, len(requests), _BATCH_SIZE)]
        answers = await _at_once(_BATCHES_AT_ONCE, self._charge_batch, batches)
        return [answer for batch in answers for answer in batch]

    async def ask(self, client_no: int, attempt_ids: Sequence[str]) -> list[ChargeAnswer]:
        """What became of attempts; one answer each, in order. ABSENT: it never arrived. A refusal to say it
        means no more than silence.
        """
        requests = [
            payment_gateway_pb2.GetChargeRequest(client_no=client_no, attempt_id=attempt_id)
            for attempt_id in attempt_ids
        ]
        return await _at_once(_CALLS_AT_ONCE, self._ask_for_one, requests)

    async def _charge_batch(
        self, requests: Sequence[payment_gateway_pb2.ChargeRequest]
    ) -> Sequence[ChargeAnswer]:
        answers = await self._charge_together(requests) if self._takes_batches else None
        if answers is not None:
            return answers
        return await _at_once(_CALLS_AT_ONCE // _BATCHES_AT_ONCE, self._charge_one, requests)

    async def _charge_together(
        self, requests: Sequence[payment_gateway_pb2.ChargeRequest]
    ) -> list[ChargeAnswer] | None:
        """The answers of a batch; None when it was refused as a whole, so that each has to be sent alone."""
        batch = payment_gateway_pb2.BatchChargeRequest(client_no=requests[0].client_no, charges=requests)
        deadline = self._deadline_seconds + _SECONDS_FOR_EACH * len(requests)
        try:
            response = await self._stub.BatchCharge(batch, timeout=deadline)
        except grpc.aio.AioRpcError as failure:
            if failure.code() in _REFUSALS:
                if failure.code() is grpc.StatusCode.UNIMPLEMENTED:
                    self._takes_batches = False
                _log.info("the gateway took no batch, each charge is sent alone", code=failure.code().name)
                return None
            return [_failed(failure.code())] * len(requests)
        if len(response.results) != len(requests):
            return [_NOTHING_TOLD] * len(requests)
        return [_told_in_batch(*pair) for pair in zip(requests, response.results, strict=True)]

    async def _charge_one(self, request: payment_gateway_pb2.ChargeRequest) -> ChargeAnswer:
        return await _answer(self._stub.Charge(request, timeout=self._deadline_seconds))

    async def _ask_for_one(self, request: payment_gateway_pb2.GetChargeRequest) -> ChargeAnswer:
        answer = await _answer(self._stub.GetCharge(request, timeout=self._deadline_seconds))
        return ChargeAnswer(GatewayAnswer.NO_ANSWER) if answer.answer is GatewayAnswer.REFUSED else answer


async def _at_once(
    limit: int, call: Callable[[Asked], Awaitable[Answered]], requests: Sequence[Asked]
) -> list[Answered]:
    free = asyncio.Semaphore(limit)

    async def one(request: Asked) -> Answered:
        async with free:
            return await call(request)

    return await asyncio.gather(*(one(request) for request in requests))


def _charge_request(client_no: int, order: ChargeOrder) -> payment_gateway_pb2.ChargeRequest:
    return payment_gateway_pb2.ChargeRequest(
        client_no=client_no,
        attempt_id=order.attempt_id,
        payment_token=order.payment_token,
        amount=money_pb2.Money(currency_code=order.amount.currency, minor_units=order.amount.minor_units),
        description=_DESCRIPTION,
    )


async def _answer(
    call: Awaitable[payment_gateway_pb2.ChargeResponse | payment_gateway_pb2.GetChargeResponse],
) -> ChargeAnswer:
    try:
        return _told((await call).charge)
    except grpc.aio.AioRpcError as failure:
        return _failed(failure.code())


def _told(charge: payment_gateway_pb2.Charge) -> ChargeAnswer:
    return ChargeAnswer(
        _ANSWERS.get(charge.outcome, GatewayAnswer.NO_ANSWER),
        charge.gateway_reference,
        charge.decline_code,
        Money(charge.amount.minor_units, charge.amount.currency_code) if charge.HasField("amount") else None,
    )


def _told_in_batch(
    request: payment_gateway_pb2.ChargeRequest, result: payment_gateway_pb2.BatchChargeResult
) -> ChargeAnswer:
    if result.HasField("error"):
        return _failed(_CODES.get(result.error.code, grpc.StatusCode.UNKNOWN))
    return _told(result.charge) if result.charge.attempt_id == request.attempt_id else _NOTHING_TOLD


def _failed(code: grpc.StatusCode) -> ChargeAnswer:
    return ChargeAnswer(_answer_of(code), decline_code=code.name)


def _answer_of(code: grpc.StatusCode) -> GatewayAnswer:
    if code is grpc.StatusCode.NOT_FOUND:
        return GatewayAnswer.ABSENT
    if code is grpc.StatusCode.UNAVAILABLE:
        return GatewayAnswer.UNAVAILABLE
    return GatewayAnswer.REFUSED if code in _REFUSALS else GatewayAnswer.NO_ANSWER
