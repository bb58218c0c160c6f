"""The words of a ticket that can be looked for in a tree: paths, names of code, quoted messages, plain nouns."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

MOST = 12  # of each kind
LONGEST_TEXT = 50_000  # characters that are looked at; every pattern is bounded too, for anyone may write a ticket

TOKEN = re.compile(r"[\w@.+/-]{3,200}")
URL = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://\S{1,2000}")
TICKED = re.compile(r"`([^`\n]{2,80})`")
QUOTED = re.compile(r"[\"\u201c]([^\"\u201d\n]{6,80})[\"\u201d]|(?:Error|Exception|error|panic): ([^\n]{8,80})")
IDENTIFIER = re.compile(r"[A-Za-z_]\w{0,99}(?:\.[A-Za-z_]\w{0,99}){0,9}(?:\(\))?")
FLAG = re.compile(r"(?<!\S)(--[a-z][a-z0-9-]{1,50})")
PLAIN = re.compile(r"[A-Za-z]{4,40}")

ENDINGS = frozenset(
    """py pyi js jsx ts tsx mjs cjs vue svelte go rs rb php java kt kts scala cs fs swift c h cc cpp hpp m ex exs erl clj
    hs ml lua r jl dart zig sh bash ps1 sql html css scss less md rst txt toml yaml yml json ini cfg xml gradle proto
    graphql tf lock env""".split()  # noqa: SIM905 - a list to read
)

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
    text = URL.sub(" ", f"{title}\n{body}"[:LONGEST_TEXT])
    paths = _unique(path for token in TOKEN.findall(text) if (path := _path(token)))
    rest = TOKEN.sub(lambda found: " " if _names_file(_path(found[0])) else found[0], text)
    ticked = [word.strip() for word in TICKED.findall(rest)]
    named = [*(word for word in ticked if IDENTIFIER.fullmatch(word)), *filter(_is_code, IDENTIFIER.findall(rest))]
    names = _unique([*(word.removesuffix("()") for word in named), *FLAG.findall(rest)])
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


def _is_code(word: str) -> bool:
    """Whether the word is written as code is: dotted, with underscores, in CamelCase, or called."""
    if word.endswith("()") or "_" in word.strip("_"):
        return True
    if "." in word:
        return min(len(part) for part in word.split(".")) > 1  # not "e.g" and "i.e"
    return re.search(r"[a-z][A-Z]|[A-Z]{2}[a-z]", word) is not None


def _path(token: str) -> str:
    """Return the token as a path, "" when it is none."""
    path = token.strip("./-@+") if not token.startswith(".") else token.removeprefix("./").rstrip("./")
    return path if "/" in path or _names_file(path) else ""


def _names_file(path: str) -> bool:
    stem_, dot, ending = path.rpartition("/")[2].rpartition(".")
    return bool(dot) and ending.lower() in ENDINGS and not stem_.replace(".", "").isdigit()


def _unique(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in words if word))[:MOST]
