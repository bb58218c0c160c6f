"""The home on disk: tight modes, refusals with the remedy, one install id."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loopy.domain.errors import ConfigError
from loopy.settings.home import ensure_home, install_id
from loopy.settings.load import load_settings


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_home_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    made = load_settings({}, tmp_path / "deep" / "home")
    old = os.umask(0)
    try:
        ensure_home(made)
        ensure_home(made)
    finally:
        os.umask(old)
    folders = [made.home, made.keys, made.agents_dir, made.mirrors, made.work, made.runs, made.alive, made.logs]
    assert {mode(folder) for folder in folders} == {0o700}


@pytest.mark.parametrize(("open_mode", "words"), [(0o777, "write to"), (0o770, "write to"), (0o755, "look into")])
def test_a_home_that_others_may_enter_is_refused_with_the_remedy(tmp_path: Path, open_mode: int, words: str) -> None:
    home = tmp_path / "my home"
    home.mkdir()
    (home / "loopy.toml").touch()
    home.chmod(open_mode)
    with pytest.raises(ConfigError) as caught:
        ensure_home(load_settings({}, home))
    assert words in str(caught.value)
    assert caught.value.hint == f"chmod 700 '{home}'"
    assert mode(home) == open_mode


def test_an_empty_folder_becomes_a_home_by_tightening_it(tmp_path: Path) -> None:
    home = tmp_path / "mounted"
    home.mkdir()
    home.chmod(0o755)
    ensure_home(load_settings({}, home))
    assert mode(home) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_home_of_another_user_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "theirs"
    home.mkdir(mode=0o700)
    os.chown(home, 12345, 12345)
    with pytest.raises(ConfigError, match="belongs to user 12345"):
        ensure_home(load_settings({}, home))


def test_a_home_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be made"):
        ensure_home(load_settings({}, tmp_path / "file" / "home"))


def test_an_installation_keeps_its_id(tmp_path: Path) -> None:
    first = install_id(tmp_path)
    assert len(first) == 16
    assert install_id(tmp_path) == first
    assert mode(tmp_path / "install-id") == 0o600


def test_of_many_who_make_an_id_at_once_one_wins_for_all(tmp_path: Path) -> None:
    for n in range(30):
        home = tmp_path / str(n)
        home.mkdir()
        with ThreadPoolExecutor(8) as pool:
            ids = set(pool.map(lambda k, home=home: install_id(home, lambda: f"id{k}"), range(8)))
        assert len(ids) == 1
        assert [p.name for p in home.iterdir()] == ["install-id"]


def test_a_damaged_id_is_not_replaced_in_silence(tmp_path: Path) -> None:
    (tmp_path / "install-id").write_text("")
    with pytest.raises(ConfigError, match="damaged"):
        install_id(tmp_path)
