"""Names of variables that act for the operator: forge tokens, model keys, passwords. Untrusted code never gets them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from loopy.domain.errors import ConfigError

# What acts towards the outside: it never enters an agent, unless the CLI itself logs in with it.
OUTWARD = frozenset(
    {
        "GITHUB_TOKEN", "GH_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN", "GITHUB_PAT", "GH_PAT",
        "GITLAB_TOKEN", "GITLAB_PAT", "GITEA_TOKEN", "FORGEJO_TOKEN", "BITBUCKET_TOKEN", "CI_JOB_TOKEN",
        "LINEAR_API_KEY", "LINEAR_WEBHOOK_SECRET", "COMPOSIO_API_KEY", "TAVILY_API_KEY", "FIRECRAWL_API_KEY",
        "MEM0_API_KEY", "GMAIL_TOKEN", "SSH_AUTH_SOCK", "GIT_ASKPASS", "SSH_ASKPASS",
    }
)  # fmt: skip
KEYRING = frozenset({"DBUS_SESSION_BUS_ADDRESS", "GPG_AGENT_INFO", "KUBECONFIG", "NETRC", "AWS_PROFILE"})
SECRET = re.compile(r"(KEY|KEY_ID|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|_PAT)$")
OURS = "LOOPY_"
GIVES = "hand a credential of yours to checks, which run whatever an agent wrote"
INSTEAD = (
    "take it out; let a proxy or a package mirror of this host add the credential, or set up a test account of its own "
    "and keep its value in the repository's test settings"
)


def is_ours(name: str) -> bool:
    """Whether the variable says where Loopy's own home, database and broker are."""
    return name.upper().startswith(OURS)


def is_credential(name: str) -> bool:
    """Whether a variable of this name usually holds, or opens, what acts for the operator."""
    name = name.upper()
    return name in OUTWARD or name in KEYRING or bool(SECRET.search(name))


def refuse_credentials(pass_env: Sequence[str]) -> None:
    """Raise ConfigError for the first name that stands for the operator towards others, or for Loopy itself."""
    for place, name in enumerate(pass_env):
        where = f"checks.pass_env[{place}]"
        if is_ours(name):
            raise ConfigError(where, f"'{name}' is Loopy's own, and no business of a check", hint="take it out")
        if is_credential(name):
            raise ConfigError(where, f"'{name}' would {GIVES}", hint=INSTEAD)
