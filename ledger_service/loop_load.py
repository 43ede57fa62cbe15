"""How busy the thread of the event loop is. It does one thing at a time, so it may be what calls wait for.

It is told by the processor time of the thread, which costs next to nothing to look at. A thread that would
work but has to wait for a processor, since others use it, seems less busy than it is.
"""

import math
import time
from dataclasses import dataclass, field
from typing import Final

# What is longer ago than this hardly counts: a few groups.
_MEMORY_SECONDS: Final = 0.04


@dataclass(slots=True)
class LoopLoad:
    """Made, and looked at, in the thread of the loop."""

    share: float = 0.0
    """How much of the time it was at work lately: from 0 to 1."""
    _seen_at: float = field(default_factory=time.perf_counter)
    _worked: float = field(default_factory=time.thread_time)

    def look(self) -> None:
        """Look at the clocks: the time since the last look counts as much as it is long."""
        now, worked = time.perf_counter(), time.thread_time()
        elapsed = now - self._seen_at
        if elapsed > 0:
            share = min((worked - self._worked) / elapsed, 1.0)
            self.share += (1 - math.exp(-elapsed / _MEMORY_SECONDS)) * (share - self.share)
        self._seen_at, self._worked = now, worked
