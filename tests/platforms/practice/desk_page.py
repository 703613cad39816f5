"""The practice desk's page as the web renders it, for tests that look at it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from plugin.helpdesks.practice import DeskPage
from plugin.web.views.render_panel import render_panel
from tests.web.panel_states import example_panels

TEMPLATES = Path(__file__).parents[3] / "plugin" / "web" / "templates"
BASE = "/panel/practice/practice-desk"


def desk_page(
    desk: DeskPage | None,
    state: str = "practice",
    stylesheets: tuple[str, ...] = (),
    scripts: tuple[str, ...] = (),
) -> str:
    """The page for `desk`, with one of the panel's example states in the panel's place."""
    env = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    panel = example_panels()[state]
    frame = replace(panel.frame, base=BASE, stylesheets=stylesheets, scripts=scripts)
    return render_panel(replace(panel, frame=frame), env, "frames/practice.html", desk)
