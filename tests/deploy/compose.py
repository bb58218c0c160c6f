"""The compose file as its own client reads it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
PYTHON = "/usr/bin/python3"  # Debian's client is written in it, and so it can read YAML
TO_JSON = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"


def answer(words: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `docker-compose config` on a copy beside a `.env` of these words; skip where there is no client."""
    client = shutil.which("docker-compose")
    if client is None:
        pytest.skip("docker-compose is not installed (Debian: apt-get install docker-compose)")
    with tempfile.TemporaryDirectory(prefix="loopy-compose-") as folder:
        shutil.copy(FILE, folder)
        Path(folder, ".env").write_text("".join(f"{name}={value}\n" for name, value in words.items()))
        env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return subprocess.run([client, "config"], cwd=folder, env=env, capture_output=True, text=True)


def services(words: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return every service, defaults and variables filled in."""
    told = answer(words)
    assert told.returncode == 0, told.stderr
    read = subprocess.run([PYTHON, "-c", TO_JSON], input=told.stdout, capture_output=True, text=True)
    if read.returncode != 0:
        pytest.skip(f"{PYTHON} reads no YAML")
    found: dict[str, dict[str, Any]] = json.loads(read.stdout)["services"]
    return found
