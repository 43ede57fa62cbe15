"""The locks hold what pyproject.toml declares, in exact versions, each file with its hashes."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.tree import ROOT, development_dependencies, project, runtime_dependencies, stubs_project

RUNTIME = ROOT / "requirements.lock"
BUILD = ROOT / "requirements-build.lock"
DEVELOPMENT = ROOT / "requirements-dev.lock"


def locked(lock: Path) -> dict[str, str]:
    """The version of each distribution in a lock, by normalised name."""
    requirements = [Requirement(line.removesuffix("\\")) for line in _entries(lock)]
    versions: dict[str, str] = {}
    for requirement in requirements:
        (pin,) = requirement.specifier
        assert pin.operator == "==", f"{lock.name}: {requirement} is not pinned"
        versions[canonicalize_name(requirement.name)] = pin.version
    return versions


def _entries(lock: Path) -> list[str]:
    return [line for line in lock.read_text(encoding="utf-8").splitlines() if re.match(r"[A-Za-z0-9]", line)]


def _outdated(declared: dict[str, Requirement], lock: Path) -> list[str]:
    versions = locked(lock)
    return [
        f"{requirement}: {lock.name} has {versions.get(name, 'nothing')}"
        for name, requirement in declared.items()
        if name not in versions or not requirement.specifier.contains(versions[name], prereleases=True)
    ]


@pytest.mark.parametrize("lock", [RUNTIME, DEVELOPMENT], ids=lambda lock: lock.name)
def test_a_lock_holds_every_runtime_dependency_in_a_version_that_suits(lock: Path) -> None:
    assert not _outdated(runtime_dependencies(), lock), "run make lock"


def test_the_development_lock_holds_every_development_dependency_in_a_version_that_suits() -> None:
    assert not _outdated(development_dependencies(), DEVELOPMENT), "run make lock"


@pytest.mark.parametrize("contained", [RUNTIME, BUILD], ids=lambda lock: lock.name)
def test_the_development_lock_contains_the_others(contained: Path) -> None:
    # So `make run` need not install anything where `make test` has been.
    assert locked(contained).items() <= locked(DEVELOPMENT).items()


@pytest.mark.parametrize("lock", [RUNTIME, BUILD, DEVELOPMENT], ids=lambda lock: lock.name)
def test_every_locked_file_has_a_hash(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    without = [entry for entry in _entries(lock) if f"{entry}\n    --hash=sha256:" not in text]
    assert not without


@pytest.mark.parametrize("lock", [RUNTIME, BUILD, DEVELOPMENT], ids=lambda lock: lock.name)
def test_a_lock_names_no_index_so_that_each_user_keeps_their_own(lock: Path) -> None:
    assert "://" not in lock.read_text(encoding="utf-8")


def test_tallybook_asks_for_the_stubs_of_its_own_version() -> None:
    version = project()["project"]["version"]
    assert stubs_project()["project"]["version"] == version
    assert f"tallybook-stubs=={version}" in project()["project"]["dependencies"]
