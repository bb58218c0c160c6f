"""The wire of the Agent Client Protocol: lines of JSON cut from bytes of any shape, and calls that wait for their answer.

The worker stays one thread without an event loop: a conversation is a generator that yields what it asks and is sent
what is answered, one call at a time; what the agent asks meanwhile is served at once. No line of the agent's can break it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from loopy.domain.errors import LostError
from loopy.process.outbox import Outbox

MESSAGE_BYTES = 32 * 1024 * 1024  # a longer message is dropped
UNREAD_BYTES = 64 * 1024 * 1024  # an agent that leaves more of ours unread has stopped reading
PARSE, INVALID, NO_METHOD, BAD_PARAMS, INTERNAL = -32700, -32600, -32601, -32602, -32603  # JSON-RPC 2.0, 5.1
AUTH_REQUIRED, NOT_FOUND = -32000, -32002  # of the protocol
EMPTY_WORDS = frozenset({"internal error", "invalid params", "invalid request", "server error", "error"})

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Frame:
    """One line; `cut` is how many of its bytes are missing."""

    line: bytes
    cut: int = 0

    @property
    def message(self) -> Json | None:
        """The message of the line, None for anything else."""
        try:
            node = json.loads(self.line) if not self.cut and self.line.lstrip().startswith(b"{") else None
        except (ValueError, RecursionError):
            return None
        return node if isinstance(node, dict) else None

    @property
    def cut_request(self) -> int | str | None:
        """The id of a request that was too long to be kept, as far as its beginning tells."""
        found = re.search(rb'"id"\s*:\s*(\d{1,15}|"[\w.:-]{1,80}")', self.line[:4096]) if self.cut else None
        return json.loads(found[1]) if found and b'"method"' in self.line[:4096] else None


class Frames:
    """Cuts the bytes of a stream into lines, in memory bounded by the longest message."""

    def __init__(self, max_bytes: int = MESSAGE_BYTES) -> None:
        self._max, self._part, self._cut = max_bytes, bytearray(), 0

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Yield the lines that this chunk completes."""
        *whole, rest = chunk.split(b"\n")
        for part in whole:
            self._add(part)
            yield from self.close()
        self._add(rest)

    def close(self) -> Iterator[Frame]:
        """Yield what is left at the end of the stream."""
        line, cut = bytes(self._part), self._cut
        self._part, self._cut = bytearray(), 0
        if line.strip():
            yield Frame(line, cut)

    def _add(self, part: bytes) -> None:
        room = self._max - len(self._part)
        self._part += part[:room]
        self._cut += max(len(part) - room, 0)


class RpcError(Exception):
    """An error that one side answered instead of a result."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data

    @property
    def words(self) -> str:
        """What it says beyond its code; the standard's own phrases say nothing ("Internal error")."""
        said = "" if self.message.strip().rstrip(".").lower() in EMPTY_WORDS and self.data else self.message
        more = "" if self.data is None else self.data if isinstance(self.data, str) else json.dumps(self.data)
        return " ".join(filter(None, (said, more)))[:4000]


@dataclass(frozen=True, slots=True)
class Ask:
    """A request of ours on its way to the agent."""

    method: str
    params: Json


Steps = Generator[Ask, Json, None]


class Peer:
    """Our end: drives a conversation, and serves what the agent asks by `serve`, which may raise RpcError."""

    def __init__(self, pipe: Outbox, steps: Steps, serve: Callable[[str, Json], Json]) -> None:
        self._pipe, self._steps, self._serve = pipe, steps, serve
        self._number = 0
        self.deaf = self.over = False
        self.error: RpcError | None = None  # which the conversation did not expect

    def begin(self) -> None:
        """Ask the first question."""
        self._go_on(lambda: next(self._steps))

    def take(self, node: Json) -> None:
        """Take an answer to our last question, or a question; anything else is not for us."""
        if isinstance(node.get("method"), str):
            if "id" in node:
                self.send(self._served(node))
        elif self.awaits(node):
            if isinstance(error := node.get("error"), dict):
                code, said = error.get("code"), error.get("message")
                raised = RpcError(code if isinstance(code, int) else INTERNAL, str(said or ""), error.get("data"))
                self._go_on(lambda: self._steps.throw(raised))
            else:
                result = node.get("result")
                self._go_on(lambda: self._steps.send(result if isinstance(result, dict) else {}))

    def awaits(self, node: Json) -> bool:
        """Whether this is the answer that the conversation waits for."""
        number = node.get("id")
        mine = number == self._number and not isinstance(number, bool)
        return mine and not self.over and "method" not in node

    def notify(self, method: str, params: Json) -> None:
        """Tell the agent something that has no answer."""
        self.send({"method": method, "params": params})

    def refuse(self, number: int | str, error: RpcError) -> None:
        """Answer a request by an error."""
        self.send({"id": number, "error": _error(error)})

    def send(self, node: Json) -> None:
        """Send a message, unless the agent has stopped reading."""
        self.deaf = self.deaf or self._pipe.waiting_bytes > UNREAD_BYTES
        if not self.deaf:
            self._pipe.send(json.dumps({"jsonrpc": "2.0", **node}, separators=(",", ":")).encode() + b"\n")

    def hang_up(self) -> None:
        """Close the agent's standard input, which asks it to end."""
        self._pipe.send(b"", last=True)

    def _go_on(self, step: Callable[[], Ask]) -> None:
        try:
            ask = step()
        except StopIteration:
            self.over = True
        except RpcError as error:
            self.over, self.error = True, error
        else:
            self._number += 1
            self.send({"id": self._number, "method": ask.method, "params": ask.params})

    def _served(self, node: Json) -> Json:
        params = node.get("params")
        try:
            return {"id": node["id"], "result": self._serve(node["method"], params if isinstance(params, dict) else {})}
        except RpcError as error:
            return {"id": node["id"], "error": _error(error)}
        except ValueError as error:  # pydantic's is one, too
            return {"id": node["id"], "error": _error(RpcError(BAD_PARAMS, f"Invalid params: {str(error)[:500]}"))}
        except LostError:
            raise
        except Exception as error:
            said = error.strerror if isinstance(error, OSError) else type(error).__name__
            return {"id": node["id"], "error": _error(RpcError(INTERNAL, said or "failed"))}


def _error(error: RpcError) -> Mapping[str, Any]:
    return {"code": error.code, "message": error.message} | ({"data": error.data} if error.data is not None else {})
