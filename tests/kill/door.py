"""The door at which webhooks arrive: the real intake behind a plain WSGI server.

Started as `python -m tests.kill.door SCENE`. The process holds the place at which to listen; the
children that it forks answer there, until they are killed: who comes meanwhile has to wait.
"""

from __future__ import annotations

import gc
import logging
import signal
import socket
import sys
import threading
from dataclasses import dataclass, field

from flask import Flask
from werkzeug.serving import make_server

from plugin.platforms.registry import Registry
from tests.kill.mortal import await_end, fork, kill
from tests.kill.peers import obey
from tests.kill.points import Points, Trap
from tests.kill.scene import Scene, read_registry
from webhooks.http import Intake, webhooks_blueprint
from webhooks.inbox import Inbox


@dataclass(slots=True)
class Doors:
    """One child answers at a time."""

    scene: Scene
    registry: Registry
    place: socket.socket
    child: int = field(init=False)

    def __post_init__(self) -> None:
        self.child = fork(lambda: self._answer(None))

    def kill_at(self, name: str, occurrence: int, bound_seconds: float) -> bool:
        """A child in place of the one there is, which ends at a point; and then the next."""
        kill(self.child)
        self.child = fork(lambda: self._answer(Trap(name, occurrence)))
        reached = await_end(self.child, bound_seconds)
        self.child = fork(lambda: self._answer(None))
        return reached

    def _answer(self, trap: Trap | None) -> None:
        Points(self.scene.points, trap).watch()
        parts = self.scene.parts(self.registry, limited=True)
        storage = parts.house.storage
        app = Flask("door")
        intake = Intake(storage, parts.registry, Inbox(storage, parts.mint), parts.clock)
        app.register_blueprint(webhooks_blueprint(intake))
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        server = make_server(
            "127.0.0.1", self.scene.door, app, threaded=True, fd=self.place.fileno()
        )
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
        server.serve_forever()


def main(scene_file: str) -> None:
    scene = Scene.read(scene_file)
    with socket.create_server(("127.0.0.1", scene.door), backlog=128) as place:
        place.set_inheritable(True)
        gc.freeze()
        doors = Doors(scene, read_registry(), place)
        obey({"kill_at": doors.kill_at}, {"port": scene.door})
        kill(doors.child)


if __name__ == "__main__":
    main(*sys.argv[1:])
