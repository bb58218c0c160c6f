from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner

from loopy.agents.catalogue import SHIPPED
from loopy.agents.schema import entry_schema
from loopy.cli.main import cli

COMMITTED = SHIPPED.parent / "entry.schema.json"


def test_the_committed_schema_is_what_the_model_says() -> None:
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == entry_schema(), "run `make reference`"


def test_the_schema_writes_keys_as_the_file_does_and_allows_no_others() -> None:
    schema = entry_schema()
    assert {"extends", "print", "acp", "limit", "event"} <= schema["properties"].keys()
    assert "pass" in schema["$defs"]["Env"]["properties"]
    assert "class" in schema["$defs"]["LimitRule"]["properties"]
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Print"]["additionalProperties"] is False


def test_a_row_that_changes_another_entry_may_leave_everything_out() -> None:
    def demanded(table: dict[str, Any]) -> list[str]:
        return list(table.get("required", []))

    schema = entry_schema()
    assert demanded(schema) == demanded(schema["$defs"]["Print"]) == demanded(schema["$defs"]["Acp"]) == []
    assert "regex" in demanded(schema["$defs"]["LimitRule"])


def test_the_command_prints_it() -> None:
    said = CliRunner().invoke(cli, ["agents", "schema"])
    assert json.loads(said.output) == entry_schema()
