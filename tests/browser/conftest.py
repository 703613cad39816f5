"""How long a browser's tests wait for what they look for: long enough for a busy machine."""

from __future__ import annotations

from playwright.sync_api import expect

expect.set_options(timeout=30_000)
