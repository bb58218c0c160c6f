"""`loopy init`: a repository's own `loopy.toml`, from what is detected in its newest commit."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from loopy.cli import options
from loopy.cli.paper import echo, emit, ink, line
from loopy.cli.trial import tell_tried, tried
from loopy.domain.errors import ConfigError, RefusedError

if TYPE_CHECKING:
    from loopy.cli.reader import Place
    from loopy.domain.detected import Detected
    from loopy.sandbox.choose import Lacking
    from loopy.settings.model import Settings


@click.command()
@click.argument("path", default=".", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite a loopy.toml that is there.")
@click.option("--print", "only_show", is_flag=True, help="Show what would be written, and write nothing.")
@click.option("--try", "attempt", is_flag=True, help="Run set-up and checks once on the newest commit.")
@options.as_json
@options.example("loopy init", "loopy init --try", "loopy init ~/src/app --print")
def init(path: Path, force: bool, only_show: bool, attempt: bool, as_json: bool) -> int:
    """Write a repository's loopy.toml from what is detected in it.

    The set-up and the checks are told from the newest commit. Loopy reads the file at the base commit of a run, never from an agent's tree: commit it. The home gets a first
    loopy.toml too, if it has none.
    """
    from loopy.cli.reader import demand
    from loopy.domain.project import FILE, parse_project, render_project

    place = demand(path, "PATH")
    found = _detect(place)
    text = render_project(found.setup, found.checks, notes=found.notes)
    parse_project(text)
    file = place.top / FILE
    if only_show:
        emit(_facts(file, found, text, written=False)) if as_json else click.echo(text, nl=False)
        return 0
    if place.bare:
        raise RefusedError(str(place.top), "is a bare repository", hint="`loopy init --print`, and commit it by hand")
    if file.exists() and not force:
        raise RefusedError(str(file), "is there already", hint="--force overwrites it, --print only shows")
    file.write_text(text, encoding="utf-8")
    settings, made, lacking = _home_file()
    if as_json:
        results = tried(place, found) if attempt else ()
        home = {"home_file": str(settings.file), "home_file_made": made, "no_sandbox": lacking.why if lacking else ""}
        emit(_facts(file, found, text, written=True) | home | {"tried": [r.model_dump(mode="json") for r in results]})
        return int(not all(r.passed for r in results))
    _tell(file, found, settings, made, lacking)
    return tell_tried(tried(place, found)) if attempt else 0


def _detect(place: Place) -> Detected:
    from loopy.cli.reader import Objects
    from loopy.domain.detect import detect

    objects = Objects(place.git_dir)
    head = objects.head()
    if head is None:
        raise ConfigError(
            str(place.top), "has no commit yet", hint="make a first commit: Loopy works on what is committed"
        )
    return detect(
        objects.files(head), lambda name: objects.read(head, name), lambda name: shutil.which(name) is not None
    )


def _home_file() -> tuple[Settings, bool, Lacking | None]:
    """Return the home's settings, whether its loopy.toml was made now, and why that lets agents run without a sandbox."""
    from loopy.cli.home import first_settings
    from loopy.settings.home import ensure_home
    from loopy.settings.load import load_settings

    settings = load_settings(os.environ)
    ensure_home(settings)
    try:
        handle = os.open(settings.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return settings, False, None
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        text, lacking = first_settings(settings)
        out.write(text)
    return load_settings(os.environ), True, lacking


def _facts(file: Path, found: Detected, text: str, *, written: bool) -> dict[str, object]:
    checks = [check.model_dump(mode="json") for check in found.checks]
    facts: dict[str, object] = {"file": str(file), "written": written, "setup": found.setup, "checks": checks}
    return facts | {"notes": found.notes, "text": text}


def _tell(file: Path, found: Detected, settings: Settings, made: bool, lacking: Lacking | None) -> None:
    from loopy.cli.home import tell_lacking

    echo(f"wrote {ink(str(file), 'strong')}")
    for argv in found.setup:
        echo(f"  set-up  {line(' '.join(argv))}")
    for check in found.checks:
        echo(f"  check   {line(' '.join(check.argv))}")
    for note in found.notes:
        echo(f"  {ink(f'note    {line(note)}', 'quiet')}")
    if made:
        echo(f"wrote {settings.file}")
    tell_lacking(lacking, settings.file)
    echo()
    echo("next:")
    echo(f"  read it, then commit it: git add {file.name} && git commit -m 'Add loopy.toml'")
    if not settings.agents:
        echo("  add an agent:            loopy agent create claude --cli claude")
    echo('  file a ticket:           loopy run "What should be done"')
