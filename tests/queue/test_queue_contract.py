"""The embedded transport answers as kombu's in-memory one: the same drawn acts on both, and every answer compared.

What differs is listed and justified in `reference.DIFFERENCES`; each entry is shown to be one. Not drawn, since kombu's
in-memory transport has neither: time to live and expiry (test_queue_expiry), auto-delete and exclusive queues (there too),
other processes and their deaths (test_queue_owners).
"""

from __future__ import annotations

import operator
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from kombu import Connection
from kombu.transport import memory

from loopy.queue.embedded.url import embedded_url, register
from tests.queue import reference
from tests.queue.player import EXCHANGES, KEYS, PATTERNS, QUEUES, SEATS, Act, Player

ALL = frozenset(reference.DIFFERENCES)
OFTEN = {"publish": 12, "drain": 8, "get": 6, "ack": 6, "consume": 5, "requeue": 4, "reject": 2, "credit": 2, "bind": 2}
SELDOM = ("declare", "ask", "delete", "unbind", "purge", "size", "recover", "cancel", "close", "hang_up")
NAMES = (*(name for name, weight in OFTEN.items() for _ in range(weight)), *SELDOM)
START = [  # as a worker does
    *(Act("declare", queue=queue) for queue in QUEUES),
    Act("bind", queue="code", exchange="celeryev", key="task.#"),
    *(Act("bind", queue=queue, exchange="celery.pidbox", key="") for queue in ("code", "pidbox")),
]


@contextmanager
def ours() -> Iterator[Player]:
    """A player on a broker file of its own."""
    register()
    folder = Path(tempfile.mkdtemp(prefix="loopy-contract-"))
    player = Player(*(Connection(embedded_url(folder / "broker.db")) for _ in range(SEATS)))
    try:
        yield player
    finally:
        player.close()
        shutil.rmtree(folder)


@contextmanager
def kombus(adopted: frozenset[str] | None) -> Iterator[Player]:
    """A player on kombu's transport, with these differences taken on; None for kombu's own, as it comes."""
    reference.clear(adopted or frozenset())
    memory.Transport.global_state.clear()
    memory.Channel.queues.clear()
    transport = memory.Transport if adopted is None else reference.Transport
    player = Player(*(Connection(transport=transport) for _ in range(SEATS)))
    try:
        yield player
    finally:
        player.close()


def answers(player: Player, acts: Sequence[Act]) -> list[tuple[Act | str, Any]]:
    """Return what each act was answered, and what was there in the end."""
    told: list[tuple[Act | str, Any]] = [(act, player.play(act)) for act in acts]
    return [*told, ("left", player.all_that_is_left())]


def both(acts: Sequence[Act], adopted: frozenset[str] | None = ALL) -> tuple[Any, Any]:
    with ours() as mine, kombus(adopted) as theirs:
        return answers(mine, acts), answers(theirs, acts)


def compare(acts: Sequence[Act]) -> None:
    mine, theirs = both(acts)
    for own, other in zip(mine, theirs, strict=True):
        assert own == other


ACT = st.builds(
    Act,
    st.sampled_from(NAMES),
    st.sampled_from((*([0] * 4), *range(1, SEATS))),
    st.sampled_from(("loop", *QUEUES)),
    st.sampled_from((*([""] * 4), *EXCHANGES)),
    st.sampled_from((*KEYS, *PATTERNS)),
    st.integers(0, 9),
)
ACTS = st.builds(operator.add, st.sampled_from((START, [])), st.lists(ACT, min_size=25, max_size=80))
STEADY = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


@settings(STEADY, max_examples=40)
@given(ACTS)
def test_both_transports_answer_alike(acts: list[Act]) -> None:
    compare(acts)


@pytest.mark.slow
@pytest.mark.timeout(300)
@settings(STEADY, max_examples=500)
@given(ACTS)
def test_both_transports_answer_alike_through_many_stories(acts: list[Act]) -> None:
    compare(acts)


def sent(count: int, *, exchange: str = "", key: str = "loop", n: int = 0) -> list[Act]:
    return [Act("publish", exchange=exchange, key=key, n=n)] * count


BROADCAST = [
    *(Act("declare", queue=queue) for queue in QUEUES),
    *(Act("bind", queue=queue, exchange="celery.pidbox", key="") for queue in QUEUES),
    *sent(1, exchange="celery.pidbox", key=""),
]
SCRIPTS: dict[str, list[Act]] = {
    "comes back": [*sent(1), Act("get", n=1), Act("close"), Act("size")],
    "place": [*sent(2), Act("get", n=1), Act("requeue"), Act("get", n=1)],
    "own queue": [*BROADCAST, Act("get", queue="code", n=1), Act("requeue"), Act("size", queue="loop")],
    "redelivered": [*sent(1), Act("get", n=1), Act("requeue"), Act("get", n=1)],
    "copies": [
        *BROADCAST,
        *(Act("get", queue=queue, n=1) for queue in QUEUES),
        Act("ack"),
        Act("close"),
        *(Act("size", queue=queue) for queue in QUEUES),
    ],
    "priority": [*sent(1, n=1), *sent(1, n=9), Act("get", n=1)],
    "declared": [Act("publish", queue="code"), Act("ask", queue="code")],
    "deleted": [*sent(1), Act("delete"), Act("ask")],
    "consumers": [Act("consume", n=1), Act("ask")],
}


@pytest.mark.parametrize("name", reference.DIFFERENCES)
def test_each_named_difference_is_one(name: str) -> None:
    mine, theirs = both(SCRIPTS[name])
    assert mine == theirs
    mine, without = both(SCRIPTS[name], ALL - {name})
    assert mine != without


def test_where_nothing_that_is_named_comes_into_play_kombus_own_transport_answers_alike() -> None:
    mine, theirs = both(
        [
            *(Act("declare", queue=queue) for queue in QUEUES),
            Act("bind", queue="code", exchange="celeryev", key="task.#"),
            Act("bind", queue="pidbox", exchange="celeryev", key="#"),
            *sent(3),
            *sent(2, exchange="celeryev", key="task.sent"),
            *sent(1, exchange="celeryev", key="worker.online"),
            Act("credit", n=2),
            Act("consume", n=1),
            *([Act("drain"), Act("ack"), Act("size")] * 3),
            Act("consume", seat=1, queue="code", n=1),
            Act("drain", seat=1),
            *([Act("ack", seat=1)] * 2),
            Act("purge", queue="pidbox"),
            Act("get"),
        ],
        adopted=None,
    )
    assert mine == theirs
