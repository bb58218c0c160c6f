"""The yardstick: a bare Celery chain of seven tasks that do nothing, on Redis, with no graph and no journal behind it."""

from __future__ import annotations

import os
from typing import Any

STEPS = ("plan", "size", "route", "code", "check", "evidence", "ship")


def make(url: str) -> Any:
    """Return the app; its last task tells the list `done`."""
    import redis
    from celery import Celery

    app = Celery("bare", broker=url, set_as_current=False)
    app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True)
    told = redis.Redis.from_url(url)

    def nothing(run: str) -> None:
        return

    for step in STEPS[:-1]:
        app.task(name=f"bare.{step}", shared=False)(nothing)

    @app.task(name=f"bare.{STEPS[-1]}", shared=False)
    def last(run: str) -> None:
        told.rpush("done", run)

    return app


def submit(app: Any, run: str) -> None:
    """Begin one workflow."""
    from celery import chain

    chain(*(app.signature(f"bare.{step}", args=(run,), immutable=True) for step in STEPS)).apply_async()


def __getattr__(name: str) -> Any:
    if name in ("app", "celery"):
        globals()["app"] = made = make(os.environ["BENCH_REDIS"])
        return made
    raise AttributeError(name)
