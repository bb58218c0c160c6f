"""Redaction: known secrets never reach a transcript, an event or a message, in whatever form they are spelled.

Hidden are the secrets themselves, their base64, hex, URL and JSON spellings, and every part of these of 12 characters or
more (a shorter secret only as a whole). The cost does not grow with the number of secrets: any 12 characters of a text
contain a run of 6 that begins at a multiple of 7, so only those runs are looked up.
"""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

WINDOW = 12  # a part this long gives a secret away
GRAM = 6
STRIDE = WINDOW - GRAM + 1
SHORTEST = 5  # hiding anything shorter would only spoil the text
HIDDEN = b"[redacted]"
BLOCK = struct.Struct(f"{GRAM}s{STRIDE - GRAM}x" * 512)


def spellings(secret: bytes) -> set[bytes]:
    """Return the forms in which a secret of bytes may stand in a text."""
    text = secret.decode("utf-8", "surrogateescape")
    forms = {secret, secret.hex().encode(), secret.hex().upper().encode()}
    forms |= {json.dumps(text, ensure_ascii=flag)[1:-1].encode("utf-8", "surrogateescape") for flag in (True, False)}
    forms |= {quote(secret, safe=safe).encode() for safe in ("", "/")} | {quote_plus(secret).encode()}
    for shift in range(3):  # base64 of a text that holds the secret anywhere: drop what its neighbours decide
        padded = base64.b64encode(b"\0" * shift + secret)
        first, loose = -(-shift * 8 // 6), (shift + len(secret)) % 3
        whole = padded.rstrip(b"=")[first : -1 if loose else None]
        forms |= {whole, whole.replace(b"+", b"-").replace(b"/", b"_")}
    return forms


class Redactor:
    """Hides a fixed set of secrets in bytes and texts; immutable, so it is shared by all runs."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = frozenset(secrets)
        forms: set[bytes] = set()
        for secret in self._secrets:
            raw = secret.strip().encode("utf-8", "surrogateescape")
            if len(raw) >= SHORTEST:
                forms |= {form for form in spellings(raw) if len(form) >= SHORTEST}
        self._long = tuple(form for form in forms if len(form) >= WINDOW)
        short = sorted((form for form in forms if len(form) < WINDOW), key=len, reverse=True)
        self._short = re.compile(b"|".join(map(re.escape, short))) if short else None
        self._grams: dict[bytes, list[tuple[bytes, int]]] = {}
        for form in self._long:
            for at in range(len(form) - GRAM + 1):
                self._grams.setdefault(form[at : at + GRAM], []).append((form, at))
        self._known = frozenset(self._grams)
        self.longest = max(map(len, forms), default=0)

    def also(self, secrets: Iterable[str]) -> Redactor:
        """Return a redactor that hides these too."""
        more = self._secrets | frozenset(secrets)
        return self if more == self._secrets else Redactor(more)

    def raw(self, raw: bytes) -> bytes:
        """Return the bytes with every secret hidden; bytes without one come back as the same object."""
        return _cover(raw, self.spans(raw))

    def text(self, text: str) -> str:
        """Return the text with every secret hidden."""
        if not self.longest:
            return text
        raw = text.encode("utf-8", "surrogateescape")
        clean = self.raw(raw)
        return text if clean is raw else clean.decode("utf-8", "surrogateescape")

    def spans(self, raw: bytes) -> list[tuple[int, int]]:
        """Return where secrets stand, in order and without overlap."""
        grams = self._grams
        found = [m.span() for m in self._short.finditer(raw)] if self._short else []
        if grams:
            for at in self._hits(raw):
                found += filter(None, (_extent(raw, at, form, offset) for form, offset in grams[raw[at : at + GRAM]]))
        joined: list[tuple[int, int]] = []
        for start, end in sorted(found):
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((start, end))
        return joined

    def _hits(self, raw: bytes) -> list[int]:
        """Return the multiples of STRIDE at which a known run begins; whole blocks without one are passed in C."""
        grams, hits, end = self._grams, list[int](), len(raw) - GRAM + 1
        for start in range(0, end, BLOCK.size):
            if start + BLOCK.size <= len(raw) and self._known.isdisjoint(BLOCK.unpack_from(raw, start)):
                continue
            stop = min(start + BLOCK.size, end)
            hits += [at for at in range(start, stop, STRIDE) if raw[at : at + GRAM] in grams]
        return hits


def _extent(raw: bytes, at: int, form: bytes, offset: int) -> tuple[int, int] | None:
    """Return how far the text agrees with the form around a run that both have, None when it is too short to matter."""
    start, mine = at, offset
    while start > 0 and mine > 0 and raw[start - 1] == form[mine - 1]:
        start, mine = start - 1, mine - 1
    end, mine = at + GRAM, offset + GRAM
    while end < len(raw) and mine < len(form) and raw[end] == form[mine]:
        end, mine = end + 1, mine + 1
    return (start, end) if end - start >= WINDOW else None


def _cover(raw: bytes, spans: list[tuple[int, int]]) -> bytes:
    if not spans:
        return raw
    parts, at = [], 0
    for start, end in spans:
        parts += [raw[at:start], HIDDEN]
        at = end
    return b"".join([*parts, raw[at:]])


class RedactedStream:
    """Redacts a stream that comes in pieces: what may be the beginning of a secret waits for the next piece."""

    HOLD = 65_536  # a line longer than this is given out before it ends

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """Return what can be said by now."""
        raw = self._held + piece
        cut = raw.rfind(b"\n") + 1
        if len(raw) - cut > self.HOLD:
            cut = len(raw) - self._redactor.longest
        spans = self._redactor.spans(raw)
        # never cut in a secret, nor where one of several lines may be going on
        cut = next((start for start, end in spans if start < cut <= end), cut)
        self._held = raw[cut:]
        return _cover(raw[:cut], [span for span in spans if span[1] <= cut])

    def close(self) -> bytes:
        """Return the rest."""
        rest, self._held = self._held, b""
        return self._redactor.raw(rest)
