"""A Redis of our own on a free port of the loopback, that may be killed, started again, and emptied."""

from __future__ import annotations

import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.stack.house import wait_until


class Redis:
    """A server that keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.folder, self.url = folder, f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        argv = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.folder)]
        self.process = subprocess.Popen([*argv, "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL)
        wait_until(lambda: self.said("PING").startswith("+PONG"), "redis-server answers", 20.0)

    def said(self, words: str) -> str:
        """Return what the server answers, "" when it does not."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=2) as line:
            line.sendall(f"{words}\r\n".encode())
            return line.recv(200).decode()
        return ""

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
