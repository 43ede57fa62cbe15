"""GlAccountService: the chart of accounts, and what is booked to them."""

from collections.abc import Iterable
from datetime import date
from types import MappingProxyType
from typing import Any, Final, TypeAlias, TypeVar

import grpc

from ledger_service.chart import ChartOfAccounts
from ledger_service.rules.gl_mappings import GlMapping, MappingKey, Override
from ledger_service.rules.invoice_line_types import INVOICE_LINE_TYPES
from ledger_service.servicers.posting_calls import keyed_call
from ledger_service.servicers.texts import storable
from ledger_service.store_chart import ChartAccount
from service_kit.dates import date_from_proto, date_to_proto, instant_to_proto
from service_kit.ready_answers import ready_answer
from tallybook.ledger.v1 import gl_account_pb2, gl_account_pb2_grpc, transaction_pb2, transaction_type_pb2

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Changed = TypeVar("Changed", gl_account_pb2.SetGlMappingResponse, gl_account_pb2.ResetGlMappingResponse)

_KINDS: Final = MappingProxyType(
    {
        "asset": gl_account_pb2.GL_ACCOUNT_KIND_ASSET,
        "liability": gl_account_pb2.GL_ACCOUNT_KIND_LIABILITY,
        "equity": gl_account_pb2.GL_ACCOUNT_KIND_EQUITY,
        "revenue": gl_account_pb2.GL_ACCOUNT_KIND_REVENUE,
        "contra revenue": gl_account_pb2.GL_ACCOUNT_KIND_CONTRA_REVENUE,
        "expense": gl_account_pb2.GL_ACCOUNT_KIND_EXPENSE,
    }
)
_KIND_NAMES: Final = MappingProxyType({number: name for name, number in _KINDS.items()})
_ORIGINS: Final = (gl_account_pb2.GL_ORIGIN_DEFAULT, gl_account_pb2.GL_ORIGIN_CLIENT)


class GlAccountServicer(gl_account_pb2_grpc.GlAccountServiceServicer):
    """Shows and changes charts."""

    def __init__(self, chart: ChartOfAccounts) -> None:
        self._chart = chart

    async def ListGlAccounts(
        self, request: gl_account_pb2.ListGlAccountsRequest, context: Context
    ) -> gl_account_pb2.ListGlAccountsResponse:
        """By code."""
        accounts = await self._chart.accounts(request.client_no)
        return gl_account_pb2.ListGlAccountsResponse(gl_accounts=map(_account_to_proto, accounts))

    async def CreateGlAccount(
        self, request: gl_account_pb2.CreateGlAccountRequest, context: Context
    ) -> gl_account_pb2.CreateGlAccountResponse:
        """One of the client's own."""

        def answer(created: ChartAccount) -> bytes:
            response = gl_account_pb2.CreateGlAccountResponse(gl_account=_account_to_proto(created))
            return response.SerializeToString(deterministic=True)

        name = storable(request.name, "name")
        account = ChartAccount(request.code, name, _KIND_NAMES[request.kind], own=True)
        stored = await self._chart.create_account(keyed_call(request), account, answer)
        return ready_answer(stored, gl_account_pb2.CreateGlAccountResponse)

    async def ListGlMappings(
        self, request: gl_account_pb2.ListGlMappingsRequest, context: Context
    ) -> gl_account_pb2.ListGlMappingsResponse:
        """Types, then line types."""
        day = (
            date_from_proto(request.effective_date, "effective_date")
            if request.HasField("effective_date")
            else None
        )
        mappings = await self._chart.mappings(request.client_no, day)
        return gl_account_pb2.ListGlMappingsResponse(mappings=map(_mapping_to_proto, mappings))

    async def SetGlMapping(
        self, request: gl_account_pb2.SetGlMappingRequest, context: Context
    ) -> gl_account_pb2.SetGlMappingResponse:
        """To another account than the default."""
        return await self._change(request, request.gl_account, gl_account_pb2.SetGlMappingResponse)

    async def ResetGlMapping(
        self, request: gl_account_pb2.ResetGlMappingRequest, context: Context
    ) -> gl_account_pb2.ResetGlMappingResponse:
        """To the default."""
        return await self._change(request, None, gl_account_pb2.ResetGlMappingResponse)

    async def _change(
        self,
        request: gl_account_pb2.SetGlMappingRequest | gl_account_pb2.ResetGlMappingRequest,
        gl_account: str | None,
        response: type[Changed],
    ) -> Changed:
        def answer(changed: Iterable[GlMapping]) -> bytes:
            return response(mappings=map(_mapping_to_proto, changed)).SerializeToString(deterministic=True)

        effective_from = _effective_from(request)
        key = _key_from_proto(request.key)
        stored = await self._chart.set_mapping(keyed_call(request), key, gl_account, effective_from, answer)
        return ready_answer(stored, response)


def _effective_from(
    request: gl_account_pb2.SetGlMappingRequest | gl_account_pb2.ResetGlMappingRequest,
) -> date | None:
    if not request.HasField("effective_from"):
        return None
    return date_from_proto(request.effective_from, "effective_from")


def _key_from_proto(key: gl_account_pb2.GlMappingKey) -> MappingKey:
    if key.HasField("transaction_type"):
        return MappingKey(key.transaction_type)
    line_type = INVOICE_LINE_TYPES[key.invoice_line_type]
    return MappingKey(line_type.transaction_type, line_type.code)


def _key_to_proto(key: MappingKey) -> gl_account_pb2.GlMappingKey:
    if key.line_type:
        line_type = transaction_pb2.InvoiceLineType.ValueType(key.line_type)
        return gl_account_pb2.GlMappingKey(invoice_line_type=line_type)
    kind = transaction_type_pb2.TransactionType.ValueType(key.transaction_type)
    return gl_account_pb2.GlMappingKey(transaction_type=kind)


def _account_to_proto(account: ChartAccount) -> gl_account_pb2.GlAccount:
    return gl_account_pb2.GlAccount(
        code=account.code, name=account.name, kind=_KINDS[account.kind], origin=_ORIGINS[account.own]
    )


def _mapping_to_proto(mapping: GlMapping) -> gl_account_pb2.GlMapping:
    return gl_account_pb2.GlMapping(
        key=_key_to_proto(mapping.default.key),
        name=mapping.default.name,
        debit_gl_account=mapping.debit_account,
        credit_gl_account=mapping.credit_account,
        origin=_ORIGINS[mapping.own_account is not None],
        default_gl_account=mapping.default.counter_account,
        overrides=map(_override_to_proto, mapping.overrides),
    )


def _override_to_proto(override: Override) -> gl_account_pb2.GlOverride:
    effective_from = override.effective_from
    return gl_account_pb2.GlOverride(
        gl_account=override.gl_account or "",
        from_event_no=override.from_event_no,
        effective_from=None if effective_from is None else date_to_proto(effective_from),
        created_at=instant_to_proto(override.created_at),
        actor=override.actor,
    )
