"""Writes docs/reference.md: every command with its usage, help and options, read from the commands themselves."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

PAGE = Path(__file__).parents[1] / "docs" / "reference.md"
HEAD = """\
# Reference

Every command, written by `make reference` from the commands themselves; `loopy COMMAND --help` says the same.
Exit codes are in [operating.md](operating.md#exit-codes).
"""


def reference(command: click.Command, name: str) -> str:
    """Return the page for a command and all those below it."""
    return HEAD + "".join(f"\n{section(ctx)}" for ctx in contexts(command, name))


def contexts(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[click.Context]:
    """Yield a context for the command and for each one below it that is not hidden, in the order they are listed."""
    ctx = click.Context(command, info_name=name, parent=parent, **command.context_settings)
    yield ctx
    if isinstance(command, click.Group):
        for below in command.list_commands(ctx):
            child = command.get_command(ctx, below)
            if child is not None and not child.hidden:
                yield from contexts(child, below, ctx)


def section(ctx: click.Context) -> str:
    """Return one command's part of the page."""
    usage = " ".join([ctx.command_path, *ctx.command.collect_usage_pieces(ctx)])
    parts = [f"## {ctx.command_path}", f"```\n{usage}\n```", *paragraphs(ctx.command.help or "")]
    if rows := [row for param in ctx.command.get_params(ctx) if (row := option(param, ctx))]:
        parts.append("| option | what |\n|---|---|\n" + "\n".join(rows))
    return "\n\n".join(parts) + "\n"


def paragraphs(text: str) -> Iterator[str]:
    """Yield the help's paragraphs; what click is told not to wrap becomes a block of code."""
    for paragraph in inspect.cleandoc(text.partition("\f")[0]).split("\n\n"):
        mark, _, verbatim = paragraph.partition("\n")
        if mark.strip() == "\b":
            yield f"```\n{verbatim.rstrip()}\n```"
        elif paragraph.strip():
            yield paragraph.strip()


def option(param: click.Parameter, ctx: click.Context) -> str:
    """Return the table row of an option, "" for an argument or a hidden option."""
    record = param.get_help_record(ctx)
    if record is None:
        return ""
    names, what = (" ".join(text.split()).replace("|", "\\|") for text in record)
    return f"| `{names}` | {what} |"


def main() -> int:
    """Write the page, or with `--check` only compare: 1 when it is not what the commands say."""
    page = reference(importlib.import_module("loopy.cli.main").cli, "loopy")
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page else 1
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
