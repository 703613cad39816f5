"""What `--set KEY=VALUE` gives: typed, read from a file, or from standard input.

A secret that stands in the call itself is seen by everybody who lists processes, and stays in the
shell's history: the other two ways keep it out. Never shows a value, nor the name of a file, which
may be a secret that began with an @ of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from plugin.domain.errors import InvalidInput

FILE, STANDARD_INPUT = "@", "-"


def read_pairs(pairs: Sequence[str]) -> dict[str, str]:
    """`KEY=VALUE` words as a form; `@FILE` and `-` are read, `@@x` is `@x`. Raises InvalidInput.

    Of what is read the last line break is not part of the value.
    """
    typed: dict[str, str] = {}
    for pair in pairs:
        name, mark, value = pair.partition("=")
        if not mark or not name.isidentifier():
            raise InvalidInput("--set", "write KEY=VALUE, like --set api_key=...")
        if name in typed:
            raise InvalidInput("--set", f"{name} came twice")
        typed[name] = value
    if list(typed.values()).count(STANDARD_INPUT) > 1:
        raise InvalidInput("--set", "only one value can come from standard input")
    return {name: _value(name, value) for name, value in typed.items()}


def _value(name: str, value: str) -> str:
    if value == STANDARD_INPUT:
        return _from_standard_input(name)
    if value.startswith(FILE * 2):
        return value[1:]
    if value.startswith(FILE):
        return _from_file(name, value[1:])
    return value


def _from_standard_input(name: str) -> str:
    if sys.stdin.isatty():  # somebody types: what they type is not shown
        prompted: str = click.prompt(name, hide_input=True, err=True)
        return prompted
    try:
        return _last_break_off(sys.stdin.buffer.read().decode())
    except UnicodeDecodeError:
        raise InvalidInput(f"--set {name}", "what comes is no text in UTF-8") from None


def _from_file(name: str, file: str) -> str:
    try:
        return _last_break_off(Path(file).expanduser().read_bytes().decode())
    except UnicodeDecodeError:
        raise InvalidInput(f"--set {name}", "that file holds no text in UTF-8") from None
    except (OSError, RuntimeError, ValueError) as error:
        why = getattr(error, "strerror", None) or "there is no such place"
        raise InvalidInput(
            f"--set {name}",
            f"cannot read the file after @: {why}; a value that begins with @ is written @@",
        ) from None


def _last_break_off(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")
