"""What groups need that are posted without locks: to see the next numbers, and conditions that must hold.

Revision ID: 0007
Revises: 0006
"""

from alembic import op

revision = "0007"
down_revision = "0006"

# The next number of each kind, which somebody else may take before us.
NEXT_NUMBERS = """
CREATE OR REPLACE FUNCTION next_numbers(names text[]) RETURNS bigint[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
    number_sequence regclass;
    nexts bigint[] := '{{}}';
BEGIN
    FOR i IN 1 .. cardinality(names) LOOP
        number_sequence := (quote_ident(names[i] || '_seq'))::regclass;
        nexts := nexts || (coalesce(pg_sequence_last_value(number_sequence), 0) + 1);
    END LOOP;
    RETURN nexts;
END
$$
"""

# Who lost a race is told so as PostgreSQL itself would under a stricter isolation.
RESERVE_EXACTLY = """
CREATE OR REPLACE FUNCTION reserve_exactly(names text[], counts bigint[], firsts bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
    reservation CONSTANT bigint := 7205759403792;
BEGIN
    PERFORM pg_advisory_lock(reservation);
    BEGIN
        IF next_numbers(names) <> firsts THEN
            RAISE EXCEPTION 'somebody else took the numbers' USING ERRCODE = 'serialization_failure';
        END IF;
        FOR i IN 1 .. cardinality(names) LOOP
            PERFORM setval((quote_ident(names[i] || '_seq'))::regclass, firsts[i] + counts[i] - 1);
        END LOOP;
    EXCEPTION WHEN query_canceled OR OTHERS THEN
        PERFORM pg_advisory_unlock(reservation);
        RAISE;
    END;
    PERFORM pg_advisory_unlock(reservation);
END
$$
"""

REQUIRE_UNCHANGED = """
CREATE OR REPLACE FUNCTION require_unchanged(unchanged bigint, expected bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF unchanged <> expected THEN
        RAISE EXCEPTION '% of % rows were changed by somebody else', expected - unchanged, expected
            USING ERRCODE = 'serialization_failure';
    END IF;
END
$$
"""


def upgrade() -> None:
    """Create the functions."""
    schema = op.get_bind().exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    op.execute(NEXT_NUMBERS.format(schema=schema))
    op.execute(RESERVE_EXACTLY.format(schema=schema))
    op.execute(REQUIRE_UNCHANGED)
