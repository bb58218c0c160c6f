"""Path names as an attacker would bend them: what they fold to, what is wrong with them, which ones collide; pure."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

# Default-ignorable code points that are not in category Cf: they are drawn as nothing (Unicode DerivedCoreProperties).
_IGNORABLE = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10)}
_SHORT_GIT = re.compile(r"^git~[0-9]+$")
NAME_BYTES, PATH_BYTES = 255, 4096


def invisible(letter: str) -> bool:
    """Whether a character is drawn as nothing or changes the drawing of others (zero-width, bidi, tag, selector)."""
    code = ord(letter)
    return unicodedata.category(letter) == "Cf" or code in _IGNORABLE or 0xE0000 <= code <= 0xE0FFF


@lru_cache(maxsize=65_536)
def fold(path: str) -> str:
    """Return what the path is to a file system or an eye that sees no case, width or invisible characters."""
    if path.isascii():
        return path.lower()
    seen = "".join(letter for letter in unicodedata.normalize("NFKC", path) if not invisible(letter))
    return unicodedata.normalize("NFKC", seen.casefold())


def bad_name(path: str) -> str:
    """Return why the path must not stand in a tree, "" when it may: the rules of every file system at once."""
    if path.startswith("/") or len(path.encode("utf-8", "surrogatepass")) > PATH_BYTES:
        return "is absolute" if path.startswith("/") else f"is longer than {PATH_BYTES} bytes"
    if "\\" in path:
        return "holds a backslash or bytes that are not UTF-8"
    return next((why for part in path.split("/") if (why := _bad_part(part))), "")


def _bad_part(part: str) -> str:
    folded = fold(part)
    if part in {"", ".", ".."}:
        return f"has the part {part!r}"
    if folded.partition(":")[0].rstrip(". ") == ".git" or _SHORT_GIT.match(folded.rstrip(". ")):
        return "would be git's own folder on some file system"
    if part.endswith((".", " ")):
        return "has a part that ends with a dot or a space"
    if any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in part):
        return "holds a control character"
    if len(part.encode("utf-8", "surrogatepass")) > NAME_BYTES:
        return f"has a part longer than {NAME_BYTES} bytes"
    return ""


def resolved(path: str, target: str) -> str | None:
    """Return what a symbolic link at `path` points to within the tree, None when it leaves the tree or is empty."""
    if not target or target.startswith("/") or "\\" in target:
        return None
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return None if joined == ".." or joined.startswith("../") else joined


def collisions(added: Iterable[str], existing: Iterable[str]) -> list[str]:
    """Return the added paths that some file system takes for another one: a file or a folder equal but for its fold."""
    new = sorted(set(added))
    if not new:
        return []
    known: set[str] = set()
    for whole in (*existing, *new):
        path = whole
        while path and path not in known:  # a known path's folders are known, too
            known.add(path)
            path = path.rpartition("/")[0]
    spellings: dict[str, set[str]] = {}
    for path in known:
        spellings.setdefault(fold(path), set()).add(path)
    return [path for path in new if any(len(spellings[fold(prefix)]) > 1 for prefix in _prefixes(path))]


def _prefixes(path: str) -> Iterable[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]
