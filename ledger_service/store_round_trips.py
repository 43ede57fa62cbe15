"""Several statements in one round trip to the database.

A round trip costs as much as a small statement takes, and a small group has a dozen of them. So what it asks
goes there as one statement, and what it writes as another, put together from those that the stores define: a
combination is put together, and planned, when it is first needed. A large group spends its time on rows
instead, and those go by themselves: to be appended with COPY, which takes them faster than a statement.

The statements of the stores take rows as arrays, a column each, and unnest them. A group that has one row of
everything, a single call that posts alone, needs no arrays: then they are asked for, and written, as values.
That takes a third less on either side. Where there are more, columns of one type go as one array of arrays
(`with_stacks`): asyncpg asks each element of an array whether it is an array itself, but of the arrays within
one only those of the first, and that is half of what it does with a number. So small numbers, days and
instants of rows go as large numbers too, beside the others, and become what they are in the database.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, partial
from itertools import chain
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from sqlalchemy import BigInteger, Date, DateTime, Integer, LargeBinary, SmallInteger, Table, Text

from ledger_service.binary_copy import rows_in_binary
from service_kit.database import RawConnection

Column: TypeAlias = Sequence[Any]
Row: TypeAlias = tuple[Any, ...]
Found: TypeAlias = Iterable[Any]
"""Rows as they come from the database: to be unpacked, in the order of their columns."""

# So many rows of a table, or keys of a question, go together with others.
_FEW: Final = 64
_PARAMETER: Final = re.compile(r"\$(\d+)")
_ARRAY: Final = re.compile(r"\$(\d+)::(\w+)\[\]")
_UNNESTED: Final = re.compile(r"unnest\((\$\d+::\w+\[\](?:,\s*\$\d+::\w+\[\])*)\)(\s+WITH ORDINALITY)?")
_COMBINATIONS: Final = 256


class Question(NamedTuple):
    """What is asked: a statement, the columns of the keys that it unnests, and who takes its rows.

    takes_arrays: what it takes are no columns of keys but arrays, also when there is one of everything.
    """

    statement: str
    columns: Sequence[Column]
    take: Callable[[Found], None]
    takes_arrays: bool = False


class Append(NamedTuple):
    """Rows that are appended to a table, in the order of its columns."""

    table: Table
    rows: Sequence[Row]


class Change(NamedTuple):
    """A statement that changes rows, and the columns that it unnests.

    all_or_nothing: it returns the rows that it changed. Where those are not as many as it was given, nothing
        of all that is written together is written, and SerializationError says so.
    take: takes what it returns in its column `told`, an array of numbers for some of the rows and NULL for
        the others; only for `write_together`. Records would take asyncpg several times as long to read.
    """

    statement: str
    columns: Sequence[Column]
    all_or_nothing: bool = False
    take: Callable[[Found], None] | None = None


class Condition(NamedTuple):
    """An expression that raises unless it holds, and its parameters; only for `write_together`."""

    expression: str
    columns: Sequence[Column]


Step: TypeAlias = Append | Change
"""What a group writes to one table."""


async def ask(connection: RawConnection, questions: Sequence[Question]) -> None:
    """Ask all questions: those with many keys by themselves, and then the others together."""
    for question in questions:
        if len(question.columns[0]) > _FEW:
            statement, columns = with_stacks(question.statement, question.columns)
            question.take(await connection.fetch(statement, *columns))
    few = [each for each in questions if len(each.columns[0]) <= _FEW]
    if few:
        await ask_together(connection, few)


async def ask_together(connection: RawConnection, questions: Sequence[Question]) -> None:
    """Ask all questions in one statement, and so of one state of the database."""
    single = all(each.takes_arrays or len(each.columns[0]) == 1 for each in questions)
    statement = _asked_together(
        tuple(
            _for_one_row(each.statement) if single and not each.takes_arrays else each.statement
            for each in questions
        )
    )
    values: Iterable[Any] = chain.from_iterable(
        [key for (key,) in each.columns] if single and not each.takes_arrays else each.columns
        for each in questions
    )
    if not single:
        statement, values = with_stacks(statement, values)
    answers = await connection.fetchrow(statement, *values)
    assert answers is not None, "it has one row, whatever there is"
    for question, rows in zip(questions, answers, strict=True):
        question.take(rows)


def are_many(steps: Iterable[Step]) -> bool:
    """Whether the rows of any of the steps are so many that they are written by themselves."""
    return any(_size(each) > _FEW for each in steps)


async def write(connection: RawConnection, steps: Iterable[Step]) -> None:
    """Write all steps in a transaction: those with many rows by themselves, then the others together."""
    few = []
    for step in steps:
        if _size(step) > _FEW:
            await _write_alone(connection, step)
        else:
            few.append(step)
    await write_together(connection, few)


async def write_together(
    connection: RawConnection, steps: Iterable[Step], conditions: Sequence[Condition] = ()
) -> None:
    """Write all steps in one statement, which is a transaction by itself where there is none.

    All see the database as it was before, so no two may touch the same row. First is done what is all or
    nothing, if there is such a step; then the conditions have to hold; then come the steps of which rows are
    taken, and then the others, in the order in which they are given.
    """
    guarded: list[Step] = []
    others: list[Step] = []
    single = True
    for step in steps:
        size = _size(step)
        if size:
            (guarded if isinstance(step, Change) and step.all_or_nothing else others).append(step)
            single = single and size == 1
    ordered = guarded + others
    if ordered:
        statements = [_statement_of(each) for each in ordered]
        takes = {
            place: each.take for place, each in enumerate(ordered) if isinstance(each, Change) and each.take
        }
        statement = _written_together(
            tuple(map(_for_one_row, statements) if single else statements),
            len(guarded),
            tuple(each.expression for each in conditions),
            tuple(takes),
        )
        checked = chain.from_iterable(each.columns for each in conditions)
        values: Iterable[Any] = chain(
            chain.from_iterable(map(_row_of if single else _columns_of, ordered)),
            checked,
            map(_size, guarded),
        )
        if not single:
            statement, values = with_stacks(statement, values)
        told = await connection.fetchrow(statement, *values)
        assert told is not None, "it has one row, whatever was written"
        for place, take in takes.items():
            take(told[f"told_{place}"])


async def _write_alone(connection: RawConnection, step: Step) -> None:
    if isinstance(step, Append):
        # Bytes themselves would be the path of a file.
        content = memoryview(rows_in_binary(_types(step.table), step.rows))
        table, names = step.table.name, _names(step.table)
        await connection.copy_to_table(table, source=content, columns=names, format="binary")  # type: ignore[arg-type]  # it takes a buffer
    else:
        statement, columns = with_stacks(step.statement, step.columns)
        await connection.execute(statement, *columns)


def _size(step: Step) -> int:
    return len(step.rows if isinstance(step, Append) else step.columns[0])


def _columns_of(step: Step) -> Sequence[Column]:
    if isinstance(step, Change):
        return step.columns
    columns = zip(*step.rows, strict=True)
    return [form.carried(column) for form, column in zip(_forms(step.table), columns, strict=True)]


def _row_of(step: Step) -> Row:
    """The only row."""
    return tuple(value for (value,) in _columns_of(step))


def _statement_of(step: Step) -> str:
    return _insertion(step.table) if isinstance(step, Append) else step.statement


@lru_cache(maxsize=_COMBINATIONS)
def _asked_together(statements: tuple[str, ...]) -> str:
    """One statement with one row: the answer to each, as an array of records."""
    answers = ", ".join(
        f"ARRAY(SELECT asked_row FROM ({each}) AS asked_row)"  # noqa: S608  # statements of our own
        for each in _renumbered(statements)[0]
    )
    return f"SELECT {answers}"


@lru_cache(maxsize=_COMBINATIONS)
def _written_together(
    statements: tuple[str, ...], guarded: int, conditions: tuple[str, ...], taken: tuple[int, ...]
) -> str:
    """One statement, which refers to those that are guarded, and to those of which rows are taken: what it
    refers to is done before all else.
    """
    renumbered, parameters = _renumbered((*statements, *conditions))
    # PostgreSQL begins with the last of those that nothing refers to.
    steps = [f"step_{place} AS ({each})" for place, each in enumerate(renumbered[: len(statements)])]
    checks = (
        [
            f"require_unchanged((SELECT count(*) FROM step_{place}), ${parameters + place + 1})"  # noqa: S608
            for place in range(guarded)
        ]
        + renumbered[len(statements) :]
        + [
            f"ARRAY(SELECT told FROM step_{place} WHERE told IS NOT NULL) AS told_{place}"  # noqa: S608
            for place in taken
        ]
    )
    return f"WITH {', '.join(reversed(steps))} SELECT {', '.join(checks)}"


@lru_cache(maxsize=_COMBINATIONS)
def _for_one_row(statement: str) -> str:
    """The statement with values in place of the arrays that it unnests."""
    single, found = _UNNESTED.subn(_values, statement)
    assert found, f"it unnests no rows: {statement}"
    assert "[]" not in single, f"it takes arrays besides those that it unnests: {statement}"
    return single


def _values(unnested: re.Match[str]) -> str:
    arrays, ordinality = unnested.groups()
    place = ", 1" if ordinality else ""
    return f"(VALUES ({arrays.replace('[]', '')}{place}))"


def with_stacks(statement: str, values: Iterable[Any]) -> tuple[str, list[Any]]:
    """The statement and its parameters, with what an unnest has of one type as an array of arrays. Outside of
    its unnest such a parameter may be used as a set only (`= ANY`).
    """
    stacked, places = _with_stacks(statement)
    given = list(values)
    assert len(given) == sum(map(len, places)), f"other parameters than the statement has: {statement}"
    return stacked, [
        [list(given[place]) for place in each] if len(each) > 1 else given[each[0]] for each in places
    ]


# What is asked together, what is written together, and what goes by itself.
@lru_cache(maxsize=3 * _COMBINATIONS)
def _with_stacks(statement: str) -> tuple[str, tuple[tuple[int, ...], ...]]:
    """The statement with one array of arrays for what each unnest has of one type; and, for each parameter of
    it, the place of the one that was given, or of those.
    """
    types = {}
    for arrays, _ in _UNNESTED.findall(statement):
        columns = [(int(place), kind) for place, kind in _ARRAY.findall(arrays)]
        for of_type in {kind for _, kind in columns}:
            places = tuple(place for place, kind in columns if kind == of_type)
            if len(places) > 1:
                types[places] = of_type
    stacks = sorted(types)
    in_stacks = [place for stack in stacks for place in stack]
    assert len(set(in_stacks)) == len(in_stacks), f"it unnests a column with others each time: {statement}"
    alone = {int(place) for place in _PARAMETER.findall(statement)}.difference(in_stacks)
    given = [*stacks, *((place,) for place in sorted(alone))]
    names = {}
    for parameter, places in enumerate(given, 1):
        of_type = types.get(places)
        for row, place in enumerate(places, 1):
            names[place] = f"(${parameter}::{of_type}[])[{row}:{row}]" if of_type else f"${parameter}"
    renamed = _PARAMETER.sub(lambda found: names[int(found[1])], statement)
    return renamed, tuple(tuple(place - 1 for place in places) for places in given)


def _renumbered(statements: Sequence[str]) -> tuple[list[str], int]:
    """The statements with parameters that go on from one to the next, and how many there are."""
    renumbered, before = [], 0
    for statement in statements:
        renumbered.append(_PARAMETER.sub(partial(_shifted, before), statement))
        before += max(int(number) for number in _PARAMETER.findall(statement))
    return renumbered, before


def _shifted(by: int, parameter: re.Match[str]) -> str:
    return f"${int(parameter[1]) + by}"


@lru_cache(maxsize=_COMBINATIONS)
def _insertion(table: Table) -> str:
    """The statement that appends rows to a table; in their order, which numbers them where that is asked."""
    names, forms = ", ".join(_names(table)), _forms(table)
    arrays = ", ".join(f"${place}::{form.type}[]" for place, form in enumerate(forms, 1))
    columns = ", ".join(
        form.column.format(f"given.{name}") for name, form in zip(_names(table), forms, strict=True)
    )
    return f"INSERT INTO {table.name} ({names}) SELECT {columns} FROM unnest({arrays}) AS given ({names})"  # noqa: S608  # our own names


@lru_cache(maxsize=_COMBINATIONS)
def _forms(table: Table) -> list["_Form"]:
    return [FORMS_IN_ARRAYS[kind] for kind in _types(table)]


@lru_cache(maxsize=_COMBINATIONS)
def _names(table: Table) -> list[str]:
    return [column.name for column in _given(table)]


@lru_cache(maxsize=_COMBINATIONS)
def _types(table: Table) -> list[type]:
    return [type(column.type) for column in _given(table)]


def _given(table: Table) -> list[Any]:
    """The columns that the database does not fill in itself."""
    return [column for column in table.columns if column.server_default is None]


class _Form(NamedTuple):
    """How a column of rows goes in arrays.

    type: of their elements. column: what makes the column of them, in which {0} is their name. number_of:
        what is sent for a value; None for the value itself.
    """

    type: str
    column: str = "{0}"
    number_of: Callable[[Any], int] | None = None

    def carried(self, values: Column) -> Column:
        """What is sent for these values."""
        if self.number_of is None:
            return values
        first = values[0]
        if values.count(first) == len(values):
            # All rows of a group have one instant, and mostly one day.
            return [None if first is None else self.number_of(first)] * len(values)
        return [None if value is None else self.number_of(value) for value in values]


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

DAY_BEFORE_ALL: Final = "0001-12-31 BC"
"""The day before that with the ordinal number 1 (`date.toordinal`)."""

# As asyncpg and `binary_copy` do: the first and the last day of Python are the infinities of PostgreSQL.
_DAY: Final = (
    f"CASE {{0}} WHEN {date.min.toordinal()} THEN date '-infinity' WHEN {date.max.toordinal()}"
    f" THEN date 'infinity' ELSE date '{DAY_BEFORE_ALL}' + {{0}}::integer END"
)

FORMS_IN_ARRAYS: Final = MappingProxyType(
    {
        BigInteger: _Form("bigint"),
        Integer: _Form("bigint", "{0}::integer"),
        SmallInteger: _Form("bigint", "{0}::smallint"),
        Text: _Form("text"),
        LargeBinary: _Form("bytea"),
        Date: _Form("bigint", _DAY, date.toordinal),
        DateTime: _Form(
            "bigint",
            "timestamptz 'epoch' + {0} * interval '1 microsecond'",
            lambda instant: (instant - _EPOCH) // _MICROSECOND,
        ),
    }
)
