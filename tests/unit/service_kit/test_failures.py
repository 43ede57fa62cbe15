"""What a caller is told of a failure that nobody meant to tell."""

from datetime import timedelta

import asyncpg
import grpc
import pytest
import sqlalchemy.exc

from service_kit.database import DatabaseUnavailableError
from service_kit.errors import DomainError, ErrorKind
from service_kit.failures import as_domain_error, is_database_unavailable


def caused(cause: BaseException) -> RuntimeError:
    """An exception that was raised from another."""
    error = RuntimeError("the detail of it: table account, host 10.1.2.3")
    error.__cause__ = cause
    return error


def wrapped(error: asyncpg.PostgresError) -> sqlalchemy.exc.DBAPIError:
    """As SQLAlchemy passes an error of asyncpg on."""
    return sqlalchemy.exc.DBAPIError("SELECT secret", None, error)


@pytest.mark.parametrize(
    ("failure", "kind", "reason"),
    [
        (DatabaseUnavailableError("refused"), ErrorKind.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        (asyncpg.ConnectionDoesNotExistError(), ErrorKind.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        (asyncpg.AdminShutdownError(), ErrorKind.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        (asyncpg.CrashShutdownError(), ErrorKind.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        (asyncpg.CannotConnectNowError(), ErrorKind.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        (asyncpg.TooManyConnectionsError(), ErrorKind.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        (asyncpg.DiskFullError(), ErrorKind.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        (asyncpg.ReadOnlySQLTransactionError(), ErrorKind.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        (asyncpg.InterfaceError("connection is closed"), ErrorKind.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        (
            asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
            ErrorKind.UNAVAILABLE,
            "DATABASE_UNAVAILABLE",
        ),
        (
            asyncpg.InternalClientError("cannot switch to state 12; another operation (11) is in progress"),
            ErrorKind.INTERNAL,
            "INTERNAL",
        ),
        (sqlalchemy.exc.TimeoutError(), ErrorKind.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        (asyncpg.SerializationError(), ErrorKind.ABORTED, "CONCURRENT_CHANGE"),
        (asyncpg.DeadlockDetectedError(), ErrorKind.ABORTED, "CONCURRENT_CHANGE"),
        (asyncpg.LockNotAvailableError(), ErrorKind.ABORTED, "CONCURRENT_CHANGE"),
        (asyncpg.QueryCanceledError(), ErrorKind.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"),
        (asyncpg.UniqueViolationError(), ErrorKind.INTERNAL, "INTERNAL"),
        (asyncpg.UndefinedTableError(), ErrorKind.INTERNAL, "INTERNAL"),
        (asyncpg.InterfaceError("another operation is in progress"), ErrorKind.INTERNAL, "INTERNAL"),
        (ValueError("secret"), ErrorKind.INTERNAL, "INTERNAL"),
        (TimeoutError(), ErrorKind.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"),
        (ConnectionResetError("of something else"), ErrorKind.INTERNAL, "INTERNAL"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_a_failure_is_told_by_what_a_caller_can_do_about_it(
    failure: BaseException, kind: ErrorKind, reason: str
) -> None:
    ways = [failure, caused(failure)]
    if isinstance(failure, asyncpg.PostgresError):
        ways.append(wrapped(failure))
    for way in ways:
        told = as_domain_error(way)
        assert (told.kind, told.reason) == (kind, reason)
        assert "secret" not in told.message
        assert "10.1.2.3" not in told.message
        assert is_database_unavailable(way) is (reason == "DATABASE_UNAVAILABLE")


def test_a_refusal_stays_what_it_is() -> None:
    refusal = DomainError(ErrorKind.NOT_FOUND, "ACCOUNT_NOT_FOUND", "no account 7")
    assert as_domain_error(refusal) is refusal
    assert as_domain_error(caused(refusal)) is refusal


def test_what_may_pass_comes_with_a_delay() -> None:
    assert as_domain_error(DatabaseUnavailableError()).retry_after == timedelta(seconds=1)
    assert as_domain_error(ValueError()).retry_after is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.UNAVAILABLE, ErrorKind.UNAVAILABLE),
        (grpc.StatusCode.NOT_FOUND, ErrorKind.INTERNAL),
        (grpc.StatusCode.PERMISSION_DENIED, ErrorKind.INTERNAL),
    ],
)
def test_a_service_beneath_that_is_away_is_unavailable_and_one_that_refuses_is_our_fault(
    code: grpc.StatusCode, kind: ErrorKind
) -> None:
    failure = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details="secret")
    assert as_domain_error(failure).kind is kind


def test_a_circle_of_causes_ends() -> None:
    first, second = ValueError(), ValueError()
    first.__cause__, second.__cause__ = second, first
    assert as_domain_error(first).kind is ErrorKind.INTERNAL
