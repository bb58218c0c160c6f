"""Words of others in a prompt: quoted, in a fence that they cannot close."""

from __future__ import annotations


def listed(title: str, lines: tuple[str, ...]) -> str:
    """Return the lines under a title, "" for none."""
    return f"{title}:\n" + "\n".join(f"- {line}" for line in lines) if lines else ""


def fenced(title: str, text: str) -> str:
    """Return text that is quoted under a title, in a fence that it cannot close; "" for none."""
    if not text.strip():
        return ""
    fence = "`" * max(
        3, 1 + max((len(run) for run in text.replace("\n", " ").split(" ") if set(run) == {"`"}), default=0)
    )
    return f"{title}:\n{fence}\n{text.strip()}\n{fence}"
