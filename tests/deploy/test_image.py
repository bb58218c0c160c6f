"""What the image is made of: a pinned part of the lock, nothing of the machine that builds it, nobody's root."""

from __future__ import annotations

import json
import re
import tomllib

from tests.deploy.compose import ROOT

TEXT = (ROOT / "Dockerfile").read_text()
STAGES = TEXT.split("\nFROM ")


def blocks(name: str) -> dict[str, str]:
    """Return each requirement of a lock: what it pins, with its hashes."""
    parts = re.split(r"\n(?=\S)", (ROOT / name).read_text().strip())
    return {re.split(r"[=\[ ]", part)[0]: part for part in parts}


def test_the_images_lock_is_a_part_of_the_lock() -> None:
    whole, part = blocks("requirements.lock"), blocks("requirements.image.lock")
    assert all("--hash=sha256:" in block for block in part.values())
    assert {name: re.findall(r"==\S+|sha256:\w+", block) for name, block in part.items()} == {
        name: re.findall(r"==\S+|sha256:\w+", whole[name]) for name in part
    }


def test_it_holds_the_core_and_postgres_and_none_of_the_development_tools() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names = {re.split(r"[\[<>=~! ]", each)[0] for each in project["project"]["dependencies"]}
    part = set(blocks("requirements.image.lock"))
    assert names | {"psycopg", "psycopg-binary", "hatchling"} <= part
    assert part.isdisjoint({"pytest", "mypy", "ruff", "hypothesis", "fakeredis", "composio", "mem0ai"})


def test_nothing_is_installed_without_a_hash() -> None:
    installs = re.findall(r"pip install ([^&\n]+)", TEXT)
    assert installs == ["--require-hashes -r requirements.image.lock", "--no-deps --no-build-isolation . "]


def test_it_runs_as_somebody_who_is_not_root_with_a_home_of_his_own() -> None:
    last = STAGES[-1]
    assert len(STAGES) == 3  # what stands before the first, the build, the image
    assert re.findall(r"^USER (\S+)$", last, re.MULTILINE) == ["1000:1000"]
    assert "useradd --create-home --uid 1000" in last
    assert last.index("USER") < last.index("mkdir -m 0700") < last.index("VOLUME") < last.index("CMD")
    assert re.search(r"install --yes --no-install-recommends bubblewrap git openssh-client ", last)
    assert "STOPSIGNAL SIGTERM" in last


def test_its_command_is_the_worker_of_the_procfile() -> None:
    command = json.loads(re.findall(r"^CMD (.+)$", TEXT, re.MULTILINE)[0])
    rows = dict(row.split(": ", 1) for row in (ROOT / "Procfile").read_text().splitlines())
    assert f"exec {' '.join(command)}" == rows["worker"]


def test_it_is_made_of_what_is_named_and_of_nothing_else() -> None:
    copied = set(" ".join(re.findall(r"^COPY (?!--from)(.+) \S+$", TEXT, re.MULTILINE)).split())
    ignored = [row for row in (ROOT / ".dockerignore").read_text().splitlines() if not row.startswith("#")]
    assert ignored[0] == "*"
    assert {row[1:] for row in ignored if row.startswith("!")} == copied
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {*wheel["only-include"], project["project"]["readme"], "LICENSE"} < copied
