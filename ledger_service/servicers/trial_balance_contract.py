"""Trial balances in the form of the contract."""

from functools import partial

from ledger_service.rules.trial_balance import TrialBalance
from ledger_service.servicers.money_contract import sum_to_proto
from tallybook.ledger.v1 import verification_pb2


def trial_balance_to_proto(trial_balance: TrialBalance) -> verification_pb2.TrialBalance:
    """The trial balance of one currency; AMOUNT_OUT_OF_RANGE."""
    money = partial(sum_to_proto, trial_balance.currency_code)

    return verification_pb2.TrialBalance(
        currency_code=trial_balance.currency_code,
        lines=[
            verification_pb2.TrialBalanceLine(
                gl_account=line.gl_account,
                name=line.name,
                debits=money(line.debits),
                credits=money(line.credits),
            )
            for line in trial_balance.lines
        ],
        total_debits=money(trial_balance.total_debits),
        total_credits=money(trial_balance.total_credits),
    )
