"""The words of a ticket that can be looked for in a tree: paths, names of code, quoted messages, plain nouns."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

MOST = 12  # of each kind

PATH = re.compile(
    r"(?<![\w@:/.])(?:\.?/)?((?:[\w@.+-]+/)*[\w@+-][\w@.+-]*\.[A-Za-z][A-Za-z0-9]{0,7}|(?:[\w@.+-]+/)+[\w@.+-]+)(?![\w/])"
)
URL = re.compile(r"\b[a-z][a-z0-9+.-]*://\S+")
TICKED = re.compile(r"`([^`\n]{2,80})`")
QUOTED = re.compile(r"[\"\u201c]([^\"\u201d\n]{6,80})[\"\u201d]|(?:Error|Exception|error|panic): ([^\n]{8,80})")
NAME = re.compile(
    r"\b("
    r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+(?=\()?"  # dotted.name
    r"|[a-z0-9]+(?:_[a-z0-9]+)+|_[a-z]\w+"  # snake_case
    r"|[A-Z][a-z0-9]+(?:[A-Z][A-Za-z0-9]*)+|[a-z]+[a-z0-9]*(?:[A-Z][a-z0-9]*)+"  # CamelCase
    r"|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+"  # CONSTANT_CASE
    r"|[A-Za-z_]\w*(?=\(\))"  # call()
    r")"
)
FLAG = re.compile(r"(?<!\S)(--[a-z][a-z0-9-]+)")
PLAIN = re.compile(r"[A-Za-z][A-Za-z]{3,}")

STOP = frozenset(
    """about above after again against agent also always another anything because been before being below between both
    cannot change changes check class code could currently default does doing done down during each either else ensure
    error errors even every everything example expected fail failed failing fails feature file files first fixed
    following from function given goes have having here instead into issue just keep like line lines list look made
    make makes many message method more most must need needed needs never nothing only other otherwise output over
    please possible problem project property raise raises really release remove request return returned returns right
    same seems should show shown side since some something still such support sure take test tests than that their them
    then there therefore these they thing things this those through time under until update upon used user users using
    value values version very want wants well were what when where whether which while will with without work working
    works would wrong your add adds added adding allow allows actual behavior behaviour page fix bug implement new
    improve create handle handles handling call calls called currently""".split()  # noqa: SIM905 - a list to read
)


@dataclass(frozen=True, slots=True)
class Words:
    """What to look for, each kind in the order of the text."""

    paths: tuple[str, ...]
    names: tuple[str, ...]  # identifiers and flags
    phrases: tuple[str, ...]  # quoted text, messages
    plain: tuple[str, ...]  # other words that may name something, lower case


def words_of(title: str, body: str) -> Words:
    """Return the words of a ticket, those of the title first."""
    text = URL.sub(" ", f"{title}\n{body}")
    paths = _unique(found.strip(".") for found in PATH.findall(text) if _is_path(found))
    rest = PATH.sub(lambda m: " " if m[1].strip(".") in paths else m[0], text)
    ticked = [word.strip() for word in TICKED.findall(rest)]
    names = _unique(
        [
            *(w.rstrip("()") for w in ticked if re.fullmatch(r"[\w.$-]+(\(\))?", w)),
            *NAME.findall(rest),
            *FLAG.findall(rest),
        ]
    )
    phrases = _unique([*(w for w in ticked if " " in w), *(a or b for a, b in QUOTED.findall(rest))])
    known = {part.lower() for name in names for part in parts_of(name)}
    plain = _unique(w.lower() for w in PLAIN.findall(rest) if w.lower() not in STOP and w.lower() not in known)
    return Words(paths, names, phrases, plain)


def parts_of(name: str) -> tuple[str, ...]:
    """Return the words within a name of code or a path: `parseHTTPDate` -> parse, http, date."""
    return tuple(w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name))


def stem(word: str) -> str:
    """Return the word without its commonest English endings, so that `parsing`, `parses` and `parser` meet."""
    for ending in ("ations", "ation", "ings", "ing", "ers", "er", "ies", "ed", "es", "s", "y", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word.removesuffix(ending)
    return word


def _is_path(text: str) -> bool:
    if re.fullmatch(r"[\d.]+|v?\d+(\.\w+)*|\w\.\w\.?|(?:i\.e|e\.g|etc)\.?", text):
        return False
    if "/" not in text and re.search(r"\.(?:com|org|net|io|dev)$", text):
        return False
    # a word with a dot and no slash is a file only when its ending looks like one
    return "/" in text or text.rsplit(".", 1)[-1].lower() in ENDINGS


ENDINGS = frozenset(
    """py pyi js jsx ts tsx mjs cjs vue svelte go rs rb php java kt kts scala cs fs swift c h cc cpp hpp m ex exs erl clj
    hs ml lua r jl dart zig sh bash ps1 sql html css scss less md rst txt toml yaml yml json ini cfg xml gradle proto
    graphql tf lock env""".split()  # noqa: SIM905 - a list to read
)


def _unique(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in words if word))[:MOST]
