"""What a run of the model has come across, and what of several calls is the rarest so far.

Random calls alone come across what is rare by luck only. So of several calls the one is made that the model
expects to show what was seen least; and a run goes on until it has seen all that can be seen.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from tallybook.ledger.v1 import error_reason_pb2, transaction_type_pb2
from tests.model.calls import Call, Operate
from tests.model.things import Answer

OUT_OF_REACH: Final = {
    "AMOUNT_OUT_OF_RANGE": "takes thousands of the largest amounts",
    "STATEMENT_TOO_LONG": "takes ten thousand transactions",
    "OVERLOADED": "takes more calls than are made here",
    "TOO_MANY_PLAN_INSTANCES": "takes thousands of plan instances",
    "STATEMENT_NOT_FOUND": "is told to readers",
    **dict.fromkeys(("CURSOR_INVALID", "TOO_MANY_WATCHES"), "is told to who watches"),
    **dict.fromkeys(
        ("GL_ACCOUNT_NOT_FOUND", "GL_ACCOUNT_EXISTS", "GL_ACCOUNT_NOT_ALLOWED"), "is about the chart"
    ),
}
"""The reasons that no run comes across, and why; tests/contract/test_reasons.py gives them, or says who."""

_PREFIX: Final = "LEDGER_ERROR_REASON_"


class Fate(Enum):
    """What happens to a call on its way."""

    NONE = "none"
    BY_POSTER = "sent by somebody who may only post"
    HUNG_UP = "the caller hangs up and sends it again"
    CONNECTION_CUT = "the caller's connection breaks and it sends it again"
    DATABASE_CUT = "the service loses its connections to the database"
    SERVER_KILLED = "one of the servers is killed"
    SENT_THRICE = "sent three times at once"
    THREE_CALLERS = "three callers want the same at once"


def every_code() -> set[str]:
    """All codes of transactions, as `Seen` has them."""
    return {str(number) for number in transaction_type_pb2.TransactionType.values() if number}


def every_reason() -> set[str]:
    """All reasons of the ledger's contract that are in reach."""
    names = error_reason_pb2.LedgerErrorReason.keys()
    return {name.removeprefix(_PREFIX) for name in names[1:]} - set(OUT_OF_REACH)


@dataclass
class Seen:
    """What was seen, and how often: codes, reasons, kinds of calls that are accepted or refused so."""

    counts: Counter[str] = field(default_factory=Counter)
    fates: Counter[Fate] = field(default_factory=Counter)

    def add(self, call: Call, answer: Answer) -> None:
        """A call was answered."""
        self.counts.update(_shown_by(call, answer))

    def rarest(self, calls: Iterable[tuple[Call, Answer]]) -> Call:
        """The call whose answer shows the code or reason that was seen least; of equals, who shows it so."""
        return min(calls, key=lambda each: self._rarity(*each))[0]

    def _rarity(self, call: Call, answer: Answer) -> tuple[int, int]:
        signs = _shown_by(call, answer)
        combined = {sign for sign in signs if ": " in sign}
        return self._fewest(signs - combined), self._fewest(combined)

    def _fewest(self, signs: Iterable[str]) -> int:
        return min((self.counts[sign] for sign in signs), default=0)

    def rarest_fate(self, fates: Sequence[Fate]) -> Fate:
        """The one of these that was seen least."""
        return min(fates, key=lambda fate: self.fates[fate])

    def missing(self) -> set[str]:
        """What can be seen, and was not yet."""
        return (every_code() | every_reason()) - set(self.counts) | {
            fate.value for fate in Fate if not self.fates[fate]
        }


def _shown_by(call: Call, answer: Answer) -> set[str]:
    kind = call.operation if isinstance(call, Operate) else type(call).__name__
    reasons = {reason for reason in answer.reasons if reason}
    codes = {str(entry.code) for outcome in answer.outcomes for entry in outcome.entries}
    accepted = {kind} if codes or not reasons else set[str]()
    return reasons | codes | accepted | {f"{kind}: {reason}" for reason in reasons}
