"""AccountService: opens accounts and plan instances; its reading half is in `account_reads`."""

from typing import Any, TypeAlias

import grpc

from ledger_service.account_reader import AccountReader
from ledger_service.rules import refusals
from ledger_service.rules.commit_groups import Accepted
from ledger_service.rules.postings import AccountOpening, PlanInstanceOpening
from ledger_service.servicers.account_reads import AccountReads, account_to_proto
from ledger_service.servicers.posting_calls import PostingCalls
from ledger_service.servicers.texts import storable
from ledger_service.servicers.transaction_contract import transaction_to_proto
from ledger_service.store_reads import Account, PlanInstance
from service_kit.money import exponent_of
from tallybook.ledger.v1 import account_pb2

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class AccountServicer(AccountReads):
    """The whole of AccountService."""

    def __init__(self, calls: PostingCalls, reader: AccountReader) -> None:
        super().__init__(reader)
        self._calls = calls

    async def CreateAccount(
        self, request: account_pb2.CreateAccountRequest, context: Context
    ) -> account_pb2.CreateAccountResponse:
        """With its plan instances and, where there is an opening balance, its balance forward."""
        opening = AccountOpening(
            client_no=request.client_no,
            external_id=storable(request.external_id, "external_id"),
            name=storable(request.name, "name"),
            currency=request.currency_code,
            payment_term_days=request.payment_term_days,
            plan_instance_names=tuple(
                storable(name, f"plan_instance_names[{place}]")
                for place, name in enumerate(request.plan_instance_names)
            ),
            opening_balance=_opening_balance(request),
            effective_date=self._calls.effective_date(request),
        )

        def answer(accepted: Accepted) -> account_pb2.CreateAccountResponse:
            posted = accepted.transactions()
            return account_pb2.CreateAccountResponse(
                account=account_to_proto(_opened(opening, accepted)),
                balance_forward=transaction_to_proto(posted[0]) if posted else None,
            )

        return await self._calls.post_one(request, opening, answer, account_pb2.CreateAccountResponse)

    async def CreatePlanInstance(
        self, request: account_pb2.CreatePlanInstanceRequest, context: Context
    ) -> account_pb2.CreatePlanInstanceResponse:
        """On an account that exists."""
        opening = PlanInstanceOpening(request.client_no, request.acct_no, storable(request.name, "name"))

        def answer(accepted: Accepted) -> account_pb2.CreatePlanInstanceResponse:
            return account_pb2.CreatePlanInstanceResponse(
                plan_instance=account_pb2.PlanInstance(
                    plan_instance_no=accepted.plan_instance_nos[0], name=opening.name
                )
            )

        return await self._calls.post_one(request, opening, answer, account_pb2.CreatePlanInstanceResponse)


def _opening_balance(request: account_pb2.CreateAccountRequest) -> int:
    """In minor units of the account's currency; CURRENCY_UNKNOWN, CURRENCY_MISMATCH."""
    exponent_of(request.currency_code)
    if not request.HasField("opening_balance"):
        return 0
    given = request.opening_balance.currency_code
    exponent_of(given)
    if given != request.currency_code:
        raise refusals.opening_currency_mismatch(request.currency_code, given)
    return request.opening_balance.minor_units


def _opened(opening: AccountOpening, accepted: Accepted) -> Account:
    assert accepted.created_at is not None
    plan_instances = zip(accepted.plan_instance_nos, opening.plan_instance_names, strict=True)
    return Account(
        client_no=opening.client_no,
        acct_no=accepted.acct_no,
        external_id=opening.external_id,
        name=opening.name,
        currency_code=opening.currency,
        payment_term_days=opening.payment_term_days,
        created_at=accepted.created_at,
        plan_instances=tuple(PlanInstance(number, name) for number, name in plan_instances),
    )
