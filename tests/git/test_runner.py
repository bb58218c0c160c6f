from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from loopy.domain.errors import ConfigError, GitError
from loopy.domain.repository import parse
from loopy.git.raw import name, raw_diff
from loopy.git.remote import Operator, checked_ref, refs, transport
from loopy.git.runner import Git

GIT = Git()


@pytest.fixture
def git_dir(tmp_path: Path) -> Path:
    GIT.run(["init", "--quiet", "--bare", "--template="], tmp_path / "x.git", cwd=tmp_path)
    return tmp_path / "x.git"


def test_output_comes_as_bytes_and_a_failure_as_the_tail_of_its_words(git_dir: Path) -> None:
    blob = GIT.run(["hash-object", "-w", "--stdin"], git_dir, stdin=b"a\0b").out.decode().strip()
    assert GIT.run(["cat-file", "blob", blob], git_dir).out == b"a\0b"
    with pytest.raises(GitError, match=r"git cat-file: .*Not a valid object") as caught:
        GIT.run(["cat-file", "blob", "f" * 40 + "^{blob}"], git_dir)
    assert caught.value.where == "git cat-file"


def test_nothing_of_our_own_environment_reaches_git(
    git_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = Operator\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.name")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "From the environment")
    assert GIT.run(["config", "user.name"], git_dir, ok=(0, 1)).code == 1
    listed = GIT.run(["config", "--list", "--show-origin"], git_dir).out.decode()
    assert {line.split("\t")[0] for line in listed.splitlines()} == {"command line:", "file:" + str(git_dir / "config")}


def test_a_configured_hook_and_monitor_of_the_git_dir_are_overruled(git_dir: Path) -> None:
    with (git_dir / "config").open("a") as config:
        config.write("[core]\n\thooksPath = /evil\n\tfsmonitor = /evil\n\tfileMode = false\n")
    values = [
        GIT.run(["config", key], git_dir).out.strip() for key in ("core.hooksPath", "core.fsmonitor", "core.fileMode")
    ]
    assert values == [b"/dev/null", b"false", b"true"]


def test_a_replace_ref_changes_nothing(git_dir: Path) -> None:
    ids = [GIT.run(["hash-object", "-w", "--stdin"], git_dir, stdin=text).out.decode().strip() for text in (b"a", b"b")]
    GIT.run(["update-ref", f"refs/replace/{ids[0]}", ids[1]], git_dir)
    assert GIT.run(["cat-file", "blob", ids[0]], git_dir).out == b"a"


def test_a_command_that_does_not_end_is_killed_with_its_group(git_dir: Path, tmp_path: Path) -> None:
    slow = tmp_path / "git-slow"
    slow.write_text(f"#!/bin/sh\nsleep 300 &\necho $! > {tmp_path}/child\nwait\n")
    slow.chmod(0o755)
    began = time.monotonic()
    with pytest.raises(GitError, match=r"no end within 0.5 s"):
        Git(program=str(slow)).run(["slow"], git_dir, timeout_s=0.5)
    assert time.monotonic() - began < 20
    child = int((tmp_path / "child").read_text())
    until = time.monotonic() + 10
    while time.monotonic() < until and _lives(child):
        os.sched_yield()
    assert not _lives(child)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_output_beyond_the_limit_is_cut_and_the_command_ended(git_dir: Path) -> None:
    blob = GIT.run(["hash-object", "-w", "--stdin"], git_dir, stdin=b"x" * 5_000_000).out.decode().strip()
    ran = GIT.run(["cat-file", "blob", blob], git_dir, limit=1000)
    assert (len(ran.out), ran.cut) == (1000, True)
    assert not GIT.run(["cat-file", "blob", blob], git_dir, limit=5_000_000).cut


def test_a_missing_git_is_said_with_a_hint(git_dir: Path) -> None:
    with pytest.raises(GitError, match="cannot be started") as caught:
        Git(program="no-such-git").run(["version"], git_dir)
    assert caught.value.hint


def test_of_the_operators_configuration_only_credentials_are_taken(git_dir: Path, tmp_path: Path) -> None:
    (tmp_path / ".gitconfig").write_text(
        '[credential]\n\thelper = store --file=/x\n[credential "https://h"]\n\tusername = me\n[core]\n\tsshCommand = ssh -i k\n'
        '\thooksPath = /evil\n[url "https://evil/"]\n\tinsteadOf = https://h/\n[http]\n\tproxy = http://p\n'
    )
    env = Operator({"HOME": str(tmp_path), "SSH_AUTH_SOCK": "/s"}).env(GIT, git_dir)
    count = int(env["GIT_CONFIG_COUNT"])
    found = {env[f"GIT_CONFIG_KEY_{n}"]: env[f"GIT_CONFIG_VALUE_{n}"] for n in range(count)}
    assert found.items() >= {
        "credential.helper": "store --file=/x", "credential.https://h.username": "me",
        "core.sshcommand": "ssh -i k", "http.proxy": "http://p",
    }.items()  # fmt: skip
    assert not [key for key in found if "instead" in key or "hooks" in key]
    assert GIT.run(["config", "credential.helper"], git_dir, env=env).out == b"store --file=/x\n"
    assert GIT.run(["config", "core.hooksPath"], git_dir, env=env).out == b"/dev/null\n"
    assert (env["SSH_AUTH_SOCK"], Operator().env(GIT, git_dir)) == ("/s", {"GIT_CONFIG_COUNT": "0"})


def test_only_the_addresss_own_transport_is_allowed(git_dir: Path, tmp_path: Path) -> None:
    allowed = transport(parse(str(git_dir)))
    assert GIT.run(["ls-remote", "--", str(git_dir)], git_dir, settings=allowed).out == b""
    with pytest.raises(GitError, match="transport 'file' not allowed"):
        GIT.run(["ls-remote", "--", str(git_dir)], git_dir, settings=transport(parse("https://h/a/b")))
    with pytest.raises(GitError, match="transport 'ext' not allowed"):
        GIT.run(["ls-remote", "--", f"ext::touch {tmp_path}/x"], git_dir, settings=allowed)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "ref",
    ["main", "refs/heads/", "refs/heads/a..b", "refs/heads/-x", "refs/heads/*", "refs/heads/a b", "refs/x.lock/a", ""],
)
def test_a_ref_that_is_no_plain_full_name_is_refused(ref: str) -> None:
    with pytest.raises(GitError):
        checked_ref(ref)
    assert checked_ref("refs/heads/loopy/LP-1.2") == "refs/heads/loopy/LP-1.2"


@pytest.mark.parametrize(
    ("address", "canonical"),
    [
        ("https://GitHub.com/acme/shop.git", "github.com/acme/shop"),
        ("https://me:secret@github.com:443/acme/shop/", "github.com/acme/shop"),
        ("git@github.com:acme/shop.git", "github.com/acme/shop"),
        ("ssh://git@github.com:2222/acme/shop", "github.com:2222/acme/shop"),
        ("/srv//git/../shop/", "/srv/shop"),
        ("file:///srv/shop", "/srv/shop"),
    ],
)
def test_an_address_has_one_canonical_name(address: str, canonical: str) -> None:
    assert parse(address).name == canonical
    assert "secret" not in parse(address).slug


@pytest.mark.parametrize(
    "address", ["shop", "./shop", "-x", "ext::sh", "ssh://-oProxyCommand=x/y", "file://host/x", "a\nb"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError):
        parse(address)


def test_listings_and_raw_diffs_are_parsed_whatever_the_names() -> None:
    listing = b"ref: refs/heads/a/b\tHEAD\n" + b"1" * 40 + b"\tHEAD\n" + b"2" * 40 + b"\trefs/heads/x\n"
    assert refs(listing) == ({"HEAD": "1" * 40, "refs/heads/x": "2" * 40}, "a/b")
    raw_part = b":000000 100644 0 1 A\0:odd\tna\nme\0"
    digested, entries = raw_diff(raw_part + b"3\t0\t:odd\tna\nme\0")
    assert digested == raw_part
    assert [(e.path, e.added, e.status) for e in entries] == [(b":odd\tna\nme", 3, "A")]
    assert raw_diff(b"") == (b"", [])
    assert name(b"\xff") == "\\xff"
