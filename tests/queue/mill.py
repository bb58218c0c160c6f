"""A mill under test, `mill.py URL OUT MESSAGES`: one publisher, two consumers, and whoever is killed is replaced at once.

Everybody is forked from here, so a replacement is at work within milliseconds. It ends when standard input does. Each writes to
the one file OUT what it is about to do and what it has done: `born ROLE PID`, `sending N PID`, `sent N PID`, `spent ROLE PID`,
`got N PID`, `acking N PID`, `acked N PID`.
"""

from __future__ import annotations

import os
import random
import select
import signal
import sys
from pathlib import Path
from typing import Any

from kombu import Connection, Consumer, Exchange, Message, Producer, Queue

from loopy.queue.embedded.url import register

WORK = Exchange("work", type="fanout")
QUEUES = (Queue("loop", WORK), Queue("tally", WORK))  # each message goes to both, or to none
CREDIT, HELD = 8, 4


class Book:
    """The file that all append to; one write a line, so the lines stand in the order in which they were written."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def say(self, *words: object) -> None:
        os.write(self._fd, (" ".join(map(str, (*words, os.getpid()))) + "\n").encode())


def publish(url: str, out: Path, count: int) -> None:
    """Go on after the last number that anybody began to send."""
    book = Book(out)
    book.say("born", "publisher")
    begun = [int(line.split()[1]) for line in out.read_text().splitlines() if line.startswith("sending ")]
    with Connection(url) as connection, connection.channel() as channel:
        producer = Producer(channel)
        for n in range(max(begun, default=-1) + 1, count):
            book.say("sending", n)
            producer.publish(n, exchange=WORK, routing_key="")
            book.say("sent", n)
    book.say("spent", "publisher")


def consume(url: str, out: Path) -> None:
    """Take messages, hold a few, acknowledge in any order."""
    book, held, rng = Book(out), list[Message](), random.Random(os.getpid())
    book.say("born", "consumer")

    def got(message: Message) -> None:
        book.say("got", message.payload)
        held.append(message)
        if len(held) > HELD:
            settle()

    def settle() -> None:
        message = held.pop(rng.randrange(len(held)))
        book.say("acking", message.payload)
        message.ack()
        book.say("acked", message.payload)

    with Connection(url) as connection, connection.channel() as channel:
        consumer = Consumer(channel, [QUEUES[0]], on_message=got)
        consumer.qos(prefetch_count=CREDIT)
        with consumer:
            while True:
                try:
                    connection.drain_events(timeout=0.1)
                except TimeoutError:
                    while held:
                        settle()


def fork(role: Any, *words: Any) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            role(*words)
            code = 0
        finally:
            os._exit(code)
    return pid


def main(url: str, out: Path, count: int) -> None:
    register()
    with Connection(url) as connection:
        for queue in QUEUES:
            queue(connection.default_channel).declare()
    jobs: list[tuple[Any, ...]] = [(publish, url, out, count), (consume, url, out), (consume, url, out)]
    posts = {fork(*job): job for job in jobs}
    while not select.select([sys.stdin], [], [], 0.002)[0]:
        pid, status = os.waitpid(-1, os.WNOHANG) if posts else (0, 0)
        if pid and os.waitstatus_to_exitcode(status) == -signal.SIGKILL:
            posts[fork(*posts[pid])] = posts[pid]
        posts.pop(pid, None)
    for pid in posts:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
