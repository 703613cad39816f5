"""Hear of the end: signals that ask this process to stop set an event. Ends nothing by itself."""

from __future__ import annotations

import signal
import threading
from queue import SimpleQueue


def set_when_told(stop: threading.Event, *signals: signal.Signals) -> None:
    """Have any of `signals` set `stop`, however many come. Only the main thread may call this.

    A handler runs in the midst of what the main thread does, be it `stop.wait` or an earlier
    signal's `stop.set`. Both hold the event's lock, so a handler that set it would wait for itself.
    What it puts into this queue takes no lock, and a thread of its own sets the event.
    https://docs.python.org/3/library/queue.html#queue.SimpleQueue.put
    """
    told: SimpleQueue[int] = SimpleQueue()

    def hear() -> None:
        told.get()
        stop.set()

    threading.Thread(target=hear, name="told-to-end", daemon=True).start()
    for name in signals:
        signal.signal(name, lambda number, _: told.put(number))
