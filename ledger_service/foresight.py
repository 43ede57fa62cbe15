"""What a group will need once it is decided, where that follows from what is asked for alone.

Then it is asked for with all else, before anything is decided. What is refused has asked in vain.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ledger_service.joined_calls import Group
from ledger_service.rules.applications import BY_CHARGE_DATE
from ledger_service.rules.decisions import Order
from ledger_service.rules.documents import Document
from ledger_service.rules.drafts import Draft
from ledger_service.rules.group_applications import APPLICATION, WAITING_FOR, FrontKey
from ledger_service.rules.sources import WriteOff
from ledger_service.rules.transaction_types import DocumentKind


@dataclass(frozen=True, slots=True)
class Foresight:
    """Numbers of which kinds, and how much from the front of what waits, if that is on the side that is asked
    for; nothing where it does not follow.
    """

    kinds: frozenset[str] = frozenset()
    fronts: Mapping[FrontKey, int] = field(default_factory=dict)


def foresee(group: Group) -> Foresight:
    """What these calls need at most, if all they post are transactions that name no other."""
    kinds, fronts = {"group_no", "event_no", APPLICATION}, Counter[FrontKey]()
    for plain in group.plain_drafts:
        if plain.invoices is not None:
            return Foresight()
        kinds |= plain.sources.keys()
        for effect, amounts in plain.sides.items():
            for acct_no, amount in amounts.items():
                fronts[plain.client_no, acct_no, WAITING_FOR[effect]] += amount
    for request in group.alone:
        for order in request.orders:
            draft = _alone(order)
            if draft is None:
                return Foresight()
            kinds.add(draft.type.source_table)
            fronts[order.client_no, draft.acct_no, WAITING_FOR[draft.type.effect]] += draft.amount
    return Foresight(frozenset(kinds), fronts)


def _alone(order: Order) -> Draft | None:
    """The draft of an order that names no other transaction, if it is one."""
    if not isinstance(order, Document) or order.kind is not DocumentKind.SINGLE:
        return None
    (draft,) = order.drafts
    if isinstance(draft.source, WriteOff) or draft.application is not BY_CHARGE_DATE:
        return None
    return draft
