"""The base of every value that crosses a border: frozen, and strict about unknown keys."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A frozen pydantic value; an unknown key is an error, not a surprise."""

    model_config = ConfigDict(frozen=True, extra="forbid")
