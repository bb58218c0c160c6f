"""What held a command while it ran: the mechanism, how much it holds, and whether the network was open."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from loopy.domain.value import Value

Grade = Literal["full", "fs-only", "none"]
GRADES: tuple[Grade, ...] = ("none", "fs-only", "full")  # weakest first


class Held(Value):
    """How a command was boxed in. `fs-only` holds files and processes; `full` holds the network too."""

    backend: str = "none"  # name and version
    grade: Grade = "none"
    network: Literal["unrestricted", "allowlist", "denied"] = "unrestricted"

    @property
    def words(self) -> str:
        """Return it for people, in one line."""
        if self.grade == "none":
            return "no sandbox: agents and checks run with your rights"
        network = _NETWORK[self.network]
        return f"{self.backend}, grade {self.grade}: files and processes are boxed in, {network}"


_NETWORK = {
    "unrestricted": "the network is open",
    "allowlist": "the network leads to listed hosts only",
    "denied": "no network",
}
UNBOXED = Held()


def weakest(held: Iterable[Held | None]) -> Held | None:
    """Return the least of what held a run's commands, None for no command; one that is not on record was not held."""
    return min((each or UNBOXED for each in held), key=lambda each: GRADES.index(each.grade), default=None)
