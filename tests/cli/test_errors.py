"""What goes wrong is told in one clean line, with what to do, and has an exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest

from loopy.cli.exits import exit_code_of
from loopy.cli.main import cli
from loopy.domain.errors import BrokerError, ConfigError, LoopyError, NotFoundError, ReceiptError, StoreError

from .support import House


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
    said = house.loopy("agent", "add", "BAD", "--", "tool", "--json")
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
