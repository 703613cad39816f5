"""`makegood ...`: the command line. Each command is a few lines over the same use cases as the screens.

Exit codes: 0 done, 1 something is wrong and was listed, 2 the call's words are off, 3 a person must act first,
4 the other side does not answer. With `--json` the last line of the output is one object for machines.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from plugin.domain.errors import InvalidInput, MakegoodError, NeedsHuman, OutcomeUnknown, RetryLater
from plugin.settings import read_settings

if TYPE_CHECKING:
    from plugin.app import Parts
    from plugin.ports.storage import Tenant

WRONG, NEEDS_PERSON, NO_ANSWER = 1, 3, 4


class Output:
    """What a command says: lines for people, or one object for machines on the last line."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def line(self, text: str) -> None:
        click.echo(text, err=self.as_json)

    def end(self, code: int = 0, /, **facts: object) -> NoReturn:
        if self.as_json:
            click.echo(json.dumps({"ok": code == 0, **facts}, default=str))
        raise SystemExit(code)


def _json_option(command: Callable[..., None]) -> Callable[..., None]:
    return click.option("--json", "as_json", is_flag=True, help="One JSON object on the last line.")(
        command
    )


class _Group(click.Group):
    """Errors of ours end as a sentence and a code, never as a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except InvalidInput as error:
            _fail(2, error)
        except (RetryLater, OutcomeUnknown) as error:
            _fail(NO_ANSWER, error)
        except MakegoodError as error:
            _fail(NEEDS_PERSON, error)


def _fail(code: int, error: MakegoodError) -> NoReturn:
    if "--json" in sys.argv:
        click.echo(json.dumps({"ok": False, "code": error.code, "detail": error.detail}))
    else:
        click.echo(f"makegood: {error.detail or error.code} ({error.code})", err=True)
    raise SystemExit(code)


@click.group(cls=_Group)
@click.version_option(package_name="makegood")
def main() -> None:
    """The refund desk inside your tickets."""


def _parts() -> Parts:
    from plugin.app import put_together

    return put_together(read_settings())


def _home(parts: Parts) -> Tenant:
    from plugin.first_start import home_tenant

    return home_tenant(parts.house.storage)


# --- running --------------------------------------------------------------------------------------


@main.command()
@click.option("--practice", is_flag=True, help="Make the practice store and desk, and open them.")
def serve(*, practice: bool) -> None:
    """Run web and worker together, and start again what dies."""
    from plugin.chance import SystemClock, SystemMint
    from plugin.first_start import prepare_house
    from plugin.import_guard import refuse_foreign_owners
    from plugin.serve import own_command, supervise

    settings = read_settings()
    refuse_foreign_owners()
    clock, mint = SystemClock(), SystemMint()
    prepare_house(settings, clock, mint)
    parts = _parts()
    click.echo(f"Admin     {_sign_in_link(parts)}")
    if practice or settings.practice:
        click.echo(f"Practice  {_practice_link(parts)}")
    sys.stdout.flush()
    supervise({"web": own_command("web"), "worker": own_command("worker", "--end-with-parent")})


@main.command(hidden=True)
def web() -> None:
    """Run the web server only."""
    from plugin.serve import end_with_parent, serve_web

    settings = read_settings()
    end_with_parent()
    serve_web(settings.host, settings.port, settings.web_workers, settings.web_threads)


@main.command()
@click.option("--end-with-parent", "with_parent", is_flag=True, hidden=True)
def worker(*, with_parent: bool) -> None:
    """Run the worker only. On SQLite there is one per data folder."""
    from plugin.app import worker_tasks
    from plugin.logs import log_to_stderr
    from plugin.serve import end_with_parent
    from plugin.workflows.worker import run_worker

    if with_parent:
        end_with_parent()
    log_to_stderr()
    parts = _parts()
    run_worker(parts.settings, parts.house.storage, parts.clock, worker_tasks(parts))


@main.command()
@_json_option
def practice(*, as_json: bool) -> None:
    """Make the practice store and desk, and print the address that opens them."""
    from plugin.chance import SystemClock, SystemMint
    from plugin.first_start import prepare_house

    out = Output(as_json=as_json)
    prepare_house(read_settings(), SystemClock(), SystemMint())
    link = _practice_link(_parts())
    out.line(link)
    out.end(url=link)


@main.command("sign-in")
@_json_option
def sign_in(*, as_json: bool) -> None:
    """Print a one-time link that signs the admin in."""
    out = Output(as_json=as_json)
    link = _sign_in_link(_parts())
    out.line(link)
    out.end(url=link)


def _sign_in_link(parts: Parts) -> str:
    from plugin.services.sign_in_admin import SignInAdmin

    sign_in_admin = SignInAdmin(parts.house.storage, parts.mint)
    return sign_in_admin.make_link(
        _home(parts).id, parts.settings.public_url, parts.clock.now()
    )


def _practice_link(parts: Parts) -> str:
    from plugin.practice import open_practice

    return open_practice(parts)


# --- connecting -----------------------------------------------------------------------------------


@main.command()
@click.argument("platform")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A field of the form.")
@click.option("--map", "map_file", type=click.Path(path_type=Path), help="An access map as JSON.")
@click.option("--finish", is_flag=True, help="Read the ids that exist only after the app is in.")
@click.option("--installation", default="", help="Which one, where there are several.")
@_json_option
def connect(
    platform: str,
    *,
    pairs: tuple[str, ...],
    map_file: Path | None,
    finish: bool,
    installation: str,
    as_json: bool,
) -> None:
    """Connect a store or a helpdesk: what the install screen does, from the terminal."""
    from plugin.commands.connect import connect_from_terminal

    out = Output(as_json=as_json)
    typed = _pairs(pairs)
    parts = _parts()
    code, facts = connect_from_terminal(
        parts, _home(parts).id, platform, typed, map_file, installation, out.line, finish=finish
    )
    out.end(code, **facts)


def _pairs(pairs: Sequence[str]) -> dict[str, str]:
    typed = {}
    for pair in pairs:
        name, mark, value = pair.partition("=")
        if not mark or not name:
            raise InvalidInput("--set", "write KEY=VALUE")
        if name in typed:
            raise InvalidInput("--set", f"{name} came twice")
        typed[name] = value
    return typed


@main.command()
@click.argument("desk")
@click.option("--installation", required=True, help="The installation that `connect` printed.")
@click.option("--out", "target", type=click.Path(path_type=Path), help="The file to write.")
@_json_option
def package(desk: str, *, installation: str, target: Path | None, as_json: bool) -> None:
    """Write the app package that a helpdesk takes."""
    from plugin.commands.connect import package_desk

    out = Output(as_json=as_json)
    parts = _parts()
    path = package_desk(parts, _home(parts).id, desk, installation, target)
    out.line(f"Wrote {path}")
    out.end(path=str(path))


@main.command()
@_json_option
def check(*, as_json: bool) -> None:
    """Check that this machine and data folder are fit to run."""
    from plugin.import_guard import refuse_foreign_owners
    from plugin.storage.database import sqlite_facts

    out = Output(as_json=as_json)
    refuse_foreign_owners()
    parts = _parts()
    facts = sqlite_facts(parts.house.engine)
    facts |= {"public_url": parts.settings.public_url, "data_dir": str(parts.settings.data_dir)}
    for name, value in facts.items():
        out.line(f"{name:14} {value}")
    out.end(**facts)


@main.group(cls=_Group)
def platforms() -> None:
    """The stores and helpdesks that there are."""


@platforms.command("list")
@_json_option
def platforms_list(*, as_json: bool) -> None:
    """List the platforms with what they can do."""
    from plugin.commands.platforms import list_platforms

    out = Output(as_json=as_json)
    out.end(platforms=list_platforms(out.line))


@platforms.command("check")
@_json_option
def platforms_check(*, as_json: bool) -> None:
    """Check all manifests against their code, tests and docs, and print all faults at once."""
    from plugin.commands.platforms import check_platforms

    out = Output(as_json=as_json)
    faults = check_platforms(out.line)
    out.end(WRONG if faults else 0, faults=faults)


@platforms.command("matrix")
def platforms_matrix() -> None:
    """Print the table of the README."""
    from plugin.commands.platforms import matrix

    click.echo(matrix())


# --- looking --------------------------------------------------------------------------------------


@main.group(cls=_Group)
def deliveries() -> None:
    """Incoming webhooks."""


@deliveries.command("list")
@click.option("--state", multiple=True, help="Only these states.")
@click.option("--limit", default=20, show_default=True)
@_json_option
def deliveries_list(*, state: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List the newest deliveries."""
    from plugin.commands.look import list_deliveries

    out = Output(as_json=as_json)
    out.end(deliveries=list_deliveries(_parts(), state, limit, out.line))


@deliveries.command("show")
@click.argument("delivery")
@_json_option
def deliveries_show(delivery: str, *, as_json: bool) -> None:
    """Show one delivery: its headers' names, state and size, never its content."""
    from plugin.commands.look import show_delivery

    out = Output(as_json=as_json)
    out.end(**show_delivery(_parts(), delivery, out.line))


@deliveries.command("replay")
@click.argument("delivery")
@_json_option
def deliveries_replay(delivery: str, *, as_json: bool) -> None:
    """Put a delivery back in line. What it did already is not done again."""
    from plugin.commands.look import replay_delivery

    out = Output(as_json=as_json)
    replay_delivery(_parts(), delivery)
    out.line("Back in line.")
    out.end(replayed=delivery)


@main.group(cls=_Group)
def refunds() -> None:
    """Refunds and how far they are."""


@refunds.command("list")
@click.option("--limit", default=20, show_default=True)
@_json_option
def refunds_list(*, limit: int, as_json: bool) -> None:
    """List the newest refunds."""
    from plugin.commands.look import list_refunds

    out = Output(as_json=as_json)
    out.end(refunds=list_refunds(_parts(), limit, out.line))


@refunds.command("show")
@click.argument("refund")
@_json_option
def refunds_show(refund: str, *, as_json: bool) -> None:
    """Show one refund with every move and effect."""
    from plugin.commands.look import show_refund

    out = Output(as_json=as_json)
    out.end(**show_refund(_parts(), refund, out.line))


@main.group(cls=_Group)
def audit() -> None:
    """The audit trail."""


@audit.command("verify")
@_json_option
def audit_verify(*, as_json: bool) -> None:
    """Recompute the chain of hashes of every tenant."""
    from plugin.commands.look import verify_audit

    out = Output(as_json=as_json)
    broken, entries = verify_audit(_parts(), out.line)
    out.end(WRONG if broken else 0, entries=entries, broken=broken)


if __name__ == "__main__":
    main()
