"""The text: what a verifier says to JSON with two readings, to strangers, and to what is no receipt at all."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loopy.domain.statement import SignedReceipt, Statement, canonical_json, run_digest
from loopy.domain.states import Verdict
from loopy.receipts import dsse
from loopy.receipts.keys import SigningKey

from .support import (
    Check,
    altered,
    refused,
    sealed_json,
    untold,
    wrong,
)

ODD: tuple[Any, ...] = (None, 7, "x", [], {}, True, [[]], {"a": 1})


def test_a_duplicate_key_in_the_envelope_is_refused(check: Check, signed: SignedReceipt) -> None:
    twice = signed.envelope_bytes.replace(b'{"payload"', b'{"payload":"e30=","payload"', 1)
    assert wrong(check(twice)) == {"envelope"}


def test_a_duplicate_key_in_a_signed_statement_is_refused(check: Check, statement: Statement, key: SigningKey) -> None:
    twice = statement.to_bytes().replace(b'"verdict":"PASSED"', b'"verdict":"FAILED","verdict":"PASSED"')
    assert wrong(check(dsse.seal(twice, key))) == {"statement"}


@pytest.mark.parametrize("number", [b"412.0", b"4.12e2", b"NaN", b"Infinity", b"-0.0"])
def test_a_float_in_a_signed_statement_is_refused(
    check: Check, statement: Statement, key: SigningKey, number: bytes
) -> None:
    floated = statement.to_bytes().replace(b'"durationMs":412', b'"durationMs":' + number)
    assert wrong(check(dsse.seal(floated, key))) == {"statement"}


def test_an_oversize_receipt_is_refused_unread(check: Check, signed: SignedReceipt, tmp_path: Path) -> None:
    large = signed.envelope_bytes + b" " * 1024 * 1024
    assert wrong(check(large)) == {"envelope"}
    (tmp_path / "receipt.dsse.json").write_bytes(large)
    assert wrong(check(tmp_path)) == {"envelope"}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff{}",
        b"\xef\xbb\xbf{}",
        b'{"payload": 1}',
        b"[" * 100_000,
        b"1" * 10_000,
        b'{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[]}',
        b'{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[1]}',
        b'{"payload":"e30=","payloadType":"text/plain","signatures":[{"keyid":"","sig":""}]}',
        b'{"payload":"e31=","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"","sig":""}]}',
    ],
)
def test_what_is_no_envelope_is_invalid_and_never_an_exception(check: Check, text: bytes) -> None:
    assert check(text).exit_code == 1


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"_type":[]}', b'"\\ud800"', b'{"a":"\\ud800"}'])
def test_signed_bytes_that_are_no_statement_are_invalid(check: Check, key: SigningKey, text: bytes) -> None:
    assert wrong(check(dsse.seal(text, key))) == {"statement"}


def test_the_envelopes_spacing_carries_no_meaning(check: Check, signed: SignedReceipt) -> None:
    spaced = json.dumps(json.loads(signed.envelope_bytes), indent=4).encode()
    assert check(spaced).exit_code == 0
    assert dsse.parse(spaced).digest == signed.digest


def test_a_missing_file_could_not_be_verified(check: Check, tmp_path: Path) -> None:
    assert check(tmp_path / "nowhere.json").exit_code == 2


def test_another_predicate_type_cannot_be_told(check: Check, statement: Statement, key: SigningKey) -> None:
    newer = sealed_json(key, statement, predicateType="urn:loopy:attestation:ship-receipt:v2")
    found = check(newer)
    assert (found.exit_code, untold(found)) == (2, {"predicate type", "signature"})  # signed, but nobody knows when


def test_a_field_of_a_newer_version_cannot_be_told_and_hides_no_lie(
    check: Check, statement: Statement, key: SigningKey
) -> None:
    newer = sealed_json(key, statement, predicate__withdrawn=True, predicate__repo__mirror="x")
    assert (check(newer).exit_code, untold(check(newer))) == (2, {"statement"})
    lie = sealed_json(key, statement, predicate__withdrawn=True, predicate__checks__0__exitCode=1)
    assert wrong(check(lie)) == {"verdict"}


def test_a_newer_fields_float_or_half_character_is_refused_all_the_same(
    check: Check, statement: Statement, key: SigningKey
) -> None:
    for value in (b"1.5", b"1e3", b'"\\ud800"'):
        newer = statement.to_bytes().replace(b'"predicate":{', b'"predicate":{"newer":' + value + b",")
        assert wrong(check(dsse.seal(newer, key))) == {"statement"}


def test_the_digest_of_a_run_covers_fields_that_are_not_known_here(
    check: Check, signed: SignedReceipt, key: SigningKey
) -> None:
    raw = json.loads(refused(signed).to_bytes())
    raw["predicate"]["newer"] = "a field of a later version"
    raw["subject"][0]["digest"]["sha256"] = run_digest(raw["predicate"])
    found = check(dsse.seal(canonical_json(raw), key))
    assert (found.exit_code, untold(found)) == (2, {"statement"})


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("predicate__receiptId", "1"),
        ("predicate__timeShipped", "2026-11-22"),
        ("predicate__timeShipped", 1795000000),
        ("predicate__timeShipped", "2026-11-22T12:30:00+01:00"),
        ("predicate__verdict", "GOOD"),
        ("predicate__chain__seq", True),
        ("predicate__chain__seq", "1"),
        ("predicate__chain__seq", 2),
        ("predicate__checks__0__exitCode", "0"),
        ("predicate__plan", {"sha256": "F" * 64}),
        ("subject", []),
        ("subject__0__digest", {}),
        ("subject__0__name", "something"),
    ],
)
def test_a_field_out_of_shape_is_invalid(
    check: Check, statement: Statement, key: SigningKey, place: str, value: Any
) -> None:
    assert wrong(check(sealed_json(key, statement, **{place: value}))) == {"statement"}


def nodes(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inner:
        yield (*at, name)
        yield from nodes(part, (*at, name))


def replaced(raw: Any, at: tuple[str | int, ...], value: Any) -> Any:
    changed = copy.deepcopy(raw)
    parent = changed
    for part in at[:-1]:
        parent = parent[part]
    parent[at[-1]] = value
    return changed


def test_no_value_in_any_place_of_a_signed_statement_makes_the_verifier_raise(
    check: Check, statement: Statement, key: SigningKey
) -> None:
    raw = json.loads(statement.to_bytes())
    tries = [replaced(raw, at, value) for at in nodes(raw) for value in ODD]
    assert len(tries) > 1000
    codes = {check(dsse.seal(canonical_json(each), key)).exit_code for each in tries}
    assert codes <= {0, 1, 2}


def test_an_unknown_field_in_any_place_cannot_be_told(check: Check, statement: Statement, key: SigningKey) -> None:
    raw = json.loads(statement.to_bytes())
    places = [at for at in nodes(raw) if isinstance(at[-1], str)]
    tries = [replaced(raw, (*at[:-1], "newer"), {"a": [1]}) for at in places]
    assert {check(dsse.seal(canonical_json(each), key)).exit_code for each in tries} == {2}


def test_python_names_are_not_read_from_json(check: Check, statement: Statement, key: SigningKey) -> None:
    raw = json.loads(statement.to_bytes())
    raw["predicate"]["receipt_id"] = raw["predicate"].pop("receiptId")
    assert wrong(check(dsse.seal(canonical_json(raw), key))) == {"statement"}


def test_findings_and_notes_cannot_move_a_terminals_cursor(check: Check, statement: Statement) -> None:
    nasty = altered(statement, verdict=Verdict.FAILED, reason="\x1b[2Jall is well\u202e\n")
    found = check(nasty)
    texts = [each.text for each in found.findings] + list(found.notes)
    assert any("all is well" in text for text in texts)
    assert all(text.isprintable() for text in texts)
