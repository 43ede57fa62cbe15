"""What a caller is told of a failure that is no `DomainError`: of a database, a service, or ours.

The text of such an exception never reaches the caller: it names tables, hosts and values. It goes to the log.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import asyncpg
import grpc
import sqlalchemy.exc

from service_kit.database import DatabaseUnavailableError
from service_kit.errors import DomainError, ErrorKind, SharedReason

_CLOSED: Final = re.compile(r"clos(ed|ing)")
# What asyncpg says when the server has ended an idle connection, and the next statement is faster than the
# news that it is closed. 2: it discards what follows the server's last error (PROTOCOL_ERROR_CONSUME).
_ENDED: Final = re.compile(r'another operation \(2\) is in progress|protocol is in the "failed" state')
_RETRY_AFTER: Final = timedelta(seconds=1)

_DATABASE_UNAVAILABLE: Final = (
    ErrorKind.UNAVAILABLE,
    SharedReason.DATABASE_UNAVAILABLE,
    "the database can't be reached now: send the same request again later",
)
_CONCURRENT_CHANGE: Final = (
    ErrorKind.ABORTED,
    SharedReason.CONCURRENT_CHANGE,
    "a concurrent change got in the way: send the same request again",
)
_TOO_SLOW: Final = (
    ErrorKind.DEADLINE_EXCEEDED,
    SharedReason.DEADLINE_EXCEEDED,
    "what this call needs did not answer in time: ask for less, or send the same request again later",
)

# https://www.postgresql.org/docs/current/errcodes-appendix.html; two characters are a class of codes.
_BY_SQLSTATE: Final = {
    "08": _DATABASE_UNAVAILABLE,  # connection exceptions
    "25006": _DATABASE_UNAVAILABLE,  # read only: we reached a standby during a fail-over
    "40001": _CONCURRENT_CHANGE,  # serialization failure
    "40P01": _CONCURRENT_CHANGE,  # deadlock
    "53": _DATABASE_UNAVAILABLE,  # out of connections, memory or disk
    "55P03": _CONCURRENT_CHANGE,  # lock not available within lock_timeout
    "57014": _TOO_SLOW,  # statement_timeout
    "57P": _DATABASE_UNAVAILABLE,  # shutting down, crashed, starting up, idle session ended
}


def as_domain_error(failure: BaseException) -> DomainError:
    """The refusal that tells a caller about `failure`: itself, when it is a DomainError.

    INTERNAL for what nobody foresaw, which is then a fault of ours to be looked into.
    """
    for cause in _chain(failure):
        told = _as_foreseen(cause)
        if told is not None:
            return told
    return DomainError(
        ErrorKind.INTERNAL,
        SharedReason.INTERNAL,
        "an internal error: it was logged with the trace id of this call (x-trace-id)",
    )


def is_database_unavailable(failure: BaseException) -> bool:
    """Whether `failure` says that the database can't be reached, rather than that it refused a statement."""
    return as_domain_error(failure).reason == SharedReason.DATABASE_UNAVAILABLE


def _as_foreseen(failure: BaseException) -> DomainError | None:
    if isinstance(failure, DomainError):
        return failure
    facts = _database_facts(failure)
    if facts is not None:
        kind, reason, message = facts
        retry_after = None if kind is ErrorKind.DEADLINE_EXCEEDED else _RETRY_AFTER
        return DomainError(kind, reason, message, retry_after=retry_after)
    if isinstance(
        failure, TimeoutError
    ):  # ours, or asyncpg's command_timeout: the server vanished without a word
        return DomainError(*_TOO_SLOW)
    if isinstance(failure, grpc.aio.AioRpcError) and failure.code() is grpc.StatusCode.UNAVAILABLE:
        return DomainError(
            ErrorKind.UNAVAILABLE,
            SharedReason.DEPENDENCY_UNAVAILABLE,
            "a service that this one needs can't be reached now: send the same request again later",
            retry_after=_RETRY_AFTER,
        )
    return None


def _database_facts(failure: BaseException) -> tuple[ErrorKind, SharedReason, str] | None:
    if isinstance(failure, sqlalchemy.exc.TimeoutError | DatabaseUnavailableError):
        return _DATABASE_UNAVAILABLE
    if isinstance(failure, sqlalchemy.exc.DBAPIError) and failure.connection_invalidated:
        return _DATABASE_UNAVAILABLE
    if isinstance(failure, asyncpg.InterfaceError) and _CLOSED.search(str(failure)):
        return (
            _DATABASE_UNAVAILABLE  # asyncpg has no code of its own for a connection that went away under us
        )
    if isinstance(failure, asyncpg.InternalClientError) and _ENDED.search(str(failure)):
        return _DATABASE_UNAVAILABLE
    sqlstate = getattr(failure, "sqlstate", None)
    if not isinstance(sqlstate, str):
        return None
    return next(
        (_BY_SQLSTATE[sqlstate[:size]] for size in (5, 3, 2) if sqlstate[:size] in _BY_SQLSTATE), None
    )


def _chain(failure: BaseException) -> Iterator[BaseException]:
    """`failure` and what it was raised from; SQLAlchemy wraps asyncpg's errors twice."""
    current: BaseException | None = failure
    seen: set[int] = set()
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        original = getattr(current, "orig", None)
        current = original if isinstance(original, BaseException) else current.__cause__
