"""Draws the panel's components as a page, much as Intercom sets them in its inbox. For pictures.

Intercom's own renderer cannot be had. What stands here follows its published types: a component
of another type, or a style that it does not have, is refused, not passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

Component = Mapping[str, Any]

_TEXTS: Final = {"header": "h2", "paragraph": "p", "muted": "p", "error": "p"}
_BUTTONS: Final = ("primary", "secondary", "link")
STYLE: Final = """
  * { box-sizing: border-box; margin: 0; }
  body { padding: 24px; background: #f5f5f3; color: #1a1a1a;
    font: 14px/20px -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif; }
  main { display: grid; grid-template-columns: repeat(3, 320px); gap: 24px; align-items: start; }
  figure { margin: 0 0 24px; }
  p { white-space: pre-line; }
  figcaption { margin-bottom: 8px; font-weight: 600; }
  .canvas { border: 1px solid #dedcd7; border-radius: 12px; background: #fff; overflow: hidden; }
  .app { display: flex; gap: 8px; padding: 12px 16px; border-bottom: 1px solid #ebeae6;
    font-weight: 600; }
  .app::before { content: "M"; width: 20px; border-radius: 5px; background: #1c2028; color: #fff;
    text-align: center; font-size: 12px; }
  .parts { display: grid; gap: 10px; padding: 14px 16px 16px; }
  .none { margin-bottom: -8px; }
  h2 { font: 600 15px/20px inherit; font-size: 15px; }
  .muted { color: #6b6b6b; font-size: 13px; line-height: 18px; } .error { color: #b4271b; }
  button { display: block; width: 100%; padding: 8px 12px; border-radius: 8px; font: inherit;
    font-weight: 600; border: 1px solid #c9c7c1; background: #fff; color: inherit; }
  button.primary { border-color: #1a1a1a; background: #1a1a1a; color: #fff; }
  button.primary:disabled { border-color: #dedcd7; background: #ebeae6; color: #6b6b6b; }
  button.link { padding: 2px 0; border: 0; color: #0057ff; text-align: start; }
  label { display: block; font-weight: 600; font-size: 13px; }
  .box { margin-top: 4px; padding: 7px 10px; border: 1px solid #c9c7c1; border-radius: 8px;
    min-height: 36px; color: #1a1a1a; font-weight: 400; font-size: 14px; }
  .box.select::after { content: "▾"; float: inline-end; color: #6b6b6b; }
  .box .example { color: #6b6b6b; }
  .tick { display: grid; grid-template-columns: 20px 1fr; gap: 8px; margin-top: 6px; }
  .tick i { width: 16px; height: 16px; margin: 2px; border: 1px solid #8a8880; border-radius: 4px;
    font: 700 12px/14px sans-serif; text-align: center; color: #fff; }
  .tick.on i { background: #0057ff; border-color: #0057ff; } .tick.off { color: #6b6b6b; }
  table { width: 100%; border-collapse: collapse; font-size: 13px; }
  td { padding: 3px 0; vertical-align: top; } td:first-child { color: #6b6b6b; width: 50%; }
  td:last-child { padding-inline-start: 8px; text-align: end; }
  ul { margin: 0 -16px; padding: 0; list-style: none; }
  li { padding: 9px 16px; border-top: 1px solid #ebeae6; }
  li:last-child { border-bottom: 1px solid #ebeae6; }
  li.press b { color: #0057ff; }
  li small { display: block; color: #6b6b6b; font-size: 13px; }
  hr { width: 100%; border: 0; border-top: 1px solid #dedcd7; }
"""


def draw_page(columns: Sequence[Sequence[tuple[str, Sequence[Component]]]]) -> str:
    """One page with columns of canvases, each canvas under its name."""
    drawn = ("".join(_figure(*one) for one in column) for column in columns)
    figures = "".join(f"<div>{column}</div>" for column in drawn)
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>In the inbox</title>"
        f"<style>{STYLE}</style><main>{figures}</main></html>"
    )


def _figure(name: str, parts: Sequence[Component]) -> str:
    return (
        f"<figure><figcaption>{escape(name)}</figcaption><div class='canvas'>"
        f"<div class='app'>Makegood</div><div class='parts'>{draw(parts)}</div></div></figure>"
    )


def draw(components: Sequence[Component]) -> str:
    """These components as HTML, one below the other."""
    return "".join(_component(one) for one in components)


def _component(one: Component) -> str:
    match one["type"]:
        case "text":
            tag, style = _TEXTS[one["style"]], one["style"]
            close = " none" if one.get("bottom_margin") == "none" else ""
            return f"<{tag} class='{style}{close}'>{escape(one['text'])}</{tag}>"
        case "button":
            if one["style"] not in _BUTTONS:
                raise KeyError(one["style"])
            off = " disabled" if one.get("disabled") else ""
            out = " ↗" if one["action"]["type"] == "url" else ""
            return f"<button class='{one['style']}'{off}>{escape(one['label'])}{out}</button>"
        case "input":
            example = f"<span class='example'>{escape(one.get('placeholder', ''))}</span>"
            value = escape(one["value"]) if one.get("value") else example
            return f"<div><label>{escape(one['label'])}</label><div class='box'>{value}</div></div>"
        case "dropdown":
            chosen = [it["text"] for it in one["options"] if it["id"] == one.get("value")]
            shown = escape(chosen[0]) if chosen else "<span class='example'>Choose</span>"
            name = escape(one["label"])
            return f"<div><label>{name}</label><div class='box select'>{shown}</div></div>"
        case "checkbox":
            ticks = "".join(_tick(it, one["value"]) for it in one["option"])
            return f"<div><label>{escape(one['label'])}</label>{ticks}</div>"
        case "data-table":
            return f"<table>{''.join(_row(it) for it in one['items'])}</table>"
        case "list":
            return f"<ul>{''.join(_item(it) for it in one['items'])}</ul>"
        case "divider":
            return "<hr>"
        case other:
            raise KeyError(other)


def _tick(option: Component, picked: Sequence[str]) -> str:
    is_on = option["id"] in picked
    look = "off" if option.get("disabled") else "on" if is_on else ""
    mark = "✓" if is_on else ""
    return f"<div class='tick {look}'><i>{mark}</i><span>{escape(option['text'])}</span></div>"


def _row(row: Component) -> str:
    return f"<tr><td>{escape(row['field'])}</td><td>{escape(row['value'])}</td></tr>"


def _item(item: Component) -> str:
    lines = "".join(
        f"<small>{escape(item[name])}</small>"
        for name in ("subtitle", "tertiary_text")
        if name in item
    )
    press = "press" if "action" in item else ""
    return f"<li class='{press}'><b>{escape(item['title'])}</b>{lines}</li>"
