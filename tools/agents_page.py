"""Writes what follows from the catalogue: its table in docs/agents.md, and the JSON Schema of an entry."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from loopy.agents.catalogue import load_catalog
from loopy.agents.schema import entry_schema
from loopy.agents.spec import Spec

ROOT = Path(__file__).parents[1]
PAGE, SCHEMA = ROOT / "docs" / "agents.md", ROOT / "loopy" / "agents" / "entry.schema.json"
BEGIN, END = "<!-- catalogue: written by `make reference` -->\n", "<!-- end of the catalogue -->"
OWN = "command"  # no CLI, but Loopy's own convention


def page(text: str, catalog: Mapping[str, Spec]) -> str:
    """Return the page with the part between the markers written anew."""
    head, _, rest = text.partition(BEGIN)
    return head + BEGIN + table(catalog) + END + rest.partition(END)[2]


def table(catalog: Mapping[str, Spec]) -> str:
    """Return the counts and one row for each CLI, by name."""
    specs = sorted((spec for spec in catalog.values() if spec.id != OWN), key=lambda spec: spec.name.lower())
    count = Counter(spec.confidence for spec in specs)
    said = ", ".join(f"{count[word]} {word}" for word in ("tested", "documented", "community"))
    head = "| CLI | `--cli` | driven | stream | resumes | confidence | seen | install |\n|---|---|---|---|---|---|---|---|\n"
    pointed = ", ".join(f"`{spec.id}`" for spec in specs if spec.own_model is not None)
    tried = f"`loopy agents test` tries these without tokens or login: {pointed}. The others it tries with --live."
    return f"\n{len(specs)} CLIs: {said}.\n\n{tried}\n\n{head}" + "".join(map(row, specs)) + "\n"


def row(spec: Spec) -> str:
    """Return one CLI's row of the table."""
    name = f"[{spec.name}]({spec.homepage})" if spec.homepage else spec.name
    seen = spec.version + (f" ({spec.checked})" if spec.checked else "")
    hint = f"`{spec.install.hint}`" if spec.install.npm or spec.install.pypi or spec.install.brew else spec.install.hint
    needs = f"; needs {', '.join(spec.install.requires)}" if spec.install.requires else ""
    names = ", ".join(f"`{word}`" for word in (spec.id, *spec.aliases))
    cells = (name, names, driven(spec), stream(spec), resumes(spec), spec.confidence, seen, hint + needs)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def driven(spec: Spec) -> str:
    """Return the ways to drive it, the default first."""
    ways = [name for name, block in (("print", spec.print), ("acp", spec.acp)) if block is not None]
    return ", ".join(reversed(ways) if spec.acp is not None and spec.acp.prefer else ways)


def stream(spec: Spec) -> str:
    """Return what its headless output is."""
    if spec.print is None:
        return ""
    return f"{spec.print.output}, as {spec.print.dialect}" if spec.print.dialect else spec.print.output


def resumes(spec: Spec) -> str:
    """Return how a run's session goes on in the next turn, by the default way."""
    if spec.acp is not None and (spec.acp.prefer or spec.print is None):
        return "no" if spec.acp.load == "none" else "yes"
    if spec.print is None or not spec.print.resumes:
        return "no"
    return "yes, by an id of ours" if spec.print.session else "yes"


def main() -> int:
    """Write page and schema, or with `--check` only compare: 1 when they are not what the catalogue and the model say."""
    wanted = {
        PAGE: page(PAGE.read_text(encoding="utf-8"), load_catalog()),
        SCHEMA: json.dumps(entry_schema(), indent=2, ensure_ascii=False) + "\n",
    }
    if "--check" in sys.argv[1:]:
        return (
            0 if all(path.exists() and path.read_text(encoding="utf-8") == text for path, text in wanted.items()) else 1
        )
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
