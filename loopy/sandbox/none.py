"""No sandbox: the command runs as the operator, which is said wherever the run shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal


class NoSandbox:
    """Implements `Sandbox` by leaving the command as it is; only for an operator who wrote `sandbox = "none"`."""

    @property
    def backend(self) -> str:
        """The mechanism's name."""
        return "none"

    @property
    def grade(self) -> Literal["none"]:
        """How much is boxed in: nothing."""
        return "none"

    def wrap(self, argv: Sequence[str], work: Path, writable: Sequence[Path]) -> Sequence[str]:
        """Return the argv as it is."""
        del work, writable
        return tuple(argv)
