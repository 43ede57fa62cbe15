"""The sums by day of accounts with a long history.

What was posted never changes, and the numbers of an account grow in the order of its commits (see
`group_posting`). So the sums of its transactions up to one of them are right for ever. What is posted later
is after the mark, however far it is back-dated, and is counted by itself until it is summed up, too.
"""

from typing import Final

from service_kit.database import RawConnection

_HOLD: Final = """
    INSERT INTO day_sum_mark AS mark (client_no, acct_no, through_event_no)
    VALUES ($1, $2, 0)
        ON CONFLICT (client_no, acct_no) DO UPDATE SET through_event_no = mark.through_event_no
    RETURNING through_event_no
"""

_ADD: Final = """
    WITH batch AS MATERIALIZED (
        SELECT t.event_no,
               t.effective_date,
               coalesce(t.plan_instance_no, 0) AS plan_instance_no,
               t.amount * y.effect AS amount
          FROM (SELECT *
                  FROM acct_transaction
                 WHERE client_no = $1 AND acct_no = $2 AND event_no > $3
                 ORDER BY event_no
                 LIMIT $4) AS t
          JOIN transaction_type AS y ON y.code = t.transaction_type
    ), added AS (
        INSERT INTO day_sum AS stored (client_no, acct_no, effective_date, plan_instance_no, amount)
        SELECT $1, $2, effective_date, plan_instance_no, sum(amount)
          FROM batch
         GROUP BY effective_date, plan_instance_no
         ORDER BY effective_date, plan_instance_no
            ON CONFLICT (client_no, acct_no, effective_date, plan_instance_no)
            DO UPDATE SET amount = stored.amount + excluded.amount
    ), last AS (
        SELECT max(event_no) AS event_no, count(*) AS transactions FROM batch
    )
    UPDATE day_sum_mark AS mark
       SET through_event_no = last.event_no
      FROM last
     WHERE mark.client_no = $1 AND mark.acct_no = $2 AND last.event_no IS NOT NULL
    RETURNING last.transactions
"""


async def sum_up(connection: RawConnection, client_no: int, acct_no: int, most: int) -> int:
    """Add the next transactions of an account, at most so many, to its sums. Returns how many there were.

    Whoever else sums up the same account is waited for.
    """
    async with connection.transaction():
        through = await connection.fetchval(_HOLD, client_no, acct_no)
        return await connection.fetchval(_ADD, client_no, acct_no, through, most) or 0
