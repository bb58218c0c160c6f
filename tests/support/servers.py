"""Servers of our own, from the system's packages: each on a free port of the loopback, in a scratch folder, ended with its block."""

from __future__ import annotations

import ctypes
import glob
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

PATIENCE_S = 60.0
PDEATHSIG = 1  # linux/prctl.h


def postgres_folder() -> Path | None:
    """Return where `initdb` and `postgres` lie (Debian keeps them out of PATH), None where they are not installed."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"), key=lambda p: float(p.split("/")[4]))
    path = found[-1] if found else shutil.which("postgres")
    return Path(path).parent if path else None


def free_port() -> int:
    """Return a port of the loopback that nobody has right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def plain_user(name: str) -> str | None:
    """Return the account a server must run as when we are root, None when we are somebody already."""
    if os.geteuid() != 0:
        return None
    for each in (name, "nobody"):
        try:
            return pwd.getpwnam(each).pw_name
        except KeyError:
            continue
    return None


@contextmanager
def scratch(owner: str | None) -> Iterator[Path]:
    """Make a folder that the owner can reach and nobody else, and remove it."""
    folder = Path(tempfile.mkdtemp(prefix="loopy-server-"))
    try:
        if owner is not None:
            shutil.chown(folder, owner)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def start(
    argv: list[str], log: Path, owner: str | None, env: dict[str, str] | None = None, *, alone: bool = False
) -> subprocess.Popen[bytes]:
    """Start a server that dies with us, whatever ends us."""
    libc = ctypes.CDLL(None)

    def bound() -> None:
        libc.prctl(PDEATHSIG, signal.SIGTERM)

    who = {} if owner is None else {"user": owner, "group": pwd.getpwnam(owner).pw_gid, "extra_groups": []}
    with log.open("ab") as out:
        return subprocess.Popen(  # type: ignore[call-overload, no-any-return]  # the three of `who`
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=env,
            cwd="/",
            start_new_session=alone,
            preexec_fn=bound,  # noqa: PLW1509  # one call of the kernel, no lock of Python
            **who,
        )


def end(server: subprocess.Popen[bytes], how: int = signal.SIGTERM, *, group: bool = False) -> None:
    """End it, by force if it does not go; with its whole group when it was started `alone`."""
    server.send_signal(how)
    try:
        server.wait(20.0)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    if group:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)


def until(holds: Callable[[], object], server: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until it holds; raise with the end of the server's log when it never does."""
    give_up = time.monotonic() + PATIENCE_S
    while not holds():
        if server.poll() is not None or time.monotonic() > give_up:
            raise RuntimeError(log.read_text(encoding="utf-8", errors="replace")[-2000:])
        time.sleep(0.05)


def run_sql(url: str, *statements: str) -> None:
    """Execute statements outside of any transaction."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def _answers(url: str) -> bool:
    try:
        run_sql(url, "SELECT 1")
    except Exception:
        return False
    return True


class Postgres:
    """A running server; `fresh` makes databases in it."""

    def __init__(self, url: str, restart: Callable[[int], None]) -> None:
        self.url, self._restart = url, restart

    def fresh(self, template: str = "") -> str:
        """Return the URL of a new database, empty or a copy of another of this server that nobody is connected to."""
        name = f"loopy_{secrets.token_hex(6)}"
        run_sql(self.url, f"CREATE DATABASE {name}" + (f" TEMPLATE {template.rpartition('/')[2]}" if template else ""))
        return f"{self.url.rpartition('/')[0]}/{name}"

    def drop(self, url: str) -> None:
        """Drop a database that `fresh` made, whoever is connected."""
        run_sql(self.url, f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def restart(self, how: int = signal.SIGKILL) -> None:
        """End the server, as a crash by default, and start it again on the same port and data."""
        self._restart(how)


@contextmanager
def postgres(*, durable: bool = False) -> Iterator[Postgres]:
    """Run a Postgres; without `durable` it trades the safety of its data for speed. Raises RuntimeError with its log."""
    place, owner = postgres_folder(), plain_user("postgres")
    if place is None:
        raise RuntimeError("postgres is not installed: apt-get install postgresql")
    with scratch(owner) as folder:
        data, log, word = folder / "data", folder / "server.log", secrets.token_urlsafe(12)
        secret = folder / "password"
        secret.write_text(word, encoding="ascii")
        if owner is not None:
            shutil.chown(secret, owner)
        make = [str(place / "initdb"), "-D", str(data), "-U", "loopy", "--auth=scram-sha-256", f"--pwfile={secret}"]
        maker = start([*make, "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"], log, owner)
        if maker.wait(PATIENCE_S) != 0:
            raise RuntimeError(log.read_text(encoding="utf-8", errors="replace")[-2000:])
        port = free_port()
        settings = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200"]
        settings += [] if durable else ["fsync=off", "full_page_writes=off"]
        argv = [str(place / "postgres"), "-D", str(data), *(word for s in settings for word in ("-c", s))]
        url = f"postgresql+psycopg://loopy:{word}@127.0.0.1:{port}/postgres"
        servers = [start(argv, log, owner)]

        def restart(how: int) -> None:
            end(servers[-1], how)
            if how == signal.SIGKILL:  # its children notice, and must be gone before the next one starts
                until_gone = time.monotonic() + PATIENCE_S
                while _holds(data) and time.monotonic() < until_gone:
                    time.sleep(0.05)
            servers.append(start(argv, log, owner))
            until(lambda: _answers(url), servers[-1], log)

        try:
            until(lambda: _answers(url), servers[-1], log)
            yield Postgres(url, restart)
        finally:
            end(servers[-1], signal.SIGINT)  # a fast shutdown: it does not wait for its clients


def _holds(data: Path) -> bool:
    """Whether any process still works in the data folder."""
    for entry in glob.glob("/proc/[0-9]*/cwd"):
        try:
            if os.readlink(entry) == str(data):
                return True
        except OSError:
            continue
    return False


RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # Debian's; the one in PATH insists on root


class RabbitMQ:
    """A running broker with a name, a home and a cookie of its own."""

    def __init__(self, url: str, restart: Callable[[], None]) -> None:
        self.url, self._restart = url, restart

    def restart(self) -> None:
        """Kill it with all of its processes, and start it again on the same port and data."""
        self._restart()


@contextmanager
def rabbitmq() -> Iterator[RabbitMQ]:
    """Run a RabbitMQ with an `epmd` of its own. Raises RuntimeError with its log."""
    if not RABBITMQ.exists():
        raise RuntimeError("rabbitmq is not installed: apt-get install rabbitmq-server")
    owner = plain_user("rabbitmq")
    with scratch(owner) as folder:
        log, port, names_port = folder / "server.log", free_port(), free_port()
        log.touch()
        (folder / "plugins").write_text("[].\n", encoding="ascii")
        env = _rabbit_env(folder, port, names_port, free_port())
        names = start(["epmd", "-address", "127.0.0.1", "-port", str(names_port)], log, owner, env)
        servers = [start([str(RABBITMQ)], log, owner, env, alone=True)]

        def restart() -> None:
            end(servers[-1], signal.SIGKILL, group=True)
            servers.append(start([str(RABBITMQ)], log, owner, env, alone=True))
            until(lambda: _greets(port), servers[-1], log)

        try:
            until(lambda: _greets(port), servers[-1], log)
            yield RabbitMQ(f"amqp://guest:guest@127.0.0.1:{port}//", restart)
        finally:
            end(servers[-1], group=True)
            end(names)


def _rabbit_env(folder: Path, port: int, names_port: int, dist: int) -> dict[str, str]:
    loopback = f"-kernel inet_dist_use_interface {{127,0,0,1}} inet_dist_listen_min {dist} inet_dist_listen_max {dist}"
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(names_port),
        "RABBITMQ_NODENAME": f"loopy-{secrets.token_hex(4)}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(dist),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": loopback,
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_CONFIG_FILE": str(folder / "none"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
    }


def _greets(port: int) -> bool:
    """Whether it answers the protocol's header; the port is open long before the broker is."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as line:
            line.sendall(b"AMQP\x00\x00\x09\x01")
            return line.recv(8)[:1] == b"\x01"
    except OSError:
        return False
