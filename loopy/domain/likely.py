"""Which files a ticket is likely about: named paths first, then names of code and rare words, tests beside sources."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from posixpath import basename, commonpath, dirname

from loopy.domain.words import Words, parts_of, stem

MOST = 12
NAMED, NAMED_END, NAMED_FOLDER, MODULE, SAME_STEM = 100.0, 70.0, 25.0, 60.0, 40.0
PHRASE, NAME, PLAIN = 40.0, 24.0, 8.0  # for a match in the content; shared among the files that match
WORTH = 0.12  # of the best score; what lies below is noise
CROWD = 60  # a folder with more files than this is no hint

TEST = re.compile(
    r"(^|/)(tests?|spec|specs|__tests__)/|(^|/)test_[^/]+$|[._-](test|spec|tests)\.\w+$|(Tests?|Spec)\.\w+$"
)
TEST_WORDS = re.compile(r"^(?:test|spec)s?[_.-]?|[_.-]?(?:tests?|spec)$", re.IGNORECASE)
WEIGHTS: tuple[tuple[re.Pattern[str], float], ...] = (
    (
        re.compile(
            r"(^|/)(node_modules|vendor|vendored|third_party|dist|build|out|target|\.?venv|site-packages|__pycache__"
            r"|\.next|coverage|generated|__generated__|__snapshots__|fixtures|testdata)/"
        ),
        0.1,
    ),
    (
        re.compile(r"\.(min\.(js|css)|map|snap|lock|sum)$|_pb2(_grpc)?\.py$|\.pb\.go$|\.g\.\w+$|-lock\.(json|yaml)$"),
        0.1,
    ),
    (
        re.compile(r"\.(png|jpe?g|gif|ico|svg|webp|pdf|woff2?|ttf|zip|gz|bin|mp[34]|wasm|po|mo|csv)$", re.IGNORECASE),
        0.05,
    ),
    (re.compile(r"(^|/)(LICENSE|COPYING|NOTICE|AUTHORS|CODEOWNERS)"), 0.1),
    (re.compile(r"(^|/)(CHANGELOG|CHANGES|HISTORY|NEWS)", re.IGNORECASE), 0.2),
    (re.compile(r"\.(md|rst|txt|adoc)$"), 0.5),
    (re.compile(r"(^|/)migrations?/"), 0.6),
)
DOCS = re.compile(r"\b(docs?|readme|documentation|typo|tutorial|guide)\b", re.IGNORECASE)


def likely_files(
    files: Sequence[str], words: Words, hits: Mapping[str, Mapping[str, int]], *, docs: bool = False
) -> tuple[str, ...]:
    """Return the likely files, best first, at most twelve; `hits` is what a search in the content found per word."""
    scores: Counter[str] = Counter()
    known = frozenset(files)
    for source in (_by_name(files, words), _by_content(words, hits), _by_plain_words(files, words, hits)):
        for path, score in source:
            scores[path] += score  # type: ignore[assignment]  # Counter is typed for int, and adds floats as well
    weighed = {
        path: score * _weight(path, docs=docs) if score < NAMED_END else score
        for path, score in scores.items()
        if path in known
    }
    with_tests = _with_tests(weighed, files)
    best = max(with_tests.values(), default=0.0)
    ranked = sorted((p for p, s in with_tests.items() if s >= best * WORTH), key=lambda p: (-with_tests[p], p))
    return tuple(ranked[:MOST])


def unknown_paths(files: Sequence[str], named: Sequence[str]) -> tuple[str, ...]:
    """Return those of the named files that the tree does not have, not even as an ending of a path or the reverse."""
    known = frozenset(files)
    missing = (path for path in named if path not in known and "." in basename(path))
    return tuple(path for path in missing if not any(_named(there, path) for there in files))


def is_test(path: str) -> bool:
    """Whether the path looks like a test."""
    return TEST.search(path) is not None


def _by_name(files: Sequence[str], words: Words) -> Iterator[tuple[str, float]]:
    modules = {name.replace(".", "/") for name in words.names if "." in name}
    stems = {"".join(parts_of(part)) for name in words.names for part in (name, name.rsplit(".", 1)[-1])} - {""}
    for path in files:
        yield from ((path, score) for named in words.paths if (score := _named(path, named)))
        bare = path.rsplit(".", 1)[0]
        if any(_is_module(bare, module) for module in modules):
            yield path, MODULE
        if "".join(parts_of(basename(bare))) in stems:
            yield path, SAME_STEM
    for named in words.paths:
        inside = [path for path in files if path.startswith(named.rstrip("/") + "/")]
        if len(inside) <= CROWD:
            yield from ((path, NAMED_FOLDER / math.sqrt(len(inside))) for path in inside)


def _named(path: str, named: str) -> float:
    if path == named:
        return NAMED
    return NAMED_END if path.endswith("/" + named) or named.endswith("/" + path) else 0.0


def _is_module(bare: str, module: str) -> bool:
    """Whether `app/auth/tokens` is what `app.auth.tokens.refresh` or `auth.tokens` speaks of."""
    owner = dirname(module)
    return any(part and (bare == part or bare.endswith("/" + part)) for part in (module, owner if "/" in owner else ""))


def _by_content(words: Words, hits: Mapping[str, Mapping[str, int]]) -> Iterator[tuple[str, float]]:
    for kind, weight in ((words.phrases, PHRASE), (words.names, NAME)):
        for word in kind:
            found = hits.get(word, {})
            share = weight / (1 + math.log2(len(found))) if found else 0.0
            yield from ((path, share * min(math.sqrt(count), 2.0)) for path, count in found.items())


def _by_plain_words(
    files: Sequence[str], words: Words, hits: Mapping[str, Mapping[str, int]]
) -> Iterator[tuple[str, float]]:
    """Yield files whose path holds a word of the ticket, a rare one more than a common one."""
    wanted = {stem(word) for word in words.plain} | {
        stem(p) for name in words.names for p in parts_of(name) if len(p) > 3
    }
    holders: dict[str, set[str]] = defaultdict(set)
    for path in files:
        for word in {stem(part) for part in parts_of(path)} & wanted:
            holders[word].add(path)
    for found in holders.values():
        rarity = math.log2(1 + len(files) / len(found))
        yield from ((path, PLAIN * min(rarity, 5.0) / 2) for path in found)
    for word in words.plain:
        found_in = hits.get(word, {})
        share = PLAIN / (1 + math.log2(len(found_in))) if found_in else 0.0
        yield from ((path, share) for path in found_in)


def _weight(path: str, *, docs: bool) -> float:
    if docs and path.endswith((".md", ".rst", ".txt", ".adoc")):
        return 1.5
    weight = math.prod(factor for pattern, factor in WEIGHTS if pattern.search(path))
    return weight * (0.7 if is_test(path) else 1.0)


def _with_tests(scores: Mapping[str, float], files: Sequence[str]) -> dict[str, float]:
    """Add the tests that belong to the best sources."""
    tests: dict[str, list[str]] = defaultdict(list)
    for path in files:
        if is_test(path):
            tests[_subject(path)].append(path)
    raised = dict(scores)
    sources = sorted((p for p in scores if not is_test(p)), key=lambda p: -scores[p])[:5]
    for source in sources:
        for test in _nearest(source, tests.get(_subject(source), ())):
            raised[test] = max(raised.get(test, 0.0), scores[source] * 0.75)
    return raised


def _subject(path: str) -> str:
    return "".join(parts_of(TEST_WORDS.sub("", TEST_WORDS.sub("", basename(path).rsplit(".", 1)[0]))))


def _nearest(source: str, tests: Iterable[str]) -> list[str]:
    return sorted(tests, key=lambda test: (-len(commonpath((source, test))), len(test)))[:2]
