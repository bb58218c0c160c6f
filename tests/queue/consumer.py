"""A consumer process under test: `consumer.py URL QUEUE OUT MODE PREFETCH`; writes down what it gets.

Modes: ack (acknowledge after writing), hold (never acknowledge), fork (hold, with a forked child that lives on).
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from kombu import Connection, Consumer, Message, Queue

from loopy.queue.embedded.url import register


def main(url: str, queue: str, out: str, mode: str, prefetch: int) -> None:
    register()
    fd = os.open(out, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def got(body: Any, message: Message) -> None:
        os.write(fd, f"{body} {os.getpid()}\n".encode())
        if mode == "ack":
            message.ack()

    with Connection(url) as connection, connection.channel() as channel:
        consumer = Consumer(channel, [Queue(queue)], callbacks=[got])
        consumer.qos(prefetch_count=prefetch)
        with consumer:
            os.write(fd, b"ready\n")
            forked = False
            while True:
                try:
                    connection.drain_events(timeout=0.5)
                except TimeoutError:
                    if mode == "fork" and not forked:
                        forked = True
                        child = os.fork()
                        if child == 0:
                            time.sleep(20)
                            os._exit(0)
                        os.write(fd, f"forked {child}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]))
