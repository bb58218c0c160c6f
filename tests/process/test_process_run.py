"""A guarded command behaves like the command: its codes, its output, its input, its environment, its descriptors."""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
from pathlib import Path

import pytest

from loopy.domain.errors import ProcessError
from loopy.process.command import Ending, Limits, Marker
from loopy.process.runner import CHUNK_BYTES, run
from tests.process.procs import ENV, command, go, lives, python

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.mark.parametrize("code", [0, 1, 3, 127, 255])
def test_the_exit_code_is_the_commands_own(code: int) -> None:
    ended = go("sh", "-c", f"exit {code}").ended
    assert (ended.ending, ended.code, ended.signal, ended.leftovers) == (Ending.EXITED, code, None, 0)
    assert ended.ok == (code == 0)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGPIPE])
def test_a_command_that_dies_of_a_signal_says_which(signum: signal.Signals) -> None:
    ended = go("sh", "-c", f"kill -{signum.value} $$").ended
    assert (ended.ending, ended.code, ended.signal) == (Ending.SIGNALLED, None, signum)


def test_a_missing_program_is_an_ending_not_an_exception() -> None:
    ran = go("no-such-program")
    assert ran.ended.ending is Ending.NOT_FOUND
    assert ran.ended.why == "no-such-program: No such file or directory"
    assert ran.started == []


def test_a_file_that_cannot_be_executed_is_not_found_either(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("text")
    assert go(str(tmp_path / "tool")).ended.ending is Ending.NOT_FOUND
    assert "Permission denied" in go("tool", env={"PATH": str(tmp_path)}).ended.why


def test_a_program_is_never_looked_up_in_the_work_tree(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\necho hijacked\n")
    (tmp_path / "tool").chmod(0o755)
    for path in ("", ".", ":/bin", "bin"):
        assert go("tool", cwd=tmp_path, env={"PATH": path}).ended.ending is Ending.NOT_FOUND
    assert go("tool", cwd=tmp_path, env={"PATH": str(tmp_path)}).stdout == b"hijacked\n"


def test_a_missing_folder_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="gone: the command cannot be started: No such file"):
        go("true", cwd=tmp_path / "gone")


def test_an_argument_list_that_is_too_long_is_an_error() -> None:
    with pytest.raises(ProcessError, match="Argument list too long"):
        go("true", "x" * 200_000)


def test_a_command_that_makes_no_sense_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="names no program"):
        command()
    with pytest.raises(ProcessError, match="takes a lock without a marker"):
        command("true", lock=tmp_path / "lock")


def test_an_argument_with_a_nul_byte_is_an_error() -> None:
    with pytest.raises(ProcessError, match="Invalid argument"):
        go("true", "a\0b")


def test_the_output_is_complete_and_in_order() -> None:
    ran = go(*python("import os\nfor i in range(50000): os.write(1, b'%d\\n' % i)\nos.write(2, b'done')"))
    assert ran.stdout == b"".join(b"%d\n" % i for i in range(50000))
    assert ran.stderr == b"done"


@linux
def test_what_still_lies_in_a_large_pipe_at_the_end_is_delivered() -> None:
    code = "import fcntl, os\nfcntl.fcntl(1, 1031, 1 << 20)\nos.write(1, bytes(1_000_000))"  # 1031 is F_SETPIPE_SZ
    seen: list[int] = []

    def slowly(_stream: str, chunk: bytes) -> None:
        if not seen:
            threading.Event().wait(0.2)  # the command is over meanwhile
        seen.append(len(chunk))

    assert run(command(*python(code)), on_output=slowly).ok
    assert sum(seen) == 1_000_000


def test_output_comes_in_bounded_chunks_while_the_command_runs() -> None:
    sizes: list[int] = []
    ended = run(
        command(*python("import os\nos.write(1, b'x' * 1_000_000)")),
        on_output=lambda _stream, chunk: sizes.append(len(chunk)),
    )
    assert ended.ok
    assert sum(sizes) == 1_000_000
    assert max(sizes) <= CHUNK_BYTES


def test_input_reaches_the_command_whole() -> None:
    text = os.urandom(1_000_000)
    assert go("cat", stdin=text).stdout == text


def test_without_input_the_command_reads_the_end_at_once() -> None:
    assert go("cat").ended.ok


@pytest.mark.parametrize("argv", [("sleep", "0.2"), ("sh", "-c", "exec 0<&-; sleep 0.2"), ("true",)])
def test_a_megabyte_for_a_command_that_never_reads_blocks_nobody(argv: tuple[str, ...]) -> None:
    assert go(*argv, stdin=b"x" * 1_000_000).ended.ok


@linux
def test_the_environment_is_exactly_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    given = {"PATH": "/usr/bin:/bin", "ODD": "a=b\nc", "LOOPY_RUN": "forged"}
    seen = go("cat", "/proc/self/environ", env=given).stdout
    assert sorted(seen.split(b"\0")[:-1]) == [b"LOOPY_RUN=forged", b"ODD=a=b\nc", b"PATH=/usr/bin:/bin"]
    marked = go("cat", "/proc/self/environ", env=given, marker=Marker("LP-7.2", 5)).stdout.split(b"\0")[:-1]
    names = dict(pair.split(b"=", 1) for pair in marked)
    assert (names.pop(b"LOOPY_RUN"), names.pop(b"LOOPY_TOKEN")) == (b"LP-7.2", b"5")
    assert names.pop(b"LOOPY_GUARD").startswith(b"none-")
    assert names == {b"PATH": b"/usr/bin:/bin", b"ODD": b"a=b\nc"}


@linux
def test_the_guard_itself_has_an_empty_environment_and_stands_outside_the_work_tree(tmp_path: Path) -> None:
    script = "cat /proc/$PPID/environ; readlink /proc/$PPID/cwd; cat /proc/$PPID/comm"
    assert go("sh", "-c", script, cwd=tmp_path).stdout == b"/\nloopy-guard\n"


@linux
def test_the_command_inherits_no_descriptor_but_its_own_three(tmp_path: Path) -> None:
    with (tmp_path / "open").open("w") as kept:
        os.set_inheritable(kept.fileno(), True)
        ran = go(
            *python("import os; print(sorted(os.listdir('/proc/self/fd')))"),
            lock=tmp_path / "lock",
            marker=Marker("LP-1.1", 1),
        )
    assert ran.stdout == b"['0', '1', '2', '3']\n"  # 3 is the listing itself


@linux
def test_the_command_starts_with_default_signals_and_none_blocked() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        status = go("cat", "/proc/self/status").stdout.decode()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
    masks = dict(line.split(":\t") for line in status.splitlines() if line.startswith(("SigBlk", "SigIgn")))
    standard = (1 << 31) - 1  # 32 and 33 belong to the C library: nobody can reset them, and a parent may have left one
    assert {name: int(mask, 16) & standard for name, mask in masks.items()} == {"SigBlk": 0, "SigIgn": 0}


@linux
def test_the_guard_loads_nothing_heavy_and_nothing_else_of_loopy() -> None:
    import subprocess

    from tests.process.procs import ROOT

    code = "import sys; sys.path.append(sys.argv[1]); import loopy.process.guard; print(*sorted(sys.modules))"
    loaded = subprocess.run([*python(code, str(ROOT))], capture_output=True, check=True).stdout.decode().split()
    ours = {name.removeprefix("loopy.process.") for name in loaded if name.startswith("loopy.")}
    assert ours == {"loopy.process", "guard", "become", "clock", "hunt", "lock", "silence"}
    assert not {"typing", "signal", "enum", "json", "re", "subprocess", "dataclasses", "contextlib"} & set(loaded)


def test_the_command_knows_its_pid_as_we_do_and_leads_its_own_session() -> None:
    code = "import os; print(os.getpid() == os.getsid(0) == os.getpgid(0), os.getpid())"
    ran = go(*python(code))
    assert ran.stdout == b"True %d\n" % ran.started[0]
    assert not lives(ran.started[0])


def test_limits_bind_the_command() -> None:
    code = "import resource as r; print([r.getrlimit(k)[0] for k in (r.RLIMIT_CORE, r.RLIMIT_AS, r.RLIMIT_FSIZE, r.RLIMIT_CPU)])"
    limits = Limits(address_space_bytes=1 << 30, file_size_bytes=1 << 20, cpu_s=9)
    assert go(*python(code), limits=limits).stdout == f"[0, {1 << 30}, {1 << 20}, 9]\n".encode()
    unset = go(*python(code)).stdout
    assert unset == f"[0, {', '.join(str(resource.getrlimit(k)[0]) for k in (9, 1, 0))}]\n".encode()


def test_a_file_beyond_its_limit_ends_the_command(tmp_path: Path) -> None:
    ended = go(
        "dd", "if=/dev/zero", "of=big", "bs=1k", "count=100", cwd=tmp_path, limits=Limits(file_size_bytes=2048)
    ).ended
    assert ended.signal == signal.SIGXFSZ
    assert (tmp_path / "big").stat().st_size == 2048


def test_an_error_of_a_callback_ends_the_command_and_then_rises() -> None:
    pids: list[int] = []

    def fail(_stream: str, _chunk: bytes) -> None:
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        run(command("sh", "-c", "echo x; sleep 60"), on_output=fail, on_started=pids.append)
    assert not lives(pids[0])


def test_a_relative_program_is_found_in_the_folder_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\npwd\n")
    (tmp_path / "tool").chmod(0o755)
    assert go("./tool", cwd=tmp_path, env=ENV).stdout.decode().strip() == os.path.realpath(tmp_path)
