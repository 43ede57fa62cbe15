"""A transaction as it is stored, with its source row."""

from datetime import date, datetime
from typing import NamedTuple

from ledger_service.rules.sources import Source
from ledger_service.rules.transaction_types import TransactionType


class Transaction(NamedTuple):
    """A stored transaction. Amounts are minor units; 0 stands for "none" in numbers, "" in texts.

    related_event_no: of a void, what it voids; of a refund, its payment; of a reversal or a line of a
        credit memo, the charge.
    voided_by_event_no: its void, 0 while it stands.
    source: the details of the source row; of a void, of what it voids. None when the source has none.
    """

    client_no: int
    event_no: int
    acct_no: int
    plan_instance_no: int
    type: TransactionType
    source_no: int
    amount: int
    currency: str
    effective_date: date
    created_at: datetime
    related_event_no: int
    voided_by_event_no: int
    reason_code: str
    comment: str
    source: Source | None

    @property
    def effect(self) -> int:
        """What it does to the balance, in minor units."""
        return self.type.effect * self.amount
