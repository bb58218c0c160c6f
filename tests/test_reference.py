"""The reference says what the commands say."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import click

from loopy.cli.main import cli as loopy_cli

ROOT = Path(__file__).parents[1]
TOOL: dict[str, Any] = runpy.run_path(str(ROOT / "tools" / "reference.py"))


@click.group()
def cli() -> None:
    """Do things."""


@cli.command()
@click.argument("what")
@click.option("--loud/--quiet", help="Say it | shout it.")
@click.option("--secret", hidden=True, help="Nobody knows.")
def say(what: str, loud: bool, secret: str) -> None:
    """Say a thing.

    \b
    Example:
      things say hello
    """


@cli.command(hidden=True)
def internal() -> None:
    """Not for people."""


def test_every_command_has_its_usage_help_example_and_options_on_the_page() -> None:
    page = TOOL["reference"](cli, "things")
    assert "## things\n\n```\nthings [OPTIONS] COMMAND [ARGS]...\n```\n\nDo things." in page
    assert "## things say\n\n```\nthings say [OPTIONS] WHAT\n```\n\nSay a thing." in page
    assert "```\nExample:\n  things say hello\n```" in page
    assert "| `--loud / --quiet` | Say it \\| shout it. |" in page


def test_what_is_hidden_is_not_on_the_page() -> None:
    page = TOOL["reference"](cli, "things")
    assert "internal" not in page
    assert "secret" not in page


def test_the_reference_is_what_the_commands_say() -> None:
    assert (ROOT / "docs" / "reference.md").read_text() == TOOL["reference"](loopy_cli, "loopy"), "run `make reference`"
