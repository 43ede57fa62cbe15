"""How the parameters of a statement are put together for the driver."""

from ledger_service.store_round_trips import with_stacks


def test_the_numbers_that_are_unnested_together_are_one_parameter() -> None:
    statement, values = with_stacks(
        "SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS one (a, b, c)"
        " JOIN unnest($4::bigint[]) AS other (d) ON d = $5::bigint WHERE a <> $5::bigint",
        [(1, 2), ("x", "y"), (3, 4), [5], 6],
    )

    assert statement == (
        "SELECT * FROM unnest(($1::bigint[])[1:1]::bigint[], $2::text[], ($1::bigint[])[2:2]::bigint[])"
        " AS one (a, b, c) JOIN unnest($3::bigint[]) AS other (d) ON d = $4::bigint WHERE a <> $4::bigint"
    )
    assert values == [[[1, 2], [3, 4]], ("x", "y"), [5], 6]


def test_columns_that_are_unnested_twice_are_given_once() -> None:
    statement, values = with_stacks(
        "SELECT FROM unnest($2::bigint[], $3::bigint[]) UNION SELECT FROM unnest($2::bigint[], $3::bigint[])"
        " LIMIT $1",
        [9, [1], [2]],
    )

    assert statement == (
        "SELECT FROM unnest(($1::bigint[])[1:1]::bigint[], ($1::bigint[])[2:2]::bigint[])"
        " UNION SELECT FROM unnest(($1::bigint[])[1:1]::bigint[], ($1::bigint[])[2:2]::bigint[]) LIMIT $2"
    )
    assert values == [[[1], [2]], 9]


def test_columns_of_each_type_that_are_unnested_together_are_one_parameter() -> None:
    statement, values = with_stacks(
        "SELECT FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bytea[])",
        [["a"], [1], [None], [2], [b"c"]],
    )

    assert statement == (
        "SELECT FROM unnest(($1::text[])[1:1]::text[], ($2::bigint[])[1:1]::bigint[],"
        " ($1::text[])[2:2]::text[], ($2::bigint[])[2:2]::bigint[], $3::bytea[])"
    )
    assert values == [[["a"], [None]], [[1], [2]], [b"c"]]
