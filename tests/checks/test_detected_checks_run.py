"""What is detected in a tree really runs in a checkout of it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from loopy.checks.environment import check_environment
from loopy.domain.detect import detect
from tests.checks.checks_bench import Bench

ADD = "def add(a, b):\n    return a {} b\n"
TREES: Mapping[str, Mapping[str, str]] = {
    "unittest": {
        "calc.py": ADD,
        "tests/test_calc.py": "import unittest\nfrom calc import add\nclass T(unittest.TestCase):\n"
        "    def test_add(self):\n        self.assertEqual(add(2, 2), 4)\n        self.assertEqual(add(1, 2), 3)\n",
    },
    "pytest": {
        "calc.py": ADD,
        "tests/test_calc.py": "from calc import add\ndef test_add():\n    assert add(1, 2) == 3\n",
    },
    "src layout": {
        "src/calc.py": ADD,
        "tests/test_calc.py": "from calc import add\ndef test_add():\n    assert add(1, 2) == 3\n",
    },
    "node": {
        "package.json": json.dumps({"type": "module", "scripts": {"test": "node --test"}}),
        "calc.js": "export const add = (a, b) => a {} b\n",
        "calc.test.js": "import test from 'node:test'; import assert from 'node:assert'; import { add } from './calc.js'\n"
        "test('adds', () => assert.equal(add(1, 2), 3))\n",
    },
    "make": {"Makefile": "test:\n\t@test $$(( 1 {} 2 )) = 3\n"},
}
NEEDS = {"node": "npm", "make": "make"}


@pytest.mark.parametrize(
    "name", [name if name == "make" else pytest.param(name, marks=pytest.mark.slow) for name in TREES]
)
def test_detected_checks_tell_right_from_wrong(tmp_path: Path, name: str) -> None:
    if NEEDS.get(name) and not shutil.which(NEEDS[name]):
        pytest.skip(f"{NEEDS[name]} is not installed")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for operator, right in (("+", True), ("-", False)):
        tree = {path: text.replace("{}", operator) for path, text in TREES[name].items()}
        bench = Bench(tmp_path / str(right), env=check_environment(os.environ | {"PATH": path}))
        for file, text in tree.items():
            (bench.at / file).parent.mkdir(parents=True, exist_ok=True)
            (bench.at / file).write_text(text)
        found = detect(list(tree), lambda file, tree=tree: tree[file].encode())  # type: ignore[misc]
        report = bench.report(*found.checks, setup=found.setup)
        assert report.passed is right, [(r.argv, r.why, r.tail) for r in report.results]
        assert [r.tests for r in report.results if name != "make"] == ([] if name == "make" else [1])
