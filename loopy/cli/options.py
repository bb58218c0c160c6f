"""What many commands share: the `--json` options, and the examples of their help."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
as_lines = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")


def example(*lines: str) -> Callable[[F], F]:
    """Add an example to the help of the command that the function becomes; each line is one command."""

    def put(function: F) -> F:
        block = "\n".join(f"  {each}" for each in lines)
        # \b on a line of its own keeps click from wrapping the paragraph
        function.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\n\b\nExample:\n{block}\n"
        return function

    return put
