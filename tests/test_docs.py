"""The docs are true where a machine can tell."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest

from loopy.cli.main import HELP
from loopy.domain.states import Segment, Step, Verdict, Wait
from loopy.queue.app import QUEUES
from loopy.settings.load import VARIABLES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])
GENERATED = {"reference.md"}  # tests/test_reference.py holds it to the commands


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        if link.startswith("http") or Path(path).name in GENERATED:
            continue
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_glossary_has_every_word_that_a_run_can_show() -> None:
    glossary = (DOCS / "glossary.md").read_text()
    for word in chain(Segment, Step, Wait, Verdict, QUEUES):
        assert re.search(rf"\b{word}\b", glossary), word


def test_the_glossary_defines_each_word_once_and_in_order() -> None:
    words = re.findall(r"^\| \*\*(.+?)\*\*", (DOCS / "glossary.md").read_text(), re.MULTILINE)
    assert words == sorted(set(words))


def test_every_module_that_the_design_names_is_there() -> None:
    named = re.findall(r"`((?:\w+/)+\w+\.py)`", (DOCS / "design.md").read_text())
    assert named
    for name in named:
        assert (ROOT / name).exists() or (ROOT / "loopy" / name).exists(), name


def test_the_design_has_all_nineteen_rules() -> None:
    rows = re.findall(r"^\| (\d+) \|", (DOCS / "design.md").read_text(), re.MULTILINE)
    assert [int(row) for row in rows] == list(range(1, 20))


def test_every_variable_of_the_settings_is_documented() -> None:
    operating = (DOCS / "operating.md").read_text()
    for variable, key in VARIABLES.items():
        assert f"| `{variable}` | `{'.'.join(key)}`" in operating


def test_every_exit_code_is_documented() -> None:
    operating = (DOCS / "operating.md").read_text()
    codes = re.findall(r"^  (\d+) ", HELP, re.MULTILINE)
    assert "0" in codes
    for code in codes:
        assert f"| {code} |" in operating


def test_every_dependency_has_its_line() -> None:
    page = (DOCS / "dependencies.md").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = chain.from_iterable(project["project"]["optional-dependencies"].values())
    for requirement in chain(project["project"]["dependencies"], extras, project["dependency-groups"]["dev"]):
        name = re.split(r"[\[<>=~! ]", requirement)[0]
        assert re.search(rf"(\| |, ){re.escape(name)}( \d|,| \|)", page), name


def test_the_lock_pins_with_hashes_and_names_no_index() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "--hash=sha256:" in lock
    assert not re.search(r"https?://|--(extra-)?index|--find-links", lock)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120
