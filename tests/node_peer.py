"""Asks a vendor's own package for Node, of those that `tests/peers` names, by a small program."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

_PEERS = Path(__file__).parent / "peers"


def ask(program: Path, package: str, given: object) -> Any:  # noqa: ANN401 - any JSON
    """What `program` says of `given`, as JSON both ways, by the help of `package`.

    The program's argument is the folder of all packages.
    """
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("npm is unavailable; `make test` brings it")
    packages = _PEERS / "node_modules"
    with (_PEERS / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several test processes one installs
        if not (packages / package).is_dir():
            subprocess.run([npm, "ci", "--ignore-scripts"], cwd=_PEERS, check=True, timeout=150)
    ran = subprocess.run(
        [node, program, packages],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(ran.stdout)
