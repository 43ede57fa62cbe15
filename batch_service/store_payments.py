"""The SQL of payment methods and of attempts to collect."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from batch_service.arrays import columns
from batch_service.billing_setup import PaymentKind, PaymentMethod
from batch_service.rules.collection import AttemptStatus
from service_kit.database import raw_connection
from service_kit.money import Money


class PaymentAttempt(NamedTuple):
    """An attempt to collect from an account, stored before the gateway is called (see rules.collection).

    attempt_id: the name by which the gateway knows it.
    fact: the business fact that at most one payment is taken for.
    """

    attempt_id: str
    fact: str
    acct_no: int
    business_date: date
    method_kind: PaymentKind
    method_version: int
    payment_token: str
    amount: Money
    status: AttemptStatus
    gateway_reference: str = ""
    decline_code: str = ""
    event_no: int | None = None


class CollectionCandidate(NamedTuple):
    """An account from which something may be collected, or of which an attempt has to be settled first."""

    acct_no: int
    has_open_attempt: bool


# A method that is set counts as new, whatever it was: a hard decline does not stick to it.
_SET_METHODS: Final = """
    INSERT INTO payment_method (client_no, acct_no, kind, payment_token)
    SELECT $1, given.* FROM unnest($2::bigint[], $3::smallint[], $4::text[]) AS given
    ON CONFLICT (client_no, acct_no) DO UPDATE
    SET kind = excluded.kind, payment_token = excluded.payment_token, declined_for_good = false,
        version = payment_method.version + 1
"""

_METHOD_COLUMNS: Final = "acct_no, kind, payment_token, declined_for_good, version"

_LIST_METHODS: Final = f"""
    SELECT {_METHOD_COLUMNS} FROM payment_method
    WHERE client_no = $1 AND ($2::bigint = 0 OR acct_no = $2) AND acct_no > $3
    ORDER BY acct_no LIMIT $4
"""  # noqa: S608  # the columns are ours

_METHODS: Final = f"""
    SELECT {_METHOD_COLUMNS} FROM payment_method WHERE client_no = $1 AND acct_no = ANY($2::bigint[])
"""  # noqa: S608

# Also accounts that can't be charged any more, when something is open of them.
_ACCOUNTS_TO_COLLECT: Final = """
    SELECT acct_no, bool_or(has_open_attempt) AS has_open_attempt
    FROM (
        SELECT acct_no, false AS has_open_attempt
        FROM payment_method WHERE client_no = $1 AND kind IN (1, 2) AND NOT declined_for_good
        UNION ALL
        SELECT acct_no, true FROM payment_attempt WHERE client_no = $1 AND status IN (1, 2, 3, 4)
    ) AS candidate
    GROUP BY acct_no
    ORDER BY acct_no
"""

_ATTEMPT_COLUMNS: Final = """
    attempt_id, fact, acct_no, business_date, method_kind, method_version, payment_token, amount_minor,
    currency, status, gateway_reference, decline_code, event_no
"""

_OPEN_ATTEMPTS: Final = f"""
    SELECT attempt.*
    FROM unnest($2::bigint[]) AS wanted
    CROSS JOIN LATERAL (
        SELECT {_ATTEMPT_COLUMNS} FROM payment_attempt
        WHERE client_no = (SELECT $1::bigint) AND acct_no = wanted AND status IN (1, 2, 3, 4)
        OFFSET 0
    ) AS attempt
"""  # noqa: S608

_ATTEMPTS_FOR: Final = f"""
    SELECT attempt.*
    FROM unnest($2::text[]) AS wanted
    CROSS JOIN LATERAL (
        SELECT {_ATTEMPT_COLUMNS} FROM payment_attempt
        WHERE client_no = (SELECT $1::bigint) AND fact = wanted
        OFFSET 0
    ) AS attempt
    ORDER BY method_version
"""  # noqa: S608

# Another worker may have opened one for the account just now: then this one is not stored, and must not be
# sent.
_ADD_ATTEMPTS: Final = """
    INSERT INTO payment_attempt
        (client_no, attempt_id, fact, acct_no, business_date, method_kind, method_version, payment_token,
         amount_minor, currency, status)
    SELECT $1, given.*, 1 FROM unnest(
        $2::text[], $3::text[], $4::bigint[], $5::date[], $6::smallint[], $7::bigint[], $8::text[],
        $9::bigint[], $10::text[]
    ) AS given
    ON CONFLICT DO NOTHING
    RETURNING attempt_id
"""

# What was settled stays settled: a late answer of a worker that was thought dead changes nothing, unless it
# is that money was taken for an attempt that was given up meanwhile. As a CASE, since the planner would take
# the attempts that are not settled, of which there are none between nights, for a better start than keys.
_SAVE_ATTEMPTS: Final = """
    UPDATE payment_attempt AS attempt
    SET status = given.status, gateway_reference = given.gateway_reference, decline_code = given.decline_code,
        amount_minor = given.amount_minor, event_no = given.event_no, changed_at = now()
    FROM (
        SELECT $1::bigint AS client_no, one.*
        FROM unnest($2::text[], $3::smallint[], $4::text[], $5::text[], $6::bigint[], $7::bigint[])
            AS one (attempt_id, status, gateway_reference, decline_code, amount_minor, event_no)
        OFFSET 0
    ) AS given
    WHERE attempt.client_no = given.client_no AND attempt.attempt_id = given.attempt_id
      AND CASE attempt.status
            WHEN 4 THEN given.status = 5
            WHEN 9 THEN given.status = 4
            ELSE attempt.status IN (1, 2, 3)
          END
    RETURNING attempt.attempt_id
"""

_DECLINE_FOR_GOOD: Final = """
    UPDATE payment_method AS method SET declined_for_good = true
    FROM (
        SELECT $1::bigint AS client_no, one.*
        FROM unnest($2::bigint[], $3::bigint[]) AS one (acct_no, version)
        OFFSET 0
    ) AS given
    WHERE method.client_no = given.client_no AND method.acct_no = given.acct_no
      AND method.version = given.version
"""


async def set_methods(connection: AsyncConnection, client_no: int, methods: Sequence[PaymentMethod]) -> None:
    """Insert or replace how accounts pay; each account once."""
    driver = await raw_connection(connection)
    rows = sorted((method.acct_no, method.kind, method.payment_token) for method in methods)
    await driver.execute(_SET_METHODS, client_no, *columns(rows, 3))


async def list_methods(
    connection: AsyncConnection, client_no: int, acct_no: int, after: int, limit: int
) -> list[PaymentMethod]:
    """Payment methods by account, after the account `after`; `acct_no` 0 lists those of all accounts."""
    driver = await raw_connection(connection)
    return [_method(row) for row in await driver.fetch(_LIST_METHODS, client_no, acct_no, after, limit)]


async def find_methods(
    connection: AsyncConnection, client_no: int, acct_nos: Sequence[int]
) -> dict[int, PaymentMethod]:
    """How each of these accounts pays, where it is known."""
    driver = await raw_connection(connection)
    return {row["acct_no"]: _method(row) for row in await driver.fetch(_METHODS, client_no, acct_nos)}


async def accounts_to_collect(connection: AsyncConnection, client_no: int) -> list[CollectionCandidate]:
    """The accounts that pay electronically, and those with an attempt that is not settled, by number."""
    driver = await raw_connection(connection)
    rows = await driver.fetch(_ACCOUNTS_TO_COLLECT, client_no)
    return [CollectionCandidate(row["acct_no"], row["has_open_attempt"]) for row in rows]


async def open_attempts(
    connection: AsyncConnection, client_no: int, acct_nos: Sequence[int]
) -> list[PaymentAttempt]:
    """The attempts of these accounts that are not settled: one an account at most."""
    driver = await raw_connection(connection)
    return [_attempt(row) for row in await driver.fetch(_OPEN_ATTEMPTS, client_no, acct_nos)]


async def attempts_for(
    connection: AsyncConnection, client_no: int, facts: Sequence[str]
) -> dict[str, list[PaymentAttempt]]:
    """All attempts for these facts, by fact, the latest method last."""
    driver = await raw_connection(connection)
    attempts: dict[str, list[PaymentAttempt]] = {}
    for row in await driver.fetch(_ATTEMPTS_FOR, client_no, facts):
        attempts.setdefault(row["fact"], []).append(_attempt(row))
    return attempts


async def add_attempts(
    connection: AsyncConnection, client_no: int, attempts: Sequence[PaymentAttempt]
) -> set[str]:
    """Store new attempts; the attempt_ids of those that may be sent."""
    driver = await raw_connection(connection)
    rows = [
        (
            attempt.attempt_id,
            attempt.fact,
            attempt.acct_no,
            attempt.business_date,
            attempt.method_kind,
            attempt.method_version,
            attempt.payment_token,
            attempt.amount.minor_units,
            attempt.amount.currency,
        )
        for attempt in attempts
    ]
    stored = await driver.fetch(_ADD_ATTEMPTS, client_no, *columns(rows, 9))
    return {row["attempt_id"] for row in stored}


async def save_attempts(
    connection: AsyncConnection, client_no: int, attempts: Sequence[PaymentAttempt]
) -> set[str]:
    """Store what became of attempts; a hard decline closes the payment method as it was set then. Returns the
    attempt_ids of those that were not settled before.
    """
    if not attempts:
        return set()
    driver = await raw_connection(connection)
    rows = sorted(
        (
            attempt.attempt_id,
            attempt.status,
            attempt.gateway_reference,
            attempt.decline_code,
            attempt.amount.minor_units,
            attempt.event_no,
        )
        for attempt in attempts
    )
    saved = await driver.fetch(_SAVE_ATTEMPTS, client_no, *columns(rows, 6))
    declined = [
        (attempt.acct_no, attempt.method_version)
        for attempt in attempts
        if attempt.status is AttemptStatus.HARD_DECLINED
    ]
    if declined:
        await driver.execute(_DECLINE_FOR_GOOD, client_no, *columns(declined, 2))
    return {row["attempt_id"] for row in saved}


def _method(row: Any) -> PaymentMethod:
    return PaymentMethod(
        row["acct_no"],
        PaymentKind(row["kind"]),
        row["payment_token"],
        row["declined_for_good"],
        row["version"],
    )


def _attempt(row: Any) -> PaymentAttempt:
    return PaymentAttempt(
        attempt_id=row["attempt_id"],
        fact=row["fact"],
        acct_no=row["acct_no"],
        business_date=row["business_date"],
        method_kind=PaymentKind(row["method_kind"]),
        method_version=row["method_version"],
        payment_token=row["payment_token"],
        amount=Money(row["amount_minor"], row["currency"]),
        status=AttemptStatus(row["status"]),
        gateway_reference=row["gateway_reference"],
        decline_code=row["decline_code"],
        event_no=row["event_no"],
    )
