"""What a ticket's text asks for: acceptance items, open questions, and how vague it is; read as Markdown, line by line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

MOST_ITEMS, LONGEST_ITEM = 20, 300
MOST_LINES, LONGEST_LINE, LONGEST_HEADING = 2000, 1000, 120  # anyone may write a ticket

HEADING = re.compile(
    r"^\s{0,3}(?:#{1,6}\s+(?P<hash>.+?)\s*#*|\*\*(?P<bold>[^*]+?):?\*\*:?|(?P<bare>[A-Z][\w' /-]{2,40}):)\s*$"
)
BULLET = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)])\s+(?:\[(?P<box>[ xX])\]\s+)?(?P<text>\S.*)$")
GHERKIN = re.compile(r"^\s*(?:[-*+]\s+)?\**(?P<word>Given|When|Then|And|But)\b\**[ :]+(?P<text>.+)$")
SCENARIO = re.compile(r"^\s*(?:[-*+]\s+)?\**Scenario(?: Outline)?\b")
EXPECTED = re.compile(
    r"^\s*\**(?:expected(?: behaviou?r| result)?|acceptance(?: criteria)?|AC|goal)\**:\**\s*(.+)$", re.IGNORECASE
)
FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
MODAL = re.compile(
    r"\b(should|must|shall|needs? to|has to|have to|ought to|is expected to|make sure|ensure|is required to)\b",
    re.IGNORECASE,
)
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z`\"'(])")
LOG_LINE = re.compile(r"^\s*(?:\d{4}-\d\d-\d\d|\[?\d\d:\d\d:\d\d|at \S+\(|File \"|Traceback|>|\$ |\|)")
QUESTION_OPENING = re.compile(
    r"\b(should|do|does|can|could|is|are|which|what|how|where|when|who|why|or)\b", re.IGNORECASE
)
OPEN_END = re.compile(
    r"\b(TBD|TBC|to be (?:decided|defined|discussed)|not sure (?:if|whether|how)|\?\?\?)", re.IGNORECASE
)


class Part(StrEnum):
    """What a part of a ticket is for, told by its heading."""

    ACCEPTANCE = "acceptance"
    ASIDE = "aside"  # how to reproduce, the environment, what is out of scope: never a demand
    BODY = "body"


PARTS: tuple[tuple[Part, re.Pattern[str]], ...] = (
    (
        Part.ASIDE,
        re.compile(
            r"repro|environment|version|background|context|out of scope|non.?goals?|actual|current behavio|additional"
            r"|screenshot|logs?\b|stack ?trace|notes?\b|links?\b|references?|related|alternatives|motivation|why\b|example",
            re.IGNORECASE,
        ),
    ),
    (
        Part.ACCEPTANCE,
        re.compile(
            r"accept|criteria|definition of done|\bdone\b|requirement|expect|must|todo|to.do|tasks?\b|what to do|deliverable"
            r"|checklist|scope|goals?\b|desired",
            re.IGNORECASE,
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of prose, with the part of the ticket that it stands in."""

    part: Part
    text: str


@dataclass(frozen=True, slots=True)
class Request:
    """What was read off a ticket: `acceptance` items and `questions` as it words them."""

    acceptance: tuple[str, ...]
    questions: tuple[str, ...]


def read_request(title: str, body: str) -> Request:
    """Return the acceptance items and the open questions of a ticket.

    Taken in this order: check boxes, scenarios, what stands under headings such as "Acceptance criteria" or after
    "Expected:", sentences with "should" or "must". Other lists count when nothing is said so plainly, the title when
    nothing else is. Code blocks, logs and parts such as "Steps to reproduce" are never demands.
    """
    lines = list(_prose(body))
    plain = [*_boxes(lines), *_scenarios(lines), *_under_acceptance(lines), *_expected(lines)]
    lists = [] if plain else [found["text"] for line in _in_body(lines) if (found := BULLET.match(line.text))]
    items = [*plain, *_modal_sentences(line.text for line in lines if line.part is Part.BODY), *lists]
    return Request(_tidy(items or _modal_sentences([title])), _tidy(_questions(title, lines))[:5])


def prose(body: str) -> str:
    """Return the text without code blocks, logs and headings."""
    return "\n".join(line.text for line in _prose(body))


def _prose(body: str) -> Iterator[Line]:
    part, fence = Part.BODY, ""
    for line in body.splitlines()[:MOST_LINES]:
        text = line[:LONGEST_LINE].rstrip()
        if mark := FENCE.match(text):
            fence = "" if fence and mark[1].startswith(fence) else fence or mark[1]
        elif fence or LOG_LINE.match(text):
            continue
        elif len(text) <= LONGEST_HEADING and (heading := HEADING.match(text)):
            part = _part(heading["hash"] or heading["bold"] or heading["bare"])
        elif text.strip():
            yield Line(part, text)


def _part(heading: str) -> Part:
    return next((part for part, words in PARTS if words.search(heading)), Part.BODY)


def _in_body(lines: Sequence[Line]) -> Iterator[Line]:
    return (line for line in lines if line.part is not Part.ASIDE)


def _boxes(lines: Sequence[Line]) -> Iterator[str]:
    for line in _in_body(lines):
        found = BULLET.match(line.text)
        if found and found["box"] == " ":
            yield found["text"]


def _scenarios(lines: Sequence[Line]) -> Iterator[str]:
    """Yield each Given/When/Then as one item."""
    steps: list[str] = []
    for line in lines:
        found = GHERKIN.match(line.text)
        fresh = SCENARIO.match(line.text) or (found and found["word"] == "Given")
        if fresh and steps:
            yield from _scenario(steps)
            steps = []
        if found:
            steps.append(f"{found['word']} {found['text'].strip()}")
    yield from _scenario(steps)


def _scenario(steps: Sequence[str]) -> Iterator[str]:
    if any(step.startswith("Then ") for step in steps):
        yield ", ".join(step.rstrip(".,") for step in steps)


def _under_acceptance(lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        if line.part is not Part.ACCEPTANCE or GHERKIN.match(line.text) or SCENARIO.match(line.text):
            continue
        found = BULLET.match(line.text)
        if not found:
            yield line.text
        elif found["box"] is None:
            yield found["text"]


def _expected(lines: Sequence[Line]) -> Iterator[str]:
    for line in _in_body(lines):
        if found := EXPECTED.match(line.text):
            yield " ".join(sentence for sentence in SENTENCE.split(found[1]) if not sentence.rstrip().endswith("?"))


def _modal_sentences(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        found = BULLET.match(text)
        if GHERKIN.match(text) or EXPECTED.match(text) or (found and found["box"]):
            continue
        for sentence in SENTENCE.split(found["text"] if found else text):
            if MODAL.search(sentence) and not sentence.rstrip().endswith("?"):
                yield sentence


def _questions(title: str, lines: Sequence[Line]) -> Iterator[str]:
    for text in (title, *(line.text for line in lines)):
        for sentence in SENTENCE.split(text):
            asks = sentence.rstrip(" *_").endswith("?") and QUESTION_OPENING.search(sentence)
            if asks or OPEN_END.search(sentence):
                found = BULLET.match(sentence)
                yield found["text"] if found else sentence


def _tidy(items: Iterable[str]) -> tuple[str, ...]:
    clean = (" ".join(item.replace("**", "").split()).strip(" -*") for item in items)
    seen: dict[str, str] = {}
    for item in clean:
        seen.setdefault(item.lower().rstrip(".;,"), item[:LONGEST_ITEM])
    seen.pop("", None)
    return tuple(seen.values())[:MOST_ITEMS]
