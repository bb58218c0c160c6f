"""How an entry points its CLI at a model server of one's own."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from loopy.agents.scripted.scenarios import names_for
from loopy.agents.scripted.setup import KEY, Drive, setup_for
from loopy.agents.spec import OwnModel, Spec
from loopy.domain.errors import AgentError
from tests.agents.support import CATALOG

BASE = "http://127.0.0.1:8000/s/ok/t-x"
POINTED = [spec for spec in CATALOG.values() if spec.own_model is not None]


@pytest.mark.parametrize("spec", POINTED, ids=[spec.id for spec in POINTED])
@pytest.mark.parametrize("drive", ["print", "acp"])
def test_address_and_key_are_filled_in_and_files_stay_what_they_are(spec: Spec, drive: Drive) -> None:
    setup = setup_for(spec, BASE, drive)
    said = json.dumps([dict(setup.env), dict(setup.files)])
    assert BASE in said
    assert KEY in said
    assert "{base}" not in said
    assert "{key}" not in said
    for name, text in setup.files.items():
        assert json.loads(text) if name.endswith(".json") else tomllib.loads(text)


def test_files_stand_below_the_home(tmp_path: Path) -> None:
    setup_for(CATALOG["codex"], BASE).settle(tmp_path)
    said = tomllib.loads((tmp_path / ".codex" / "config.toml").read_text())
    assert said["model_providers"]["local"]["base_url"] == f"{BASE}/v1"


def test_over_the_protocol_only_what_is_named_differs() -> None:
    own = OwnModel.model_validate(
        {
            "env": {"A": "1", "B": "1"}, "model": "m", "argv": ["-x"], "comes_to": {"usage": ["turned"]},
            "file": [{"path": "a", "text": "1"}, {"path": "b", "text": "1"}],
            "acp": {"env": {"B": "2"}, "model": "", "file": [{"path": "b", "text": "2"}], "comes_to": {"auth": ["auth"]}},
        }
    )  # fmt: skip
    over = own.over("acp")
    assert (over.env, over.model, over.argv) == ({"A": "1", "B": "2"}, "", ("-x",))
    assert {file.path: file.text for file in over.file} == {"a": "1", "b": "2"}
    assert over.comes_to == {"usage": ("turned",), "auth": ("auth",)}
    assert own.over("print") is own


def test_an_entry_that_does_not_say_how_is_named() -> None:
    with pytest.raises(AgentError, match=r"amp: its entry does not say how"):
        setup_for(CATALOG["amp"], BASE)


def test_a_refusal_is_no_scenario_for_one_that_never_asks() -> None:
    assert "denied" in names_for("acp", CATALOG["gemini"])
    assert "denied" in names_for("acp", CATALOG["kimi"])  # it writes through Loopy
    assert "denied" not in names_for("acp", CATALOG["nanocoder"])
    assert "denied" not in names_for("print", CATALOG["gemini"])
