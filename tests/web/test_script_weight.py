"""How much script a page of ours loads, as it goes over the wire."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

import plugin
from plugin.platforms.data_files import DataFiles

MOST_BYTES = 60_000
BUILT = DataFiles(Path(plugin.__file__).parent)


@pytest.mark.parametrize(
    "bridge", sorted(name for name in BUILT.assets() if name.endswith("/bridge.js"))
)
def test_a_panel_with_its_bridge_is_light(bridge: str) -> None:
    scripts = [BUILT.asset(name).read_bytes() for name in ("panel/panel.js", bridge)]
    sizes = [len(gzip.compress(script)) for script in scripts]
    assert 20_000 < sum(sizes) <= MOST_BYTES
