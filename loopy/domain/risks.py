"""What a ticket and its likely files may put at risk, told by words and paths before any line is written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

PATHS: tuple[tuple[str, str], ...] = (
    (r"auth|login|session|permission|rbac|acl|oauth|password|token", "access control"),
    (r"crypt|cipher|signing|signature|(^|/)keys?/|tls|ssl|hmac", "cryptography"),
    (r"(^|/)migrations?/|(^|/)alembic/|schema\.(sql|rb|prisma)|\.sql$", "the database schema"),
    (r"^\.github/|^\.gitlab-ci|^\.circleci/|Jenkinsfile|azure-pipelines|^\.buildkite/", "continuous integration"),
    (r"(^|/)(Dockerfile|docker-compose|helm|terraform|k8s|deploy|infra)|\.tf$", "deployment"),
    (r"\.lock$|-lock\.(json|yaml)$|go\.sum$|(^|/)(requirements[^/]*\.txt|pyproject\.toml|package\.json|Cargo\.toml|go\.mod|Gemfile)$", "dependencies"),
    (r"billing|payment|invoice|checkout|price|ledger", "money"),
    (r"(^|/)(api|openapi|graphql|proto)/|openapi\.(ya?ml|json)$|\.proto$", "a public interface"),
)  # fmt: skip
WORDS: tuple[tuple[str, str], ...] = (
    (r"\b(rewrite|rearchitect|overhaul|from scratch|redesign)\b", "asks for a rewrite: expect a large change"),
    (r"\b(everywhere|across (?:the|all)|all (?:the )?(?:files|modules|services)|whole (?:code ?base|project))\b", "reaches across the whole repository"),
    (r"\b(delete|drop|remove|purge|truncate)\b.{0,40}\b(tables?|columns?|data|users?|records?|rows|backups?)\b", "deletes data"),
    (r"\b(breaking change|backwards? incompatib|deprecat|rename (?:the )?(?:public|api|endpoint))", "may break those who use the public interface"),
    (r"\b(upgrade|bump|migrate) (?:to|from)?\b", "changes a dependency or a platform"),
    (r"\b(race condition|deadlock|concurren\w+|thread.?safe\w*|flaky|intermittent\w*)\b", "concerns timing: a green check may be luck"),
    (r"\b(quick ?fix|hack|workaround|hot ?fix|just make it|disable (?:the )?tests?|skip (?:the )?tests?)\b", "invites a shortcut"),
    (r"\b(password|secret|credential|api key|private key|access token)s?\b", "speaks of secrets"),
)  # fmt: skip


def risks_of(text: str, files: Sequence[str]) -> tuple[str, ...]:
    """Return what is at risk, in sentences: by the ticket's words, then by the likely files."""
    return (*_of_words(text), *_of_files(files))


def _of_words(text: str) -> Iterator[str]:
    for pattern, risk in WORDS:
        if found := re.search(pattern, text, re.IGNORECASE):
            yield f"the ticket {risk} ('{' '.join(found[0].split())}')"


def _of_files(files: Sequence[str]) -> Iterator[str]:
    for pattern, what in PATHS:
        touched = [path for path in files if re.search(pattern, path, re.IGNORECASE)]
        if touched:
            more = f" and {len(touched) - 1} more" if len(touched) > 1 else ""
            yield f"may touch {what}: {touched[0]}{more}"
