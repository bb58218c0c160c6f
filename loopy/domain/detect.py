"""Which set-up and checks a repository has, told from its tree alone; what cannot be known is said in notes.

Checks run in a clean checkout, so whatever they import must be put there by the set-up. A user's own virtual
environment is never used: an editable install in it would test the user's tree instead of the change.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from loopy.domain.detect_python import python
from loopy.domain.detected import Detected, Seen, join, spec
from loopy.domain.makefile import targets

Argv = tuple[str, ...]

# manifest -> set-up, check name, check; for tools whose one command does it all
SIMPLE: Mapping[str, tuple[tuple[Argv, ...], str, Argv]] = {
    "deno.json": ((), "deno-test", ("deno", "test", "-A")),
    "deno.jsonc": ((), "deno-test", ("deno", "test", "-A")),
    "mix.exs": (
        (("mix", "local.hex", "--force"), ("mix", "local.rebar", "--force"), ("mix", "deps.get")),
        "mix-test",
        ("mix", "test"),
    ),
    "Package.swift": ((), "swift-test", ("swift", "test")),
    "build.zig": ((), "zig-test", ("zig", "build", "test")),
    "build.sbt": ((), "sbt-test", ("sbt", "-batch", "test")),
    "stack.yaml": ((), "stack-test", ("stack", "test")),
    "gleam.toml": ((), "gleam-test", ("gleam", "test")),
    "dub.json": ((), "dub-test", ("dub", "test")),
}
# lockfile -> program, set-up; the first that is there wins
NODE_LOCKS: tuple[tuple[str, str, Argv], ...] = (
    ("pnpm-lock.yaml", "pnpm", ("pnpm", "install", "--frozen-lockfile")),
    ("bun.lock", "bun", ("bun", "install", "--frozen-lockfile")),
    ("bun.lockb", "bun", ("bun", "install", "--frozen-lockfile")),
    ("yarn.lock", "yarn", ("yarn", "install", "--frozen-lockfile")),
    ("package-lock.json", "npm", ("npm", "ci", "--no-audit", "--no-fund")),
    ("npm-shrinkwrap.json", "npm", ("npm", "ci", "--no-audit", "--no-fund")),
)
NODE_EXTRA = ("lint", "typecheck", "type-check")
NO_TESTS_YET = "no test specified"  # what `npm init` writes as the test script
MANIFESTS = ("pyproject.toml", "package.json", "Cargo.toml", "go.mod", "pom.xml", "Gemfile", "composer.json")


def detect(
    files: Sequence[str], read: Callable[[str], bytes | None], has: Callable[[str], bool] = lambda _: True
) -> Detected:
    """Return the set-up and checks of the tree with these paths; `read` gives a file's bytes, `has` knows programs."""
    seen = Seen(frozenset(files), functools.cache(read), has)
    found = join(part(seen) for part in (python, _node, _rust, _go, _jvm, _php, _ruby, _dotnet, _simple))
    if not found.checks:
        found = join((found, _make(seen)))
    elif targets(seen.text("Makefile")) & {"test", "check"}:
        found = found.noting("the Makefile has a test target too; it is not used")
    return join((found, _elsewhere(seen, found)))


def _node(seen: Seen) -> Detected:
    package = _json(seen.text("package.json"))
    scripts = {k: v for k, v in _mapping(package.get("scripts")).items() if isinstance(v, str)}
    if not package:
        return Detected()
    program, setup = _node_setup(seen, package)
    names = [n for n in ("test", *NODE_EXTRA) if n in scripts and NO_TESTS_YET not in scripts[n]]
    checks = tuple(spec(f"{program}-{name}", program, "run", name) for name in names)
    notes = () if "test" in names else ("package.json has no test script",)
    return Detected(setup=setup if checks else (), checks=checks, notes=notes)


def _node_setup(seen: Seen, package: Mapping[str, Any]) -> tuple[str, tuple[Argv, ...]]:
    for lock, program, argv in NODE_LOCKS:
        if seen.there(lock):
            berry = program == "yarn" and seen.there(".yarnrc.yml")
            return program, (("yarn", "install", "--immutable") if berry else argv,)
    wanted = any(_mapping(package.get(key)) for key in ("dependencies", "devDependencies", "workspaces"))
    return "npm", (("npm", "install", "--no-audit", "--no-fund"),) if wanted else ()


def _rust(seen: Seen) -> Detected:
    if not seen.there("Cargo.toml"):
        return Detected()
    whole = ("--workspace",) if "[workspace]" in seen.text("Cargo.toml") else ()
    return Detected(checks=(spec("cargo-test", "cargo", "test", *whole),))


def _go(seen: Seen) -> Detected:
    if not seen.there("go.mod"):
        return Detected()
    return Detected(checks=(spec("go-test", "go", "test", "./..."), spec("go-vet", "go", "vet", "./...")))


def _jvm(seen: Seen) -> Detected:
    if seen.there("pom.xml"):
        return Detected(checks=(spec("maven-test", "./mvnw" if seen.there("mvnw") else "mvn", "-B", "test"),))
    if seen.there("build.gradle") or seen.there("build.gradle.kts"):
        program = "./gradlew" if seen.there("gradlew") else "gradle"
        return Detected(checks=(spec("gradle-test", program, "--no-daemon", "test"),))
    return Detected()


def _php(seen: Seen) -> Detected:
    if not seen.there("composer.json"):
        return Detected()
    setup: tuple[Argv, ...] = (("composer", "install", "--no-interaction", "--no-progress"),)
    if "test" in _mapping(_json(seen.text("composer.json")).get("scripts")):
        return Detected(setup=setup, checks=(spec("composer-test", "composer", "test"),))
    if seen.there("phpunit.xml") or seen.there("phpunit.xml.dist"):
        return Detected(setup=setup, checks=(spec("phpunit", "vendor/bin/phpunit"),))
    return Detected(notes=("composer.json has no test script",))


def _ruby(seen: Seen) -> Detected:
    if not seen.there("Gemfile"):
        return Detected()
    boxed = ("env", "BUNDLE_PATH=.bundle/gems")  # gems go into the checkout, not into the host's folders
    setup: tuple[Argv, ...] = ((*boxed, "bundle", "install"),)
    if seen.there(".rspec") or seen.below("spec/", "_spec.rb"):
        return Detected(setup=setup, checks=(spec("rspec", *boxed, "bundle", "exec", "rspec"),))
    if seen.there("Rakefile"):
        return Detected(setup=setup, checks=(spec("rake-test", *boxed, "bundle", "exec", "rake", "test"),))
    return Detected(notes=("the Gemfile is there, but neither spec/ nor a Rakefile",))


def _dotnet(seen: Seen) -> Detected:
    roots = [path for path in seen.files if "/" not in path]
    if any(path.endswith((".sln", ".slnx", ".csproj", ".fsproj")) for path in roots):
        return Detected(checks=(spec("dotnet-test", "dotnet", "test"),))
    return Detected()


def _simple(seen: Seen) -> Detected:
    rows = {row for manifest, row in SIMPLE.items() if seen.there(manifest)}
    return join(Detected(setup=setup, checks=(spec(name, *argv),)) for setup, name, argv in sorted(rows))


def _make(seen: Seen) -> Detected:
    known = targets(seen.text("Makefile") or seen.text("GNUmakefile") or seen.text("makefile"))
    for target in ("test", "check"):
        if target in known:
            return Detected(checks=(spec(f"make-{target}", "make", target),))
    return Detected()


def _elsewhere(seen: Seen, found: Detected) -> Detected:
    """Note the manifests one folder down: a check for them needs a person's word, and its `cwd`."""
    below = sorted(p for p in seen.files if p.count("/") == 1 and p.split("/")[1] in MANIFESTS)
    notes = [f'{path} is not at the root: add a check with cwd = "{path.split("/")[0]}"' for path in below[:5]]
    if not found.checks:
        notes.append("no checks were found: without one, nothing can ship as PASSED")
    return Detected(notes=tuple(notes))


def _json(text: str) -> dict[str, Any]:
    try:
        return _mapping(json.loads(text or "{}"))
    except ValueError:
        return {}


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
