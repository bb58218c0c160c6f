"""How a repository is named: a local path or a URL, its canonical name and its folder name; pure text."""

from __future__ import annotations

import hashlib
import posixpath
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from loopy.domain.errors import ConfigError

SCHEMES = ("https", "http", "ssh", "git", "file")
_SCP_LIKE = re.compile(r"^(?:[A-Za-z0-9_][A-Za-z0-9._-]*@)?([A-Za-z0-9][A-Za-z0-9.-]+):(?!//)(.+)$")


@dataclass(frozen=True, slots=True)
class Repository:
    """A parsed repository address: `scheme` is "" for a local path, `name` canonical (`host/owner/name` or the path)."""

    address: str
    scheme: str
    name: str

    @property
    def local(self) -> bool:
        """Whether it is a folder of this machine."""
        return self.scheme == ""

    @property
    def slug(self) -> str:
        """A readable folder name that is unique to the canonical name."""
        last = re.sub(r"[^A-Za-z0-9._-]+", "-", posixpath.basename(self.name)).strip(".-") or "repo"
        return f"{last[:40]}-{hashlib.sha256(self.name.encode('utf-8', 'surrogateescape')).hexdigest()[:10]}"


def parse(repo: str) -> Repository:
    """Return the parsed address of an absolute path, a URL or `host:path`.

    Raises ConfigError for anything else: relative paths, options, `ext::` and other transports that run commands.
    User names, passwords, ports of the scheme, a final `.git` and the host's case do not count for the name.
    """
    if not repo or any(ord(letter) < 32 for letter in repo) or repo.startswith("-") or "::" in repo.split("/", 1)[0]:
        raise ConfigError(
            "repo", f"{repo[:80]!r} is not a repository address", hint="give a folder or an https/ssh URL"
        )
    if repo.startswith("/"):
        return Repository(repo, "", posixpath.normpath("/" + repo.lstrip("/")))
    if "://" in repo:
        return _url(repo)
    if match := _SCP_LIKE.match(repo):
        return Repository(repo, "ssh", _name(match[1], match[2]))
    raise ConfigError("repo", f"{repo[:80]!r} is not a repository address", hint="give an absolute path or a URL")


def _url(repo: str) -> Repository:
    parts = urlsplit(repo)
    if parts.scheme not in SCHEMES:
        raise ConfigError("repo", f"scheme {parts.scheme!r} is not allowed", hint=f"one of {', '.join(SCHEMES)}")
    if parts.scheme == "file":
        if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
            raise ConfigError("repo", f"{repo[:80]!r} names no folder of this machine", hint="file:///absolute/path")
        return Repository(parts.path, "", posixpath.normpath("/" + parts.path.lstrip("/")))
    host = parts.hostname or ""
    if not host or host.startswith("-"):
        raise ConfigError("repo", f"{repo[:80]!r} has no host", hint="https://host/owner/name")
    port = f":{parts.port}" if parts.port not in {None, 22, 80, 443, 9418} else ""
    return Repository(repo, parts.scheme, _name(host + port, parts.path))


def _name(host: str, path: str) -> str:
    cleaned = posixpath.normpath("/" + path.strip("/")).strip("/").removesuffix(".git")
    return f"{host.lower()}/{cleaned}"
