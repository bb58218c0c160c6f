"""No sandbox: the command runs as the operator, which is said wherever the run shows."""

from __future__ import annotations

from collections.abc import Sequence

from loopy.domain.held import UNBOXED, Held
from loopy.ports import Reach


class NoSandbox:
    """Implements `Sandbox` by leaving the command as it is; only for an operator who wrote `sandbox = "none"`."""

    @property
    def held(self) -> Held:
        """What holds the command: nothing."""
        return UNBOXED

    @property
    def keeper(self) -> bool:
        """Whether there is a process around the command: no."""
        return False

    def wrap(self, argv: Sequence[str], reach: Reach) -> Sequence[str]:
        """Return the argv as it is."""
        del reach
        return tuple(argv)
