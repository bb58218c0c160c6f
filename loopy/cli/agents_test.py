"""`loopy agents test`: try an installed CLI, on a scripted model without tokens, or live by a few small turns."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from loopy.cli import options
from loopy.cli.agents_doctor import meant
from loopy.cli.agents_live import MARKS, live_turns
from loopy.cli.paper import cut, echo, emit, ink, line
from loopy.domain.errors import ConfigError, NotFoundError, RefusedError

if TYPE_CHECKING:
    from loopy.agents.environment import Operator
    from loopy.agents.scripted.play import Stage
    from loopy.agents.scripted.scenarios import Played
    from loopy.agents.scripted.server import ModelServer
    from loopy.agents.scripted.setup import Drive
    from loopy.agents.spec import Spec
    from loopy.bootstrap.services import Services
    from loopy.domain.agent import Agent
    from loopy.ports import Driver

WIDTHS = (8, 30, 16)  # of scenario, expected and got; the rows come one by one


@click.command("test")
@click.argument("name")
@click.option(
    "--drive", type=click.Choice(["print", "acp"]), default=None, help="How; default: as it is driven in runs."
)
@click.option("--scenario", "wanted", multiple=True, metavar="NAME", help="Only this one; may be given more than once.")
@click.option("--live", is_flag=True, help="With your login and its model, by four small turns; costs a few tokens.")
@click.option("--yes", is_flag=True, help="With --live: do not ask before tokens are spent.")
@options.as_json
@options.example(
    "loopy agents test claude",
    "loopy agents test opencode --drive acp --scenario ok --scenario denied",
    "loopy agents test claude --live --yes",
)
def test(name: str, drive: str | None, wanted: tuple[str, ...], live: bool, yes: bool, as_json: bool) -> int:
    """Try an installed CLI in scratch folders, on a scripted model: no tokens, no login, nothing of yours.

    One turn for each scenario: an edit, a session taken up, one that nobody knows, a plan's limit, no credit, a wrong
    key, too long a prompt, overload, silence, a stream that breaks off. The table says what Loopy must make of it, what
    it made of it, and in how many seconds; afterwards no process may be left. NAME is an agent or an entry of the
    catalogue; of an agent only its CLI and the way it is driven count. The entry must say how the CLI is pointed at a
    model server of one's own (`[own_model]`); where it does not, or to see your own login and model at work, there is
    --live. Exit code 1 when something did not hold.
    """
    from loopy.cli.home import open_home

    made = open_home()
    ((_, spec, agent),) = meant(made, (name,))
    agent = agent.model_copy(update={"drive": drive or agent.drive})
    if live:
        if wanted:
            raise ConfigError("--scenario", "is for the scripted model, not for --live")
        return live_turns(made, spec, agent, yes=yes, as_json=as_json)
    if yes:
        raise ConfigError("--yes", "nothing is spent without --live")
    if spec.own_model is None:
        what = f"its entry does not say how to point {spec.name} at a model server of one's own"
        hint = f"`loopy agents test {name} --live` tries it with your login; an `[own_model]` in its entry says how"
        raise NotFoundError(spec.id, what, hint=hint)
    return _scripted(made, spec, agent, wanted, as_json=as_json)


def _scripted(made: Services, spec: Spec, agent: Agent, wanted: Iterable[str], *, as_json: bool) -> int:
    from loopy.agents.scripted.scenarios import faults
    from loopy.agents.scripted.server import ModelServer

    drive = spec.driven_by(agent.drive)
    names = _names(wanted, drive, spec)
    with _scratch(made) as folder, ModelServer() as model:
        stage = _stage(made, spec, agent, model)
        version = _version(made, stage, folder)
        if not as_json:
            echo(ink(f"{line(spec.name)} {line(version)}, {drive}, on a scripted model".replace(" ,", ","), "quiet"))
            _row("", ("scenario", "expected", "got"), "", "quiet")
        rows = []
        for scenario in names:
            played = stage.play(scenario, folder / scenario)
            rows.append(_facts(spec, played, faults(spec, played)))
            if not as_json:
                _show_scenario(rows[-1])
    good = all(row["good"] for row in rows)
    if as_json:
        emit({"ok": good, "cli": spec.id, "version": version, "drive": drive, "scenarios": rows})
    return int(not good)


def _names(wanted: Iterable[str], drive: Drive, spec: Spec) -> tuple[str, ...]:
    from loopy.agents.scripted.scenarios import names_for
    from loopy.domain.tables import suggestion

    known, asked = names_for(drive, spec), tuple(wanted)
    if getattr(spec, drive) is None:
        raise ConfigError("--drive", f"{spec.name} is not driven by {drive}, as far as is known")
    for name in asked:
        if name not in known:
            raise NotFoundError(
                "--scenario", f"none is called '{line(name, 40)}'", hint=suggestion(name, known, "names")
            )
    return asked or known


@contextmanager
def _scratch(made: Services) -> Iterator[Path]:
    """Yield a folder below the home: some CLIs read no settings below a folder that others may write to."""
    folder = Path(tempfile.mkdtemp(prefix="trial-", dir=made.settings.home)).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _stage(made: Services, spec: Spec, agent: Agent, model: ModelServer) -> Stage:
    from loopy.agents.drivers import Drivers
    from loopy.agents.launch import missing, missing_server, program
    from loopy.agents.scripted.play import Stage
    from loopy.sandbox.none import NoSandbox

    path = made.env.get("PATH", "")
    drive = spec.driven_by(agent.drive)
    if program(spec, agent, path) is None:
        raise NotFoundError("agents test", missing(spec, agent))
    if drive == "acp" and (lacking := missing_server(spec, path)):
        raise NotFoundError("agents test", lacking)

    def driver(operator: Operator) -> Driver:
        return Drivers({spec.id: spec}, operator, NoSandbox(), made.clock)

    return Stage(spec, drive, path, model, driver)


def _version(made: Services, stage: Stage, folder: Path) -> str:
    """Return the version; asked in a scratch home too. Raises RefusedError for another program of the same name."""
    from loopy.agents.environment import Operator
    from loopy.agents.health import Health
    from loopy.domain.agent import Agent

    operator = Operator({"PATH": stage.path}, folder)
    for look in Health(operator, made.clock).examine(stage.spec, Agent(name="a", cli=stage.spec.id)):
        if not look.good:
            raise RefusedError(stage.spec.id, look.text, hint=look.fix)
        if look.name == "version":
            return look.text
    return ""


def _facts(spec: Spec, played: Played, faults: list[str]) -> dict[str, Any]:
    from loopy.agents.redact import Redactor
    from loopy.agents.scripted.scenarios import SCENARIOS, expected

    words = filter(None, [*faults, getattr(played.came_to, "detail", "")])
    return {
        "name": played.scenario,
        "about": SCENARIOS[played.scenario].about,
        "expected": sorted(expected(spec, played.scenario, played.drive)),
        "got": "refused" if played.scenario == "denied" and played.refused else played.word,
        "good": not faults,
        "seconds": round(played.seconds, 1),
        "calls": played.asked,
        "said": Redactor().text("; ".join(words)),
    }


def _show_scenario(row: dict[str, Any]) -> None:
    wanted = "refused" if row["name"] == "denied" else " or ".join(row["expected"])
    _row(MARKS[row["good"]][0], (row["name"], wanted, row["got"]), f"{row['seconds']:5.1f} s", MARKS[row["good"]][1])
    if not row["good"]:
        echo(f"  {ink(line(row['said'], 200), 'quiet')}")


def _row(mark: str, cells: tuple[str, ...], seconds: str, name: str) -> None:
    padded = "  ".join(cut(cell, width).ljust(width) for cell, width in zip(cells, WIDTHS, strict=True))
    echo(f"{ink(mark, name) if mark else ' '} {padded if mark else ink(padded, name)}{seconds}".rstrip())
