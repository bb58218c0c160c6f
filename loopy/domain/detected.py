"""What a look at a tree found, and the tree as the look sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from loopy.domain.check import CheckSpec
from loopy.domain.value import Value

TIMEOUT_S = 1800  # a detected check gets half an hour; a person who knows better writes it down


class Detected(Value):
    """Set-up and checks that fit a tree, with notes on what was left open."""

    setup: tuple[tuple[str, ...], ...] = ()
    checks: tuple[CheckSpec, ...] = ()
    notes: tuple[str, ...] = ()

    def noting(self, *notes: str) -> Detected:
        """Return this with more notes."""
        return self.model_copy(update={"notes": (*self.notes, *notes)})


@dataclass(frozen=True, slots=True)
class Seen:
    """A tree: its paths, a way to read a file of it, and which programs there are on this machine."""

    files: frozenset[str]
    read: Callable[[str], bytes | None]
    has: Callable[[str], bool]

    def there(self, path: str) -> bool:
        """Whether the tree has the path."""
        return path in self.files

    def text(self, path: str) -> str:
        """Return the file's text, "" when it is absent."""
        content = self.read(path) if path in self.files else None
        return (content or b"").decode("utf-8", "replace")

    def below(self, folder: str, ending: str) -> bool:
        """Whether there is a file in the folder with this ending."""
        return any(path.startswith(folder) and path.endswith(ending) for path in self.files)


def spec(name: str, *argv: str) -> CheckSpec:
    """Return a detected check."""
    return CheckSpec(name=name, argv=argv, timeout_s=TIMEOUT_S)


def join(parts: Iterable[Detected]) -> Detected:
    """Return everything found, in order."""
    whole = list(parts)
    return Detected(
        setup=tuple(argv for part in whole for argv in part.setup),
        checks=tuple(check for part in whole for check in part.checks),
        notes=tuple(note for part in whole for note in part.notes),
    )
