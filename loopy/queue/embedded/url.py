"""The address of an embedded broker file: `loopy-sqlite:///absolute/path/broker.db`."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from loopy.domain.errors import BrokerError

SCHEME = "loopy-sqlite"  # no '+': kombu would split the scheme there and forget the path's first slash
TRANSPORT = "loopy.queue.embedded.transport:Transport"


def embedded_url(path: Path) -> str:
    """Return the broker URL of the file at `path`, made absolute; every special character is escaped."""
    return f"{SCHEME}://{quote(str(path.expanduser().absolute()))}"


def is_embedded(url: str) -> bool:
    """Return whether `url` names an embedded broker."""
    return url.startswith(f"{SCHEME}://")


def path_of(url: str) -> Path:
    """Return the file that an embedded broker URL names; BrokerError when it names none."""
    parts = urlsplit(url)
    path = Path(unquote(parts.path))
    if parts.scheme != SCHEME or parts.netloc or not path.is_absolute():
        hint = f"write it as {SCHEME}:///absolute/path/broker.db"
        raise BrokerError(url, "this is not the address of an embedded broker", hint=hint)
    return path


def register() -> None:
    """Teach kombu the scheme, for this process; any number of times."""
    from kombu.transport import TRANSPORT_ALIASES

    TRANSPORT_ALIASES[SCHEME] = TRANSPORT
