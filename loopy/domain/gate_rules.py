"""The gate's facts: files that tools run or obey, what a note means, what paths say about risk; data only."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from loopy.domain.policy import Verb

Patterns = tuple[str, ...]

# Files that a tool runs or obeys without being named by a person: (patterns, why). First match counts.
EXEC_SURFACE: tuple[tuple[Patterns, str], ...] = (
    ((".gitmodules",), "names other repositories that git would fetch"),
    ((".gitattributes", ".lfsconfig", ".gitconfig", ".githooks/", ".husky/"), "tells git which programs to run"),
    (("conftest.py", "sitecustomize.py", "usercustomize.py", "*.pth"), "Python runs it before any test or program"),
    (("pytest.ini", "tox.ini", "noxfile.py", "setup.py", "setup.cfg", "pyproject.toml"), "configures how tests are run"),
    (("package.json", ".npmrc", ".yarnrc*", ".pnpmfile.cjs", "*.config.[cm]js", "*.config.js", "*.config.ts"), "npm runs it"),
    (("Makefile", "GNUmakefile", "*.mk", "justfile", "Rakefile", "Taskfile.y*ml", "CMakeLists.txt"), "a build tool runs it"),
    (("build.rs", ".cargo/", "build.gradle*", "settings.gradle*", "pom.xml", "gradlew", "mvnw"), "a build tool runs it"),
    (("Dockerfile*", "*.dockerfile", "docker-compose*.y*ml", "compose.y*ml", ".devcontainer/"), "builds or starts containers"),
    ((".envrc", ".tool-versions", "mise.toml", ".pre-commit-config.yaml", ".vscode/", ".idea/"), "a developer's tools obey it"),
    (
        ("CLAUDE.md", "AGENTS.md", "GEMINI.md", ".cursorrules", ".mcp.json", ".claude/", ".codex/", ".cursor/", ".gemini/"),
        "tells the next agent what to do",
    ),
    (("loopy.toml", ".loopy/"), "tells Loopy what to run"),
)  # fmt: skip
CI: tuple[Patterns, str] = (
    (
        ".github/", ".gitlab-ci.yml", ".gitlab/", "Jenkinsfile", "azure-pipelines.yml", ".circleci/", ".buildkite/",
        ".travis.yml", ".drone.yml", ".woodpecker*", "bitbucket-pipelines.yml", "CODEOWNERS",
    ),
    "continuous integration runs it, with its secrets",
)  # fmt: skip
TESTS: Patterns = (
    "test/",
    "tests/",
    "spec/",
    "__tests__/",
    "test_*.py",
    "*_test.*",
    "*.test.*",
    "*.spec.*",
    "*Test.java",
)
DOCS: Patterns = ("docs/", "*.md", "*.rst", "*.txt", "LICENSE*", "CHANGELOG*")
# Areas where a mistake costs more: (what, patterns, tier).
AREAS: tuple[tuple[str, Patterns, int], ...] = (
    ("continuous integration", CI[0], 2),
    (
        "authentication",
        (
            "auth/",
            "auth.*",
            "auth_*",
            "*_auth.*",
            "*oauth*",
            "*authenti*",
            "*authoriz*",
            "*login*",
            "*permission*",
            "*jwt*",
        ),
        2,
    ),
    ("cryptography", ("*crypt*", "*cipher*", "*signing*", "*certificate*"), 2),
    ("database migrations", ("migrations/", "alembic/", "db/migrate/", "schema.sql"), 2),
    ("dependencies", ("*.lock", "*-lock.*", "*lock.json", "requirements*.txt", "go.sum", "go.mod", "Cargo.toml"), 2),
    ("infrastructure", ("infra/", "terraform/", "*.tf", "k8s/", "helm/", "ansible/"), 2),
    ("payments", ("*payment*", "*billing*", "*invoice*"), 2),
)

_UNSEEN = "it was left out of the snapshot"
# What a note of the look at the work tree or of the scan means: rule -> (verb, why, what to do).
NOTES: Mapping[str, tuple[Verb, str, str]] = MappingProxyType(
    {
        "git-dir": (Verb.DENY, "git's own folder was replaced; nothing of it was read", "leave .git alone"),
        "embedded-git": (Verb.DENY, "a repository within the repository hides its files", "remove its .git folder"),
        "special-file": (Verb.DENY, "a pipe, socket or device hangs whoever reads it", "remove it"),
        "hard-link": (Verb.DENY, "the file has another name, perhaps outside the tree", "copy the file instead"),
        "bad-name": (Verb.DENY, f"{_UNSEEN}, for its name", "give it a plain name"),
        "unreadable": (Verb.DENY, f"{_UNSEEN}, for it cannot be read", "make it readable or remove it"),
        "too-large": (Verb.DENY, f"{_UNSEEN}, for its size", "remove it or have it ignored by .gitignore"),
        "too-many-files": (
            Verb.DENY,
            "files were left out of the snapshot",
            "have generated files ignored by .gitignore",
        ),
        "case-collision": (Verb.DENY, "some file systems take it for another path", "rename it"),
        "secret": (Verb.DENY, "an added line looks like a secret", "remove it, and have the secret replaced"),
        "bidi-control": (Verb.DENY, "an added line reads differently than it runs", "remove the invisible characters"),
        "possible-secret": (Verb.ASK, "an added line sets a secret to what looks like a real value", "use a setting"),
        "unscanned": (Verb.ASK, "too large to be searched for secrets", ""),
        "lfs-pointer": (Verb.ASK, "stands for content that is not in the repository", "look at the real content"),
        "test-skipped": (Verb.ALLOW, "an added line skips or empties a test", ""),
    }
)
