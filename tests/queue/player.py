"""A few connections with a channel each, and what is done with them: one act, one answer, on any transport."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kombu import Connection, Message
from kombu.exceptions import ChannelError

QUEUES = ("loop", "code", "pidbox")
KEYS = ("task.sent", "task.done", "worker.online", "loop")
PATTERNS = ("#", "task.#", "*.online", "loop")
EXCHANGES = {"replies": "direct", "celeryev": "topic", "celery.pidbox": "fanout"}
SEATS = 3  # connections


class Act(NamedTuple):
    """What to do, by whom, and with what: numbers choose among what is there at that moment."""

    name: str
    seat: int = 0
    queue: str = "loop"
    exchange: str = ""
    key: str = "loop"
    n: int = 0


@dataclass
class Seat:
    """One connection, its channel, what it holds unsettled and which queues it consumes."""

    connection: Connection
    channel: Any
    held: list[tuple[str, Message]] = field(default_factory=list)
    consumed: set[str] = field(default_factory=set)
    got: list[tuple[str, Message]] = field(default_factory=list)


class Player:
    """Plays acts on a transport; equal acts must get equal answers."""

    def __init__(self, *connections: Connection) -> None:
        self.seats = [Seat(connection, connection.channel()) for connection in connections]
        self.published = 0
        self.bound: list[tuple[str, str, str]] = []
        channel = self.seats[0].channel
        for exchange, kind in EXCHANGES.items():
            channel.exchange_declare(exchange=exchange, type=kind)
        channel.queue_declare("loop")

    def play(self, act: Act) -> Any:
        """Do it; return what can be seen of it, an error as its code."""
        try:
            return getattr(self, f"_{act.name}")(self.seats[act.seat], act)
        except ChannelError as error:
            return str(error.reply_code)

    def close(self) -> None:
        for seat in self.seats:
            seat.connection.release()

    # the topology

    def _declare(self, seat: Seat, act: Act) -> Any:
        return tuple(seat.channel.queue_declare(act.queue))

    def _ask(self, seat: Seat, act: Act) -> Any:
        return tuple(seat.channel.queue_declare(act.queue, passive=True))

    def _delete(self, seat: Seat, act: Act) -> Any:
        if not any(act.queue in each.consumed for each in self.seats):
            seat.channel.queue_delete(act.queue, if_empty=bool(act.n % 2))

    def _bind(self, seat: Seat, act: Act) -> Any:
        binding = (act.queue, act.exchange or "replies", act.key)
        seat.channel.queue_bind(*binding)
        self.bound.append(binding)

    def _unbind(self, seat: Seat, act: Act) -> Any:
        if self.bound:
            seat.channel.queue_unbind(*self.bound.pop(act.n % len(self.bound)))

    def _purge(self, seat: Seat, act: Act) -> Any:
        return seat.channel.queue_purge(act.queue)

    def _size(self, seat: Seat, act: Act) -> Any:
        return seat.channel._size(act.queue)

    # messages

    def _publish(self, seat: Seat, act: Act) -> Any:
        self.published += 1
        message = seat.channel.prepare_message(str(self.published), priority=act.n)
        seat.channel.basic_publish(message, act.exchange, act.key if act.exchange else act.queue)

    def _get(self, seat: Seat, act: Act) -> Any:
        no_ack = act.n % 4 == 3
        message = seat.channel.basic_get(act.queue, no_ack=no_ack)
        if message is None:
            return None
        if not no_ack:
            seat.held.append((act.queue, message))
        return seen(act.queue, message)

    def _ack(self, seat: Seat, act: Act) -> Any:
        return self._settled(seat, act, Message.ack)

    def _reject(self, seat: Seat, act: Act) -> Any:
        return self._settled(seat, act, Message.reject)

    def _requeue(self, seat: Seat, act: Act) -> Any:
        return self._settled(seat, act, Message.requeue)

    def _settled(self, seat: Seat, act: Act, how: Any) -> Any:
        holding = next((each for each in (seat, *self.seats) if each.held), None)
        if holding is None:
            return None
        queue, message = holding.held.pop(act.n % len(holding.held))
        how(message)
        return seen(queue, message)

    def _recover(self, seat: Seat, act: Act) -> Any:
        seat.channel.basic_recover(requeue=True)
        seat.held.clear()

    # consumers

    def _consume(self, seat: Seat, act: Act) -> Any:
        limited = seat.channel.qos.prefetch_count > 0
        if act.queue in seat.consumed or (limited and seat.consumed):
            return  # with little credit and two queues, which comes first is promised by neither
        no_ack = act.n % 4 == 3

        def got(message: Message) -> None:
            seat.got.append((act.queue, message))
            if not no_ack:
                seat.held.append((act.queue, message))

        seat.channel.basic_consume(act.queue, no_ack, got, f"{act.seat}-{act.queue}")
        seat.consumed.add(act.queue)

    def _cancel(self, seat: Seat, act: Act) -> Any:
        seat.channel.basic_cancel(f"{act.seat}-{act.queue}")
        seat.consumed.discard(act.queue)

    def _credit(self, seat: Seat, act: Act) -> Any:
        count = act.n % 4
        if count == 0 or len(seat.consumed) < 2:
            seat.channel.basic_qos(prefetch_count=count)

    def _drain(self, seat: Seat, act: Act) -> Any:
        seat = next((each for each in (seat, *self.seats) if each.consumed), seat)
        before = len(seat.held)
        seat.got.clear()
        while True:
            try:
                seat.connection.drain_events(timeout=0)
            except TimeoutError:
                break
            assert len(seat.got) < 1000, "it comes again and again"
        seat.held[before:] = sorted(seat.held[before:], key=lambda pair: pair[0])  # in order within each queue only
        return sorted((seen(*pair) for pair in seat.got), key=lambda answer: answer[0])

    # ends

    def _close(self, seat: Seat, act: Act) -> Any:
        seat.channel.close()
        self._anew(seat)

    def _hang_up(self, seat: Seat, act: Act) -> Any:
        seat.connection.close()
        seat.connection.connect()
        self._anew(seat)

    def _anew(self, seat: Seat) -> None:
        seat.held.clear()
        seat.consumed.clear()
        seat.channel = seat.connection.channel()

    def all_that_is_left(self) -> Any:
        """Close every connection, open it again, and take out everything that is there."""
        for seat in self.seats:
            seat.connection.close()
        for seat in self.seats:
            seat.connection.connect()
            self._anew(seat)
        left: dict[str, list[Any]] = {}
        for queue in QUEUES:
            left[queue] = []
            while message := self.seats[0].channel.basic_get(queue, no_ack=True):
                left[queue].append(seen(queue, message))
        return left


def seen(queue: str, message: Message) -> tuple[str, str, bool, str, str]:
    """Return what a consumer can see of a message."""
    info = message.delivery_info
    told = bool(info.get("redelivered", False))
    return queue, str(message.payload), told, info["exchange"], info["routing_key"]
