"""Records that are written column by column are those that are written one by one."""

from hypothesis import given
from hypothesis import strategies as st

from service_kit.records import Column, Field, integers, written


@st.composite
def fields(draw: st.DrawFn) -> tuple[int, list[Field], list[list[bytes]]]:
    """How many records, their fields, and what each record has in each of its fields."""
    count = draw(st.integers(1, 5))
    given_fields: list[Field] = []
    expected: list[list[bytes]] = []
    for kind in draw(st.lists(st.sampled_from(["alike", "column", "varying"]), max_size=6)):
        if kind == "alike":
            content = draw(st.binary(max_size=4))
            given_fields.append(content)
            expected.append([content] * count)
            continue
        width = draw(st.integers(0, 4))
        sizes = (
            [width] * count
            if kind == "column"
            else draw(st.lists(st.integers(0, 4), min_size=count, max_size=count))
        )
        contents = [draw(st.binary(min_size=size, max_size=size)) for size in sizes]
        given_fields.append(Column(b"".join(contents), width) if kind == "column" else contents)
        expected.append(contents)
    return count, given_fields, expected


@given(fields())
def test_records_come_one_after_the_other(given_fields: tuple[int, list[Field], list[list[bytes]]]) -> None:
    count, of_records, expected = given_fields
    assert written(of_records, count) == b"".join(
        contents[place] for place in range(count) for contents in expected
    )


def test_integers_are_big_endian_and_signed() -> None:
    assert integers([1, -1], 2) == Column(b"\0\1\xff\xff", 2)
    assert integers([258], 4) == Column(b"\0\0\1\2", 4)
    assert integers([-2], 8) == Column(b"\xff" * 7 + b"\xfe", 8)
