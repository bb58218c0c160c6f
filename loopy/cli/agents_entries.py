"""`loopy agents add`, `import-acp` and `schema`: more entries for the catalogue of this home."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loopy.cli import options
from loopy.cli.paper import echo, emit, ink, line
from loopy.domain.counted import counted
from loopy.domain.errors import NotFoundError

if TYPE_CHECKING:
    from loopy.agents.entries import Entry

WAYS = ("stdin", "argv", "file")
OUTPUTS = ("text", "json", "jsonl")


@click.command()
@click.argument("name")
@click.option(
    "--command", required=True, help="The command line; {prompt}, {prompt_file}, {cwd}, {model} are filled in."
)
@click.option("--output", type=click.Choice(OUTPUTS), default="text", show_default=True, help="What it prints.")
@click.option("--dialect", default="", help="Whose JSON lines it prints, such as claude, codex, gemini or opencode.")
@options.as_json
@options.example(
    "loopy agents add mytool --command 'mytool run --yes {prompt}'",
    "loopy agents add fork --command 'fork -p --output-format stream-json' --output jsonl --dialect claude",
)
def add(name: str, command: str, output: str, dialect: str, as_json: bool) -> None:
    """Teach this home another CLI, by its command line.

    Writes one TOML file into the home's `agents` folder, which says more when you edit it: how to find the version and
    the login, how to resume a session, what its limits look like. `loopy agents schema` describes it. Without a place
    for the prompt in the command the prompt goes to standard input.
    """
    from loopy.agents.entries import from_command, keep
    from loopy.cli.home import open_home

    made = open_home()
    file = keep(from_command(name, command, output=output, dialect=dialect), made.settings.agents_dir)
    if as_json:
        emit({"id": name, "file": file})
        return
    echo(f"wrote {file}")
    echo(ink(f"create an agent that uses it: loopy agent create {line(name)} --cli {line(name)}", "quiet"))


@click.command("import-acp")
@click.argument("index", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--only", multiple=True, metavar="ID", help="Only this agent; may be given more than once.")
@options.as_json
@options.example("loopy agents import-acp registry.json", "loopy agents import-acp registry.json --only goose")
def import_acp(index: Path, only: tuple[str, ...], as_json: bool) -> int:
    """Teach this home the agents of an ACP registry, from its index (registry.json).

    Writes one TOML file for each agent that the catalogue does not have. Nothing is installed: names in package
    registries are easily confused, so each entry says how its makers ship the program, and you install it.
    """
    from loopy.agents.catalogue import load_catalog
    from loopy.agents.entries import from_registry
    from loopy.cli.home import open_home
    from loopy.cli.words import text_of

    folder = open_home().settings.agents_dir
    known = {name: spec.id for spec in load_catalog(folder).values() for name in (spec.id, *spec.aliases)}
    written, told = list[str](), dict[str, str]()
    try:
        text = text_of(index.read_bytes(), str(index))
    except OSError as error:
        raise NotFoundError(
            str(index), error.strerror or "cannot be read", hint="the index is one JSON file"
        ) from error
    for found in from_registry(text):
        name = found.partition(":")[0] if isinstance(found, str) else found.id
        if only and name not in only:
            continue
        told[name] = found if isinstance(found, str) else _kept(found, folder, known)
        written += [name] if not told[name] else []
    if as_json:
        emit({"written": written, "left": {name: why for name, why in told.items() if why}})
        return int(not written)
    for name, why in told.items():
        echo(f"{ink('✓', 'good')} {line(name)}" if not why else f"{ink('·', 'quiet')} {ink(line(why), 'quiet')}")
    echo(f"\n{counted(len(written), 'entry', 'entries')} in {folder}; see them: loopy agents --all")
    return int(not written)


def _kept(entry: Entry, folder: Path, known: Mapping[str, str]) -> str:
    """Write the entry; return why not, "" when it was written."""
    from loopy.agents.entries import keep
    from loopy.domain.errors import AgentError

    if ours := known.get(entry.id):
        return f"{entry.id}: the catalogue has it" + (f" as {ours}" if ours != entry.id else "")
    try:
        keep(entry, folder)
    except AgentError as error:
        return f"{entry.id}: {error}"
    return ""


@click.command()
@options.example("loopy agents schema > entry.schema.json")
def schema() -> None:
    """Print the JSON Schema of a catalogue entry, for editors and for checks."""
    from loopy.agents.schema import entry_schema

    click.echo(json.dumps(entry_schema(), indent=2, ensure_ascii=False))
