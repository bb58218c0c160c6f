"""Each rule's tests can fail: whoever takes a clause of the protocol out of the code hears of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.mutants import harness
from tests.mutants.harness import Death, crash
from tests.mutants.lab import ROOT, Lab, laboratory
from tests.mutants.mutant import Mutant, engine
from tests.mutants.table import MUTANTS


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with laboratory(tmp_path_factory.mktemp("lab")) as made:
        yield made


def test_every_rule_has_a_mutant_and_every_mutant_a_name_of_its_own() -> None:
    assert {m.rule for m in MUTANTS} >= set(range(1, 20))
    assert len({str(m) for m in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_mutant_changes_todays_source_in_exactly_one_place_per_edit(mutant: Mutant) -> None:
    texts: dict[str, str] = {}
    for edit in mutant.edits:
        text = texts.get(edit.path) or (ROOT / edit.path).read_text(encoding="utf-8")
        assert text.count(edit.old) == 1, edit
        assert edit.old != edit.new
        texts[edit.path] = text.replace(edit.old, edit.new)
    for path, text in texts.items():
        ast.parse(text, path)


def test_every_killer_is_a_test_that_exists() -> None:
    names: dict[str, set[str]] = {}
    for node in (killer for mutant in MUTANTS for killer in mutant.killers):
        file, _, test = node.partition("::")
        if file not in names:
            tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
            names[file] = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
        assert test.partition("[")[0] in names[file], node


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_all_killers_are_green_without_a_mutant(lab: Lab) -> None:
    nodes = sorted({killer for mutant in MUTANTS for killer in mutant.killers})
    verdict = lab.run(nodes)
    assert (verdict.said, verdict.red) == ("", frozenset())
    assert verdict.green == frozenset(nodes)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_mutant_is_killed_by_the_tests_that_are_named(
    mutant: Mutant, lab: Lab, record_property: Callable[[str, object], None]
) -> None:
    with lab.living(mutant):
        verdict = lab.run(mutant.killers)
    assert verdict.said == ""
    assert verdict.red == frozenset(mutant.killers), f"these did not notice: {sorted(verdict.green)}"
    record_property("mutant", f"{mutant.rule:3}  {mutant.name:38} {', '.join(Path(k).name for k in mutant.killers)}")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_crash_harness_notices_a_mutant_and_nothing_without_one(lab: Lab) -> None:
    assert crash(lab, None, deaths=20) == Death(None)
    doomed = next(m for m in MUTANTS if m.name == "limit_is_outcome")
    death = crash(lab, doomed)
    assert death.seed is not None
    assert death.seed >= 0
    assert "validation error" in death.said
    assert crash(lab, None, deaths=5) == Death(None), "the mutant is gone again"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("name", "harm"), [("no_token", "which stood at|which lives"), ("no_lease", "nobody took over")]
)
def test_the_crash_harness_notices_what_a_stalled_worker_would_do(lab: Lab, name: str, harm: str) -> None:
    death = crash(lab, next(m for m in MUTANTS if m.name == name), deaths=400)
    assert re.search(harm, death.said), death


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_mutant_that_hangs_is_ended_with_all_that_it_started(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "PATIENCE_S", 8)
    waits = "        while __import__('os').getpid() != __import__('os').getpgid(0):\n            __import__('time').sleep(0.1)\n"
    at = "        if self._set_back():\n"
    hangs = Mutant(8, "hangs", (engine("sweep", at, waits + at),), ())
    assert crash(lab, hangs) == Death(-1, "it goes on for ever")
    left = [p for p in psutil.process_iter(["cmdline"]) if "tests.chaos" in (p.info["cmdline"] or ())]
    assert [p for p in left if p.status() != psutil.STATUS_ZOMBIE and Path(p.cwd()) == lab.folder] == []
