"""The door at which webhooks arrive: the real intake behind a plain WSGI server, in a process.

Started as `python -m tests.kill.door SCENE`.
"""

from __future__ import annotations

import logging
import sys
import threading

from flask import Flask
from werkzeug.serving import make_server

from tests.kill.peers import obey
from tests.kill.scene import Scene, read_registry
from webhooks.http import Intake, webhooks_blueprint
from webhooks.inbox import Inbox


def main(scene_file: str) -> None:
    scene = Scene.read(scene_file)
    parts = scene.parts(read_registry(), limited=True)
    storage = parts.house.storage
    app = Flask("door")
    intake = Intake(storage, parts.registry, Inbox(storage, parts.mint), parts.clock)
    app.register_blueprint(webhooks_blueprint(intake))
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", scene.door, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    obey({}, {"port": scene.door})
    server.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
