"""The reading half of AccountService."""

from functools import partial
from typing import Any, Final, TypeAlias

import grpc

from ledger_service.account_reader import AccountReader
from ledger_service.aging import AccountAging, AgingQuery
from ledger_service.rules.statements import Statement, statement_too_long
from ledger_service.servicers.money_contract import sum_to_proto
from ledger_service.servicers.texts import storable
from ledger_service.servicers.transaction_contract import transaction_to_proto
from ledger_service.store_reads import Account, AccountBalances
from service_kit.answer_sizes import LARGEST_ANSWER_BYTES, as_many_as_fit
from service_kit.dates import date_from_proto, date_to_proto, instant_to_proto
from service_kit.paging import page_size, page_start, page_token
from tallybook.ledger.v1 import account_pb2, account_pb2_grpc
from tallybook.type.v1.money_pb2 import Money

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_DEFAULT_PAGE_SIZE: Final = 100


class AccountReads(account_pb2_grpc.AccountServiceServicer):
    """What reads accounts and writes nothing."""

    def __init__(self, reader: AccountReader) -> None:
        self._reader = reader

    async def GetAccount(
        self, request: account_pb2.GetAccountRequest, context: Context
    ) -> account_pb2.GetAccountResponse:
        """By the one of its identifiers that is given."""
        if request.external_id:
            external_id = storable(request.external_id, "external_id")
            account = await self._reader.account_by_external_id(request.client_no, external_id)
        else:
            account = await self._reader.account(request.client_no, request.acct_no)
        return account_pb2.GetAccountResponse(account=account_to_proto(account))

    async def ListAccounts(
        self, request: account_pb2.ListAccountsRequest, context: Context
    ) -> account_pb2.ListAccountsResponse:
        """By number; the token is the last number shown."""
        size = page_size(request.page_size, default=_DEFAULT_PAGE_SIZE)
        (after,) = page_start(request, int) or (0,)
        accounts = await self._reader.accounts(request.client_no, after=after, limit=size + 1)
        shown = as_many_as_fit(map(account_to_proto, accounts[:size]))
        return account_pb2.ListAccountsResponse(
            accounts=shown,
            next_page_token=page_token(request, [shown[-1].acct_no]) if len(accounts) > len(shown) else "",
        )

    async def GetBalance(
        self, request: account_pb2.GetBalanceRequest, context: Context
    ) -> account_pb2.GetBalanceResponse:
        """Now, at a date, or as recorded at an event."""
        client_no, acct_no = request.client_no, request.acct_no
        match request.WhichOneof("as_of"):
            case "effective_date":
                as_of = date_from_proto(request.effective_date, "effective_date")
                balances = await self._reader.balances_at_date(client_no, acct_no, as_of)
            case "event_no":
                balances = await self._reader.balances_at_event(client_no, acct_no, request.event_no)
            case _:
                balances = await self._reader.balances_now(client_no, acct_no)
        return _balances_to_proto(balances)

    async def BatchGetBalances(
        self, request: account_pb2.BatchGetBalancesRequest, context: Context
    ) -> account_pb2.BatchGetBalancesResponse:
        """In the order of the request, without those that don't exist."""
        return account_pb2.BatchGetBalancesResponse(
            balances=[
                account_pb2.AccountBalance(
                    acct_no=one.acct_no,
                    balance=Money(currency_code=one.currency_code, minor_units=one.balance),
                )
                for one in await self._reader.balances_of(request.client_no, request.acct_nos)
            ]
        )

    async def ListAging(
        self, request: account_pb2.ListAgingRequest, context: Context
    ) -> account_pb2.ListAgingResponse:
        """By account number; the token is the last number shown."""
        size = page_size(request.page_size, default=_DEFAULT_PAGE_SIZE)
        (after,) = page_start(request, int) or (0,)
        query = AgingQuery(
            client_no=request.client_no,
            as_of=date_from_proto(request.as_of_date, "as_of_date"),
            acct_nos=request.acct_nos,
            min_days_past_due=request.min_days_past_due,
            after=after,
        )
        accounts = await self._reader.aging(query, size + 1)
        shown = accounts[:size]
        return account_pb2.ListAgingResponse(
            accounts=map(_aging_to_proto, shown),
            next_page_token=page_token(request, [shown[-1].account.acct_no]) if len(accounts) > size else "",
        )

    async def GetStatement(
        self, request: account_pb2.GetStatementRequest, context: Context
    ) -> account_pb2.GetStatementResponse:
        """The lines in the order of effective date and event_no."""
        start = date_from_proto(request.period_start, "period_start")
        end = date_from_proto(request.period_end, "period_end")
        account, statement = await self._reader.statement(request.client_no, request.acct_no, start, end)
        answer = _statement_to_proto(account, statement)
        if answer.ByteSize() > LARGEST_ANSWER_BYTES:
            raise statement_too_long(start, end)
        return answer


def account_to_proto(account: Account) -> account_pb2.Account:
    """The contract's form of an account."""
    return account_pb2.Account(
        client_no=account.client_no,
        acct_no=account.acct_no,
        external_id=account.external_id,
        name=account.name,
        currency_code=account.currency_code,
        payment_term_days=account.payment_term_days,
        created_at=instant_to_proto(account.created_at),
        plan_instances=[
            account_pb2.PlanInstance(plan_instance_no=one.plan_instance_no, name=one.name)
            for one in account.plan_instances
        ],
    )


def _balances_to_proto(balances: AccountBalances) -> account_pb2.GetBalanceResponse:
    money = partial(sum_to_proto, balances.currency_code)

    return account_pb2.GetBalanceResponse(
        balance=money(balances.balance),
        account_only_balance=money(balances.account_only),
        plan_instance_balances=[
            account_pb2.PlanInstanceBalance(
                plan_instance_no=one.plan_instance.plan_instance_no,
                name=one.plan_instance.name,
                balance=money(one.balance),
            )
            for one in balances.plan_instances
        ],
    )


def _statement_to_proto(account: Account, statement: Statement) -> account_pb2.GetStatementResponse:
    money = partial(sum_to_proto, account.currency_code)

    return account_pb2.GetStatementResponse(
        account=account_to_proto(account),
        opening_balance=money(statement.opening_balance),
        lines=[
            account_pb2.StatementLine(
                transaction=transaction_to_proto(line.transaction),
                description=line.description,
                effect=money(line.transaction.effect),
                running_balance=money(line.running_balance),
            )
            for line in statement.lines
        ],
        total_charges=money(statement.total_charges),
        total_credits=money(statement.total_credits),
        closing_balance=money(statement.closing_balance),
    )


def _aging_to_proto(listed: AccountAging) -> account_pb2.AccountAging:
    money = partial(sum_to_proto, listed.account.currency_code)

    aging = listed.aging
    return account_pb2.AccountAging(
        acct_no=listed.account.acct_no,
        name=listed.account.name,
        balance=money(aging.balance),
        not_due=money(aging.not_due),
        days_1_to_30=money(aging.days_1_to_30),
        days_31_to_60=money(aging.days_31_to_60),
        days_61_to_90=money(aging.days_61_to_90),
        days_over_90=money(aging.days_over_90),
        overdue=money(aging.overdue),
        overdue_without_dunning_charges=money(aging.overdue_without_dunning_charges),
        oldest_due_date=date_to_proto(aging.oldest_due_date) if aging.oldest_due_date else None,
        unapplied_credit=money(aging.unapplied_credit),
    )
