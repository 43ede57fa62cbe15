"""The repository as its own tests see it: where it begins, its modules, its documents, its dependencies."""

import os
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]

# What tools leave behind is not ours to judge.
_NOT_OURS = {".git", ".venv", "build", "dist", "__pycache__", "node_modules"}


def files(suffix: str) -> Iterator[Path]:
    """Every file of the repository that ends in `suffix`, in a stable order."""
    for directory, subdirectories, names in os.walk(ROOT):
        subdirectories[:] = sorted(
            name for name in subdirectories if name not in _NOT_OURS and not name.endswith("_cache")
        )
        yield from (Path(directory, name) for name in sorted(names) if name.endswith(suffix))


def from_root(path: Path) -> str:
    """A path as one would type it at the top of the repository."""
    return path.relative_to(ROOT).as_posix()


@cache
def project() -> dict[str, Any]:
    """The pyproject.toml of Tallybook itself."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@cache
def stubs_project() -> dict[str, Any]:
    """The pyproject.toml of the stubs, the distribution that a client installs alone."""
    return tomllib.loads((ROOT / "stubs" / "pyproject.toml").read_text(encoding="utf-8"))


def runtime_dependencies() -> dict[str, Requirement]:
    """What the two distributions declare that they run on, by normalised name; not each other."""
    declared = [*project()["project"]["dependencies"], *stubs_project()["project"]["dependencies"]]
    ours = {"tallybook", "tallybook-stubs"}
    return {name: requirement for name, requirement in _by_name(declared).items() if name not in ours}


def development_dependencies() -> dict[str, Requirement]:
    """What the repository is worked on with: the groups `build` and `dev` together."""
    groups = project()["dependency-groups"]
    return _by_name(
        [entry for group in ("build", "dev") for entry in groups[group] if isinstance(entry, str)]
    )


def _by_name(declared: list[str]) -> dict[str, Requirement]:
    requirements = [Requirement(line) for line in declared]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}
