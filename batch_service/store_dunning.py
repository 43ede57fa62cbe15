"""The SQL of dunning: steps, positions, and the effects that are kept here (mail, frozen charges)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from batch_service.arrays import columns
from batch_service.rules.dunning import DunningAction, DunningPosition, DunningStep
from service_kit.database import raw_connection
from service_kit.money import Money


@dataclass(frozen=True, slots=True)
class FrozenCharge:
    """A charge of a dunning step as it was decided, before the ledger is asked."""

    acct_no: int
    entered_on: date
    step_no: int
    business_date: date
    amount: Money


@dataclass(frozen=True, slots=True)
class NewMail:
    """A message to a customer. `key` is the business fact that it is queued once for."""

    key: str
    acct_no: int
    kind: str
    business_date: date
    content: Mapping[str, str | int]


_CLEAR_STEPS: Final = "DELETE FROM dunning_step WHERE client_no = $1"

_ADD_STEPS: Final = """
    INSERT INTO dunning_step (client_no, step_no, days_past_due, action, fixed_minor, currency, percent)
    SELECT $1, given.* FROM unnest(
        $2::integer[], $3::integer[], $4::smallint[], $5::bigint[], $6::text[], $7::numeric[]
    ) AS given
"""

_STEPS: Final = """
    SELECT step_no, days_past_due, action, fixed_minor, currency, percent FROM dunning_step
    WHERE client_no = $1 ORDER BY step_no
"""

_LIST_POSITIONS: Final = """
    SELECT acct_no, entered_on, last_step_no, last_step_on FROM dunning_position
    WHERE client_no = $1 AND acct_no > $2 ORDER BY acct_no LIMIT $3
"""

_ACCOUNTS_IN_DUNNING: Final = "SELECT acct_no FROM dunning_position WHERE client_no = $1"

_POSITIONS: Final = """
    SELECT acct_no, entered_on, last_step_no, last_step_on FROM dunning_position
    WHERE client_no = $1 AND acct_no = ANY($2::bigint[])
"""

# Before the first effect, since the day of entering names the cycle, and with it every effect.
_ENTER: Final = """
    INSERT INTO dunning_position (client_no, acct_no, entered_on)
    SELECT $1, acct_no, $3 FROM unnest($2::bigint[]) AS given (acct_no)
    ON CONFLICT (client_no, acct_no) DO NOTHING
"""

_LEAVE: Final = "DELETE FROM dunning_position WHERE client_no = $1 AND acct_no = ANY($2::bigint[])"

_FORGET_CHARGES: Final = """
    DELETE FROM dunning_charge_intent WHERE client_no = $1 AND acct_no = ANY($2::bigint[])
"""

# Never back: who is late finds the step taken.
_STEP_TAKEN: Final = """
    UPDATE dunning_position AS position SET last_step_no = given.step_no, last_step_on = $2
    FROM (
        SELECT $1::bigint AS client_no, one.*
        FROM unnest($3::bigint[], $4::date[], $5::integer[]) AS one (acct_no, entered_on, step_no)
        OFFSET 0
    ) AS given
    WHERE position.client_no = given.client_no AND position.acct_no = given.acct_no
      AND position.entered_on = given.entered_on AND position.last_step_no < given.step_no
    RETURNING position.acct_no
"""

# The first amount stays.
_FREEZE_CHARGES: Final = """
    INSERT INTO dunning_charge_intent
        (client_no, acct_no, entered_on, step_no, business_date, amount_minor, currency)
    SELECT $1, given.* FROM unnest(
        $2::bigint[], $3::date[], $4::integer[], $5::date[], $6::bigint[], $7::text[]
    ) AS given
    ON CONFLICT DO NOTHING
"""

_FROZEN_CHARGES: Final = """
    SELECT charge.acct_no, charge.entered_on, charge.step_no, business_date, amount_minor, currency
    FROM (
        SELECT $1::bigint AS client_no, one.*
        FROM unnest($2::bigint[], $3::date[], $4::integer[]) AS one (acct_no, entered_on, step_no)
        OFFSET 0
    ) AS given
    JOIN dunning_charge_intent AS charge USING (client_no, acct_no, entered_on, step_no)
    ORDER BY charge.acct_no
"""

_THAW_CHARGES: Final = """
    DELETE FROM dunning_charge_intent AS charge
    USING (
        SELECT $1::bigint AS client_no, one.*
        FROM unnest($2::bigint[], $3::date[], $4::integer[]) AS one (acct_no, entered_on, step_no)
        OFFSET 0
    ) AS given
    WHERE charge.client_no = given.client_no AND charge.acct_no = given.acct_no
      AND charge.entered_on = given.entered_on AND charge.step_no = given.step_no
"""

_QUEUE_MAIL: Final = """
    INSERT INTO outgoing_mail (client_no, mail_key, acct_no, kind, business_date, content)
    SELECT $1, given.* FROM unnest($2::text[], $3::bigint[], $4::text[], $5::date[], $6::jsonb[]) AS given
    ON CONFLICT (client_no, mail_key) DO NOTHING
"""


async def set_steps(connection: AsyncConnection, client_no: int, steps: Sequence[DunningStep]) -> None:
    """Replace the dunning steps of a client."""
    driver = await raw_connection(connection)
    await driver.execute(_CLEAR_STEPS, client_no)
    rows = [
        (
            step.step_no,
            step.days_past_due,
            step.action,
            step.fixed_charge.minor_units if step.fixed_charge else None,
            step.fixed_charge.currency if step.fixed_charge else None,
            step.percent_as_decimal() if step.percent is not None else None,
        )
        for step in steps
    ]
    await driver.execute(_ADD_STEPS, client_no, *columns(rows, 6))


async def find_steps(connection: AsyncConnection, client_no: int) -> tuple[DunningStep, ...]:
    """The dunning steps of a client, by number."""
    driver = await raw_connection(connection)
    return tuple(
        DunningStep(
            row["step_no"],
            row["days_past_due"],
            DunningAction(row["action"]),
            Money(row["fixed_minor"], row["currency"]) if row["fixed_minor"] is not None else None,
            Fraction(row["percent"]) if row["percent"] is not None else None,
        )
        for row in await driver.fetch(_STEPS, client_no)
    )


async def list_positions(
    connection: AsyncConnection, client_no: int, after: int, limit: int
) -> list[tuple[int, DunningPosition]]:
    """The accounts in dunning, after the account `after`."""
    driver = await raw_connection(connection)
    rows = await driver.fetch(_LIST_POSITIONS, client_no, after, limit)
    return [(row["acct_no"], _position(row)) for row in rows]


async def accounts_in_dunning(connection: AsyncConnection, client_no: int) -> set[int]:
    """All accounts in dunning."""
    driver = await raw_connection(connection)
    return {row["acct_no"] for row in await driver.fetch(_ACCOUNTS_IN_DUNNING, client_no)}


async def find_positions(
    connection: AsyncConnection, client_no: int, acct_nos: Sequence[int]
) -> dict[int, DunningPosition]:
    """Where each of these accounts that is in dunning stands."""
    driver = await raw_connection(connection)
    rows = await driver.fetch(_POSITIONS, client_no, acct_nos)
    return {row["acct_no"]: _position(row) for row in rows}


async def enter(
    connection: AsyncConnection, client_no: int, acct_nos: Sequence[int], business_date: date
) -> None:
    """Let accounts enter dunning, where they are not in it."""
    driver = await raw_connection(connection)
    await driver.execute(_ENTER, client_no, acct_nos, business_date)


async def leave(connection: AsyncConnection, client_no: int, acct_nos: Sequence[int]) -> None:
    """Let accounts leave dunning."""
    driver = await raw_connection(connection)
    await driver.execute(_LEAVE, client_no, acct_nos)
    await driver.execute(_FORGET_CHARGES, client_no, acct_nos)


async def step_taken(
    connection: AsyncConnection, client_no: int, business_date: date, steps: Sequence[tuple[int, date, int]]
) -> set[int]:
    """Move positions past the step (account, day of entering, step); the accounts for which it was not
    taken yet.
    """
    driver = await raw_connection(connection)
    rows = await driver.fetch(_STEP_TAKEN, client_no, business_date, *columns(steps, 3))
    return {row["acct_no"] for row in rows}


async def freeze_charges(
    connection: AsyncConnection, client_no: int, charges: Sequence[FrozenCharge]
) -> list[FrozenCharge]:
    """Write down charges before the ledger is asked, and return them as they were first written down."""
    driver = await raw_connection(connection)
    rows = [
        (
            charge.acct_no,
            charge.entered_on,
            charge.step_no,
            charge.business_date,
            charge.amount.minor_units,
            charge.amount.currency,
        )
        for charge in charges
    ]
    await driver.execute(_FREEZE_CHARGES, client_no, *columns(rows, 6))
    frozen = await driver.fetch(_FROZEN_CHARGES, client_no, *columns([row[:3] for row in rows], 3))
    return [
        FrozenCharge(
            row["acct_no"],
            row["entered_on"],
            row["step_no"],
            row["business_date"],
            Money(row["amount_minor"], row["currency"]),
        )
        for row in frozen
    ]


async def thaw_charges(connection: AsyncConnection, client_no: int, charges: Sequence[FrozenCharge]) -> None:
    """Forget charges that the ledger refused: the next run decides them anew."""
    driver = await raw_connection(connection)
    rows = [(charge.acct_no, charge.entered_on, charge.step_no) for charge in charges]
    await driver.execute(_THAW_CHARGES, client_no, *columns(rows, 3))


async def queue_mail(connection: AsyncConnection, client_no: int, mails: Sequence[NewMail]) -> None:
    """Queue messages, each once for its key."""
    driver = await raw_connection(connection)
    rows = [
        (mail.key, mail.acct_no, mail.kind, mail.business_date, json.dumps(dict(mail.content)))
        for mail in mails
    ]
    await driver.execute(_QUEUE_MAIL, client_no, *columns(rows, 5))


def _position(row: Any) -> DunningPosition:
    return DunningPosition(row["entered_on"], row["last_step_no"], row["last_step_on"])
