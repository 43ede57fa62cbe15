"""What a full check asks of closed statements.

It places each transaction anew, and otherwise than the closing does: on the first statement of its account
that it may be on, by its number and its effective date. So what was closed is proven by another way.
"""

from typing import Final

from ledger_service.rules.verification import Check
from ledger_service.store_verification import Question

_STATEMENTS: Final = Question(
    Check.STATEMENT,
    "closed_statement",
    "acct_no",
    """
    WITH statement AS MATERIALIZED (
        SELECT *,
               lag(period_end) OVER account AS end_before,
               lag(closing_balance, 1, 0::bigint) OVER account AS closing_before,
               lag(through_event_no, 1, 0::bigint) OVER account AS through_before
          FROM closed_statement
         WHERE client_no = :client_no AND acct_no > :after AND acct_no <= :upto
        WINDOW account AS (PARTITION BY acct_no ORDER BY period_end)
    ), placed AS MATERIALIZED (
        SELECT first.statement_no,
               count(*) AS transactions,
               count(*) FILTER (WHERE t.effective_date < first.period_start) AS adjustments,
               sum(t.amount * y.effect) AS effect
          FROM acct_transaction AS t
          LEFT JOIN transaction_type AS y ON y.code = t.transaction_type
         CROSS JOIN LATERAL (
               SELECT s.statement_no, s.period_start
                 FROM closed_statement AS s
                WHERE s.client_no = t.client_no
                  AND s.acct_no = t.acct_no
                  AND s.period_end >= t.effective_date
                  AND s.through_event_no >= t.event_no
                ORDER BY s.period_end
                LIMIT 1
               ) AS first
         WHERE t.client_no = :client_no AND t.acct_no > :after AND t.acct_no <= :upto
         GROUP BY first.statement_no
    )
    SELECT s.acct_no, NULL AS plan_instance_no, NULL AS event_no,
           CASE WHEN problem <> '' THEN format('statement %s: %s', s.statement_no, problem)
                ELSE '' END AS message
      FROM statement AS s
      LEFT JOIN account AS a USING (client_no, acct_no)
      LEFT JOIN placed AS p USING (statement_no)
     CROSS JOIN LATERAL (
           SELECT concat_ws('; ',
               CASE WHEN a.acct_no IS NULL THEN format('its account %s does not exist', s.acct_no)
                    WHEN a.currency_code <> s.currency_code
                    THEN format('it is in %s, but its account is in %s', s.currency_code, a.currency_code)
                    END,
               CASE WHEN s.period_start <> s.end_before + 1
                    THEN format('it begins on %s, but the one before ends on %s',
                                s.period_start, s.end_before) END,
               CASE WHEN s.opening_balance <> s.closing_before
                    THEN format('it opens with %s, but the one before closes with %s',
                                s.opening_balance, s.closing_before) END,
               CASE WHEN s.after_event_no <> s.through_before OR s.through_event_no < s.after_event_no
                    THEN format('it has the events after %s up to %s, the one before those up to %s',
                                s.after_event_no, s.through_event_no, s.through_before) END,
               CASE WHEN s.closing_balance <> s.opening_balance + coalesce(p.effect, 0)
                    THEN format('it closes with %s, but its opening balance and transactions come to %s',
                                s.closing_balance, s.opening_balance + coalesce(p.effect, 0)) END,
               CASE WHEN s.transactions <> coalesce(p.transactions, 0)
                      OR s.adjustments <> coalesce(p.adjustments, 0)
                    THEN format('it is of %s transactions, %s of them adjustments, but has %s and %s',
                                s.transactions, s.adjustments, coalesce(p.transactions, 0),
                                coalesce(p.adjustments, 0)) END) AS problem
           ) AS judged
    """,
)

STATEMENT_QUESTIONS: Final = (_STATEMENTS,)
