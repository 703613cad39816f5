"""Write every state of the panel as a page of its own, and one page that shows them side by side.

    python -m tests.web.gallery FOLDER [--styles HREF] [--script SRC]

For looking at, and for screenshots. The pages are the product's own; only the index is the
gallery's. They follow the browser's light or dark scheme.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from dataclasses import replace
from html import escape
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from plugin.web.views.render_panel import render_panel
from tests.web.panel_states import example_panels, panels_of_frames

TEMPLATES = Path(__file__).parents[2] / "plugin" / "web" / "templates"


def environment() -> Environment:
    """The templates, strict: a name that is not there is an error here, not an empty place."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )


def write_gallery(folder: Path, styles: str, script: str = "") -> list[Path]:
    """Write one page per state and ``index.html`` into `folder`; return the states' pages."""
    folder.mkdir(parents=True, exist_ok=True)
    env = environment()
    pages = []
    for name, panel in (example_panels() | panels_of_frames()).items():
        scripts = (script,) if script else ()
        frame = replace(panel.frame, stylesheets=(styles,), scripts=scripts)
        page = folder / f"{name}.html"
        page.write_text(render_panel(replace(panel, frame=frame), env), encoding="utf-8")
        pages.append(page)
    figures = "\n".join(
        f"<figure><figcaption>{escape(page.stem)}</figcaption>"
        f'<iframe src="{escape(page.name)}" title="{escape(page.stem)}"></iframe></figure>'
        for page in pages
    )
    folder.joinpath("index.html").write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        "<title>The panel in every state</title>"
        "<style>body{margin:24px;font:14px/20px system-ui;display:grid;gap:24px;"
        "grid-template-columns:repeat(auto-fill,360px)}figure{margin:0}iframe{inline-size:100%;"
        f"block-size:720px;border:1px solid #8886}}</style>\n{figures}\n</html>\n",
        encoding="utf-8",
    )
    return pages


def main(arguments: list[str]) -> None:
    """Write the gallery from the command line."""
    parser = ArgumentParser(description="Write the panel in every state, to look at")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--styles", default="panel.css")
    parser.add_argument("--script", default="")
    options = parser.parse_args(arguments)
    pages = write_gallery(options.folder, options.styles, options.script)
    print(f"{len(pages)} states in {options.folder / 'index.html'}")


if __name__ == "__main__":
    main(sys.argv[1:])
