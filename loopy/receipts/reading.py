"""Reading a statement that somebody else wrote: strict in what is known, and honest about what is not."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from loopy.domain.errors import ReceiptError
from loopy.domain.statement import PREDICATE_TYPE, STATEMENT_TYPE, Statement
from loopy.receipts.findings import Finding, claim, finding
from loopy.receipts.strictjson import load_object


@dataclass(frozen=True, slots=True)
class Read:
    """The statement if it could be read, its predicate as it stood in JSON, and what reading found."""

    findings: tuple[Finding, ...]
    statement: Statement | None = None
    predicate: Mapping[str, Any] | None = None


def read_statement(payload: bytes) -> Read:
    """Return what the signed bytes say.

    Another predicate type cannot be told (None). A field that this version does not know is set aside and cannot be
    told either: it may say something that would have to be checked. Everything else out of shape is False.
    """
    try:
        raw = load_object(payload, "statement")
    except ReceiptError as error:
        return Read((finding("statement", False, str(error)),))
    if raw.get("_type") != STATEMENT_TYPE:
        return Read((finding("statement", False, "is not an in-toto Statement v1"),))
    kind = str(raw.get("predicateType"))[:120]
    known = claim("predicate type", kind == PREDICATE_TYPE, kind, "")
    if not known.ok:
        return Read(
            (finding("predicate type", None, f"{kind} is not known here; this version reads {PREDICATE_TYPE}"),)
        )
    statement, shape = _validated(raw)
    return Read((known, shape), statement, raw.get("predicate"))


def _validated(raw: Mapping[str, Any]) -> tuple[Statement | None, Finding]:
    try:
        return _parsed(raw), finding("statement", True, "has the form of a ship receipt")
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
    unknown = [problem["loc"] for problem in problems if problem["type"] == "extra_forbidden"]
    if len(unknown) < len(problems):
        wrong = next(problem for problem in problems if problem["type"] != "extra_forbidden")
        return None, finding("statement", False, f"{_dotted(wrong['loc'])}: {wrong['msg']}")
    names = ", ".join(_dotted(place) for place in unknown[:5])
    text = f"has fields that this version does not know: {names}; verify it with a newer Loopy"
    try:
        return _parsed(_without(raw, unknown)), finding("statement", None, text)
    except ValidationError as error:  # a field that only an unknown one kept from being judged
        return None, finding("statement", False, f"is out of shape in {error.error_count()} places")


def _parsed(raw: Mapping[str, Any]) -> Statement:
    return Statement.model_validate(raw, by_alias=True, by_name=False)


def _without(raw: Mapping[str, Any], places: Sequence[tuple[int | str, ...]]) -> Mapping[str, Any]:
    pruned = copy.deepcopy(raw)
    for place in places:
        parent: Any = pruned
        for part in place[:-1]:
            parent = parent[part]
        del parent[place[-1]]
    return pruned


def _dotted(place: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in place)[:120]
