"""How a command ends: its exit code, and one clean line for what went wrong."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from loopy.cli.damage import OF_THE_DISK, told
from loopy.cli.paper import echo, ink, line
from loopy.domain.errors import LoopyError

FAILED, REFUSED, NOT_PASSED, DEFECT, INTERRUPTED = 1, 2, 4, 70, 130


def exit_code_of(act: Callable[[], Any], *, as_json: bool = False) -> int:
    """Do it; return the exit code it gives back, after saying on stderr what went wrong, if anything did."""
    try:
        code = act()
    except LoopyError as raised:
        error = told(raised)
        return _say(error.where, error.what, error.hint, error.exit_code, type(error).__name__, as_json)
    except click.exceptions.NoArgsIsHelpError as error:
        echo(error.message)
        return REFUSED
    except click.UsageError as wrong:
        help_of = f"`{wrong.ctx.command_path} --help`" if wrong.ctx else "`loopy --help`"
        said = wrong.format_message().rstrip(".")
        return _say("", said[:1].lower() + said[1:], help_of, REFUSED, "UsageError", as_json)
    except click.ClickException as error:
        return _say("", error.format_message(), "", error.exit_code, type(error).__name__, as_json)
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except Exception as error:  # a defect: the user gets a line, the log the traceback
        if isinstance(error, OSError) and (fault := OF_THE_DISK.get(error.errno)):  # or none: a disk that refuses
            return _say(str(error.filename or "disk"), *fault, FAILED, "OSError", as_json)
        place = _keep_traceback()
        what, hint = f"{type(error).__name__}: {error}", f"a defect of Loopy; the traceback is in {place}"
        return _say("unexpected", what, hint, DEFECT, "Unexpected", as_json)
    return code if isinstance(code, int) else 0


def _say(where: str, what: str, hint: str, code: int, kind: str, as_json: bool) -> int:
    if as_json:
        facts = {"kind": kind, "where": where, "what": what, "hint": hint, "exit_code": code}
        echo(json.dumps({"error": facts}), err=True)
    else:
        echo(f"{ink('error:', 'bad')} {line(str(LoopyError(where, what, hint)))}", err=True)
    return code


def _keep_traceback() -> str:
    """Write the traceback under the home's logs, else under the temporary folder; return where."""
    text = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%SZ}\n{traceback.format_exc()}"
    home = os.environ.get("LOOPY_HOME") or os.path.join(os.path.expanduser("~"), ".loopy")
    for folder in (Path(home, "logs"), Path(tempfile.gettempdir())):
        try:
            path = folder / f"loopy-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}.log"
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
        except OSError:
            continue
        return str(path)
    return "nowhere: neither the logs nor the temporary folder can be written to"
