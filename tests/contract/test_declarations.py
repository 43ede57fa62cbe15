"""What the contracts declare, against the facts of the domain; and the limits that every RPC has."""

from typing import Any, Final

import grpc
import pytest

from service_kit import server
from service_kit.server import ServiceDefinition
from tallybook.batch.v1.batch_status_pb2 import BatchStatus
from tallybook.ledger.v1.transaction_type_pb2 import TransactionType
from tests.contract.served import Rpc, Tokens, rpcs_of, serving
from tests.contract.test_every_rpc import EVERY_SERVICE
from tests.support.databases import NewDatabase

TYPES: Final = {
    2: "CHECK",
    3: "ELECTRONIC_PAYMENT",
    4: "BALANCE_TRANSFER_TO_ACCOUNT",
    5: "BALANCE_TRANSFER_FROM_ACCOUNT",
    6: "WRITE_OFF_OR_DISPUTE_HOLD",
    8: "REFUND_RELATED_REVERSAL",
    9: "BALANCE_FORWARD",
    10: "CASH_CREDIT",
    12: "REFUND_OF_ELECTRONIC_PAYMENT",
    13: "REFUND_OF_EXTERNAL_PAYMENT",
    14: "EXTERNAL_CHARGE",
    15: "DUNNING_CHARGE",
    18: "NEGATIVE_BALANCE_FORWARD",
    21: "INVOICE_CHARGE_LINE_ITEM",
    22: "INVOICE_CREDIT_LINE_ITEM",
    24: "CREDIT_MEMO_LINE",
}
# A voided dispute hold is a dispute that was settled: the domain names the void of both after the write-off.
VOIDED_NAMES: Final = {6: "WRITE_OFF"}
STATUSES: Final = ("NEW", "RUNNING", "OK", "INCOMPLETE", "ERROR", "PARTIAL", "WARNING", "SUSPENDED")

LONGEST_UNARY_SECONDS: Final = 30.0
LONGEST_STREAM_SECONDS: Final = 3600.0
# What ends only when the caller, or the server, does.
ENDLESS: Final = {
    "/tallybook.batch.v1.BatchService/WatchBatchSession",
    "/tallybook.ledger.v1.JournalService/WatchTransactions",
}

SMALL: Final = 4096


def test_the_numbers_of_transaction_types_are_their_codes_and_a_void_is_minus_its_type() -> None:
    expected = {"TRANSACTION_TYPE_UNSPECIFIED": 0}
    for code, name in TYPES.items():
        expected[f"TRANSACTION_TYPE_{name}"] = code
        expected[f"TRANSACTION_TYPE_VOIDED_{VOIDED_NAMES.get(code, name)}"] = -code
    assert dict(TransactionType.items()) == expected


def test_the_numbers_of_batch_statuses_are_their_codes() -> None:
    assert dict(BatchStatus.items()) == {f"BATCH_STATUS_{name}": code for code, name in enumerate(STATUSES)}


@EVERY_SERVICE
def test_every_rpc_has_a_time_limit_unless_it_watches(definition: ServiceDefinition[Any, Any]) -> None:
    settings = definition.settings(
        database_url="postgresql://nobody@localhost/none", development_principal=True
    )
    methods = server._call_handler(definition, settings)._methods
    for rpc in rpcs_of(definition):
        deadline = methods[rpc.path].deadline
        if rpc.path in ENDLESS:
            assert deadline is None
            continue
        assert deadline is not None, f"{rpc.path} may run for ever"
        assert 0 < deadline <= (LONGEST_STREAM_SECONDS if rpc.streams else LONGEST_UNARY_SECONDS), rpc.path


@EVERY_SERVICE
async def test_a_request_above_the_size_limit_is_refused_by_every_rpc_before_it_is_read(
    definition: ServiceDefinition[Any, Any], new_database: NewDatabase, tokens: Tokens
) -> None:
    async with serving(definition, new_database, tokens, max_message_bytes=SMALL) as channel:
        for rpc in rpcs_of(definition):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await _call(channel, rpc, b"\0" * (SMALL + 1))
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, rpc.path
            assert str(SMALL) in (caught.value.details() or ""), rpc.path


async def _call(channel: grpc.aio.Channel, rpc: Rpc, request: bytes) -> None:
    kinds = ("unary", "stream")
    kind = f"{kinds[rpc.method.client_streaming]}_{kinds[rpc.method.server_streaming]}"
    call: Any = getattr(channel, kind)(rpc.path)
    pending = call(iter([request]) if rpc.method.client_streaming else request, timeout=20)
    await (pending.read() if rpc.method.server_streaming else pending)
