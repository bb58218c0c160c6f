from __future__ import annotations

import base64
import json
import random
from urllib.parse import quote

import pytest

from loopy.agents.redact import RedactedStream, Redactor

SECRET = 'sk-ant-api03-Zq8/wE2+rT5&yU1=iO9 pA"sD6'
RAW = SECRET.encode()
REDACTOR = Redactor([SECRET, "another-secret-of-length-31-xyz", "hunter2"])


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        RAW.hex(),
        RAW.hex().upper(),
        quote(SECRET, safe=""),
        json.dumps(SECRET),
        base64.b64encode(RAW).decode(),
        base64.urlsafe_b64encode(RAW).decode(),
        base64.b64encode(b"user:" + RAW).decode(),
        base64.b64encode(b"ab" + RAW + b"tail").decode(),
        "hunter2",
        base64.b64encode(b"hunter2").decode(),
    ],
)
def test_a_secret_is_hidden_in_every_spelling(form: str) -> None:
    for before in ("", "x", "key=", "some text before it: "):
        hidden = REDACTOR.text(f"{before}{form} and after")
        assert "[redacted]" in hidden
        assert form not in hidden
        assert hidden.startswith(before[:3])
        assert hidden.endswith("and after")


def test_every_part_of_twelve_characters_is_hidden_wherever_it_stands() -> None:
    for start in range(len(SECRET) - 11):
        for pad in range(8):
            part = SECRET[start : start + 12]
            assert part not in REDACTOR.text("." * pad + part + ".")


def test_eleven_characters_and_ordinary_text_stay() -> None:
    text = f"The quick brown fox. {SECRET[3:14]} 0123456789"
    assert REDACTOR.text(text) == text


def test_without_secrets_everything_stays() -> None:
    assert Redactor([]).text(SECRET) == SECRET
    assert Redactor(["abc", "  "]).raw(b"abc") == b"abc"


@pytest.mark.parametrize("seed", range(40))
def test_a_secret_is_hidden_however_the_stream_is_cut(seed: int) -> None:
    dice = random.Random(seed)
    noise = "".join(dice.choices("abcdef \n", k=dice.choice([50, 3000, 90_000])))
    raw = f"{noise}{SECRET}\n{noise}{SECRET}{SECRET}{noise}".encode()
    stream, out = RedactedStream(REDACTOR), b""
    while raw:
        size = dice.choice([1, 7, 64, 4096, 65_536]) if len(raw) < 20_000 else 16_384
        out, raw = out + stream.feed(raw[:size]), raw[size:]
    out += stream.close()
    assert out.count(b"[redacted]") in {2, 3}  # two that touch are hidden as one
    assert out.replace(b"[redacted]", b"") == (noise + "\n" + noise + noise).encode()


@pytest.mark.parametrize("before_the_cut", [1, 8, 20, 30])
def test_a_line_without_end_is_given_out_and_a_secret_across_the_cut_is_hidden(before_the_cut: int) -> None:
    stream = RedactedStream(REDACTOR)
    first = stream.feed(b"y" * 70_000 + RAW[:before_the_cut])
    rest = stream.feed(RAW[before_the_cut:] + b"z" * 70_000)
    out = first + rest + stream.close()
    assert len(first) > 65_000
    assert out == b"y" * 70_000 + b"[redacted]" + b"z" * 70_000


def test_a_secret_of_several_lines_is_hidden_as_one_when_it_comes_line_by_line() -> None:
    key = "-----BEGIN KEY-----\nMC4CAQAwBQYDK2Vw\nBCIEIJ+DYvh6SEqV\n-----END KEY-----"
    stream = RedactedStream(Redactor([key]))
    out = b"".join(stream.feed(line) for line in f"before\n{key}\nafter\n".encode().splitlines(keepends=True))
    assert out + stream.close() == b"before\n[redacted]\nafter\n"
