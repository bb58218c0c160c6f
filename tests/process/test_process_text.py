"""Output becomes lines that are whole, harmless and bounded, however the bytes are cut into chunks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopy.process.text import Lines, clean, plain


def lines_of(data: bytes, size: int = 1, **limits: int) -> list[str]:
    lines, out = Lines(**limits), []
    for at in range(0, len(data), size):
        out += lines.feed(data[at : at + size])
    return out + lines.close()


@pytest.mark.parametrize(
    ("raw", "lines"),
    [
        (b"", []),
        (b"a\nb\n", ["a", "b"]),
        (b"a\nb", ["a", "b"]),
        (b"\n\n", ["", ""]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"10%\r20%\rdone\n", ["10%", "20%", "done"]),
        ("grün 日本 🎈\n".encode(), ["grün 日本 🎈"]),
        (b"bad \xff\xfe \xe2\x82 end\n", ["bad \ufffd\ufffd \ufffd end"]),
        (b"cut \xf0\x9f\x8e", ["cut \ufffd"]),
        (b"a\0b\tc\x07\x08\x7f\n", ["ab\tc"]),
        (b"\x1b[1;31mred\x1b[0m \x1b[2K\x1b[10;20Hx\n", ["red x"]),
        (b"\x1b]0;title\x07text\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n", ["textlink"]),
        (b"\x1bPdevice\x1b\\after\x1b(B\x1b=\x1bc\n", ["after"]),
        (b"\xc2\x9b31mred\xc2\x9d0;t\xc2\x9cx\xc2\x85\n", ["redx"]),
        (b"\x1b]0;never ended\nnext\n", ["0;never ended", "next"]),
        (b"ends in \x1b", ["ends in "]),
        (b"\x1b\x1b[1m\x1b[x", [""]),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_bytes_become_clean_lines_at_any_chunk_border(raw: bytes, lines: list[str], size: int) -> None:
    assert lines_of(raw, size) == lines


@given(st.binary(max_size=300), st.integers(1, 40))
def test_no_chunk_border_changes_the_lines_and_no_control_character_is_left(raw: bytes, size: int) -> None:
    lines = lines_of(raw, size)
    assert lines == lines_of(raw, 10_000)
    assert not [c for line in lines for c in line if (ord(c) < 32 and c != "\t") or 127 <= ord(c) < 160]


def test_a_long_line_keeps_its_beginning_and_says_how_much_is_missing() -> None:
    for size in (1, 7, 1000):
        assert lines_of(b"x" * 100 + b"\nnext\n", size, max_line=10) == [
            "x" * 10 + " [90 more characters left out]",
            "next",
        ]
    assert lines_of(b"x" * 10, max_line=10) == ["x" * 10]


def test_an_endless_line_needs_no_more_memory_than_its_limit() -> None:
    import tracemalloc

    lines = Lines(max_line=1000)
    tracemalloc.start()
    for _ in range(1000):
        assert lines.feed(b"x" * 65536) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    assert lines.close() == ["x" * 1000 + " [65,535,000 more characters left out]"]


def test_beyond_the_total_one_line_says_so_and_nothing_follows() -> None:
    lines = Lines(max_total_bytes=10)
    assert lines.feed(b"1234\n1234\n1\n2\n") == ["1234", "1234", "[output beyond 10 bytes left out]"]
    assert lines.full
    assert lines.feed(b"more\n") == []
    assert lines.close() == []


@pytest.mark.parametrize("text", ["0123456789\n", "grün 日本\n", "\x1b[1mx\x1b[0m\n"])
@pytest.mark.parametrize("total", [100, 1000, 5000])
def test_the_total_is_the_same_at_any_chunk_size(text: str, total: int) -> None:
    data = text.encode() * 400
    lines = lines_of(data, 1, max_total_bytes=total)
    assert lines == lines_of(data, 50, max_total_bytes=total) == lines_of(data, 10_000, max_total_bytes=total)
    kept = [line for line in lines if "left out" not in line]
    assert sum(len(line.encode()) + 1 for line in kept) <= total


def test_the_total_counts_bytes_not_characters() -> None:
    assert lines_of("ééé\n".encode(), max_total_bytes=6) == ["[output beyond 6 bytes left out]"]


def test_whole_output_is_cleaned_alike() -> None:
    assert plain(b"\x1b[1ma\x1b[0m\r\nb\rc\xff\0\n") == "a\nb\nc\ufffd\n"
    assert clean("a\n\tb\x1b[K") == "a\n\tb"
