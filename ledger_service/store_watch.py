"""What a watch of transactions asks of the database: how far the order is settled, and what is new in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger_service.rules.commit_order import Glimpse
from service_kit.database import RawConnection

# Every statement of a watch looks rows up by a key that an index has, in the order of that index. The planner
# is told so, since it can't know for a table that has grown a hundredfold since it was analysed.
LOOK_UP_BY_INDEX: Final = """
    SET enable_seqscan = off;
    SET enable_bitmapscan = off;
    SET enable_hashjoin = off;
    SET enable_mergejoin = off
"""

# One snapshot for all of it, and a few steps down indexes that posting keeps anyway. age() counts from a
# transaction number to the next one that will be given out: so that is known, and none is used up.
_GLIMPSE: Final = """
    SELECT coalesce((SELECT last_event_no FROM commit_group ORDER BY first_event_no DESC LIMIT 1), 0),
           pg_snapshot_xmin(snapshot)::text::bigint,
           pg_snapshot_xmax(snapshot)::text::bigint + age(pg_snapshot_xmax(snapshot)::xid),
           ARRAY (
               SELECT coalesce((SELECT part.last_event_no
                                  FROM commit_group_part AS part
                                 WHERE part.client_no = watched.client_no
                                 ORDER BY part.first_event_no DESC
                                 LIMIT 1), 0)
                 FROM unnest($1::bigint[]) WITH ORDINALITY AS watched (client_no, place)
                ORDER BY watched.place
           )
      FROM pg_current_snapshot() AS snapshot
"""

# The next rows of the client, or of the account, whether they are wanted or not: so a statement takes the
# same time whatever is filtered.
_STRETCH: Final = """
    SELECT count(*), max(event_no), array_agg(event_no ORDER BY event_no) FILTER (WHERE {wanted})
      FROM (SELECT event_no, transaction_type, plan_instance_no
              FROM acct_transaction
             WHERE client_no = $1 AND event_no > $2 AND event_no <= $3 AND {of_account}
             ORDER BY event_no
             LIMIT $4) AS stretch
"""


@dataclass(frozen=True, slots=True)
class WatchFilter:
    """What a watch is limited to; 0 and an empty set are no limit."""

    client_no: int
    acct_no: int
    plan_instance_no: int
    transaction_types: frozenset[int]

    @property
    def leaves_out(self) -> bool:
        """Whether of the rows that it reads any may be unwanted."""
        return bool(self.plan_instance_no or self.transaction_types)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The wanted transactions up to a place in the order."""

    event_nos: Sequence[int]
    upto: int


async def read_glimpse(connection: RawConnection, clients: Sequence[int]) -> Glimpse:
    """How the database looks now."""
    row = await connection.fetchrow(_GLIMPSE, clients)
    assert row is not None
    last_event_no, oldest_running, next_number, last_of_clients = row
    return Glimpse(
        last_event_no, dict(zip(clients, last_of_clients, strict=True)), oldest_running, next_number
    )


async def read_stretch(
    connection: RawConnection, wanted: WatchFilter, after: int, upto: int, rows: int
) -> Stretch:
    """What is wanted of the next `rows` rows with after < event_no <= upto."""
    values: list[Any] = [wanted.client_no, after, upto, rows]
    conditions = ["true"]
    of_account = "true"
    if wanted.acct_no:
        values.append(wanted.acct_no)
        of_account = f"acct_no = ${len(values)}"
    if wanted.plan_instance_no:
        values.append(wanted.plan_instance_no)
        conditions.append(f"plan_instance_no = ${len(values)}")
    if wanted.transaction_types:
        values.append(sorted(wanted.transaction_types))
        conditions.append(f"transaction_type = ANY (${len(values)}::smallint[])")
    statement = _STRETCH.format(wanted=" AND ".join(conditions), of_account=of_account)
    row = await connection.fetchrow(statement, *values)
    assert row is not None
    count, last, event_nos = row
    return Stretch(event_nos or (), upto if count < rows else last)
