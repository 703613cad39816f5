"""The parts for one command, which lets go of the database when it ends.

Without that a command that is done vanishes from PostgreSQL in the middle of its connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from plugin.settings import Settings, read_settings

if TYPE_CHECKING:
    from plugin.app import Parts


def open_parts(settings: Settings | None = None, role: str = "") -> Parts:
    """As `plugin.app.put_together`, for the command that runs."""
    from plugin.app import put_together  # noqa: PLC0415 - `--help` must not wait for the database's library

    parts = put_together(settings or read_settings(), role=role)
    click.get_current_context().call_on_close(parts.house.engine.dispose)
    return parts
