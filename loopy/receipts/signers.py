"""Whom a verifier trusts: keys from an `allowed_signers` file (ssh-keygen(1), ALLOWED SIGNERS) and revoked ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from loopy.domain.errors import ReceiptError
from loopy.receipts import sshwire

OPTION = re.compile(r'([a-zA-Z-]+)(?:=(?:"([^"]*)"|([^",\s]*)))?(,|\s+)')
MOMENT = re.compile(r"\d{8}(\d{4}(\d\d)?)?Z?")


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A raw Ed25519 public key, whose it is, for which namespaces (a pattern list; empty: all) and from when to when."""

    public: bytes
    identity: str
    namespaces: str = ""
    valid_after: datetime | None = None
    valid_before: datetime | None = None

    @property
    def fingerprint(self) -> str:
        """The key's name: "SHA256:…"."""
        return sshwire.fingerprint(self.public)

    def allows(self, namespace: str) -> bool:
        """Whether the key may sign in this namespace."""
        return not self.namespaces or matches(namespace, self.namespaces)

    def is_valid_at(self, moment: datetime) -> bool:
        """Whether `moment` lies in the key's time, both ends included."""
        return (self.valid_after or moment) <= moment <= (self.valid_before or moment)


def trusted_key(line: str, identity: str = "") -> TrustedKey:
    """Return the key of one public line (`ssh-ed25519 AAAA… comment`); the comment names it if `identity` does not."""
    fields = line.split(maxsplit=2)
    if len(fields) < 2 or fields[0] != "ssh-ed25519":
        raise ReceiptError(
            "public key", f"{line[:60]!r} is not an ssh-ed25519 line", hint="give the text of a .pub file"
        )
    comment = fields[2].strip() if len(fields) == 3 else ""
    return TrustedKey(sshwire.public_from_base64(fields[1]), identity or comment or "unnamed")


def parse_allowed_signers(text: str) -> tuple[TrustedKey, ...]:
    """Return the Ed25519 keys of an `allowed_signers` file; other kinds and certificate authorities are left out.

    Raises ReceiptError, with the line's number, for a line that ssh-keygen would not read either, and for a time
    without the final Z: its meaning would depend on the machine that reads it.
    """
    keys: list[TrustedKey] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                keys.extend(_keys_of(line.strip()))
            except ReceiptError as error:
                raise ReceiptError(f"allowed_signers line {number}", error.what, hint=error.hint) from error
    return tuple(keys)


def parse_revoked(text: str) -> frozenset[str]:
    """Return the fingerprints of the keys in a plain list of public lines, as `ssh-keygen -r` takes it."""
    lines = (line.strip() for line in text.splitlines())
    return frozenset(trusted_key(line).fingerprint for line in lines if line.startswith("ssh-ed25519 "))


def matches(text: str, patterns: str) -> bool:
    """Whether `text` matches a comma-separated list with `*`, `?` and `!`; a negated match is final (ssh_config(5))."""
    hit = False
    for pattern in patterns.split(","):
        expression = re.escape(pattern.removeprefix("!")).replace(r"\*", ".*").replace(r"\?", ".")
        if re.fullmatch(expression, text, re.DOTALL):
            if pattern.startswith("!"):
                return False
            hit = True
    return hit


def _keys_of(line: str) -> Iterator[TrustedKey]:
    principals, rest = _principals(line)
    options: dict[str, str] = {}
    if not re.match(r"(ssh|ecdsa|sk)-\S+ ", rest):
        rest, options = _options(rest)
    kind, _, rest = rest.partition(" ")
    if kind != "ssh-ed25519" or "cert-authority" in options:
        return
    yield TrustedKey(
        public=sshwire.public_from_base64(rest.split()[0] if rest.split() else ""),
        identity=principals,
        namespaces=options.get("namespaces", ""),
        valid_after=_moment(options.get("valid-after")),
        valid_before=_moment(options.get("valid-before")),
    )


def _principals(line: str) -> tuple[str, str]:
    if line.startswith('"'):
        principals, _, rest = line[1:].partition('"')
        return principals, rest.strip()
    principals, *rest_fields = line.split(maxsplit=1)
    return principals, rest_fields[0] if rest_fields else ""


def _options(text: str) -> tuple[str, dict[str, str]]:
    options: dict[str, str] = {}
    at = 0
    while found := OPTION.match(text, at):
        name = found[1].lower()
        if name not in {"cert-authority", "namespaces", "valid-after", "valid-before"} or name in options:
            raise ReceiptError("", f"has an unknown or repeated option {name!r}")
        options[name] = found[2] or found[3] or ""
        at = found.end()
        if found[4] != ",":
            return text[at:], options
    raise ReceiptError("", "has neither options nor a key after its principals")


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    if not MOMENT.fullmatch(text):
        raise ReceiptError("", f"has the time {text[:40]!r}", hint="write YYYYMMDDZ or YYYYMMDDHHMMSSZ")
    if not text.endswith("Z"):
        raise ReceiptError("", f"has the time {text} in an unnamed zone", hint=f"write {text}Z, which is UTC")
    form = {9: "%Y%m%dZ", 13: "%Y%m%d%H%MZ", 15: "%Y%m%d%H%M%SZ"}[len(text)]
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError as error:
        raise ReceiptError("", f"has the impossible time {text}") from error
