"""What a scripted agent does with its hands: read the prompt, speak, edit a file; safe to begin anew half-way."""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path

say = partial(print, flush=True)


def introduce(name: str) -> None:
    """Say first what this is: a script, not a model."""
    say(f"[scripted agent: {name}] a stand-in for a coding agent; no model is called")


def prompt() -> str:
    """Return the prompt, from the file that LOOPY_PROMPT_FILE names or from standard input."""
    if path := os.environ.get("LOOPY_PROMPT_FILE"):
        return Path(path).read_text(encoding="utf-8", errors="replace")
    return "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()


def seconds(default: float) -> float:
    """Return how long to work visibly: the first argument, else `default`."""
    return float(sys.argv[1]) if len(sys.argv) > 1 else default


def work(thoughts: tuple[str, ...], duration_s: float) -> None:
    """Say the thoughts one by one, spread over the duration."""
    for thought in thoughts:
        say(thought)
        time.sleep(duration_s / len(thoughts))


def write(path: Path, text: str) -> None:
    """Replace the file's text in one move, so that a kill leaves the old file or the new one."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    draft.write_text(text, encoding="utf-8")
    draft.chmod(path.stat().st_mode if path.exists() else 0o644)
    draft.replace(path)
    say(f"edited {path}")


def swap(path: Path, old: str, new: str) -> None:
    """Put `new` where `old` stands, once; do nothing where that is done. Raises LookupError when neither is there."""
    text = path.read_text(encoding="utf-8")
    if new and new in text:
        return
    if old in text:
        write(path, text.replace(old, new))
    elif new:
        raise LookupError(f"{path} holds neither the old text nor the new")
