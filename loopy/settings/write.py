"""Text for the home's `loopy.toml`: a first one, and one with another agent in it."""

from __future__ import annotations

from loopy.domain.agent import Agent
from loopy.domain.errors import ConfigError
from loopy.domain.tables import build, read_table, render_table

STARTER = """\
# Loopy's settings. The environment comes before this file, this file before the defaults; `loopy doctor` tells
# which of them spoke. A line that begins with "# " and a key is a sample: remove the "# " to use it.

# database_url = "postgresql+psycopg://loopy@localhost/loopy"   # default: a file in this folder; needs loopy-os[postgres]
# broker_url = "redis://localhost:6379/0"                       # default: the embedded broker
# identity = "me"                # who answers approvals; default: the user of the system
# lease_s = 30                   # how long a silent worker keeps its runs

# [limits]                       # how much this host does at once
# turns = 4                      # agents at work
# steps = 8                      # planning, evidence, shipping
# checks = 2                     # default: the number of cores
# repo = 3                       # agents on one repository
# mission = 8                    # agents on one mission
# reserve = 2                    # threads kept free for control

# [accounts.work]                # several logins of one CLI: a pool for `accounts` of an agent, each with its own limit
# config_home = "~/.claude-work"

# [worker]
# concurrency = 14               # threads; default: turns + steps + reserve
# deaf_s = 60                    # an idle worker that hears nothing of what it rings for so long starts anew; 0: never

# [checks]
# pass_env = ["PIP_INDEX_URL"]   # variables that set-up and checks may see beyond PATH, locale and the like
# setup_timeout_s = 1800

# [sandbox]
# backend = "auto"               # auto | bubblewrap | none (shown in red, and in every receipt)
# writable = ["/srv/cache"]      # further folders that agents and checks may write to
# readable = ["/srv/models"]     # further folders and files that they may read

[policy]                         # what any agent may do; agents, repositories and tickets only tighten it
{sandbox}
# approve = "asked"              # never | asked | always: when a person looks before a change ships
# turns = 4
# [[policy.paths]]
# deny = [".env*", "*.pem"]
# why = "secrets stay where they are"

# [ship]
# target = "origin"              # origin | local | a URL or path
# prefix = "loopy/"              # of the branch

# [agents.claude]                # `loopy agent create` writes such tables
# cli = "claude"
# kind = "code"                  # code | test | docs | review | security
# concurrency = 2
# file_mb = 16384               # the largest file that it may write; 0: no limit
# fallback = ["codex"]           # who may take over, in order

# [agents.codex]
# cli = "codex"

# [repos."/home/me/app"]         # stands above the repository's own loopy.toml
# setup = [["npm", "ci"]]
# [[repos."/home/me/app".checks]]
# name = "tests"
# argv = ["npm", "test"]
"""


BOXED = '# sandbox = "fs-only"            # the least that holds agents and checks; "none": they run with your rights'
UNBOXED = """\
# No sandbox worked on this host when this file was made: agents run with your rights. `loopy doctor` says what to mend;
# then take the line out, or take it out now to refuse every run.
sandbox = "none\""""


def starter_toml(*, boxed: bool) -> str:
    """Return the text of a first `loopy.toml`: every key as a comment with its default or a sample.

    Only where no sandbox works (not `boxed`) it says that agents may run without one.
    """
    return STARTER.replace("{sandbox}", BOXED if boxed else UNBOXED)


def add_agent(text: str, agent: Agent) -> str:
    """Return the file's text with a table for the agent at its end, everything else byte for byte as it was.

    Raises ConfigError when an agent of that name is there, or when the result would not read back as was meant.
    """
    where = "loopy.toml"
    before = read_table(text, where)
    if agent.name in before.get("agents", {}):
        raise ConfigError(f"agents.{agent.name}", "is there already", hint="edit its table, or choose another name")
    said = agent.model_dump(mode="json", exclude_defaults=True, exclude={"name"}) | {"cli": agent.cli}
    gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    after = f"{text}{gap}{render_table(f'agents.{agent.name}', said)}\n"
    table = read_table(after, where)
    added = table.get("agents", {}).pop(agent.name)
    meant = build(Agent, {"name": agent.name, **added}, where, ("agents", agent.name))
    rest = before if before.get("agents") else before | {"agents": {}}
    if meant != agent or table != rest:
        raise ConfigError(f"agents.{agent.name}", "cannot be added to this file as it is", hint="add its table by hand")
    return after
