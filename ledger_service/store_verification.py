"""The questions that a full check of a client's books asks of the database, and the trial balance.

A check reads the books in batches of keys, so that neither its memory nor any one statement grows with the
books; all batches are read in one snapshot. Each question is one statement that judges a batch: it answers
with the faults alone, and says what is wrong in words, because there the expected and the found value are
side by side. What differs by transaction type comes from the table of types, as arrays of codes.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import SmallInteger

from ledger_service.rules.digests import TransactionRow
from ledger_service.rules.transaction_types import TRANSACTION_TYPES
from ledger_service.rules.trial_balance import TrialBalanceLine
from ledger_service.rules.verification import (
    SHARED_SOURCE_TYPES,
    Check,
    CommitPart,
    Finding,
    JournalTotals,
    judge_parts,
)
from ledger_service.tables import SOURCE_TABLES


@dataclass(frozen=True, slots=True)
class Question:
    """A question that is asked of the rows of `table`, one batch of its key `key` after the other.

    judgement: a SELECT of acct_no, plan_instance_no, event_no and message, of the rows with :after < key and
        key <= :upto; the message is empty where nothing is wrong. :client_no is a parameter too, and `types`.
    only: what narrows the rows of the table.
    types: arrays of transaction type codes by the name of their parameter.
    batch_factor: how many times as large as usual the batches are.
    """

    check: Check
    table: str
    key: str
    judgement: str
    only: str = "true"
    types: Mapping[str, Sequence[int]] = field(default_factory=dict)
    batch_factor: int = 1


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a table: those with after < key <= upto."""

    after: int
    upto: int
    rows: int


async def batches_of(
    snapshot: AsyncConnection,
    client_no: int,
    batch_rows: int,
    table: str,
    key: str,
    only: str = "true",
) -> AsyncIterator[Batch]:
    """All rows of a client in a table, in batches by an ascending key."""
    next_batch = text(
        f"""
        SELECT max(batch.key), count(*)
          FROM (SELECT {key} AS key
                  FROM {table}
                 WHERE client_no = :client_no AND {key} > :after AND {only}
                 ORDER BY {key}
                 FETCH FIRST :limit ROWS WITH TIES) AS batch
        """  # noqa: S608  # the names are those of our own questions, none comes from a request
    )
    after = 0
    while True:
        found = await snapshot.execute(
            next_batch, {"client_no": client_no, "after": after, "limit": batch_rows}
        )
        upto, rows = found.one()
        if not rows:
            return
        yield Batch(after, upto, rows)
        after = upto


async def ask(
    snapshot: AsyncConnection, client_no: int, batch_rows: int, question: Question
) -> AsyncGenerator[Finding | int, None]:
    """The faults that the question finds and, after each batch, how many rows it had."""
    faults_of_batch = text(
        f"""
        SELECT acct_no, plan_instance_no, event_no, message
          FROM ({question.judgement}) AS judged
         WHERE message <> ''
         ORDER BY event_no, acct_no, plan_instance_no
        """  # noqa: S608  # the judgements are our own, too
    ).bindparams(
        *(bindparam(name, list(codes), ARRAY(SmallInteger)) for name, codes in question.types.items())
    )
    async for batch in batches_of(
        snapshot,
        client_no,
        batch_rows * question.batch_factor,
        question.table,
        question.key,
        question.only,
    ):
        faults = await snapshot.execute(
            faults_of_batch, {"client_no": client_no, "after": batch.after, "upto": batch.upto}
        )
        for acct_no, plan_instance_no, event_no, message in faults:
            yield Finding(
                question.check, question.table, message, acct_no or 0, plan_instance_no or 0, event_no or 0
            )
        yield batch.rows


async def prepare_snapshot(snapshot: AsyncConnection) -> None:
    """Let a full check take its time within its transaction.

    Between two statements the caller may be slow to take the findings, and the arrays of codes are of use to
    the planner only in a plan of their own.
    """
    await snapshot.execute(text("SET LOCAL idle_in_transaction_session_timeout = '15min'"))
    await snapshot.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))


async def count_books(snapshot: AsyncConnection, client_no: int) -> tuple[int, int]:
    """How many transactions and how many accounts the client has."""
    rows = await snapshot.execute(
        text(
            """
            SELECT (SELECT count(*) FROM acct_transaction WHERE client_no = :client_no),
                   (SELECT count(*) FROM account WHERE client_no = :client_no)
            """
        ),
        {"client_no": client_no},
    )
    transactions, accounts = rows.one()
    return transactions, accounts


# --------------------------------------------------------------------------------------------------- balances

_ACCOUNT_BALANCES: Final = Question(
    Check.ACCOUNT_BALANCE,
    "account_balance",
    "acct_no",
    """
    WITH posted AS MATERIALIZED (
        SELECT t.acct_no, sum(t.amount * y.effect) AS balance, max(t.event_no) AS last_event_no,
               max(t.effective_date) AS last_effective_date
          FROM acct_transaction AS t
          LEFT JOIN transaction_type AS y ON y.code = t.transaction_type
         WHERE t.client_no = :client_no AND t.acct_no > :after AND t.acct_no <= :upto
         GROUP BY t.acct_no
    )
    SELECT b.acct_no, NULL AS plan_instance_no, NULL AS event_no, concat_ws('; ',
               CASE WHEN a.acct_no IS NULL
                    THEN 'there is a balance of the account, but not the account' END,
               CASE WHEN b.balance <> coalesce(p.balance, 0)
                    THEN format('the stored balance is %s, but the sum of its transactions is %s',
                                b.balance, coalesce(p.balance, 0)) END,
               CASE WHEN b.last_event_no <> coalesce(p.last_event_no, 0)
                    THEN format('the stored last event_no is %s, but that of its transactions is %s',
                                b.last_event_no, coalesce(p.last_event_no, 0)) END,
               CASE WHEN b.last_effective_date IS DISTINCT FROM p.last_effective_date
                    THEN format('the stored last effective date is %s, but that of its transactions is %s',
                                b.last_effective_date, p.last_effective_date) END) AS message
      FROM account_balance AS b
      LEFT JOIN account AS a USING (client_no, acct_no)
      LEFT JOIN posted AS p ON p.acct_no = b.acct_no
     WHERE b.client_no = :client_no AND b.acct_no > :after AND b.acct_no <= :upto
    """,
)

_ACCOUNTS: Final = Question(
    Check.ACCOUNT_BALANCE,
    "account",
    "acct_no",
    """
    SELECT a.acct_no, NULL AS plan_instance_no, NULL AS event_no,
           CASE WHEN b.acct_no IS NULL THEN 'the account has no stored balance' ELSE '' END AS message
      FROM account AS a
      LEFT JOIN account_balance AS b USING (client_no, acct_no)
     WHERE a.client_no = :client_no AND a.acct_no > :after AND a.acct_no <= :upto
    """,
)

_ACCOUNTS_OF_TRANSACTIONS: Final = Question(
    Check.ACCOUNT_BALANCE,
    "acct_transaction",
    "event_no",
    """
    SELECT t.acct_no, t.plan_instance_no, t.event_no,
           CASE WHEN a.acct_no IS NULL THEN format('its account %s does not exist', t.acct_no)
                WHEN a.currency_code <> t.currency_code
                THEN format('it is in %s, but its account is in %s', t.currency_code, a.currency_code)
                ELSE '' END AS message
      FROM acct_transaction AS t
      LEFT JOIN account AS a USING (client_no, acct_no)
     WHERE t.client_no = :client_no AND t.event_no > :after AND t.event_no <= :upto
    """,
)

_DAY_SUMS: Final = Question(
    Check.ACCOUNT_BALANCE,
    "day_sum_mark",
    "acct_no",
    """
    WITH posted AS MATERIALIZED (
        SELECT t.acct_no, t.effective_date, coalesce(t.plan_instance_no, 0) AS plan_instance_no,
               sum(t.amount * y.effect) AS amount
          FROM day_sum_mark AS m
          JOIN acct_transaction AS t
            ON t.client_no = m.client_no AND t.acct_no = m.acct_no AND t.event_no <= m.through_event_no
          LEFT JOIN transaction_type AS y ON y.code = t.transaction_type
         WHERE m.client_no = :client_no AND m.acct_no > :after AND m.acct_no <= :upto
         GROUP BY t.acct_no, t.effective_date, coalesce(t.plan_instance_no, 0)
    ), stored AS MATERIALIZED (
        SELECT acct_no, effective_date, plan_instance_no, amount
          FROM day_sum
         WHERE client_no = :client_no AND acct_no > :after AND acct_no <= :upto
    )
    SELECT acct_no, plan_instance_no, NULL AS event_no,
           CASE WHEN s.amount IS DISTINCT FROM p.amount
                THEN format('the stored sum of %s is %s, but that of its transactions is %s',
                            effective_date, coalesce(s.amount, 0), coalesce(p.amount, 0))
                ELSE '' END AS message
      FROM posted AS p
      FULL JOIN stored AS s USING (acct_no, effective_date, plan_instance_no)
    """,
)

# By account and not by plan instance, because transactions are indexed by account.
_PLAN_INSTANCE_BALANCES: Final = Question(
    Check.PLAN_INSTANCE_BALANCE,
    "plan_instance",
    "acct_no",
    """
    WITH posted AS MATERIALIZED (
        SELECT t.plan_instance_no, sum(t.amount * y.effect) AS balance
          FROM acct_transaction AS t
          LEFT JOIN transaction_type AS y ON y.code = t.transaction_type
         WHERE t.client_no = :client_no AND t.acct_no > :after AND t.acct_no <= :upto
           AND t.plan_instance_no IS NOT NULL
         GROUP BY t.plan_instance_no
    )
    SELECT i.acct_no, i.plan_instance_no, NULL AS event_no, concat_ws('; ',
               CASE WHEN a.acct_no IS NULL
                    THEN format('its account %s does not exist', i.acct_no) END,
               CASE WHEN b.plan_instance_no IS NULL
                    THEN 'the plan instance has no stored balance'
                    WHEN b.balance <> coalesce(p.balance, 0)
                    THEN format('the stored balance is %s, but the sum of its transactions is %s',
                                b.balance, coalesce(p.balance, 0)) END) AS message
      FROM plan_instance AS i
      LEFT JOIN account AS a USING (client_no, acct_no)
      LEFT JOIN plan_instance_balance AS b USING (client_no, plan_instance_no)
      LEFT JOIN posted AS p USING (plan_instance_no)
     WHERE i.client_no = :client_no AND i.acct_no > :after AND i.acct_no <= :upto
    """,
)

_ORPHAN_PLAN_INSTANCE_BALANCES: Final = Question(
    Check.PLAN_INSTANCE_BALANCE,
    "plan_instance_balance",
    "plan_instance_no",
    """
    SELECT NULL AS acct_no, b.plan_instance_no, NULL AS event_no,
           CASE WHEN i.plan_instance_no IS NULL
                THEN 'there is a balance of the plan instance, but not the plan instance'
                ELSE '' END AS message
      FROM plan_instance_balance AS b
      LEFT JOIN plan_instance AS i USING (client_no, plan_instance_no)
     WHERE b.client_no = :client_no AND b.plan_instance_no > :after AND b.plan_instance_no <= :upto
    """,
)

_PLAN_INSTANCES_OF_TRANSACTIONS: Final = Question(
    Check.PLAN_INSTANCE_BALANCE,
    "acct_transaction",
    "event_no",
    """
    SELECT t.acct_no, t.plan_instance_no, t.event_no,
           CASE WHEN i.plan_instance_no IS NULL
                THEN format('its plan instance %s does not exist', t.plan_instance_no)
                WHEN i.acct_no <> t.acct_no
                THEN format('it is on account %s, but its plan instance %s belongs to account %s',
                            t.acct_no, t.plan_instance_no, i.acct_no)
                ELSE '' END AS message
      FROM acct_transaction AS t
      LEFT JOIN plan_instance AS i USING (client_no, plan_instance_no)
     WHERE t.client_no = :client_no AND t.event_no > :after AND t.event_no <= :upto
       AND t.plan_instance_no IS NOT NULL
    """,
)

# ------------------------------------------------------------------------------------------------ source rows


def _sources_of_transactions() -> Question:
    """Whether each transaction has its row in the table of its type; a void has that of what it voids."""
    sources = {row.source_table: row.source_key for row in TRANSACTION_TYPES.values()}
    whens = "\n".join(
        f"WHEN '{table}' THEN EXISTS"
        f" (SELECT FROM {table} AS s WHERE s.client_no = t.client_no AND s.{key} = t.source_no)"
        for table, key in sources.items()
    )
    return Question(
        Check.SOURCE_ROW,
        "acct_transaction",
        "event_no",
        """
        SELECT t.acct_no, t.plan_instance_no, t.event_no,
               CASE WHEN y.code IS NULL
                    THEN format('its type %s is none of the table of types', t.transaction_type)
                    WHEN NOT CASE y.source_table {whens} ELSE false END
                    THEN format('it has no source row: %s has no row with %s %s',
                                y.source_table, y.source_key, t.source_no)
                    ELSE '' END AS message
          FROM acct_transaction AS t
          LEFT JOIN transaction_type AS y ON y.code = t.transaction_type
         WHERE t.client_no = :client_no AND t.event_no > :after AND t.event_no <= :upto
        """.replace("{whens}", whens),
    )


_JUDGED_BY_EVENT: Final = """
    SELECT s.{account} AS acct_no, t.plan_instance_no, s.event_no,
           CASE WHEN t.event_no IS NULL
                THEN format('the row with {key} %s is of event %s, which does not exist',
                            s.{key}, s.event_no)
                WHEN t.source_no <> s.{key} OR t.transaction_type <> ALL (:types)
                THEN format('the row with {key} %s is of event %s, whose source is another: its type is %s,'
                            ' its source_no %s', s.{key}, s.event_no, t.transaction_type, t.source_no)
                WHEN t.acct_no <> s.{account}
                THEN format('the row with {key} %s is of account %s, but its transaction is of account %s',
                            s.{key}, s.{account}, t.acct_no)
                ELSE '' END AS message
      FROM {table} AS s
      LEFT JOIN acct_transaction AS t ON t.client_no = s.client_no AND t.event_no = s.event_no
     WHERE s.client_no = :client_no AND s.{key} > :after AND s.{key} <= :upto
"""

_JUDGED_BY_SOURCE_NO: Final = """
    SELECT s.{account} AS acct_no, NULL AS plan_instance_no, s.event_no,
           CASE WHEN EXISTS (SELECT
                               FROM acct_transaction AS t
                              WHERE t.client_no = s.client_no
                                AND t.transaction_type = ANY (:types)
                                AND t.source_no = s.{key})
                THEN ''
                ELSE format('no transaction has the row with {key} %s as its source', s.{key}) END AS message
      FROM {table} AS s
     WHERE s.client_no = :client_no AND s.{key} > :after AND s.{key} <= :upto
"""


def _transactions_of_sources(name: str) -> Question:
    """Whether each row of a source table has a transaction, of the table's types and of its account."""
    columns = SOURCE_TABLES[name].columns.keys()
    # The order of the columns is that of every source table: client, key, event, account.
    _, key, _, account = columns[:4]
    types = [row.code for row in TRANSACTION_TYPES.values() if row.source_table == name and not row.is_void]
    is_shared = set(types) <= set(SHARED_SOURCE_TYPES)
    judgement = _JUDGED_BY_SOURCE_NO if is_shared else _JUDGED_BY_EVENT
    return Question(
        Check.SOURCE_ROW,
        name,
        key,
        judgement.format(table=name, key=key, account=account),
        types={"types": types},
    )


# ------------------------------------------------------------------------------------------------- void pairs

_VOIDS: Final = Question(
    Check.VOID_PAIR,
    "acct_transaction",
    "event_no",
    """
    SELECT v.acct_no, v.plan_instance_no, v.event_no, concat_ws('; ',
               CASE WHEN v.related_event_no IS NULL
                    THEN 'the void does not say what it voids'
                    WHEN o.event_no IS NULL
                    THEN format('it voids event %s, which does not exist', v.related_event_no) END,
               CASE WHEN o.transaction_type <> -v.transaction_type
                    THEN format('its type is %s, but that of what it voids is %s',
                                v.transaction_type, o.transaction_type) END,
               CASE WHEN o.source_no <> v.source_no
                    THEN format('its source_no is %s, but that of what it voids is %s',
                                v.source_no, o.source_no) END,
               CASE WHEN o.amount <> v.amount
                    THEN format('its amount is %s, but that of what it voids is %s',
                                v.amount, o.amount) END,
               CASE WHEN o.currency_code <> v.currency_code
                    THEN format('its currency is %s, but that of what it voids is %s',
                                v.currency_code, o.currency_code) END,
               CASE WHEN o.acct_no <> v.acct_no
                    THEN format('its account is %s, but that of what it voids is %s',
                                v.acct_no, o.acct_no) END,
               CASE WHEN o.event_no IS NOT NULL AND o.plan_instance_no IS DISTINCT FROM v.plan_instance_no
                    THEN format('its plan instance is %s, but that of what it voids is %s',
                                coalesce(v.plan_instance_no, 0), coalesce(o.plan_instance_no, 0)) END,
               CASE WHEN o.event_no >= v.event_no
                    THEN format('it was recorded before event %s, which it voids', o.event_no) END,
               CASE WHEN EXISTS (SELECT
                                   FROM acct_transaction AS w
                                  WHERE w.client_no = v.client_no
                                    AND w.related_event_no = v.related_event_no
                                    AND w.transaction_type < 0
                                    AND w.event_no < v.event_no)
                    THEN format('event %s is voided more than once', v.related_event_no) END) AS message
      FROM acct_transaction AS v
      LEFT JOIN acct_transaction AS o ON o.client_no = v.client_no AND o.event_no = v.related_event_no
     WHERE v.client_no = :client_no AND v.event_no > :after AND v.event_no <= :upto
       AND v.transaction_type < 0
    """,
    only="transaction_type < 0",
)

# ---------------------------------------------------------------------------------------------------- journal

_JOURNAL_ACCOUNTS: Final = Question(
    Check.JOURNAL,
    "acct_transaction",
    "event_no",
    """
    SELECT j.acct_no, j.plan_instance_no, j.event_no,
           format('the journal has no general ledger account for its %s',
                  string_agg(CASE WHEN j.debit > 0 THEN 'debit' ELSE 'credit' END, ' and '
                             ORDER BY j.line_no)) AS message
      FROM journal AS j
     WHERE j.client_no = :client_no AND j.event_no > :after AND j.event_no <= :upto
       AND NOT EXISTS (SELECT FROM gl_account AS g WHERE g.code = j.gl_account)
       AND NOT EXISTS (SELECT
                         FROM client_gl_account AS o
                        WHERE o.client_no = j.client_no AND o.code = j.gl_account)
     GROUP BY j.acct_no, j.plan_instance_no, j.event_no
    """,
)

_JOURNAL_TOTALS: Final = text(
    """
    SELECT currency_code, sum(debit), sum(credit)
      FROM journal
     WHERE client_no = :client_no AND event_no > :after AND event_no <= :upto
     GROUP BY currency_code
    """
)


async def ask_journal(
    snapshot: AsyncConnection, client_no: int, batch_rows: int
) -> AsyncGenerator[Finding | int, None]:
    """Whether the two sides of the journal are equal in every currency."""
    totals = JournalTotals()
    async for batch in batches_of(snapshot, client_no, batch_rows, "acct_transaction", "event_no"):
        sums = await snapshot.execute(
            _JOURNAL_TOTALS, {"client_no": client_no, "after": batch.after, "upto": batch.upto}
        )
        for currency_code, debits, credits_ in sums:
            totals.add(currency_code, int(debits), int(credits_))
        yield batch.rows
    for finding in totals.findings():
        yield finding


_TRIAL_BALANCE: Final = text(
    """
    SELECT j.currency_code, coalesce(j.gl_account, ''), coalesce(o.name, g.name, ''), sum(j.debit),
           sum(j.credit)
      FROM journal AS j
      LEFT JOIN gl_account AS g ON g.code = j.gl_account
      LEFT JOIN client_gl_account AS o ON o.client_no = j.client_no AND o.code = j.gl_account
     WHERE j.client_no = :client_no AND (CAST(:as_of AS date) IS NULL OR j.effective_date <= :as_of)
     GROUP BY 1, 2, 3
    """
)


async def read_trial_balance(
    connection: AsyncConnection, client_no: int, as_of: date | None
) -> list[TrialBalanceLine]:
    """What each general ledger account was debited and credited in each currency; with `as_of`, by what takes
    effect on it or earlier.
    """
    rows = await connection.execute(_TRIAL_BALANCE, {"client_no": client_no, "as_of": as_of})
    return [
        TrialBalanceLine(currency_code, gl_account, name, int(debits), int(credits_))
        for currency_code, gl_account, name, debits, credits_ in rows
    ]


# ---------------------------------------------------------------------------------------------- commit groups

# The digest of a group is that of rules/digests.py, worked out by the database. What is said is about the
# group alone: the parts of other clients are counted and hashed, and never shown. Nothing leads from a group
# to its parts but a scan of all parts, so the batches are large.
_COMMIT_GROUPS: Final = Question(
    Check.COMMIT_GROUP,
    "commit_group_part",
    "group_no",
    """
    WITH parts AS MATERIALIZED (
        SELECT p.group_no, sum(p.transactions) AS transactions,
               min(p.first_event_no) AS first_event_no, max(p.last_event_no) AS last_event_no,
               sha256(string_agg(int8send(p.client_no) || p.digest, '' ORDER BY p.client_no)) AS digest
          FROM commit_group_part AS p
         WHERE p.group_no > :after AND p.group_no <= :upto
         GROUP BY p.group_no
    )
    SELECT NULL AS acct_no, NULL AS plan_instance_no, c.first_event_no AS event_no, concat_ws('; ',
               CASE WHEN g.group_no IS NULL
                    THEN format('commit group %s does not exist, but there is a part of it', c.group_no)
                    WHEN g.transactions <> p.transactions
                      OR g.transactions <> g.last_event_no - g.first_event_no + 1
                      OR g.first_event_no <> p.first_event_no
                      OR g.last_event_no <> p.last_event_no
                    THEN format('commit group %s is of %s transactions, the events %s to %s, but its parts'
                                ' are of %s, the events %s to %s', g.group_no, g.transactions,
                                g.first_event_no, g.last_event_no, p.transactions, p.first_event_no,
                                p.last_event_no) END,
               CASE WHEN g.digest <> p.digest
                    THEN format('the digest of commit group %s is %s, but that of its parts is %s',
                                g.group_no, encode(g.digest, 'hex'), encode(p.digest, 'hex')) END,
               CASE WHEN EXISTS (SELECT
                                   FROM commit_group AS o
                                  WHERE o.first_event_no > g.first_event_no
                                    AND o.first_event_no <= g.last_event_no)
                    THEN format('another commit group begins within the events of commit group %s',
                                g.group_no) END) AS message
      FROM commit_group_part AS c
      JOIN parts AS p USING (group_no)
      LEFT JOIN commit_group AS g USING (group_no)
     WHERE c.client_no = :client_no AND c.group_no > :after AND c.group_no <= :upto
    """,
    batch_factor=10,
)

_PARTS: Final = text(
    """
    SELECT group_no, first_event_no, last_event_no, transactions, digest
      FROM commit_group_part
     WHERE client_no = :client_no AND first_event_no > :after
     ORDER BY first_event_no
     LIMIT :limit
    """
)

# The columns of a TransactionRow.
_ROWS: Final = text(
    """
    SELECT client_no, event_no, acct_no, plan_instance_no, transaction_type, source_no, amount, currency_code,
           effective_date, created_at, related_event_no, reason_code, comment
      FROM acct_transaction
     WHERE client_no = :client_no AND event_no > :after AND event_no <= :upto
     ORDER BY event_no
     LIMIT :limit
    """
)

_LAST_EVENT_NO: Final = 2**63 - 1


async def ask_commit_groups(
    snapshot: AsyncConnection, client_no: int, batch_rows: int
) -> AsyncGenerator[Finding | int, None]:
    """Whether the transactions of the client are, part by part, those that were committed."""
    after = 0
    async for parts in _parts_in_batches(snapshot, client_no, batch_rows):
        upto = parts[-1].last_event_no
        rows = await _transaction_rows(snapshot, client_no, after, upto)
        for finding in judge_parts(parts, rows):
            yield finding
        yield len(rows)
        after = max(after, upto)
    while rows := await _transaction_rows(snapshot, client_no, after, _LAST_EVENT_NO, batch_rows):
        for finding in judge_parts([], rows):
            yield finding
        yield len(rows)
        after = rows[-1][1]


async def _parts_in_batches(
    snapshot: AsyncConnection, client_no: int, batch_rows: int
) -> AsyncGenerator[list[CommitPart], None]:
    """The parts of the client in the order of their events, as many at once as have the rows of a batch."""
    after, batch, rows = 0, list[CommitPart](), 0
    while page := [
        CommitPart(*row)
        for row in await snapshot.execute(
            _PARTS, {"client_no": client_no, "after": after, "limit": batch_rows}
        )
    ]:
        for part in page:
            if batch and rows + part.transactions > batch_rows:
                yield batch
                batch, rows = [], 0
            batch.append(part)
            rows += part.transactions
        after = page[-1].first_event_no
    if batch:
        yield batch


async def _transaction_rows(
    snapshot: AsyncConnection, client_no: int, after: int, upto: int, limit: int | None = None
) -> Sequence[TransactionRow]:
    rows = await snapshot.execute(
        _ROWS, {"client_no": client_no, "after": after, "upto": upto, "limit": limit}
    )
    return [tuple(row) for row in rows]


BOOK_QUESTIONS: Final = (
    _ACCOUNT_BALANCES,
    _DAY_SUMS,
    _ACCOUNTS,
    _ACCOUNTS_OF_TRANSACTIONS,
    _PLAN_INSTANCE_BALANCES,
    _ORPHAN_PLAN_INSTANCE_BALANCES,
    _PLAN_INSTANCES_OF_TRANSACTIONS,
    _sources_of_transactions(),
    *map(_transactions_of_sources, SOURCE_TABLES),
    _VOIDS,
    _JOURNAL_ACCOUNTS,
    _COMMIT_GROUPS,
)
