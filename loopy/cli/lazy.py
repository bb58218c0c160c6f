"""A click group that knows its commands by name and summary, and imports one only when it is called."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class Late:
    """Where a command is (`module:attribute`), and the first sentence of its help, so that listing imports nothing."""

    where: str
    summary: str


class LateGroup(click.Group):
    """A group whose commands are given in titled parts, in the order in which people meet them."""

    def __init__(self, *args: Any, parts: Mapping[str, Mapping[str, Late]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parts = parts

    @property
    def late(self) -> dict[str, Late]:
        """Every command of every part."""
        return {name: late for part in self.parts.values() for name, late in part.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        del ctx
        return list(self.late)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command, imported now; None for an unknown name."""
        del ctx
        late = self.late.get(cmd_name)
        if late is None:
            return None
        module, _, attribute = late.where.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first word names. Raises UsageError with the nearest name for a slip."""
        if args and args[0] not in self.late and not args[0].startswith("-"):
            raise click.UsageError(f"no such command '{args[0]}'{near(args[0], list(self.late))}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the parts with their commands."""
        del ctx
        for title, commands in self.parts.items():
            with formatter.section(title):
                formatter.write_dl([(name, late.summary) for name, late in commands.items()], col_spacing=3)


def near(word: str, known: Sequence[str]) -> str:
    """Return " (did you mean …?)" for a near miss, else nothing."""
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
