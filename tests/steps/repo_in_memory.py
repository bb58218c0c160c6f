"""A repository in memory, for planners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from loopy.domain.ticket import Ticket, TicketId
from loopy.ports import Tip

COMMIT = "c0ffee" * 6 + "beef"


@dataclass
class TreeInMemory:
    """The `Repositories` port over a dict of path -> text; remembers what was searched."""

    tree: Mapping[str, str]
    branch: str = "main"
    searched: list[str] = field(default_factory=list)

    def tip(self, repo: str) -> Tip:
        return Tip(COMMIT, self.branch)

    def files(self, repo: str, commit: str) -> Sequence[str]:
        assert commit == COMMIT
        return sorted(self.tree)

    def read(self, repo: str, commit: str, path: str, limit: int = 1_000_000) -> bytes | None:
        assert commit == COMMIT
        return self.tree[path].encode()[:limit] if path in self.tree else None

    def grep(self, repo: str, commit: str, words: Sequence[str], limit: int = 200) -> Mapping[str, int]:
        assert commit == COMMIT
        self.searched += words
        lowered = [word.lower() for word in words]
        counts = {
            path: sum(any(word in line.lower() for word in lowered) for line in text.splitlines())
            for path, text in self.tree.items()
        }
        best = sorted((path for path, n in counts.items() if n), key=lambda path: (-counts[path], path))
        return {path: counts[path] for path in best[:limit]}

    def contains(self, repo: str, tip: str, commit: str) -> bool:
        return tip == commit == COMMIT

    def origin(self, repo: str) -> str:
        return ""


def ticket(title: str, body: str = "", **more: object) -> Ticket:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    return Ticket.model_validate(
        {"id": TicketId("LP-1"), "title": title, "body": body, "repo": "/repo", "created_at": at, **more}
    )
