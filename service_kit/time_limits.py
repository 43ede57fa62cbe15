"""Ends calls that take too long, or that the server can't wait for.

All calls that may take equally long share one timer: it is set for the first of them, and nearly all have
ended when it rings. To set and cancel one for each would cost more than to verify who calls.
"""

import asyncio

from service_kit.call_record import CallRecord
from service_kit.errors import DomainError


class TimeLimit:
    """How long a call may take. The calls are cut with `refusal` then: it is what their callers are told."""

    def __init__(self, seconds: float | None, refusal: DomainError) -> None:
        """seconds: None for calls that are only cut by `cut_all`."""
        self._seconds = seconds
        self._refusal = refusal
        # In the order in which they began, so the first is the first that is due.
        self._due: dict[CallRecord, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many calls it limits."""
        return len(self._due)

    def begin(self, call: CallRecord) -> None:
        """Limit a call that begins."""
        if self._seconds is None:
            self._due[call] = 0.0
            return
        loop = asyncio.get_running_loop()
        due = self._due[call] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_at(due, self._cut_what_is_due)

    def lift(self, call: CallRecord) -> None:
        """Cut this call no more."""
        self._due.pop(call, None)

    def cut_all(self) -> None:
        """Cut all calls, however long they may take."""
        for call in list(self._due):
            self._cut(call)

    def _cut_what_is_due(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        for call, due in list(self._due.items()):
            if due > loop.time():
                self._timer = loop.call_at(due, self._cut_what_is_due)
                return
            self._cut(call)

    def _cut(self, call: CallRecord) -> None:
        del self._due[call]
        call.cut(self._refusal)
