"""TOML tables to values and back: each mistake is named by file and dotted key, each unknown key gets a suggestion."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from loopy.domain.errors import ConfigError

V = TypeVar("V", bound=BaseModel)
Location = tuple[int | str, ...]

WORDS = 'a command is a list of words: ["pytest", "-q"]'
COMMANDS = 'a list of commands, each a list of words: [["npm", "ci"], ["make", "assets"]]'
NAME_RULE = "lower-case letters, digits, `-` and `_`, at most 40"


def read_table(text: str, where: str) -> dict[str, Any]:
    """Return the TOML text as a table. Raises ConfigError with the line where it stops being TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(where, f"not valid TOML: {error}", hint="strings need quotes, lists need brackets") from error


def build(model: type[V], table: Mapping[str, Any], where: str, at: Location = ()) -> V:
    """Return the table as a value of `model`; `where` is the file, `at` the key the table stands under.

    Raises ConfigError for the first mistake, with the number of further ones.
    """
    try:
        return model.model_validate(table)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        what, hint = _explained(model, details[0])
        more = f", and {len(details) - 1} more" if len(details) > 1 else ""
        raise ConfigError(place(where, (*at, *details[0]["loc"])), f"{what}{more}", hint=hint) from None


def place(where: str, loc: Location) -> str:
    """Return file and dotted key as one place: `loopy.toml: checks[0].argv`."""
    key = ""
    for part in loc:
        key += f"[{part}]" if isinstance(part, int) else f".{quoted_key(part)}" if key else quoted_key(part)
    return f"{where}: {key}" if where and key else where or key


def suggestion(word: str, known: Iterable[str], noun: str = "keys") -> str:
    """Return "did you mean …?" for a near miss, else the list of what is known."""
    names = sorted(known)
    return near_miss(word, names) or (f"known {noun}: {', '.join(names)}" if names else f"there are no {noun} yet")


def near_miss(word: str, known: Iterable[str]) -> str:
    """Return "did you mean …?" for a near miss, else ""."""
    near = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else ""


def _explained(model: type[BaseModel], detail: ErrorDetails) -> tuple[str, str]:
    loc, kind = detail["loc"], detail["type"]
    last = loc[-1] if loc else ""
    if kind == "extra_forbidden":
        return "no such key", suggestion(str(last), keys_at(model, loc))
    if kind == "missing":
        return "is missing", ""
    if kind == "string_pattern_mismatch" and last == "name":
        return f"'{detail['input']}' is no good name", NAME_RULE
    what = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return what[:1].lower() + what[1:], _command_hint(loc, kind)


def _command_hint(loc: Location, kind: str) -> str:
    if kind not in {"tuple_type", "string_type"}:
        return ""
    names = {part for part in loc if isinstance(part, str)}
    return WORDS if "argv" in names else COMMANDS if "setup" in names else ""


def keys_at(model: type[BaseModel], loc: Location) -> Iterable[str]:
    """Return the keys that the table has in which the last part of `loc` stands."""
    current = model
    for part in loc[:-1]:
        field = current.model_fields.get(part) if isinstance(part, str) else None
        if field is not None:
            current = next(_models(field.annotation), current)
    return [field.alias or name for name, field in current.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def literal(value: object) -> str:
    """Return a TOML literal for a string, bool, number, list or flat table."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case Mapping():
            return "{ " + ", ".join(f"{quoted_key(str(k))} = {literal(v)}" for k, v in value.items()) + " }"
        case Sequence():
            return "[" + ", ".join(literal(part) for part in value) + "]"
    raise ConfigError("", f"{type(value).__name__} has no TOML form")


def quoted_key(key: str) -> str:
    """Return the key as TOML writes it: bare when it may be, quoted when it must be."""
    bare = key and all(c.isascii() and (c.isalnum() or c in "-_") for c in key)
    return key if bare else literal(key)


def render_table(header: str, table: Mapping[str, Any]) -> str:
    """Return the table as TOML text under `[header]`: plain keys first, then its tables, each with a full header."""
    plain = {k: v for k, v in table.items() if not _is_table(v) and not _is_tables(v)}
    lines = [f"[{header}]", *(f"{quoted_key(k)} = {literal(v)}" for k, v in plain.items())]
    parts = ["\n".join(lines)]
    for key, value in table.items():
        path = f"{header}.{quoted_key(key)}"
        if _is_table(value):
            parts.append(render_table(path, value))
        elif _is_tables(value):
            parts.extend("[" + render_table(path, row).replace(f"[{path}]", f"[{path}]]", 1) for row in value)
    return "\n\n".join(parts)


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_tables(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(row, Mapping) for row in value)
