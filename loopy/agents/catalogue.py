"""The catalogue: the shipped entries and the operator's own, validated as a whole when it is loaded."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from loopy.agents.rules import EventRule, LimitRule
from loopy.agents.spec import Spec
from loopy.domain.errors import AgentError
from loopy.domain.tables import keys_at, near_miss, suggestion
from loopy.domain.value import Value

SHIPPED = Path(__file__).parent / "catalog"
DIALECTS = Path(__file__).parent / "dialects"
COMMON_LIMITS = Path(__file__).parent / "limits.toml"


def load_catalog(user_dir: Path | None = None) -> Mapping[str, Spec]:
    """Return every entry by id: the shipped ones, then the operator's `*.toml` in `user_dir`.

    A row of the operator's with a shipped id, or with `extends = "id"`, changes only the keys that it names; its
    `[[limit]]` rows go before the inherited ones. Raises AgentError that names file and key.
    """
    rows: dict[str, dict[str, Any]] = {}
    for path in sorted(SHIPPED.glob("*.toml")):
        rows[path.stem] = {"id": path.stem, **_read(path)}
    specs = {name: _spec(row, SHIPPED / f"{name}.toml") for name, row in rows.items()}
    for path in sorted(user_dir.glob("*.toml")) if user_dir is not None and user_dir.is_dir() else []:
        own = _read(path)
        base = own.pop("extends", path.stem)
        if base != path.stem and base not in rows:
            raise AgentError(f"{path}: extends", f"no entry is called {base!r}", suggestion(base, rows, "entries"))
        rows[path.stem] = merged(rows.get(base, {}), {"id": path.stem, **own})
        specs[path.stem] = _spec(rows[path.stem], path)
    return MappingProxyType(_with_common_limits(specs))


def entry_named(catalog: Mapping[str, Spec], word: str) -> Spec | None:
    """Return the entry of this id, else the one that is also called so; None for a stranger."""
    return catalog.get(word) or next((spec for spec in catalog.values() if word in spec.aliases), None)


def near(catalog: Mapping[str, Spec], word: str) -> str:
    """Return a hint for a word that names no entry: the id or other name that is meant, else all ids."""
    names = {*catalog, *(alias for spec in catalog.values() for alias in spec.aliases)}
    return near_miss(word, names) or suggestion(word, catalog, "entries")


def called(catalog: Mapping[str, Spec], word: str) -> str:
    """Return a hint for an agent whose `cli` is no id: in settings one CLI has one name, so that its limits are one account's."""
    spec = entry_named(catalog, word)
    return f'say cli = "{spec.id}"' if spec else near(catalog, word)


def merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` changed by `own`: tables key by key, `limit` rows in front, everything else replaced."""
    out = dict(base)
    for key, value in own.items():
        if key == "limit" and isinstance(value, list):
            out[key] = [*value, *base.get(key, [])]
        elif isinstance(value, dict) and isinstance(base.get(key), dict):
            out[key] = merged(base[key], value)
        else:
            out[key] = value
    return out


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as broken:
        raise AgentError(str(path), str(broken), "an entry is one TOML file") from broken


def _spec(row: Mapping[str, Any], path: Path) -> Spec:
    if row["id"] != path.stem:
        raise AgentError(f"{path}: id", f"{row['id']!r} is not the file's name")
    try:
        spec = Spec.model_validate(row)
    except ValidationError as broken:
        raise _told(broken, path, Spec) from broken
    if spec.print is None or not spec.print.dialect:
        return spec
    if (spoken := dialects().get(spec.print.dialect)) is None:
        what = f"no dialect is called {spec.print.dialect!r}"
        raise AgentError(f"{path}: print.dialect", what, suggestion(spec.print.dialect, dialects(), "dialects"))
    return spec.model_copy(update={"event": spec.event + spoken.event, "limit": spec.limit + spoken.limit})


class Dialect(Value):
    """The grammar of a stream that several CLIs speak, mostly because one was made from the other."""

    event: tuple[EventRule, ...] = ()
    limit: tuple[LimitRule, ...] = ()


@cache
def dialects() -> Mapping[str, Dialect]:
    """Return the shipped dialects by name. Raises AgentError that names file and key."""
    return {path.stem: _dialect(path) for path in sorted(DIALECTS.glob("*.toml"))}


def _dialect(path: Path) -> Dialect:
    try:
        return Dialect.model_validate(_read(path))
    except ValidationError as broken:
        raise _told(broken, path, Dialect) from broken


def _told(broken: ValidationError, path: Path, model: type[BaseModel]) -> AgentError:
    first = broken.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    more = f", and {broken.error_count() - 1} more" if broken.error_count() > 1 else ""
    unknown = first["type"] == "extra_forbidden"
    what = "no such key" if unknown else first["msg"]
    hint = suggestion(str(first["loc"][-1]), keys_at(model, first["loc"])) if unknown else ""
    return AgentError(f"{path}: {key}" if key else str(path), f"{what}{more}", hint)


def _with_common_limits(specs: Mapping[str, Spec]) -> dict[str, Spec]:
    try:
        common = TypeAdapter(tuple[LimitRule, ...]).validate_python(_read(COMMON_LIMITS)["limit"])
    except ValidationError as broken:
        raise _told(broken, COMMON_LIMITS, LimitRule) from broken
    return {
        name: spec.model_copy(update={"limit": spec.limit + common}) if spec.common_limits else spec
        for name, spec in specs.items()
    }
