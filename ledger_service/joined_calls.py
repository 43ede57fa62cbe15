"""Calls of one draft each that wait together, taken as one call of plain drafts.

Whoever posts payments one by one has dozens of calls in flight, which are written and committed together
anyway. What plain drafts have in common is looked at, numbered and laid out by columns, for a part of what it
costs call by call (ADR 0038). Each call keeps its own key, fingerprint and answer. If it is not sure that
none of them is refused, each is decided by itself.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ledger_service.requests import PostingRequest, RequestKey
from ledger_service.rules.needs import Needs
from ledger_service.rules.plain_drafts import PlainDrafts
from ledger_service.rules.plain_singles import is_plain, plain_of_checked

# Fewer have too little in common for it to matter how they are decided.
FEWEST_JOINED: Final = 4


@dataclass(frozen=True, slots=True)
class JoinedCalls:
    """Calls of one caller and client. plain: the draft of each, in their order; it makes no documents."""

    calls: Sequence[PostingRequest]
    plain: PlainDrafts

    @property
    def keys(self) -> set[RequestKey]:
        """The keys of the calls: fewer than calls where one came twice."""
        return {call.key for call in self.calls}


@dataclass(slots=True)
class Group:
    """The calls of a commit group: joined, and those that are decided by themselves."""

    keys: Sequence[RequestKey]
    """Every key that they name; possibly one twice."""
    joined: list[JoinedCalls] = field(default_factory=list)
    alone: list[PostingRequest] = field(default_factory=list)

    @classmethod
    def of(cls, requests: Sequence[PostingRequest]) -> "Group":
        """Join what can be joined."""
        group = cls([key for request in requests for key in request.all_keys()])
        alike: defaultdict[tuple[int, str], list[PostingRequest]] = defaultdict(list)
        for request in requests:
            if _is_plain_draft(request):
                alike[request.client_no, request.actor].append(request)
            else:
                group.alone.append(request)
        for (client_no, _), calls in alike.items():
            drafts = [draft for call in calls for draft in call.document.drafts]
            plain = plain_of_checked(client_no, drafts) if len(calls) >= FEWEST_JOINED else None
            if plain is None:
                group.alone += calls
            else:
                group.joined.append(JoinedCalls(calls, plain))
        return group

    @property
    def has_only_plain_drafts(self) -> bool:
        """Whether all that they post are plain drafts, and no invoices."""
        return all(drafts.invoices is None for drafts in self.plain_drafts) and all(
            request.plain is not None or _is_plain_draft(request) for request in self.alone
        )

    @property
    def plain_drafts(self) -> list[PlainDrafts]:
        """Those of joined calls, and of calls of many."""
        of_calls = [request.plain for request in self.alone if request.plain is not None]
        return [joined.plain for joined in self.joined] + of_calls

    def add_needs(self, needs: Needs) -> None:
        """Add what they name."""
        for joined in self.joined:
            needs.add_plain(joined.plain)
        for request in self.alone:
            request.add_needs(needs)


def _is_plain_draft(request: PostingRequest) -> bool:
    return request.is_one_draft and is_plain(*request.document.drafts)
