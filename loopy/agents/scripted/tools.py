"""Which tool a scripted model calls, with arguments filled in from the tool's own JSON schema; no script per CLI."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

NOTES = "hello from the scripted model\n"
FINAL = "Done: add() in app.py now adds, and NOTES.md says hello."
FIX = "sed -i 's/a - b/a + b/' app.py && cat app.py"
WRITE_BY_SHELL = "printf 'hello from the scripted model\\n' > NOTES.md"
SUBMIT = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
SOME_TEXT = "scripted step"

Kind = Literal["write", "shell"]
PLANS: Mapping[str, tuple[Kind, ...]] = {
    "ok": ("write", "shell"),
    "rate1": ("write", "shell"),
    "usage2": ("write", "shell"),
    "cut": ("write", "shell"),
    "shell": ("shell",),
    "write": ("write",),
}
TOOLS: Mapping[Kind, re.Pattern[str]] = {
    "write": re.compile(
        r"(?i)^(?:(?:.*[_.])?write(?:_?file)?|create(?:_file)?|file_write|write_to_file|builtin_write_file|save[_-]file"
        r"|developer__write|str_replace(?:_based)?_edit(?:or|_tool)|file_editor|text_editor|edit_file|editor)$"
    ),
    "shell": re.compile(
        r"(?i)^(?:bash|shell|shell_command|exec_command|execute(?:_command|_bash|_shell)?|run_shell_command|run_commands?"
        r"|run_terminal_(?:cmd|command)|terminal|local_shell|launch-process|developer__shell|.*[_.](?:shell|bash))$"
    ),
}
COMMAND_KEYS = frozenset({"command", "cmd", "commandline", "script", "commands"})
PATH_KEYS = frozenset({"path", "filepath", "file", "filename", "absolutepath", "targetfile"})
TEXT_KEYS = frozenset({"content", "contents", "filetext", "text", "filecontent", "newcontent", "newtext"})
FOLDER_KEYS = frozenset({"cwd", "workdir", "directory", "workingdirectory", "dirpath"})
TIME_KEYS = frozenset({"timeout", "timeoutms", "waitms", "maxwaitseconds"})
EMPTY: Mapping[str, Any] = {"boolean": False, "integer": 1, "number": 1, "array": [], "object": {}}

PATCHES: Mapping[Kind, str] = {
    "write": f"*** Begin Patch\n*** Add File: NOTES.md\n+{NOTES.rstrip()}\n*** End Patch",
    "shell": "*** Begin Patch\n*** Update File: app.py\n@@\n-    return a - b\n+    return a + b\n*** End Patch",
}


@dataclass(frozen=True)
class Tool:
    """A tool that a request offers."""

    name: str
    schema: Mapping[str, Any]
    free_form: bool = False


@dataclass(frozen=True)
class Call:
    """A tool call of the scripted model; `arguments` is a text for a free-form tool."""

    name: str
    arguments: dict[str, Any] | str
    free_form: bool = False


def call_for(scenario: str, tools: Sequence[Tool], step: int, cwd: str = "") -> Call | None:
    """Return the call of this step, None when the scenario's plan is over or no tool fits."""
    plan = PLANS.get(scenario, ())
    if step >= len(plan):
        return None
    want = plan[step]
    for kind in (want, "shell"):
        fitting = [tool for tool in tools if TOOLS[kind].match(tool.name) and not tool.free_form]
        if fitting:
            tool = next(
                filter(_takes_text, fitting), fitting[0]
            )  # `edit_file` often replaces a part, and stands before
            command = FIX if want == "shell" else WRITE_BY_SHELL
            return Call(tool.name, arguments(tool.schema, kind, command, cwd))
    for tool in tools:
        if tool.name == "apply_patch":
            patch = PATCHES[want]
            return Call(tool.name, patch if tool.free_form else {"input": patch}, tool.free_form)
    return None


def _takes_text(tool: Tool) -> bool:
    return any(key.lower().replace("_", "") in TEXT_KEYS for key in tool.schema.get("properties") or {})


def submission(asked: str, tools: Sequence[Tool]) -> Call | None:
    """Return the call by which an agent ends that knows no last message: it said so in its prompt."""
    shell = next((tool for tool in tools if TOOLS["shell"].match(tool.name)), None)
    if SUBMIT not in asked or shell is None:
        return None
    return Call(shell.name, arguments(shell.schema, "shell", f"echo {SUBMIT}; echo {FINAL!r}", ""))


def arguments(schema: Mapping[str, Any], kind: Kind, command: str, cwd: str) -> dict[str, Any]:
    """Return arguments that satisfy the schema and do the step."""
    properties: Mapping[str, Mapping[str, Any]] = schema.get("properties") or {}
    required = set(schema.get("required") or properties)
    filled = {key: _value(key, spec, kind, command, cwd, key in required) for key, spec in properties.items()}
    return {key: value for key, value in filled.items() if value is not None}


def _value(key: str, spec: Mapping[str, Any], kind: str, command: str, cwd: str, needed: bool) -> Any:
    low, one_of = key.lower().replace("_", ""), spec.get("enum")
    if kind == "shell" and low in COMMAND_KEYS:
        return _command(low, _type(spec), command)
    if kind == "write":
        if low == "command" and one_of:
            return "create"
        if low in PATH_KEYS:
            return f"{cwd}/NOTES.md" if cwd else "NOTES.md"
        if low in TEXT_KEYS:
            return NOTES
    if not needed:
        return None
    if low in FOLDER_KEYS:
        return cwd or "."
    if low in TIME_KEYS:
        return 30
    return one_of[0] if one_of else EMPTY.get(_type(spec), SOME_TEXT)


def _command(key: str, kind: str, command: str) -> Any:
    if kind != "array":
        return command
    return [command] if key == "commands" else ["bash", "-lc", command]


def _type(spec: Mapping[str, Any]) -> str:
    found = spec.get("type") or next((s.get("type") for s in spec.get("anyOf") or () if s.get("type") != "null"), None)
    return str(found[0] if isinstance(found, list) else found or "string")


def final_text(asked: str, *, has_tools: bool) -> str:
    """Return the last words; for an agent without tools the edit stands in them, in the text format that it asked for."""
    if not has_tools and "SEARCH/REPLACE" in asked:
        mend = "<<<<<<< SEARCH\n    return a - b\n=======\n    return a + b\n>>>>>>> REPLACE"
        note = f"<<<<<<< SEARCH\n=======\n{NOTES}>>>>>>> REPLACE"
        return f"{FINAL}\n\napp.py\n```python\n{mend}\n```\n\nNOTES.md\n```\n{note}\n```\n"
    if not has_tools and "file listing" in asked:
        return f"{FINAL}\n\napp.py\n```\ndef add(a, b):\n    return a + b\n```\n"
    return FINAL
