"""The documents lead where they say, and say what a reader looks for."""

import re
from pathlib import Path

import pytest

from service_kit.errors import SharedReason
from tests.house.tree import ROOT, files, from_root

ADRS = ROOT / "docs" / "adr"
LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`[^`\n]*`")


def prose(document: Path) -> str:
    """A document without its code, in which brackets mean something else."""
    return INLINE_CODE.sub("", FENCED.sub("", document.read_text(encoding="utf-8")))


def anchors(document: Path) -> set[str]:
    """The anchors that a reader's browser finds for a document's headings."""
    text = FENCED.sub("", document.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(document: Path) -> list[str]:
    """The relative links of a document that lead nowhere, or to a heading that is not there."""
    broken = []
    for link in LINK.finditer(prose(document)):
        target = link["target"]
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue  # another site is not ours to keep
        path, _, anchor = target.partition("#")
        destination = (document.parent / path).resolve() if path else document
        found = destination.exists() and destination.is_relative_to(ROOT)
        if not found or (anchor and destination.suffix == ".md" and anchor not in anchors(destination)):
            broken.append(target)
    return broken


def decisions() -> list[Path]:
    """The architecture decision records, in the order of their numbers."""
    return sorted(path for path in ADRS.glob("*.md") if path.name != "README.md")


def title_of(decision: Path) -> str:
    """What a decision calls itself in its first line, which also has to repeat the number of its file."""
    first_line = decision.read_text(encoding="utf-8").partition("\n")[0]
    return first_line.removeprefix(f"# {int(decision.name[:4])}. ")


@pytest.mark.parametrize("document", list(files(".md")), ids=from_root)
def test_every_relative_link_resolves(document: Path) -> None:
    assert not broken_links(document)


def test_every_decision_is_listed_once_under_its_own_number_and_title() -> None:
    index = (ADRS / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[(\d+)\]\(([\w-]+\.md)\) \| (.+) \|$", index, re.MULTILINE)
    assert listed == [(str(int(path.name[:4])), path.name, title_of(path)) for path in decisions()]


def test_no_two_decisions_share_a_number() -> None:
    numbers = [path.name[:4] for path in decisions()]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("decision", decisions(), ids=from_root)
def test_every_decision_says_whether_it_still_holds(decision: Path) -> None:
    assert re.search(
        r"^Status: (accepted|superseded by \d+)", decision.read_text(encoding="utf-8"), re.MULTILINE
    )


def test_the_changelog_has_a_place_for_what_is_not_released_yet() -> None:
    sections = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sections[0] == "[Unreleased]"


def test_the_stubs_carry_the_licence_of_the_whole() -> None:
    assert (ROOT / "stubs" / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_readme_explains_every_reason_that_all_services_share() -> None:
    table = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [reason for reason in SharedReason if f"`{reason}`" not in table] == []
