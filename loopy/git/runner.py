"""Run git with a pinned environment and pinned settings: no configuration, hook, filter or helper of anyone is read.

Invariant: a command started here never executes anything that an agent wrote, whatever lies in its work tree.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from loopy.domain.errors import GitError

USUAL_PATH = "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin"
ENVIRONMENT: Mapping[str, str] = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_PAGER": "cat",
    "GIT_EDITOR": "false",
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "TZ": "UTC",
}
SETTINGS: Mapping[str, str] = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.untrackedCache": "false",
    "core.attributesFile": "/dev/null",
    "core.excludesFile": "/dev/null",
    "core.ignoreCase": "false",
    "core.precomposeUnicode": "false",
    "core.fileMode": "true",
    "core.symlinks": "true",
    "core.autocrlf": "false",
    "core.safecrlf": "false",
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "core.quotePath": "false",
    "core.pager": "cat",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "submodule.recurse": "false",
    "advice.detachedHead": "false",
}
FULL = {"No space left on device": errno.ENOSPC, "Disk quota exceeded": errno.EDQUOT}
_FULL = re.compile(rf": ({'|'.join(FULL)})$", re.MULTILINE)  # LC_ALL is C
TAIL_BYTES = 2000  # of the error output that goes into a GitError


@dataclass(frozen=True, slots=True)
class Ran:
    """What a git command gave back; `cut` says that the output was longer than the limit."""

    code: int
    out: bytes
    err: str
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Git:
    """A git program and the PATH it is found on."""

    program: str = "git"
    path: str = USUAL_PATH

    def argv(
        self,
        args: Sequence[str],
        git_dir: Path,
        work_tree: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Return the whole command line: pinned settings, then `settings`, then the git dir and the command."""
        pinned = [word for pair in {**SETTINGS, **(settings or {})}.items() for word in ("-c", f"{pair[0]}={pair[1]}")]
        where = [f"--git-dir={git_dir}"] + ([f"--work-tree={work_tree}"] if work_tree else [])
        return [self.program, *pinned, *where, *args]

    def env(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the whole environment of a git process: pinned, then `extra`; nothing is inherited."""
        return {**ENVIRONMENT, "PATH": self.path, **(extra or {})}

    def run(  # noqa: PLR0913  (all but two are given by name; git has that many knobs)
        self,
        args: Sequence[str],
        git_dir: Path,
        *,
        work_tree: Path | None = None,
        cwd: Path | None = None,
        index: Path | None = None,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        only_env: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        timeout_s: float = 120,
        ok: Collection[int] = (0,),
        limit: int | None = None,
    ) -> Ran:
        """Run one git command to its end and return its output, at most `limit` bytes of it.

        The current directory is `cwd`, else the work tree, else the git dir. `env` is added to the pinned environment,
        `only_env` replaces it (for reading the operator's own configuration, and nothing else). Raises GitError with the tail of the
        error output for an exit code outside `ok`, for a timeout (the whole process group is killed), and when git
        cannot be started; OSError when what failed was the disk, which was full.
        """
        extra = {**(env or {}), **({"GIT_INDEX_FILE": str(index)} if index else {})}
        whole = self.env(extra) if only_env is None else dict(only_env)
        argv = self.argv(args, git_dir, work_tree, settings)
        with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as words:
            words.write(stdin)
            words.seek(0)
            with self._process(argv, cwd or work_tree or git_dir, whole, words, errors) as process:
                out, cut, late = _read(process, timeout_s, limit)
            errors.seek(max(0, os.fstat(errors.fileno()).st_size - TAIL_BYTES))
            err = errors.read().decode("utf-8", "replace").strip()
        if late:
            raise GitError(f"git {args[0]}", f"no end within {timeout_s:g} s", hint=err[-200:])
        if not cut and process.returncode not in ok:
            if full := _FULL.search(err):
                raise OSError(FULL[full[1]], f"git {args[0]}: {full[1]}")
            raise GitError(f"git {args[0]}", err or f"exit {process.returncode}")
        return Ran(process.returncode, out, err, cut)

    @contextmanager
    def _process(
        self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], stdin: IO[bytes], stderr: IO[bytes]
    ) -> Iterator[subprocess.Popen[bytes]]:
        try:
            process = subprocess.Popen(
                argv, cwd=cwd, env=env, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, start_new_session=True
            )
        except OSError as error:
            raise GitError(
                "git", f"cannot be started in {cwd}: {error.strerror}", hint="is git installed and the folder there?"
            ) from error
        try:
            yield process
        finally:
            if process.poll() is None:
                _kill(process)
            process.wait()
            if process.stdout:
                process.stdout.close()


def _read(process: subprocess.Popen[bytes], timeout_s: float, limit: int | None) -> tuple[bytes, bool, bool]:
    """Return (output, whether it was cut at the limit, whether time ran out); a late process group is killed."""
    assert process.stdout is not None
    late = threading.Event()

    def stop() -> None:
        late.set()
        _kill(process)

    timer = threading.Timer(timeout_s, stop)
    timer.daemon = True
    timer.start()
    try:
        out = process.stdout.read() if limit is None else process.stdout.read(limit + 1)
        if limit is not None and len(out) > limit:
            return out[:limit], True, False
        process.wait()
    finally:
        timer.cancel()
    return out, False, late.is_set()


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()
