"""A migration does the same whenever it runs: it takes nothing from the program as it is today."""

import ast
from pathlib import Path

import pytest

from tests.house.tree import files, from_root

REVISIONS = [path for path in files(".py") if path.parent.name == "versions"]


def imported(path: Path) -> set[str]:
    """The top-level packages that a module imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("revision", REVISIONS, ids=from_root)
def test_a_revision_imports_nothing_of_ours(revision: Path) -> None:
    assert not {name for name in imported(revision) if name.endswith(("_service", "_kit"))}
