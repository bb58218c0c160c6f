"""Words from outside as text: what is not UTF-8 is refused before anything is written, since no store can keep it."""

from __future__ import annotations

import os

from loopy.domain.errors import ConfigError

HINT = "write it as UTF-8"


def demand_text(text: str, where: str) -> str:
    """Return the text. Raises ConfigError when it holds bytes that are not UTF-8 (as lone surrogates)."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        shown = text[:60].encode("utf-8", "replace").decode()
        raise ConfigError(where, f"'{shown}' is not UTF-8 text", hint=HINT) from error
    return text


def demand_words(words: list[str]) -> list[str]:
    """Return the words of a command line. Raises ConfigError for one that is neither text nor a path that is there."""
    for word in words:
        if not os.path.lexists(word.replace("\0", "")):
            demand_text(word, "a word")
    return words


def text_of(content: bytes, where: str) -> str:
    """Return the content as text. Raises ConfigError when it is not UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(where, f"byte {error.start:,} is not UTF-8 text", hint=HINT) from error
