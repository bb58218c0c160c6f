"""Set-up and checks told from a tree alone."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from loopy.domain.detect import detect
from loopy.domain.detected import Detected

VENV = ("python3", "-m", "venv", "--clear", ".venv")
PIP = (".venv/bin/python", "-m", "pip", "install", "--disable-pip-version-check", "-q")


def look(tree: Mapping[str, str], without: frozenset[str] = frozenset()) -> Detected:
    return detect(sorted(tree), lambda path: tree[path].encode(), lambda program: program not in without)


def commands(found: Detected) -> dict[str, tuple[str, ...]]:
    return {check.name: check.argv for check in found.checks}


def test_python_tests_without_dependencies_use_the_interpreter_at_hand() -> None:
    found = look({"calc.py": "", "test_calc.py": "def test_add(): assert 1"})
    assert found.setup == ()
    assert commands(found) == {"pytest": ("python3", "-m", "pytest", "-q")}
    assert "python3" in found.notes[0]


def test_python_tests_on_unittest_need_no_pytest() -> None:
    tree = {
        "calc.py": "",
        "tests/__init__.py": "",
        "tests/test_calc.py": "import unittest\nclass T(unittest.TestCase): ...",
    }
    assert commands(look(tree)) == {
        "unittest": ("python3", "-m", "unittest", "discover", "-s", "tests", "-t", "."),
    }
    del tree["tests/__init__.py"]
    assert commands(look(tree))["unittest"][-1] == "tests"


def test_a_source_folder_without_dependencies_is_put_on_the_path() -> None:
    found = look({"src/calc.py": "", "tests/test_calc.py": "import pytest"})
    assert commands(found)["pytest"] == ("env", "PYTHONPATH=src", "python3", "-m", "pytest", "-q")


def test_requirements_are_installed_into_an_environment_of_the_checkout() -> None:
    found = look({"requirements.txt": "flask\n", "requirements-dev.txt": "pytest\n", "test_app.py": "import pytest"})
    assert found.setup == (VENV, (*PIP, "-r", "requirements-dev.txt", "-r", "requirements.txt"))
    assert commands(found) == {"pytest": (".venv/bin/python", "-m", "pytest", "-q")}


def test_a_package_with_dependencies_is_installed_editable_with_its_test_extra() -> None:
    project = '[project]\nname="x"\ndependencies=["flask"]\n[project.optional-dependencies]\ntest=["pytest"]'
    found = look({"pyproject.toml": project, "tests/test_x.py": "import pytest"})
    assert found.setup == (VENV, (*PIP, "-e", ".[test]"))


def test_a_test_runner_nobody_declares_is_installed_with_the_dependencies() -> None:
    found = look({"requirements.txt": "flask\n", "test_app.py": "def test_it(): ..."})
    assert found.setup[1] == (*PIP, "-r", "requirements.txt", "pytest")


def test_a_version_that_git_would_tell_is_given_for_a_checkout_has_no_git() -> None:
    project = (
        '[build-system]\nrequires=["hatchling", "hatch-vcs"]\n[project]\nname="x"\ndependencies=["flask", "pytest"]'
    )
    found = look({"pyproject.toml": project, "tests/test_x.py": "import pytest"})
    assert found.setup == (VENV, ("env", "SETUPTOOLS_SCM_PRETEND_VERSION=0.0.0", *PIP, "-e", "."))


def test_dependency_groups_are_followed() -> None:
    groups = (
        '[dependency-groups]\ntest=["pytest>=8", {include-group="base"}]\nbase=["hypothesis", {include-group="test"}]'
    )
    found = look({"pyproject.toml": groups, "tests/test_x.py": ""})
    assert found.setup[1] == (*PIP, "pytest>=8", "hypothesis")


def test_a_lockfile_chooses_its_tool_when_the_tool_is_there() -> None:
    tree = {
        "uv.lock": "",
        "pyproject.toml": '[project]\nname="x"\ndependencies=["a"]',
        "tests/test_x.py": "import pytest",
    }
    assert look(tree).setup == (("uv", "sync", "--frozen"),)
    assert commands(look(tree)) == {"pytest": ("uv", "run", "--no-sync", "pytest", "-q")}
    assert look(tree, without=frozenset({"uv"})).setup[0] == VENV


def test_configured_tools_become_checks_and_absent_ones_a_note() -> None:
    tree = {"pyproject.toml": '[tool.ruff]\n[tool.mypy]\nfiles=["x"]', "test_x.py": "import pytest"}
    assert commands(look(tree)) == {
        "pytest": ("python3", "-m", "pytest", "-q"),
        "ruff": ("ruff", "check", "."),
        "mypy": ("mypy",),
    }
    found = look(tree, without=frozenset({"mypy"}))
    assert "mypy" not in commands(found)
    assert any("mypy is configured but not at hand" in note for note in found.notes)


def test_tox_and_nox_are_only_noted() -> None:
    found = look({"tox.ini": "[tox]", "noxfile.py": "", "test_x.py": "import pytest"})
    assert set(commands(found)) == {"pytest"}
    assert [n.split()[0] for n in found.notes[-2:]] == ["tox", "nox"]


@pytest.mark.parametrize(
    ("lock", "setup", "check"),
    [
        ("package-lock.json", ("npm", "ci", "--no-audit", "--no-fund"), ("npm", "run", "test")),
        ("pnpm-lock.yaml", ("pnpm", "install", "--frozen-lockfile"), ("pnpm", "run", "test")),
        ("yarn.lock", ("yarn", "install", "--frozen-lockfile"), ("yarn", "run", "test")),
        ("bun.lock", ("bun", "install", "--frozen-lockfile"), ("bun", "run", "test")),
    ],
)
def test_a_node_package_is_checked_with_its_lockfiles_tool(
    lock: str, setup: tuple[str, ...], check: tuple[str, ...]
) -> None:
    package = json.dumps({"scripts": {"test": "vitest", "lint": "eslint ."}, "devDependencies": {"vitest": "1"}})
    found = look({"package.json": package, lock: ""})
    assert found.setup == (setup,)
    assert found.checks[0].argv == check
    assert [c.name.split("-", 1)[1] for c in found.checks] == ["test", "lint"]


def test_a_placeholder_test_script_is_no_check() -> None:
    found = look({"package.json": json.dumps({"scripts": {"test": 'echo "Error: no test specified" && exit 1'}})})
    assert found.checks == ()
    assert "package.json has no test script" in found.notes


def test_a_node_package_without_dependencies_needs_no_setup() -> None:
    assert look({"package.json": json.dumps({"scripts": {"test": "node --test"}})}).setup == ()


@pytest.mark.parametrize(
    ("tree", "name", "argv"),
    [
        ({"Cargo.toml": "[workspace]"}, "cargo-test", ("cargo", "test", "--workspace")),
        ({"go.mod": ""}, "go-test", ("go", "test", "./...")),
        ({"pom.xml": "", "mvnw": ""}, "maven-test", ("./mvnw", "-B", "test")),
        ({"build.gradle.kts": ""}, "gradle-test", ("gradle", "--no-daemon", "test")),
        ({"composer.json": '{"scripts":{"test":"phpunit"}}'}, "composer-test", ("composer", "test")),
        ({"composer.json": "{}", "phpunit.xml.dist": ""}, "phpunit", ("vendor/bin/phpunit",)),
        (
            {"Gemfile": "", "spec/a_spec.rb": ""},
            "rspec",
            ("env", "BUNDLE_PATH=.bundle/gems", "bundle", "exec", "rspec"),
        ),
        ({"App.sln": ""}, "dotnet-test", ("dotnet", "test")),
        ({"mix.exs": ""}, "mix-test", ("mix", "test")),
        ({"deno.json": ""}, "deno-test", ("deno", "test", "-A")),
        ({"Makefile": "CC := gcc\nall: x\n\ntest: all\n\t./run"}, "make-test", ("make", "test")),
        ({"Makefile": "check lint::\n\ttrue"}, "make-check", ("make", "check")),
    ],
)
def test_each_ecosystem_has_its_command(tree: dict[str, str], name: str, argv: tuple[str, ...]) -> None:
    assert commands(look(tree))[name] == argv


def test_a_makefile_test_target_is_not_run_twice() -> None:
    found = look({"go.mod": "", "Makefile": "test:\n\tgo test ./..."})
    assert "make-test" not in commands(found)
    assert any("Makefile" in note for note in found.notes)


def test_a_variable_in_a_makefile_is_no_target() -> None:
    assert look({"Makefile": "test := 1\ncheck = 2"}).checks == ()


def test_a_repository_with_two_languages_gets_both() -> None:
    tree = {"go.mod": "", "package.json": '{"scripts":{"test":"x"}}', "test_a.py": "import pytest"}
    assert set(commands(look(tree))) == {"go-test", "go-vet", "npm-test", "pytest"}


def test_what_lies_deeper_is_noted_with_the_folder_to_write() -> None:
    found = look({"web/package.json": '{"scripts":{"test":"x"}}', "README.md": ""})
    assert found.checks == ()
    assert any('cwd = "web"' in note for note in found.notes)
    assert any("nothing can ship" in note for note in found.notes)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["\n" * 90_000, " " * 500_000, "a " * 300_000, "a:" * 300_000, "pytest" * 100_000])
def test_no_file_is_too_strange_to_look_at(text: str) -> None:
    look({"Makefile": text, "test_a.py": text, "setup.cfg": text, "pyproject.toml": text, "requirements.txt": text})


@pytest.mark.parametrize("tree", [{"pyproject.toml": "not [toml", "test_a.py": "x"}, {"package.json": "{"}, {}])
def test_a_broken_manifest_never_raises(tree: dict[str, str]) -> None:
    look(tree)


def test_a_project_with_groups_only_is_installed_itself_with_the_tools_that_no_chosen_group_brings() -> None:
    text = """
[build-system]
requires = ["flit_core"]
[project]
name = "thing"
dependencies = []
[dependency-groups]
test = ["pytest"]
typing = ["mypy"]
[tool.mypy]
strict = true
"""
    found = look({"pyproject.toml": text, "src/thing/__init__.py": "", "tests/test_thing.py": "def test_x(): ..."})
    assert found.setup[-1][-4:] == ("-e", ".", "pytest", "mypy")


def test_a_remark_about_a_tool_is_no_requirement() -> None:
    text = "[project]\nname = 'x'\ndependencies = ['attrs']\n[tool.mypy]\n# asserts are used by mypy\n"
    found = look({"pyproject.toml": text, "tests/test_x.py": "def test_x(): ..."})
    assert found.setup[-1][-1] == "mypy"
