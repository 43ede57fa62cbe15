"""The payment gateway, as collection sees it: every answer is one of `GatewayAnswer`, silence included
(rule 12).
"""

from collections.abc import Awaitable
from typing import Final

import grpc

from batch_service.processes.contract import ProcessFault
from batch_service.rules.collection import ChargeAnswer, GatewayAnswer
from service_kit.money import Money
from tallybook.payments.v1 import payment_gateway_pb2, payment_gateway_pb2_grpc
from tallybook.type.v1 import money_pb2

_ANSWERS: Final = {
    payment_gateway_pb2.CHARGE_OUTCOME_APPROVED: GatewayAnswer.APPROVED,
    payment_gateway_pb2.CHARGE_OUTCOME_SOFT_DECLINE: GatewayAnswer.SOFT_DECLINE,
    payment_gateway_pb2.CHARGE_OUTCOME_HARD_DECLINE: GatewayAnswer.HARD_DECLINE,
    payment_gateway_pb2.CHARGE_OUTCOME_PENDING: GatewayAnswer.PENDING,
}

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


class Gateway:
    """A payment gateway behind a channel; `deadline_seconds` is how long it may take to answer."""

    def __init__(self, channel: grpc.aio.Channel, deadline_seconds: float) -> None:
        self._stub = payment_gateway_pb2_grpc.PaymentGatewayStub(channel)
        self._deadline_seconds = deadline_seconds

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

    async def charge(
        self, client_no: int, attempt_id: str, payment_token: str, amount: Money, description: str
    ) -> ChargeAnswer:
        """Charge a payment method; again with the same attempt_id takes nothing twice."""
        request = payment_gateway_pb2.ChargeRequest(
            client_no=client_no,
            attempt_id=attempt_id,
            payment_token=payment_token,
            amount=money_pb2.Money(currency_code=amount.currency, minor_units=amount.minor_units),
            description=description,
        )
        return await _answer(self._stub.Charge(request, timeout=self._deadline_seconds))

    async def ask(self, client_no: int, attempt_id: str) -> ChargeAnswer:
        """What became of an attempt. ABSENT: it never arrived. A refusal to say it means no more than
        silence.
        """
        request = payment_gateway_pb2.GetChargeRequest(client_no=client_no, attempt_id=attempt_id)
        answer = await _answer(self._stub.GetCharge(request, timeout=self._deadline_seconds))
        return ChargeAnswer(GatewayAnswer.NO_ANSWER) if answer.answer is GatewayAnswer.REFUSED else answer


async def _answer(
    call: Awaitable[payment_gateway_pb2.ChargeResponse | payment_gateway_pb2.GetChargeResponse],
) -> ChargeAnswer:
    try:
        charge = (await call).charge
    except grpc.aio.AioRpcError as failure:
        return ChargeAnswer(_answer_of(failure.code()), decline_code=failure.code().name)
    return ChargeAnswer(
        _ANSWERS.get(charge.outcome, GatewayAnswer.NO_ANSWER),
        charge.gateway_reference,
        charge.decline_code,
        Money(charge.amount.minor_units, charge.amount.currency_code) if charge.HasField("amount") else None,
    )


def _answer_of(code: grpc.StatusCode) -> GatewayAnswer:
    if code is grpc.StatusCode.NOT_FOUND:
        return GatewayAnswer.ABSENT
    if code is grpc.StatusCode.UNAVAILABLE:
        return GatewayAnswer.UNAVAILABLE
    return GatewayAnswer.REFUSED if code in _REFUSALS else GatewayAnswer.NO_ANSWER
