"""docs/dependencies.md answers for every dependency: why it is here, and under which licence."""

import re

from packaging.utils import canonicalize_name

from tests.house.tree import ROOT, development_dependencies, runtime_dependencies

ROW = re.compile(r"^\| (?P<name>[\w.-]+) \| (?P<reason>[^|]+) \| (?P<licence>[^|]+) \|$", re.MULTILINE)


def documented() -> dict[str, re.Match[str]]:
    """The rows of the document's tables, by normalised name."""
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    rows = [row for row in ROW.finditer(text) if row["name"] != "Dependency" and set(row["name"]) != {"-"}]
    assert len({canonicalize_name(row["name"]) for row in rows}) == len(rows), "a dependency has two rows"
    return {canonicalize_name(row["name"]): row for row in rows}


def test_each_direct_dependency_has_a_row_and_nothing_else_has() -> None:
    declared = {**runtime_dependencies(), **development_dependencies()}
    assert documented().keys() == declared.keys()


def test_each_row_gives_a_reason_and_a_licence() -> None:
    # A reason is a sentence: a name repeated, or "needed", is none.
    wanting = [
        name
        for name, row in documented().items()
        if len(row["reason"].split()) < 4 or not row["licence"].strip()
    ]
    assert not wanting
