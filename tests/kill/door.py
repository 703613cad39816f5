"""The door at which webhooks arrive and agents press: the real intake and use cases, plain WSGI.

Started as `python -m tests.kill.door SCENE PORT`. The process holds the place at which to listen;
the children that it forks answer there, until they are killed: who comes meanwhile has to wait, and
who was being answered has to ask again.
"""

from __future__ import annotations

import gc
import logging
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from flask import Flask
from werkzeug.serving import make_server

from plugin.platforms.registry import Registry
from tests.kill.agents import Agents, agents_blueprint
from tests.kill.mortal import await_end, fork, kill, lay_trap_in_calls
from tests.kill.peers import obey
from tests.kill.points import WEB, Points, Trap
from tests.kill.scene import Scene, import_platforms, read_registry
from webhooks.http import Intake, webhooks_blueprint
from webhooks.inbox import Inbox

LONGEST_LIFE = 2.0


@dataclass(slots=True)
class Doors:
    """One child answers at a time."""

    scene: Scene
    registry: Registry
    place: socket.socket
    chance: random.Random
    child: int = field(init=False)

    def __post_init__(self) -> None:
        self.child = fork(lambda: self._answer(None))

    def kill(self, times: int) -> int:
        """Kill who answers, at random moments; the next one is there at once."""
        for _ in range(times):
            time.sleep(self.chance.uniform(0.0, LONGEST_LIFE))
            kill(self.child)
            self.child = fork(lambda: self._answer(None))
        return times

    def kill_at(self, name: str, occurrence: int, bound_seconds: float) -> bool:
        """A child in place of the one there is, which ends at a point; and then the next."""
        kill(self.child)
        self.child = fork(lambda: self._answer(Trap(name, occurrence)))
        reached = await_end(self.child, bound_seconds)
        self.child = fork(lambda: self._answer(None))
        return reached

    def kill_in_call(self, strace: str, calls: str, when: int, bound_seconds: float) -> bool:
        """The same, in a system call. False when it did not get there within the bound."""
        kill(self.child)
        self.child = fork(lambda: self._answer(None), waits=True)
        tracer = lay_trap_in_calls(strace, self.child, calls, when)
        reached = await_end(self.child, bound_seconds)
        tracer.wait()
        self.child = fork(lambda: self._answer(None))
        return reached

    def _answer(self, trap: Trap | None) -> None:
        Points(self.scene.points, WEB, trap).watch()
        parts = self.scene.parts(self.registry, limited=False)
        storage = parts.house.storage
        app = Flask("door")
        intake = Intake(storage, parts.registry, Inbox(storage, parts.mint), parts.clock)
        app.register_blueprint(webhooks_blueprint(intake))
        app.register_blueprint(agents_blueprint(Agents(parts, self.scene.tenant_id)))
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        server = make_server(
            "127.0.0.1", self.place.getsockname()[1], app, threaded=True, fd=self.place.fileno()
        )
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
        server.serve_forever()


def main(scene_file: str, port: str) -> None:
    scene = Scene.read(scene_file)
    with socket.create_server(("127.0.0.1", int(port)), backlog=128) as place:
        place.set_inheritable(True)
        registry = read_registry()
        import_platforms(registry)
        gc.freeze()
        doors = Doors(scene, registry, place, random.Random(f"{scene.seed} doors"))
        orders: dict[str, Callable[..., object]] = {
            "kill": doors.kill,
            "kill_at": doors.kill_at,
            "kill_in_call": doors.kill_in_call,
        }
        obey(orders, {"port": int(port)})
        kill(doors.child)


if __name__ == "__main__":
    main(*sys.argv[1:])
