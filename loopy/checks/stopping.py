"""What a check step answers when it is told to stop, while it waits for a slot or while a command of it runs."""

from __future__ import annotations

from loopy.domain.agent import Tried
from loopy.domain.errors import LostError
from loopy.domain.failures import Failure


def stopped(where: str, why: str) -> Tried:
    """Return the try that ends for what the leash said. Raises LostError when that is the loss of the claim."""
    if why == "lost":
        raise LostError(where, "the claim is not ours any more")
    return Tried(failure=Failure.CANCELLED, detail=why)
