"""What goes wrong is told in one clean line, with what to do, and has an exit code."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from loopy.cli.exits import exit_code_of
from loopy.cli.main import cli
from loopy.domain.errors import BrokerError, ConfigError, LoopyError, NotFoundError, ReceiptError, StoreError

from .support import House, git, make_repo


def failing(error: BaseException) -> Any:
    def act() -> None:
        raise error

    return act


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("agents.x", "is wrong"), 2),
        (NotFoundError("run", "there is none"), 2),
        (StoreError("work graph", "is locked"), 3),
        (BrokerError("redis", "does not answer"), 3),
        (ReceiptError("receipt", "is broken"), 1),
        (click.UsageError("wrong words"), 2),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
    ],
)
def test_each_kind_of_error_has_its_exit_code(error: BaseException, code: int) -> None:
    assert exit_code_of(failing(error)) == code


def test_an_error_says_where_what_and_what_to_do_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    exit_code_of(failing(LoopyError("agents.order[1]", "no agent is called 'codx'", hint="did you mean 'codex'?")))
    said = capsys.readouterr()
    assert said.err == "error: agents.order[1]: no agent is called 'codx' (did you mean 'codex'?)\n"
    assert said.out == ""


def test_an_error_is_an_object_where_json_is_asked_for(house: House) -> None:
    said = house.loopy("ticket", "show", "LP-9", "--json")
    assert said.code == 2
    assert said.out == ""
    error = json.loads(said.err)["error"]
    assert (error["kind"], error["where"], error["exit_code"]) == ("NotFoundError", "ticket", 2)
    assert error["hint"]


def test_a_wrong_option_is_an_object_too_where_json_is_asked_for(house: House) -> None:
    said = house.loopy("board", "--json", "--nonsense")
    assert said.code == 2
    assert json.loads(said.err)["error"]["kind"] == "UsageError"


def test_json_after_two_dashes_is_the_agents_word_and_not_ours(house: House) -> None:
    said = house.loopy("agent", "create", "BAD", "--", "tool", "--json")
    assert said.code == 2
    assert said.err.startswith("error: ")


def test_a_defect_says_where_the_traceback_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPY_HOME", str(tmp_path))
    (tmp_path / "logs").mkdir()
    assert exit_code_of(failing(ZeroDivisionError("surprise"))) == 70
    (log,) = (tmp_path / "logs").iterdir()
    assert "ZeroDivisionError: surprise" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


def test_a_defect_makes_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPY_HOME", str(tmp_path / "none"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    assert exit_code_of(failing(ZeroDivisionError())) == 70
    assert not (tmp_path / "none").exists()


def test_an_error_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    exit_code_of(failing(LoopyError("x", "evil \x1b[2J\x1b]0;title\x07 words")))
    assert capsys.readouterr().err == "error: x: evil words\n"


def test_a_slip_is_answered_with_the_nearest_command(house: House) -> None:
    said = house.loopy("bord")
    assert said.code == 2
    assert "did you mean 'board'?" in said.err


def test_a_missing_word_points_to_the_commands_help(house: House) -> None:
    assert house.loopy("ticket", "add").err == "error: missing argument 'TITLE' (`loopy ticket add --help`)\n"


def test_a_home_that_others_may_enter_is_refused_with_the_command_that_mends_it(settled: House) -> None:
    settled.home.chmod(0o755)
    said = settled.loopy("board")
    assert said.code == 2
    assert f"chmod 700 {settled.home}" in said.err


def test_a_command_gives_its_exit_code_back_when_it_is_not_standalone(house: House, monkeypatch: Any) -> None:
    monkeypatch.setenv("LOOPY_HOME", str(house.home))
    assert cli.main(["ticket", "show", "LP-9"], standalone_mode=False) == 2


def damage(house: House, how: str) -> Path:
    """Damage the home's work graph: all of it, its end, or one page in the middle of it."""
    house.loopy("board")
    file = house.home / "loopy.db"
    whole = bytearray(file.read_bytes())
    if how == "page":
        connection = sqlite3.connect(file)
        ((page, size),) = connection.execute(
            "SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_master WHERE name = 'ticket'"
        )
        connection.close()
        whole[(page - 1) * size : page * size] = b"\xee" * size
    for beside in house.home.glob("loopy.db-*"):
        beside.unlink()
    file.write_bytes({"garbage": b"no database " * 2000, "cut": bytes(whole[:9000]), "page": bytes(whole)}[how])
    return file


@pytest.mark.parametrize("how", ["garbage", "cut", "page"])
def test_a_damaged_work_graph_is_one_line_that_names_the_file_and_what_to_do(settled: House, how: str) -> None:
    file = damage(settled, how)
    said = settled.loopy("board")
    assert said.code == 3
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith(f"error: {file}: the work graph is damaged: ")
    assert "keep a copy" in said.err
    assert "`loopy doctor`" in said.err
    for raw in ("sqlalche", "SQL:", "PRAGMA", "Traceback"):
        assert raw not in said.err


@pytest.mark.parametrize("how", ["garbage", "page"])
def test_the_doctor_names_a_damaged_work_graph_once_and_tells_the_rest(settled: House, how: str) -> None:
    file = damage(settled, how)
    said = settled.loopy("doctor", "--json")
    signs = {sign["name"]: sign for sign in said.json["signs"]}
    assert said.code == 1
    assert signs["work graph"]["state"] == "fail"
    assert str(file) in signs["work graph"]["text"]
    assert "keep a copy" in signs["work graph"]["fix"]
    assert "loopy doctor" not in signs["work graph"]["fix"]
    assert [sign["name"] for sign in said.json["signs"] if sign["state"] == "fail"] == ["work graph"]
    assert {"git", "disk", "workers"} <= set(signs)


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+nonsense"])
def test_a_database_without_its_driver_names_the_extra_to_install(
    settled: House, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    said = settled.loopy("board", env={"LOOPY_DATABASE_URL": f"{scheme}://me:hidden@127.0.0.1:1/loopy"})
    assert said.code == 2
    assert said.err.startswith("error: database_url: the driver for ")
    assert "loopy-os[postgres]" in said.err
    assert "hidden" not in said.err


def test_a_database_that_does_not_answer_is_one_line(settled: House) -> None:
    said = settled.loopy("board", env={"LOOPY_DATABASE_URL": "postgresql://me:hidden@127.0.0.1:1/loopy"})
    assert (said.code, len(said.err.splitlines())) == (3, 1)
    assert "hidden" not in said.err


@pytest.mark.parametrize(
    ("words", "complaint", "advice"),
    [
        (("run", "x", "--agent", "worker", "--repo", "plain"), "is not in a git repository", "git init"),
        (("run", "x", "--agent", "worker", "--repo", "bare-beginning"), "has no commit yet", "make a first commit"),
        (("run", "", "--agent", "worker"), "a ticket needs a title", "say in one line"),
        (("run", "x", "--agent", "wroker"), "no agent is called 'wroker'", "did you mean 'worker'?"),
        (("run", "x", "--agent", "codex"), "no agent is called 'codex'", "`loopy agent create codex --cli codex`"),
        (("run", "x", "--agent", "worker", "--repo", "github.com/a/b"), "there is no folder", "https://"),
        (("watch", "LP-9"), "there is no ticket LP-9", "`loopy board --all`"),
        (("watch", "LP-9.1"), "there is no run LP-9.1", "`loopy board --all`"),
        (("watch", "nine"), "'nine' is not a run's id", "LP-12.3"),
        (("ticket", "start", "LP-9"), "there is no ticket LP-9", "`loopy ticket list`"),
    ],
)
def test_what_a_newcomer_gets_wrong_is_one_line_with_what_to_do_and_files_nothing(
    settled: House, tmp_path: Path, words: tuple[str, ...], complaint: str, advice: str
) -> None:
    (tmp_path / "plain").mkdir()
    repo = make_repo(tmp_path / "bare-beginning", {"a": "a"})
    git(repo, "update-ref", "-d", "HEAD")
    places = {"plain": str(tmp_path / "plain"), "bare-beginning": str(repo)}
    said = settled.loopy(*(places.get(word, word) for word in words))
    assert said.code == 2
    assert len(said.err.splitlines()) == 1
    assert complaint in said.err
    assert advice in said.err
    assert settled.loopy("ticket", "list", "--json").json == []
