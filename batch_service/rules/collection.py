"""What becomes of an attempt to collect a payment: its life, from before the gateway is called until the
money is in the ledger (rules 10, 12, 31).

    NEW -> (charged) -> APPROVED -> POSTED
                     -> SOFT_DECLINED | HARD_DECLINED | REFUSED
                     -> UNKNOWN | PENDING -> (asked) -> as above, or LAPSED when it never arrived and
                     nothing is due

An attempt is stored as NEW before the call. So who finds a NEW one can't know whether it was sent, and asks
first.
"""

from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from typing import Final, NamedTuple

from service_kit.money import Money


class AttemptStatus(IntEnum):
    """Where an attempt stands."""

    NEW = 1
    """Stored; perhaps sent."""
    UNKNOWN = 2
    """Sent without an answer in time: not a decline."""
    PENDING = 3
    """The gateway has not settled it yet."""
    APPROVED = 4
    """The money was taken, and is not in the ledger yet."""
    POSTED = 5
    """The money is in the ledger."""
    SOFT_DECLINED = 6
    HARD_DECLINED = 7
    REFUSED = 8
    """The gateway did not take the request: its own fault or ours, no money was taken."""
    LAPSED = 9
    """It never arrived at the gateway, and there is nothing to collect any more, or not in this way."""


UNRESOLVED: Final = frozenset({AttemptStatus.NEW, AttemptStatus.UNKNOWN, AttemptStatus.PENDING})
"""What became of the money is not known: nothing new is collected from the account."""


class GatewayAnswer(IntEnum):
    """What the gateway said about an attempt."""

    APPROVED = 1
    SOFT_DECLINE = 2
    HARD_DECLINE = 3
    PENDING = 4
    ABSENT = 5
    """It never arrived."""
    NO_ANSWER = 6
    """Not in time, or the line broke: it may have arrived."""
    UNAVAILABLE = 7
    """The gateway takes no calls now; it may have arrived all the same."""
    REFUSED = 8
    """The request itself was refused, so that no money was taken."""


STATUS_AFTER: Final = {
    GatewayAnswer.APPROVED: AttemptStatus.APPROVED,
    GatewayAnswer.SOFT_DECLINE: AttemptStatus.SOFT_DECLINED,
    GatewayAnswer.HARD_DECLINE: AttemptStatus.HARD_DECLINED,
    GatewayAnswer.PENDING: AttemptStatus.PENDING,
    GatewayAnswer.ABSENT: AttemptStatus.UNKNOWN,
    GatewayAnswer.NO_ANSWER: AttemptStatus.UNKNOWN,
    GatewayAnswer.UNAVAILABLE: AttemptStatus.UNKNOWN,
    GatewayAnswer.REFUSED: AttemptStatus.REFUSED,
}


class ChargeOrder(NamedTuple):
    """What the gateway is asked to take, by the name of the attempt."""

    attempt_id: str
    payment_token: str
    amount: Money


class ChargeAnswer(NamedTuple):
    """An answer of the gateway. The reference is its number for money that it took; the code says why it
    declined.
    """

    answer: GatewayAnswer
    gateway_reference: str = ""
    decline_code: str = ""
    amount: Money | None = None


@dataclass(frozen=True, slots=True)
class FailureReason:
    """Why a record failed: a stable code, and what the person who has to act should know."""

    reason: str
    message: str


_FAILURES: Final = {
    AttemptStatus.SOFT_DECLINED: ("PAYMENT_DECLINED_SOFT", "declined for now ({code}): nothing was taken"),
    AttemptStatus.HARD_DECLINED: (
        "PAYMENT_DECLINED_HARD",
        "declined for good ({code}): not tried again until the payment method is set anew",
    ),
    AttemptStatus.REFUSED: ("PAYMENT_REFUSED", "the gateway refused the request ({code}): nothing was taken"),
    AttemptStatus.PENDING: ("PAYMENT_PENDING", "the gateway has not settled it yet: the next run asks again"),
    AttemptStatus.UNKNOWN: ("PAYMENT_UNKNOWN", "the gateway did not answer in time: the next run asks again"),
    AttemptStatus.NEW: ("PAYMENT_UNKNOWN", "it is not known whether it was sent: the next run asks"),
    AttemptStatus.APPROVED: (
        "PAYMENT_NOT_POSTED",
        "approved, but not in the ledger yet: the next run posts it",
    ),
}


def failure_of(status: AttemptStatus, decline_code: str) -> FailureReason | None:
    """Why the record of an attempt with this status failed; None when it did not."""
    failure = _FAILURES.get(status)
    if failure is None:
        return None
    return FailureReason(failure[0], failure[1].format(code=decline_code or "no code given"))


def billing_fact(client_no: int, acct_no: int, business_date: date) -> str:
    """What the Billing Manager collects for: an account and a business date."""
    return f"collect-{client_no}-{acct_no}-{business_date:%Y%m%d}"


def dunning_fact(client_no: int, acct_no: int, entered_on: date, step_no: int) -> str:
    """What a dunning step collects for: an account, its cycle and the step."""
    return f"dunning-{client_no}-{acct_no}-{entered_on:%Y%m%d}-{step_no}"


def attempt_id(fact: str, method_version: int) -> str:
    """The identifier of the attempt for a fact with a payment method as it was set.

    A method that was set anew after a decline may be tried for the same fact; one that was declined is not.
    """
    return f"{fact}-{method_version}"


def amount_to_collect(balance: Money) -> Money | None:
    """What may be collected: all that is due, and never more (rule 10); None when nothing is."""
    return balance if balance.minor_units > 0 else None
