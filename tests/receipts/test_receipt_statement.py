"""The models: one spelling, no surprises, and nothing in them that ought not to be signed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from loopy.domain.fact import Digest, Fact
from loopy.domain.receipt import (
    ChainFact,
    CheckFact,
    FailoverFact,
    RunFact,
    ShipReceipt,
    TokensFact,
    TurnFact,
    salted_sha256,
)
from loopy.domain.statement import Statement, statement_about

from .support import altered, digest


def parts(value: Any) -> list[Any]:
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return [value, *(part for each in inner for part in parts(each))]


def test_a_statement_read_back_is_the_same_statement(statement: Statement) -> None:
    raw = json.loads(statement.to_bytes())
    again = Statement.model_validate(raw, by_alias=True, by_name=False)
    assert again == statement
    assert again.to_bytes() == statement.to_bytes()


def test_keys_are_sorted_camel_case_and_nothing_absent_is_spelled_out(statement: Statement) -> None:
    raw = json.loads(statement.to_bytes())
    for part in parts(raw):
        assert part is not None
        assert not isinstance(part, float)
        if isinstance(part, dict):
            assert list(part) == sorted(part)
            assert not any("_" in name for name in part if name != "_type")
    assert raw["predicate"]["failovers"][0].keys() == {"turn", "from", "to", "why", "at"}
    assert raw["predicate"]["turns"][1]["tokens"] == {"in": 1200, "out": 340}


def test_no_field_of_any_fact_can_hold_a_float() -> None:
    kinds = [Fact]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
        assert "float" not in str([field.annotation for field in kind.model_fields.values()])
    assert ShipReceipt in kinds
    with pytest.raises(ValidationError):
        TokensFact(input=1.0, output=2)


def test_times_are_written_in_utc_to_the_millisecond(statement: Statement) -> None:
    east = datetime(2026, 11, 22, 14, 30, 0, 123_456, tzinfo=timezone(timedelta(hours=2)))
    moved = altered(statement, failovers=(FailoverFact(turn=1, moved_from="a", moved_to="b", why="quota", at=east),))
    assert b'"at":"2026-11-22T12:30:00.123Z"' in moved.to_bytes()
    with pytest.raises(ValidationError, match="aware"):
        FailoverFact(turn=1, moved_from="a", moved_to="b", why="q", at=east.replace(tzinfo=None))
    assert (
        FailoverFact(turn=1, moved_from="a", moved_to="b", why="q", at=east.astimezone(UTC)).at.microsecond == 123_000
    )


def test_a_token_in_a_repositorys_url_is_never_signed(statement: Statement) -> None:
    repo = statement.predicate.repo
    assert repo is not None
    for uri in ("https://user:ghp_secret@git.example.org/a/b", "https://ghp_secret@git.example.org/a/b"):
        clean = type(repo).model_validate({**dict(repo), "uri": uri})
        assert clean.uri == "https://git.example.org/a/b"


def test_a_long_or_broken_reason_is_clipped_so_that_a_run_can_end() -> None:
    failover = FailoverFact(turn=1, moved_from="a", moved_to="b", why="x\udcff" + "y" * 9000, at=datetime.now(UTC))
    assert len(failover.why) == 2000
    assert failover.why.startswith("x?y")
    assert failover.why.endswith("…")


def test_odd_bytes_in_a_command_can_still_be_signed(statement: Statement) -> None:
    check = statement.predicate.checks[0]
    odd = CheckFact.model_validate({**dict(check), "argv": ("pytest", "t\udcffst.py")})
    assert b"t?st.py" in altered(statement, checks=(odd,)).to_bytes()


@pytest.mark.parametrize("name", ["", "x" * 501, "\udcff"])
def test_a_name_is_short_and_whole(name: str) -> None:
    with pytest.raises(ValidationError):
        RunFact(id=name)


def test_an_unknown_field_is_an_error_where_a_receipt_is_built() -> None:
    with pytest.raises(ValidationError):
        TurnFact(n=1, agent="a", scripted=False, exit="ok", mood="good")  # type: ignore[call-arg]  # the point


def test_only_the_first_receipt_of_a_log_has_no_previous_one() -> None:
    ChainFact(log="a", seq=1)
    ChainFact(log="a", seq=2, previous=digest("one"))
    for wrong in ({"seq": 2}, {"seq": 1, "previous": digest("one")}, {"seq": 0}):
        with pytest.raises(ValidationError):
            ChainFact.model_validate({"log": "a", **wrong})


def test_a_digest_has_a_value() -> None:
    with pytest.raises(ValidationError):
        Digest()


def test_a_tree_without_a_commit_can_be_a_subject(statement: Statement) -> None:
    about = statement_about(statement.predicate, tree="1" * 40)
    assert [subject.name for subject in about.subject] == ["tree"]
    assert (about.commit, about.tree) == (None, "1" * 40)


def test_a_salted_digest_cannot_be_guessed_without_the_salt() -> None:
    one, two = salted_sha256(b"1" * 16, "Fix login"), salted_sha256(b"2" * 16, "Fix login")
    assert one != two
    assert one == salted_sha256(b"1" * 16, "Fix login")
    assert one != digest("Fix login")
    with pytest.raises(ValueError, match="16 bytes"):
        salted_sha256(b"short", "Fix login")
