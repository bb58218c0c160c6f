"""Tickets of strange words: refused in one line with nothing filed, or kept whole without what no terminal bears."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bad_luck.support import Yard
from tests.cli.support import make_repo

BYTES = "caf\udce9"  # Latin-1 on a UTF-8 command line, as Python has it
REFUSED = {
    "no title": (("ticket", "add", ""), "", "a ticket needs a title"),
    "a title of white space": (("ticket", "add", " \t\n\0 "), "", "a ticket needs a title"),
    "a megabyte": (("ticket", "add", "x", "--body", "-"), "x" * 1_000_000, "1,000,000 characters (at most 200,000"),
    "more than a megabyte": (("ticket", "add", "x", "--body", "-"), "x" * 5_000_000, "more than 1,000,000"),
    "wide letters": (("ticket", "add", "x", "--body", "-"), "ü" * 1_000_001, "more than 1,000,000"),
    "a title in another code": (("ticket", "add", BYTES), "", "'caf?' is not UTF-8 text"),
    "a body in another code": (("ticket", "add", "x", "--body", BYTES), "", "is not UTF-8 text"),
    "a label in another code": (("ticket", "add", "x", "--label", BYTES), "", "is not UTF-8 text"),
    "a person in another code": (("ticket", "add", "x", "--person", BYTES), "", "is not UTF-8 text"),
    "a run in another code": (("run", BYTES, "--agent", "good", "--detach"), "", "is not UTF-8 text"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_words_that_are_no_ticket_are_refused_in_one_line_and_file_nothing(yard: Yard, case: str) -> None:
    words, stdin, complaint = REFUSED[case]
    said = yard.loopy(*words, stdin=stdin)
    assert (said.code, len(said.err.splitlines())) == (2, 1)
    assert complaint in said.err
    assert yard.loopy("ticket", "list", "--json").json == []


def test_a_text_on_standard_input_that_is_not_utf8_is_refused(yard: Yard) -> None:
    argv = [sys.executable, "-P", "-m", "loopy.cli.main", "ticket", "add", "x", "--body", "-"]
    env = {"LOOPY_HOME": str(yard.home), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    said = subprocess.run(argv, cwd=yard.house.repo, env=env, input=b"so far \xff\xfe", capture_output=True)
    assert (said.returncode, said.stderr) == (2, b"error: --body: byte 7 is not UTF-8 text (write it as UTF-8)\n")
    assert yard.loopy("ticket", "list", "--json").json == []


def test_a_repository_whose_path_is_not_utf8_is_refused(yard: Yard, tmp_path: Path) -> None:
    repo = make_repo(tmp_path / BYTES, {"a": "a"})
    said = yard.loopy("ticket", "add", "x", "--repo", str(repo))
    assert (said.code, "is not UTF-8 text" in said.err) == (2, True)


def test_the_longest_body_and_title_are_kept_without_nul_bytes(yard: Yard) -> None:
    said = yard.loopy("ticket", "add", "a\0b" + "t" * 50_000, "--body", "-", "--json", stdin="\0" + "y" * 199_999)
    assert said.code == 0
    kept = yard.loopy("ticket", "show", "LP-1", "--json").json
    assert (kept["title"][:5], len(kept["title"]), kept["body"]) == ("a btt", 200, "y" * 199_999)


def test_a_note_in_another_code_leaves_its_ticket_open(yard: Yard) -> None:
    yard.loopy("ticket", "add", "x")
    said = yard.loopy("ticket", "close", "LP-1", "--note", BYTES)
    assert (said.code, "is not UTF-8 text" in said.err) == (2, True)
    assert yard.loopy("ticket", "show", "LP-1", "--json").json["closed_at"] is None
