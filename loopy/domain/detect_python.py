"""How a Python repository is prepared and checked: by its lockfile's tool, by a virtual environment, or as it is."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from loopy.domain.detected import Detected, Seen, spec

Argv = tuple[str, ...]

VENV = ".venv"
TEST_FILE = re.compile(r"(^|/)(test_[^/]*|[^/]*_test|tests)\.py$")
REQUIREMENTS = re.compile(
    r"^(requirements([-_.][a-z]+)?\.txt|(dev|test)[-_]requirements\.txt|requirements/[a-z]+\.txt)$"
)
PYTEST_SIGNS = re.compile(r"^[ \t]*(import pytest|from pytest)|^(async )?def test_", re.MULTILINE)
EXTRAS = ("test", "tests", "testing", "dev")
# lockfile -> program, set-up, what stands before a command
LOCKS: tuple[tuple[str, str, Argv, Argv], ...] = (
    ("uv.lock", "uv", ("uv", "sync", "--frozen"), ("uv", "run", "--no-sync")),
    ("poetry.lock", "poetry", ("poetry", "install", "--no-interaction"), ("poetry", "run")),
    ("pdm.lock", "pdm", ("pdm", "install", "--frozen-lockfile"), ("pdm", "run")),
    ("Pipfile.lock", "pipenv", ("pipenv", "sync", "--dev"), ("pipenv", "run")),
)
VERSION_FROM_GIT: Mapping[str, str] = {
    "setuptools_scm": "SETUPTOOLS_SCM_PRETEND_VERSION",
    "setuptools-scm": "SETUPTOOLS_SCM_PRETEND_VERSION",
    "hatch-vcs": "SETUPTOOLS_SCM_PRETEND_VERSION",
    "pdm-backend": "PDM_BUILD_SCM_VERSION",
    "poetry-dynamic-versioning": "POETRY_DYNAMIC_VERSIONING_BYPASS",
}


@dataclass(frozen=True, slots=True)
class _Project:
    seen: Seen
    config: Mapping[str, Any]  # pyproject.toml
    tests: tuple[str, ...]

    def table(self, *keys: str) -> dict[str, Any]:
        found: Any = self.config
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}

    @property
    def requirements(self) -> tuple[str, ...]:
        return tuple(sorted(path for path in self.seen.files if REQUIREMENTS.match(path)))

    @property
    def builds(self) -> bool:
        return bool(self.table("project") or self.table("build-system")) or self.seen.there("setup.py")

    @property
    def declared(self) -> str:
        """Everything that names a requirement, as one text to search in."""
        return "\n".join(self.seen.text(p) for p in ("pyproject.toml", "setup.cfg", "setup.py", *self.requirements))

    def asks_for(self, package: str) -> bool:
        """Whether a requirement names the package; a tool's own table or a remark is no requirement."""
        return package in {_name(row) for row in self.required()}

    def required(self, *, chosen: bool = False) -> Iterator[str]:
        """Yield every requirement; with `chosen` without the extras and groups that a set-up by pip leaves out."""
        yield from _strings(self.table("project").get("dependencies"))
        for name, rows in self.table("project", "optional-dependencies").items():
            yield from _strings(rows) if name in EXTRAS or not chosen else ()
        for rows in () if chosen else self.table("dependency-groups").values():
            yield from _strings(rows)
        for tool in ("poetry", "pdm", "uv"):
            yield from _below(self.table("tool", tool))
        for path in ("setup.cfg", "setup.py", "Pipfile", *self.requirements):
            yield from re.split(r"[\n,]", re.sub(r"#.*", "", self.seen.text(path)))


def _strings(rows: object) -> Iterator[str]:
    yield from (row for row in rows if isinstance(row, str)) if isinstance(rows, list) else ()


def _name(requirement: str) -> str:
    found = re.match(r"""[\s"'\[(]*([A-Za-z0-9][A-Za-z0-9._-]*)""", requirement)
    return found[1].lower().replace("_", "-") if found else ""


def _below(table: Mapping[str, Any]) -> Iterator[str]:
    """Yield the requirements in a tool's table: keys of `dependencies`, rows of lists, at any depth."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from value if key.endswith("dependencies") else ()
            yield from _below(value)
        elif isinstance(value, list) and "depend" in key:
            yield from (row for row in value if isinstance(row, str))


def python(seen: Seen) -> Detected:
    """Return the set-up and checks of a Python repository, nothing for a repository without Python tests or tools."""
    config = _toml(seen.text("pyproject.toml"))
    project = _Project(seen, config, tuple(sorted(p for p in seen.files if TEST_FILE.search(p))))
    tools = _tools(project)
    if not tools:
        return Detected(notes=_matrix(seen) if project.builds else ())
    setup, prefix, notes = _environment(project, tuple(tools))
    usable = {tool: argv for tool, argv in tools.items() if _usable(project, tool, prefix)}
    absent = tuple(
        f"{tool} is configured but not at hand; no check is made of it" for tool in tools.keys() - usable.keys()
    )
    checks = tuple(spec(tool, *_command(project, tool, argv, prefix)) for tool, argv in usable.items())
    return Detected(setup=setup, checks=checks, notes=(*notes, *sorted(absent), *_matrix(seen)))


def _tools(project: _Project) -> dict[str, Argv]:
    """Return check name -> module and arguments, for the tools this repository is set up for."""
    tools: dict[str, Argv] = {}
    if project.tests or _pytest_configured(project):
        tools["pytest" if _wants_pytest(project) else "unittest"] = _test_arguments(project)
    if "ruff" in project.table("tool") or project.seen.there("ruff.toml") or project.seen.there(".ruff.toml"):
        tools["ruff"] = ("ruff", "check", ".")
    mypy = project.table("tool", "mypy")
    mypy_files = project.seen.there("mypy.ini") or "[mypy]" in project.seen.text("setup.cfg")
    if "mypy" in project.table("tool") or mypy_files:
        named = mypy.keys() & {"files", "packages", "modules"} or "files" in project.seen.text("mypy.ini")
        tools["mypy"] = ("mypy",) if named else ("mypy", ".")
    return tools


def _pytest_configured(project: _Project) -> bool:
    seen = project.seen
    if "pytest" in project.table("tool") or seen.there("pytest.ini") or seen.there("conftest.py"):
        return True
    return "[tool:pytest]" in seen.text("setup.cfg") or "[pytest]" in seen.text("tox.ini")


def _wants_pytest(project: _Project) -> bool:
    if _pytest_configured(project) or project.asks_for("pytest"):
        return True
    texts = [project.seen.text(path) for path in project.tests[:20]]
    return any(PYTEST_SIGNS.search(text) for text in texts) or not any("unittest" in text for text in texts)


def _test_arguments(project: _Project) -> Argv:
    if _wants_pytest(project):
        return ("pytest", "-q")
    folder = next((f for f in ("tests", "test") if any(p.startswith(f + "/") for p in project.tests)), "")
    if not folder:
        return ("unittest", "discover")
    package = ("-t", ".") if project.seen.there(f"{folder}/__init__.py") else ()
    return ("unittest", "discover", "-s", folder, *package)


def _environment(project: _Project, tools: Argv) -> tuple[tuple[Argv, ...], Argv, Argv]:
    """Return the set-up commands, the words before a command, and notes."""
    for lock, program, setup, prefix in LOCKS:
        if project.seen.there(lock) and project.seen.has(program):
            extras = tuple(w for e in _extras(project) for w in ("--extra", e)) if program in {"uv", "poetry"} else ()
            return ((*_versioned(project), *setup, *extras),), prefix, ()
    wanted = tuple(_pip_words(project))
    if not wanted:
        return (), (), ("the checks use the `python3` on PATH: the repository names no dependencies",)
    at_hand = {_name(word) for word in (*wanted, *project.required(chosen=True))}
    missing = tuple(tool for tool in tools if tool != "unittest" and tool not in at_hand)
    python3 = f"{VENV}/bin/python"
    # --clear: an environment that was committed to the tree must not answer for the one made here
    make = ("python3", "-m", "venv", "--clear", VENV)
    install = (
        *_versioned(project),
        python3,
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "-q",
        *wanted,
        *missing,
    )
    note = "the set-up installs from the package index into a virtual environment of each checkout"
    return (make, install), (python3, "-m"), (note,)


def _versioned(project: _Project) -> Argv:
    """Return words that name a version for builds that would ask git for one: a clean checkout has no `.git`."""
    asked = [name for tool, name in VERSION_FROM_GIT.items() if tool in project.declared]
    return ("env", *(f"{name}=0.0.0" for name in dict.fromkeys(asked))) if asked else ()


def _pip_words(project: _Project) -> Iterator[str]:
    """Yield what pip installs; nothing when the repository names no dependency at all."""
    rest = [*_requirement_files(project), *dict.fromkeys(_group_requirements(project))]
    extras = _extras(project)
    legacy = "install_requires" in project.seen.text("setup.py") + project.seen.text("setup.cfg")
    poetry = bool(project.table("tool", "poetry", "dependencies").keys() - {"python"})
    if project.builds and (rest or project.table("project").get("dependencies") or extras or legacy or poetry):
        yield from ("-e", f".[{','.join(extras)}]" if extras else ".")  # without it, another release of it may answer
    yield from rest


def _requirement_files(project: _Project) -> Iterator[str]:
    for path in project.requirements:
        if any(line.strip() and not line.lstrip().startswith("#") for line in project.seen.text(path).splitlines()):
            yield from ("-r", path)


def _extras(project: _Project) -> Argv:
    return tuple(name for name in EXTRAS if name in project.table("project", "optional-dependencies"))


def _group_requirements(project: _Project) -> Iterator[str]:
    groups = project.table("dependency-groups")  # PEP 735; pip knows `--group` only since 25.1
    waiting, met = [name for name in EXTRAS if name in groups], set[str]()
    while waiting:
        name = waiting.pop(0)
        met.add(name)
        for row in groups.get(name, ()):
            if isinstance(row, str) and not row.startswith("-"):
                yield row
            elif isinstance(row, dict) and row.get("include-group") not in met:
                waiting.append(str(row.get("include-group")))


def _usable(project: _Project, tool: str, prefix: Argv) -> bool:
    if tool in {"pytest", "unittest"} or prefix[-1:] == ("-m",):
        return True  # pip installs what is missing
    return project.asks_for(tool) if prefix else project.seen.has(tool)


def _command(project: _Project, tool: str, argv: Argv, prefix: Argv) -> Argv:
    if prefix:
        module = ("python", "-m") if tool == "unittest" and prefix[-1] != "-m" else ()
        return (*prefix, *module, *argv)
    if tool in {"ruff", "mypy"}:
        return argv  # tools of the host, often installed apart from any interpreter
    path = project.table("tool", "pytest", "ini_options").get("pythonpath")
    src = ("env", "PYTHONPATH=src") if project.seen.below("src/", ".py") and not path else ()
    return (*src, "python3", "-m", *argv)


def _matrix(seen: Seen) -> Argv:
    matrices = {"tox.ini": "tox", "noxfile.py": "nox"}
    return tuple(
        f"{tool} is configured ({path}); it is not used" for path, tool in matrices.items() if seen.there(path)
    )


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}
