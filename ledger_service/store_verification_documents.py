"""The questions of a full check about documents: what was posted together must hold together."""

from typing import Final

from ledger_service.rules.transaction_types import TRANSACTION_TYPES, DocumentKind
from ledger_service.rules.verification import TAKES_FROM, Check, codes_of
from ledger_service.store_verification import Question
from ledger_service.tables import write_offs

# A transfer moves one amount between two accounts (rule 16), and is voided as a whole (rule 13).
_TRANSFERS: Final = Question(
    Check.DOCUMENT,
    "balance_transfer",
    "transfer_no",
    """
    WITH legs AS MATERIALIZED (
        SELECT t.source_no,
               min(t.event_no) AS event_no,
               count(*) FILTER (WHERE t.transaction_type = ANY (:source_legs)) AS source_legs,
               count(*) FILTER (WHERE t.transaction_type = ANY (:target_legs)) AS target_legs,
               min(t.acct_no) FILTER (WHERE t.transaction_type = ANY (:source_legs)) AS from_acct_no,
               min(t.acct_no) FILTER (WHERE t.transaction_type = ANY (:target_legs)) AS to_acct_no,
               min(t.amount) AS least, max(t.amount) AS most,
               count(DISTINCT t.currency_code) AS currencies,
               bool_or(v.event_no IS NOT NULL) AS any_voided, bool_and(v.event_no IS NOT NULL) AS all_voided
          FROM acct_transaction AS t
          LEFT JOIN acct_transaction AS v
            ON v.client_no = t.client_no AND v.related_event_no = t.event_no AND v.transaction_type < 0
         WHERE t.client_no = :client_no AND t.source_no > :after AND t.source_no <= :upto
           AND t.transaction_type = ANY (:legs)
         GROUP BY t.source_no
    )
    SELECT s.from_acct_no AS acct_no, NULL AS plan_instance_no, l.event_no, concat_ws('; ',
               CASE WHEN l.source_legs <> 1 OR l.target_legs <> 1
                    THEN format('transfer %s has %s transactions on its source and %s on its target:'
                                ' there must be one on each',
                                s.transfer_no, l.source_legs, l.target_legs) END,
               CASE WHEN s.from_acct_no = s.to_acct_no
                    THEN format('transfer %s is from account %s to itself', s.transfer_no, s.to_acct_no) END,
               CASE WHEN l.from_acct_no <> s.from_acct_no
                    THEN format('transfer %s is from account %s, but its transaction is on account %s',
                                s.transfer_no, s.from_acct_no, l.from_acct_no) END,
               CASE WHEN l.to_acct_no <> s.to_acct_no
                    THEN format('transfer %s is to account %s, but its transaction is on account %s',
                                s.transfer_no, s.to_acct_no, l.to_acct_no) END,
               CASE WHEN l.least <> l.most OR l.currencies > 1
                    THEN format('the transactions of transfer %s have the amounts %s and %s,'
                                ' which must be equal', s.transfer_no, l.least, l.most) END,
               CASE WHEN l.any_voided <> l.all_voided
                    THEN format('one transaction of transfer %s is voided and the other stands',
                                s.transfer_no) END) AS message
      FROM balance_transfer AS s
      JOIN legs AS l ON l.source_no = s.transfer_no
     WHERE s.client_no = :client_no AND s.transfer_no > :after AND s.transfer_no <= :upto
    """,
    types={
        "legs": codes_of(DocumentKind.TRANSFER, DocumentKind.TRANSFER_TARGET),
        "source_legs": codes_of(DocumentKind.TRANSFER),
        "target_legs": codes_of(DocumentKind.TRANSFER_TARGET),
    },
)

# Refunds take from payments, reversals and memo lines from charges: each from what it may, of its own
# account, and only while that stands (rules 13, 14, 21).
_TAKERS: Final = Question(
    Check.DOCUMENT,
    "acct_transaction",
    "event_no",
    """
    SELECT t.acct_no, t.plan_instance_no, t.event_no, concat_ws('; ',
               CASE WHEN t.related_event_no IS NULL
                    THEN 'it does not say what it takes from'
                    WHEN o.event_no IS NULL
                    THEN format('it takes from event %s, which does not exist', t.related_event_no)
                    WHEN NOT EXISTS (SELECT
                                       FROM unnest(:takers, :givers) AS allowed (taker, giver)
                                      WHERE taker = t.transaction_type AND giver = o.transaction_type)
                    THEN format('it is of type %s and takes from event %s, which is of type %s',
                                t.transaction_type, o.event_no, o.transaction_type) END,
               CASE WHEN o.acct_no <> t.acct_no
                    THEN format('it is on account %s and takes from event %s, which is on account %s',
                                t.acct_no, o.event_no, o.acct_no) END,
               CASE WHEN o.event_no >= t.event_no
                    THEN format('it was recorded before event %s, which it takes from', o.event_no) END,
               CASE WHEN ov.event_no IS NOT NULL AND tv.event_no IS NULL
                    THEN format('it stands, but event %s, which it takes from, was voided by event %s',
                                o.event_no, ov.event_no) END) AS message
      FROM acct_transaction AS t
      LEFT JOIN acct_transaction AS o ON o.client_no = t.client_no AND o.event_no = t.related_event_no
      LEFT JOIN acct_transaction AS ov
        ON ov.client_no = t.client_no AND ov.related_event_no = o.event_no AND ov.transaction_type < 0
      LEFT JOIN acct_transaction AS tv
        ON tv.client_no = t.client_no AND tv.related_event_no = t.event_no AND tv.transaction_type < 0
     WHERE t.client_no = :client_no AND t.event_no > :after AND t.event_no <= :upto
       AND t.transaction_type = ANY (:takers)
    """,
    types={
        "takers": [taker for taker, givers in TAKES_FROM.items() for _ in givers],
        "givers": [giver for givers in TAKES_FROM.values() for giver in sorted(givers)],
    },
)

# What stands of them together is never more than what they take from.
_GIVERS: Final = Question(
    Check.DOCUMENT,
    "acct_transaction",
    "related_event_no",
    """
    WITH taken AS MATERIALIZED (
        SELECT t.related_event_no AS event_no, sum(t.amount) AS amount
          FROM acct_transaction AS t
         WHERE t.client_no = :client_no AND t.related_event_no > :after AND t.related_event_no <= :upto
           AND t.transaction_type > 0
           AND NOT EXISTS (SELECT
                             FROM acct_transaction AS v
                            WHERE v.client_no = t.client_no
                              AND v.related_event_no = t.event_no
                              AND v.transaction_type < 0)
         GROUP BY t.related_event_no
    )
    SELECT o.acct_no, o.plan_instance_no, o.event_no,
           CASE WHEN k.amount > o.amount
                THEN format('what stands against it takes %s, but its amount is %s', k.amount, o.amount)
                ELSE '' END AS message
      FROM taken AS k
      JOIN acct_transaction AS o ON o.client_no = :client_no AND o.event_no = k.event_no
    """,
    only="transaction_type > 0",
)

# The reversals of a refund are at most the refund, and are voided with it (rule 14).
_REFUNDS: Final = Question(
    Check.DOCUMENT,
    "refunds",
    "refund_no",
    """
    WITH reversals AS MATERIALIZED (
        SELECT t.source_no, sum(t.amount) AS amount, count(DISTINCT t.acct_no) AS accounts,
               min(t.acct_no) AS acct_no,
               bool_or(v.event_no IS NOT NULL) AS any_voided, bool_and(v.event_no IS NOT NULL) AS all_voided
          FROM acct_transaction AS t
          LEFT JOIN acct_transaction AS v
            ON v.client_no = t.client_no AND v.related_event_no = t.event_no AND v.transaction_type < 0
         WHERE t.client_no = :client_no AND t.source_no > :after AND t.source_no <= :upto
           AND t.transaction_type = ANY (:reversals)
         GROUP BY t.source_no
    )
    SELECT s.acct_no, NULL AS plan_instance_no, s.event_no, concat_ws('; ',
               CASE WHEN f.event_no IS NULL
                    THEN format('the reversals %s are of a refund, event %s, which does not exist',
                                s.refund_no, s.event_no)
                    WHEN f.transaction_type <> ALL (:refunds)
                    THEN format('the reversals %s are of event %s, which is no refund but of type %s',
                                s.refund_no, s.event_no, f.transaction_type) END,
               CASE WHEN f.acct_no <> s.acct_no OR r.acct_no <> s.acct_no OR r.accounts > 1
                    THEN format('the reversals %s of account %s, or their refund, are on another account',
                                s.refund_no, s.acct_no) END,
               CASE WHEN r.amount > f.amount
                    THEN format('the reversals %s are %s in all, but their refund is %s',
                                s.refund_no, r.amount, f.amount) END,
               CASE WHEN r.any_voided <> r.all_voided OR r.all_voided <> (v.event_no IS NOT NULL)
                    THEN format('of the refund with the reversals %s one part is voided and another stands',
                                s.refund_no) END) AS message
      FROM refunds AS s
      JOIN reversals AS r ON r.source_no = s.refund_no
      LEFT JOIN acct_transaction AS f ON f.client_no = s.client_no AND f.event_no = s.event_no
      LEFT JOIN acct_transaction AS v
        ON v.client_no = s.client_no AND v.related_event_no = f.event_no AND v.transaction_type < 0
     WHERE s.client_no = :client_no AND s.refund_no > :after AND s.refund_no <= :upto
    """,
    types={"reversals": codes_of(DocumentKind.REVERSAL), "refunds": codes_of(DocumentKind.REFUND)},
)

# A memo is for charge lines of one invoice, and is voided as a whole (rule 21).
_CREDIT_MEMOS: Final = Question(
    Check.DOCUMENT,
    "credit_memo",
    "cm_no",
    """
    WITH memo_lines AS MATERIALIZED (
        SELECT t.source_no, count(DISTINCT t.acct_no) AS accounts, min(t.acct_no) AS acct_no,
               count(*) FILTER (WHERE d.invoice_no IS DISTINCT FROM m.invoice_no) AS of_other_invoices,
               bool_or(v.event_no IS NOT NULL) AS any_voided, bool_and(v.event_no IS NOT NULL) AS all_voided
          FROM acct_transaction AS t
          JOIN credit_memo AS m ON m.client_no = t.client_no AND m.cm_no = t.source_no
          LEFT JOIN acct_transaction AS o ON o.client_no = t.client_no AND o.event_no = t.related_event_no
          LEFT JOIN gl_detail AS d ON d.client_no = t.client_no AND d.invoice_detail_no = o.source_no
          LEFT JOIN acct_transaction AS v
            ON v.client_no = t.client_no AND v.related_event_no = t.event_no AND v.transaction_type < 0
         WHERE t.client_no = :client_no AND t.source_no > :after AND t.source_no <= :upto
           AND t.transaction_type = ANY (:memo_lines)
         GROUP BY t.source_no
    )
    SELECT m.acct_no, NULL AS plan_instance_no, m.event_no, concat_ws('; ',
               CASE WHEN l.accounts > 1 OR l.acct_no <> m.acct_no
                    THEN format('credit memo %s is of account %s, but has lines on another account',
                                m.cm_no, m.acct_no) END,
               CASE WHEN l.of_other_invoices > 0
                    THEN format('credit memo %s is for invoice %s, but %s of its lines are for charges that'
                                ' are not its own', m.cm_no, m.invoice_no, l.of_other_invoices) END,
               CASE WHEN l.any_voided <> l.all_voided
                    THEN format('some lines of credit memo %s are voided and others stand', m.cm_no)
                    END) AS message
      FROM credit_memo AS m
      JOIN memo_lines AS l ON l.source_no = m.cm_no
     WHERE m.client_no = :client_no AND m.cm_no > :after AND m.cm_no <= :upto
    """,
    types={"memo_lines": codes_of(DocumentKind.CREDIT_MEMO)},
)

# An invoice is its lines: as many as its numbers say, on its account and its plan instance, adding up to its
# total, and voided as a whole (rule 20). From the lines to their invoice, by its key: the other way round,
# PostgreSQL looks through the lines of all for each invoice, when it has no statistics of them yet.
_INVOICES: Final = Question(
    Check.DOCUMENT,
    "invoice",
    "invoice_no",
    """
    WITH invoice_lines AS MATERIALIZED (
        SELECT i.invoice_no, count(t.event_no) AS lines, sum(t.amount * y.effect) AS total,
               count(t.event_no) FILTER (WHERE d.invoice_no IS DISTINCT FROM i.invoice_no
                                            OR t.transaction_type <> ALL (:lines)) AS foreign_lines,
               count(t.event_no) FILTER (WHERE t.acct_no <> i.acct_no
                                            OR t.plan_instance_no IS DISTINCT FROM i.plan_instance_no
                                            OR t.currency_code <> i.currency_code
                                            OR t.effective_date <> i.invoice_date) AS unlike_lines,
               count(v.event_no) AS voided_lines
          FROM invoice AS i
          LEFT JOIN acct_transaction AS t
            ON t.client_no = i.client_no AND t.event_no BETWEEN i.first_event_no AND i.last_event_no
          LEFT JOIN transaction_type AS y ON y.code = t.transaction_type
          LEFT JOIN gl_detail AS d ON d.client_no = t.client_no AND d.invoice_detail_no = t.source_no
          LEFT JOIN acct_transaction AS v
            ON v.client_no = t.client_no AND v.related_event_no = t.event_no AND v.transaction_type < 0
         WHERE i.client_no = :client_no AND i.invoice_no > :after AND i.invoice_no <= :upto
         GROUP BY i.invoice_no
    )
    SELECT i.acct_no, i.plan_instance_no, i.first_event_no AS event_no, concat_ws('; ',
               CASE WHEN l.lines <> i.last_event_no - i.first_event_no + 1
                    THEN format('invoice %s has %s lines, but its numbers are for %s', i.invoice_no,
                                l.lines, i.last_event_no - i.first_event_no + 1) END,
               CASE WHEN l.total <> i.total
                    THEN format('the total of invoice %s is %s, but the sum of its lines is %s',
                                i.invoice_no, i.total, l.total) END,
               CASE WHEN l.foreign_lines > 0
                    THEN format('%s transactions within the numbers of invoice %s are no lines of it',
                                l.foreign_lines, i.invoice_no) END,
               CASE WHEN l.unlike_lines > 0
                    THEN format('%s lines of invoice %s differ from it in account, plan instance, currency or'
                                ' date', l.unlike_lines, i.invoice_no) END,
               CASE WHEN l.voided_lines NOT IN (0, l.lines)
                    THEN format('%s of the %s lines of invoice %s are voided: it must be all or none',
                                l.voided_lines, l.lines, i.invoice_no)
                    WHEN (l.voided_lines > 0) <> (v.invoice_no IS NOT NULL)
                    THEN format('invoice %s is marked as %s, but its lines are not', i.invoice_no,
                                CASE WHEN v.invoice_no IS NULL THEN 'standing' ELSE 'voided' END)
                    END) AS message
      FROM invoice_lines AS l
      JOIN invoice AS i ON i.client_no = :client_no AND i.invoice_no = l.invoice_no
      LEFT JOIN invoice_void AS v ON v.client_no = i.client_no AND v.invoice_no = i.invoice_no
    """,
    types={"lines": codes_of(DocumentKind.INVOICE)},
)

_INVOICES_OF_LINES: Final = Question(
    Check.DOCUMENT,
    "gl_detail",
    "invoice_detail_no",
    """
    SELECT d.acct_no, i.plan_instance_no, d.event_no,
           CASE WHEN i.invoice_no IS NULL
                THEN format('it is a line of invoice %s, which does not exist', d.invoice_no)
                WHEN d.event_no NOT BETWEEN i.first_event_no AND i.last_event_no
                THEN format('it is a line of invoice %s, whose lines are the events %s to %s',
                            d.invoice_no, i.first_event_no, i.last_event_no)
                ELSE '' END AS message
      FROM gl_detail AS d
      LEFT JOIN invoice AS i USING (client_no, invoice_no)
     WHERE d.client_no = :client_no AND d.invoice_detail_no > :after AND d.invoice_detail_no <= :upto
    """,
)

# Write-offs and dispute holds are at most the net charge of their invoice, less what memos and reversals took
# (rule 15).
_WRITE_OFFS: Final = Question(
    Check.DOCUMENT,
    "write_offs",
    "invoice_no",
    """
    WITH standing AS MATERIALIZED (
        SELECT w.invoice_no, min(w.acct_no) AS acct_no, min(w.event_no) AS event_no,
               count(DISTINCT w.acct_no) AS accounts, sum(t.amount) AS amount
          FROM write_offs AS w
          JOIN acct_transaction AS t ON t.client_no = w.client_no AND t.event_no = w.event_no
         WHERE w.client_no = :client_no AND w.invoice_no > :after AND w.invoice_no <= :upto
           AND NOT EXISTS (SELECT
                             FROM acct_transaction AS v
                            WHERE v.client_no = t.client_no
                              AND v.related_event_no = t.event_no
                              AND v.transaction_type < 0)
         GROUP BY w.invoice_no
    )
    SELECT s.acct_no, i.plan_instance_no, s.event_no, concat_ws('; ',
               CASE WHEN i.invoice_no IS NULL
                    THEN format('it is against invoice %s, which does not exist', s.invoice_no)
                    WHEN s.accounts > 1 OR s.acct_no <> i.acct_no
                    THEN format('invoice %s is of account %s, but another account has a write-off against it',
                                s.invoice_no, i.acct_no) END,
               CASE WHEN s.amount + taken.amount > i.total
                    THEN format('%s of invoice %s is written off or held and %s credited or reversed, but its'
                                ' total is %s', s.amount, s.invoice_no, taken.amount, i.total) END) AS message
      FROM standing AS s
      LEFT JOIN invoice AS i ON i.client_no = :client_no AND i.invoice_no = s.invoice_no
     CROSS JOIN LATERAL (
           SELECT coalesce(sum(t.amount), 0) AS amount
             FROM acct_transaction AS t
            WHERE t.client_no = :client_no
              AND t.related_event_no BETWEEN i.first_event_no AND i.last_event_no
              AND t.transaction_type > 0
              AND NOT EXISTS (SELECT
                                FROM acct_transaction AS v
                               WHERE v.client_no = t.client_no
                                 AND v.related_event_no = t.event_no
                                 AND v.transaction_type < 0)
           ) AS taken
    """,
)

# An invoice is re-aged only by the void of a dispute hold that is against it (rule 15).
_DUE_DATES: Final = Question(
    Check.DOCUMENT,
    "invoice_due_date",
    "invoice_no",
    """
    SELECT v.acct_no, v.plan_instance_no, n.event_no, concat_ws('; ',
               CASE WHEN i.invoice_no IS NULL
                    THEN format('it re-ages invoice %s, which does not exist', n.invoice_no) END,
               CASE WHEN v.event_no IS NULL
                    THEN format('invoice %s is re-aged by event %s, which does not exist', n.invoice_no,
                                n.event_no)
                    WHEN h.invoice_no IS DISTINCT FROM n.invoice_no OR h.expires_on IS NULL
                    THEN format('it re-ages invoice %s, but voids no dispute hold against that',
                                n.invoice_no)
                    WHEN n.due_date < v.effective_date
                    THEN format('it takes effect on %s, but re-ages invoice %s to %s', v.effective_date,
                                n.invoice_no, n.due_date) END) AS message
      FROM invoice_due_date AS n
      LEFT JOIN invoice AS i USING (client_no, invoice_no)
      LEFT JOIN acct_transaction AS v USING (client_no, event_no)
      LEFT JOIN write_offs AS h
        ON h.client_no = n.client_no
       AND h.write_off_no = CASE WHEN v.transaction_type = ANY (:voids) THEN v.source_no END
     WHERE n.client_no = :client_no AND n.invoice_no > :after AND n.invoice_no <= :upto
    """,
    types={
        "voids": [
            row.code
            for row in TRANSACTION_TYPES.values()
            if row.is_void and row.source_table == write_offs.name
        ]
    },
)

DOCUMENT_QUESTIONS: Final = (
    _TRANSFERS,
    _TAKERS,
    _GIVERS,
    _REFUNDS,
    _CREDIT_MEMOS,
    _INVOICES,
    _INVOICES_OF_LINES,
    _WRITE_OFFS,
    _DUE_DATES,
)
