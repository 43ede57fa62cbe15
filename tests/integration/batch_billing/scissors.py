"""Cuts a process off between any two of its steps, as a crash would."""

from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from types import ModuleType
from typing import Any

import pytest


class CutOffError(BaseException):
    """The process died here. No `except Exception` may catch it, as none would a crash."""


class Scissors:
    """Counts the moments before and after each watched step, and cuts at one of them, once."""

    def __init__(self, cut_at: int) -> None:
        self._cut_at = cut_at
        self._moments = 0
        self.cut = False

    def watch(self, monkeypatch: pytest.MonkeyPatch, owner: ModuleType | type, steps: Sequence[str]) -> None:
        """Watch async functions of a module or methods of a class."""
        for step in steps:
            monkeypatch.setattr(owner, step, self._watched(getattr(owner, step)))

    def _watched(self, step: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(step)
        async def watched(*arguments: Any, **keywords: Any) -> Any:
            self._moment()
            result = await step(*arguments, **keywords)
            self._moment()
            return result

        return watched

    def _moment(self) -> None:
        self._moments += 1
        if self._moments == self._cut_at:
            self.cut = True
            raise CutOffError
