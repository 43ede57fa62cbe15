"""One owner at a time for a directory: a lock that ends with the process that holds it, however that ends."""

import fcntl
import os
from pathlib import Path
from typing import IO


class DirectoryInUseError(Exception):
    """Somebody else holds the directory; the message says who."""


class DirectoryLock:
    """The lock of a directory (a file `lock` in it, with the process id of who holds it)."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._held: IO[str] | None = None

    def take(self) -> None:
        """Hold it until `release`, or until this process ends; DirectoryInUseError if another holds it."""
        assert self._held is None, "taken before"
        lock = (self._directory / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise DirectoryInUseError(
                f"{self._directory} is in use by process {owner}: stop that one, or use another directory"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._held = lock

    def release(self) -> None:
        """Let go; does nothing when it is not held."""
        if self._held is not None:
            self._held.close()
            self._held = None
