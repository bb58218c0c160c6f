"""The JSON Schema of a catalogue entry, for editors; made from the model, so it cannot say anything else."""

from __future__ import annotations

from typing import Any

from loopy.agents.spec import Spec

PARTIAL = ("Print", "Acp")  # blocks of which a row that extends another entry may give a part


def entry_schema() -> dict[str, Any]:
    """Return the schema of one TOML file: an entry, or a row that changes another one and so may leave anything out."""
    schema = Spec.model_json_schema(by_alias=True)
    for table in (schema, *(schema["$defs"][name] for name in PARTIAL)):
        table.pop("required", None)
    extends = {"title": "Extends", "type": "string", "description": "the entry that this one changes"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "A catalogue entry of Loopy",
        "properties": {"extends": extends, **schema["properties"]},
    }
