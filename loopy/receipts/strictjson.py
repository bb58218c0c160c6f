"""JSON with one reading: UTF-8, at most 1 MiB, no duplicate key, no float, no half of a surrogate pair."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from loopy.domain.errors import ReceiptError

SIZE_LIMIT_BYTES = 1024 * 1024


def load_object(data: bytes, where: str) -> dict[str, Any]:
    """Return the JSON object in `data`; ReceiptError, which names `where`, for anything with a second reading."""
    if len(data) > SIZE_LIMIT_BYTES:
        raise ReceiptError(where, f"is larger than {SIZE_LIMIT_BYTES:,} bytes")
    try:
        text = data.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_once, parse_float=_no_float, parse_constant=_no_float)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # an escaped lone surrogate shows only here
    except (ValueError, RecursionError) as error:
        raise ReceiptError(where, f"is not strict JSON: {_reason(error)}") from error
    if not isinstance(value, dict):
        raise ReceiptError(where, "is not a JSON object")
    return value


def _reason(error: Exception) -> str:
    return "too deeply nested" if isinstance(error, RecursionError) else str(error)[:200]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_float(text: str) -> NoReturn:
    raise ValueError(f"the number {text[:40]} is not an integer")
