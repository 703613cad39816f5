"""How every command speaks and ends: lines for people, one object for machines, a code.

The exit codes stand in `plugin.cli`. Knows which errors are told as a sentence, and of no command.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

import click

from plugin.domain.errors import InvalidInput, MakegoodError, OutcomeUnknown, RetryLater

WRONG, OFF, NEEDS_PERSON, NO_ANSWER = 1, 2, 3, 4
NOT_MANY: Final = click.IntRange(1, 1000)


class Output:
    """What a command says: lines for people, or one object for machines on the last line."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def line(self, text: str) -> None:
        click.echo(text, err=self.as_json)

    def facts(self, **facts: object) -> None:
        """The one object, where it is asked for."""
        if self.as_json:
            click.echo(json.dumps(facts, default=str))

    def end(self, code: int = 0, /, **facts: object) -> NoReturn:
        self.facts(ok=code == 0, **facts)
        raise SystemExit(code)

    def fail(self, status: int, code: str, detail: str) -> NoReturn:
        click.echo(f"makegood: {detail or code}", err=True)
        self.facts(ok=False, code=code, detail=detail)
        raise SystemExit(status)


class Program(click.Group):
    """The root: every error of ours ends as a sentence and a code, never as a traceback."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **named: Any) -> NoReturn:  # noqa: ANN401 - click's own signature, which is overloaded
        words = list(sys.argv[1:] if args is None else args)
        output = Output(as_json="--json" in words)
        named["standalone_mode"] = False
        try:
            ended = super().main(words, *more, **named)
        except click.ClickException as error:
            usage = (
                error.ctx.get_usage() if isinstance(error, click.UsageError) and error.ctx else ""
            )
            if usage:
                click.echo(usage, err=True)
            output.fail(OFF, "usage", error.format_message())
        except click.Abort:
            output.fail(WRONG, "stopped", "stopped")
        except InvalidInput as error:
            output.fail(OFF, error.code, error.detail)
        except (RetryLater, OutcomeUnknown) as error:
            output.fail(NO_ANSWER, error.code, error.detail)
        except MakegoodError as error:
            output.fail(NEEDS_PERSON, error.code, error.detail)
        except Exception as error:
            found = _known(error)
            if found is None:
                raise
            output.fail(*found)
        raise SystemExit(ended if isinstance(ended, int) else 0)


def _known(error: Exception) -> tuple[int, str, str] | None:
    """Status, code and advice for errors that are not of our family; None for a bug."""
    from sqlalchemy.exc import DBAPIError

    from plugin.import_guard import ImportNameTaken
    from plugin.platforms.data_files import DataMissing
    from plugin.platforms.manifest_schema import InvalidManifest
    from plugin.storage.soundness import is_damage

    match error:
        case ImportNameTaken() | DataMissing():
            return NEEDS_PERSON, "installation", str(error)
        case InvalidManifest():
            return WRONG, "invalid_manifest", f"{error}; see `makegood platforms check`"
        case DBAPIError() if is_damage(error):
            advice = "keep the file, and put a copy that you kept in its place"
            return NEEDS_PERSON, "damaged_database", f"the database is damaged: {advice}"
        case DBAPIError():
            # Its own text would show the row it was about.
            kind = type(error.orig).__name__
            advice = "check MAKEGOOD_DATABASE_URL, the data folder and its disk"
            return NO_ANSWER, "database", f"the database cannot be used ({kind}): {advice}"
        case OSError() if error.filename is not None:
            return NEEDS_PERSON, "file", f"cannot use {error.filename}: {error.strerror}"
        case _:
            return None


class WithExamples(click.Command):
    """A command whose help ends with a call of it for each platform, by the manifests' words."""

    def format_epilog(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        from plugin.commands.platforms import connect_examples

        with formatter.section("Examples"):
            for example in connect_examples():
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")


def set_option(command: Callable[..., None]) -> Callable[..., None]:
    """`--set KEY=VALUE`, the same for every command; `plugin.commands.pairs` reads it."""
    text = "A field, once for each. VALUE may be @FILE to read a file, or - for standard input."
    return click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help=text)(command)


def json_option(command: Callable[..., None]) -> Callable[..., None]:
    """`--json`, the same for every command."""
    text = "Standard output ends with one JSON object."
    return click.option("--json", "as_json", is_flag=True, help=text)(command)


def parent_option(command: Callable[..., None]) -> Callable[..., None]:
    """`--parent`, for the supervisor's own children."""
    return click.option("--parent", type=int, hidden=True, help="Ends when this process does.")(
        command
    )
