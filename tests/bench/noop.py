"""A real worker whose steps do nothing: engine, store, queue and signals as shipped, only agents, git and files are fakes."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from loopy.domain.policy import Policy

if TYPE_CHECKING:
    from loopy.bootstrap.services import Services
    from loopy.engine.desk import Desk
    from loopy.ports import Leash


def quick_desk(services: Services, name: str) -> Desk:
    """Return the worker's desk with everything outside the graph replaced by something that takes no time."""
    from loopy.bootstrap.desk import desk
    from tests.engine.fakes import Bench, Forge, NoSandbox, Plans, Shelf

    bench, made = Bench(services.clock.now), desk(services, name)
    turn_s = float(os.environ.get("BENCH_TURN_S", "0"))

    def during(leash: Leash) -> None:
        give_up = time.monotonic() + turn_s
        while time.monotonic() < give_up and not leash.stopping():
            time.sleep(0.05)

    bench.during = during
    parts: dict[str, Any] = dict.fromkeys(("repositories", "workspaces", "driver", "checker"), bench)
    parts |= {"planner": Plans(), "sandbox": NoSandbox(), "remote": Forge(services.clock.awake), "archive": Shelf()}
    return replace(made, **parts, guards=Unguarded(), targets=Nowhere(), policies=Law(), push_receipt=lambda _run: True)


class Unguarded:
    """No processes are started, so none need to be ended."""

    def clear(self, _run: str, _token: int) -> None:
        return


class Law:
    """The operator's policy, without a look into a repository."""

    def policy(self, _agent: object, _repo: str, _base: str) -> Policy:
        return Policy(sandbox="none")


class Nowhere:
    """Where the fake forge is."""

    def target(self, _run: object) -> tuple[str, str]:
        return "/srv/target", "loopy/"


def __getattr__(name: str) -> Any:
    if name in ("app", "celery"):
        import workers.runtime
        from workers.app import Shell

        setattr(workers.runtime, "desk", quick_desk)  # noqa: B010  # the one seam between a worker and the world
        from loopy.bootstrap.services import services

        shell = Shell(services())
        globals().update(app=shell.app, shell=shell)
        return shell.app
    raise AttributeError(name)
