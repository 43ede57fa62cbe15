"""The questions of a full check about applications: who paid what, and what is open (rules 8, 9)."""

from typing import Final

from ledger_service.rules.verification import Check
from ledger_service.store_verification import Question

# An application is of a credit to a charge, both of its account; and what takes one back is of the same pair
# and never more than it.
_APPLICATIONS: Final = Question(
    Check.APPLICATION,
    "application",
    "acct_no",
    """
    WITH taken_back AS MATERIALIZED (
        SELECT b.acct_no, b.takes_back_no AS application_no, sum(b.amount) AS amount
          FROM application AS b
         WHERE b.client_no = :client_no AND b.acct_no > :after AND b.acct_no <= :upto
           AND b.takes_back_no IS NOT NULL
         GROUP BY b.acct_no, b.takes_back_no
    )
    SELECT a.acct_no, NULL AS plan_instance_no, a.credit_event_no AS event_no, concat_ws('; ',
               CASE WHEN credit.event_no IS NULL OR ct.effect > 0
                    THEN format('application %s is of event %s, which is no credit of the account',
                                a.application_no, a.credit_event_no) END,
               CASE WHEN charge.event_no IS NULL OR ht.effect < 0
                    THEN format('application %s is to event %s, which is no charge of the account',
                                a.application_no, a.charge_event_no) END,
               CASE WHEN taken.amount > a.amount
                    THEN format('of application %s of %s, %s is taken back',
                                a.application_no, a.amount, taken.amount) END,
               CASE WHEN a.takes_back_no IS NOT NULL
                         AND (first.application_no IS NULL OR first.takes_back_no IS NOT NULL
                              OR first.credit_event_no <> a.credit_event_no
                              OR first.charge_event_no <> a.charge_event_no)
                    THEN format('application %s takes back %s, which is none of its credit and its charge',
                                a.application_no, a.takes_back_no) END) AS message
      FROM application AS a
      LEFT JOIN acct_transaction AS credit
        ON credit.client_no = a.client_no AND credit.event_no = a.credit_event_no
       AND credit.acct_no = a.acct_no
      LEFT JOIN transaction_type AS ct ON ct.code = credit.transaction_type
      LEFT JOIN acct_transaction AS charge
        ON charge.client_no = a.client_no AND charge.event_no = a.charge_event_no
       AND charge.acct_no = a.acct_no
      LEFT JOIN transaction_type AS ht ON ht.code = charge.transaction_type
      LEFT JOIN application AS first
        ON first.client_no = a.client_no AND first.acct_no = a.acct_no
       AND first.application_no = a.takes_back_no
      LEFT JOIN taken_back AS taken
        ON taken.acct_no = a.acct_no AND taken.application_no = a.application_no
     WHERE a.client_no = :client_no AND a.acct_no > :after AND a.acct_no <= :upto
    """,
)

# What is applied of a transaction is within its amount, and the rest of it is open: by a row of its own or,
# where it waits behind the mark of its account, without one.
_TRANSACTIONS: Final = Question(
    Check.APPLICATION,
    "acct_transaction",
    "event_no",
    """
    WITH sides AS MATERIALIZED (
        SELECT a.credit_event_no AS event_no,
               CASE WHEN a.takes_back_no IS NULL THEN a.amount ELSE -a.amount END AS amount
          FROM application AS a
         WHERE a.client_no = :client_no AND a.credit_event_no > :after AND a.credit_event_no <= :upto
         UNION ALL
        SELECT a.charge_event_no,
               CASE WHEN a.takes_back_no IS NULL THEN a.amount ELSE -a.amount END
          FROM application AS a
         WHERE a.client_no = :client_no AND a.charge_event_no > :after AND a.charge_event_no <= :upto
    ), applied AS MATERIALIZED (
        SELECT event_no, sum(amount) AS amount FROM sides GROUP BY event_no
    )
    SELECT t.acct_no, t.plan_instance_no, t.event_no, concat_ws('; ',
               CASE WHEN coalesce(p.amount, 0) NOT BETWEEN 0 AND t.amount
                    THEN format('%s of its %s is applied', p.amount, t.amount) END,
               CASE WHEN coalesce(o.open_amount, w.open_amount, 0) <> t.amount - coalesce(p.amount, 0)
                    THEN format('%s of its %s is applied, but %s is open', coalesce(p.amount, 0), t.amount,
                                coalesce(o.open_amount, w.open_amount, 0)) END,
               CASE WHEN o.event_no IS NOT NULL AND w.open_amount IS NOT NULL
                    THEN 'it waits behind the mark of its account, but has a row as well' END) AS message
      FROM acct_transaction AS t
      LEFT JOIN applied AS p ON p.event_no = t.event_no
      LEFT JOIN transaction_type AS y ON y.code = t.transaction_type
      LEFT JOIN application_instruction AS i ON i.client_no = t.client_no AND i.event_no = t.event_no
      LEFT JOIN item_balance AS o
        ON o.client_no = t.client_no
       AND o.acct_no = t.acct_no
       AND o.queue = CASE WHEN y.effect > 0 THEN 1 WHEN i.method = 4 THEN 3 ELSE 2 END
       AND o.effective_date = t.effective_date
       AND o.event_no = t.event_no
      LEFT JOIN account_balance AS b ON b.client_no = t.client_no AND b.acct_no = t.acct_no
      LEFT JOIN LATERAL (
           SELECT t.amount AS open_amount
            WHERE t.event_no > b.waiting_after
              AND t.event_no <= b.last_event_no
              AND y.effect = sign(b.balance + b.held)
           ) AS w ON true
     WHERE t.client_no = :client_no AND t.event_no > :after AND t.event_no <= :upto
    """,
)

# Each row is of what it says, and waits where something waits.
_ITEM_BALANCES: Final = Question(
    Check.APPLICATION,
    "item_balance",
    "acct_no",
    """
    SELECT o.acct_no, t.plan_instance_no, o.event_no, concat_ws('; ',
               CASE WHEN t.event_no IS NULL
                    THEN format('event %s is stored as open, but it is none of the account', o.event_no)
                    WHEN o.transaction_type <> t.transaction_type OR o.effective_date <> t.effective_date
                         OR o.queue <> CASE WHEN y.effect > 0 THEN 1 WHEN i.method = 4 THEN 3 ELSE 2 END
                    THEN format('event %s is stored as open in queue %s, of type %s and for %s, which is not'
                                ' what was posted', o.event_no, o.queue, o.transaction_type, o.effective_date)
                    END,
               CASE WHEN (o.queue = 1 AND b.balance + b.held <= 0)
                         OR (o.queue = 2 AND b.balance + b.held >= 0)
                    THEN format('event %s is stored as open, but what waits on the account is %s', o.event_no,
                                b.balance + b.held) END) AS message
      FROM item_balance AS o
      LEFT JOIN account_balance AS b USING (client_no, acct_no)
      LEFT JOIN acct_transaction AS t
        ON t.client_no = o.client_no AND t.event_no = o.event_no AND t.acct_no = o.acct_no
      LEFT JOIN transaction_type AS y ON y.code = t.transaction_type
      LEFT JOIN application_instruction AS i ON i.client_no = o.client_no AND i.event_no = o.event_no
     WHERE o.client_no = :client_no AND o.acct_no > :after AND o.acct_no <= :upto
    """,
)

# What is open of an account is its balance, what is held is what its rows say, and what has no row comes, by
# date, after all that waits and has one.
_BALANCES: Final = Question(
    Check.APPLICATION,
    "account_balance",
    "acct_no",
    """
    WITH item AS MATERIALIZED (
        SELECT o.*,
               max(o.effective_date) OVER (PARTITION BY o.acct_no, o.queue ORDER BY NOT o.has_row, o.event_no
                                            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS date_before
          FROM open_item AS o
         WHERE o.client_no = :client_no AND o.acct_no > :after AND o.acct_no <= :upto
    ), open AS MATERIALIZED (
        SELECT acct_no,
               sum(CASE WHEN queue = 1 THEN open_amount ELSE -open_amount END) AS balance,
               sum(open_amount) FILTER (WHERE queue = 3) AS held,
               min(event_no) FILTER (WHERE NOT has_row AND effective_date < date_before) AS out_of_turn
          FROM item
         GROUP BY acct_no
    )
    SELECT b.acct_no, NULL AS plan_instance_no, NULL AS event_no, concat_ws('; ',
               CASE WHEN b.balance <> coalesce(o.balance, 0)
                    THEN format('the balance is %s, but the open charges less the open credits are %s',
                                b.balance, coalesce(o.balance, 0)) END,
               CASE WHEN b.held <> coalesce(o.held, 0)
                    THEN format('%s is stored as held, but %s is', b.held, coalesce(o.held, 0)) END,
               CASE WHEN o.out_of_turn IS NOT NULL
                    THEN format('event %s waits without a row, but not in its turn', o.out_of_turn)
                    END) AS message
      FROM account_balance AS b
      LEFT JOIN open AS o USING (acct_no)
     WHERE b.client_no = :client_no AND b.acct_no > :after AND b.acct_no <= :upto
    """,
)

APPLICATION_QUESTIONS: Final = (_APPLICATIONS, _TRANSACTIONS, _ITEM_BALANCES, _BALANCES)
