"""`makegood ...`: the command line. Each command is a few lines over the screens' use cases.

Exit codes:
    0  done
    1  something is wrong, and was listed (a check, a broken audit trail)
    2  the call or a setting is off: an unknown word, a field that cannot be used
    3  a person must act first; the message says what to do
    4  the other side, or the database, does not answer: try again

With `--json` standard output ends with one line that is one object, whatever happens: `ok`, and the
facts, or `code` and `detail`. Words for people go to standard error then. Never prints a secret,
but for the links whose purpose it is.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plugin.commands.agents import agents
from plugin.commands.looking import GROUPS
from plugin.commands.opened import open_parts
from plugin.commands.pairs import read_pairs
from plugin.commands.program import (
    WRONG,
    Output,
    Program,
    WithExamples,
    json_option,
    parent_option,
    set_option,
)
from plugin.settings import Settings, read_settings

if TYPE_CHECKING:
    from plugin.app import Parts
    from plugin.ports.records import Tenant


@click.group("makegood", cls=Program)
@click.version_option(package_name="makegood")
def main() -> None:
    """The refund desk inside your tickets.

    Settings come from the environment: see docs/operating.md.
    """


def _home(parts: Parts) -> Tenant:
    from plugin.first_start import home_tenant

    return home_tenant(parts.house.storage)


def _prepare(settings: Settings) -> None:
    from plugin.chance import SystemClock, SystemMint
    from plugin.first_start import prepare_house

    prepare_house(settings, SystemClock(), SystemMint()).engine.dispose()


# --- running --------------------------------------------------------------------------------------


@main.command()
@click.option("--practice", "with_practice", is_flag=True, help="Make practice and open it, too.")
@json_option
def serve(*, with_practice: bool, as_json: bool) -> None:
    """Run web and worker together, and start again what dies.

    Prints the addresses as soon as they work. Ctrl-C or SIGTERM ends both after what is under way.
    """
    from plugin.logs import log_to_stderr
    from plugin.serve import answers, own_command, supervise, wait_until_alone, wait_until_free
    from plugin.watch.folder import counting_in
    from plugin.watch.watching import refuse_missing_packages
    from plugin.workflows.only_worker import OnlyWorker

    out = Output(as_json=as_json)
    settings = read_settings()
    _check_installation()
    refuse_missing_packages(settings)
    wait_until_free(settings.host, settings.port)
    _prepare(settings)
    if settings.is_sqlite:
        wait_until_alone(lambda: OnlyWorker(settings.data_dir))
    log_to_stderr()
    with counting_in(settings.data_dir if settings.metrics_token else None):
        supervise(
            {"web": own_command("web"), "worker": own_command("worker")},
            is_ready=lambda: answers(settings.host, settings.port),
            announce=lambda: _announce(
                settings, out, with_practice=with_practice or settings.practice
            ),
            notice_seconds=settings.drain_notice_seconds,
        )


def _check_installation() -> None:
    from plugin.import_guard import refuse_foreign_owners
    from plugin.platforms.data_files import DataFiles

    refuse_foreign_owners()
    DataFiles().assets()


def _announce(settings: Settings, out: Output, *, with_practice: bool) -> None:
    parts = open_parts(settings)
    links = {"admin": _sign_in_link(parts)}
    if with_practice:
        links["practice"] = _practice_link(parts)
    parts.house.engine.dispose()
    for name, link in links.items():
        out.line(f"{name.capitalize():9} {link}")
    out.facts(ok=True, **links)
    sys.stdout.flush()


@main.command(hidden=True)
@parent_option
def web(*, parent: int | None) -> None:
    """Run the web server only."""
    from plugin.logs import log_to_stderr
    from plugin.serve import serve_web

    settings = read_settings()
    log_to_stderr()
    serve_web(
        settings.host,
        settings.port,
        settings.web_workers,
        settings.web_threads,
        settings.drain_notice_seconds,
        parent,
    )


@main.command()
@parent_option
@json_option
def worker(*, parent: int | None, as_json: bool) -> None:
    """Run the worker only. On SQLite there is one per data folder."""
    from plugin.serve import end_with_parent
    from plugin.watch.folder import count_alone

    if parent is not None:
        end_with_parent(parent)
    else:
        count_alone()
    out = Output(as_json=as_json)
    settings = read_settings()

    from plugin.app import looking_back, worker_tasks
    from plugin.logs import log_to_stderr
    from plugin.storage.disk import end_when_the_disk_fails
    from plugin.workflows.heart import Heart
    from plugin.workflows.worker import executor_name, run_worker

    _check_installation()
    parts = open_parts(settings, "worker")
    log_to_stderr()
    end_when_the_disk_fails()
    storage = parts.house.storage
    heart = Heart(storage, executor_name())
    tasks = worker_tasks(parts, lambda: heart.is_beating)
    with parts.watched(alone=parent is None):
        back = looking_back(parts)
        run_worker(settings, storage, parts.clock, tasks, heart=heart, looking_back=back)
    out.end()


@main.command()
@json_option
def practice(*, as_json: bool) -> None:
    """Make the practice store and desk, and print the address that opens them.

    The address works while `makegood serve` runs.
    """
    out = Output(as_json=as_json)
    settings = read_settings()
    _prepare(settings)
    link = _practice_link(open_parts(settings))
    out.line(link)
    out.end(practice=link)


@main.command("sign-in")
@json_option
def sign_in(*, as_json: bool) -> None:
    """Print a link that signs the admin in, once, within fifteen minutes."""
    out = Output(as_json=as_json)
    link = _sign_in_link(open_parts())
    out.line(link)
    out.end(admin=link)


def _sign_in_link(parts: Parts) -> str:
    from plugin.services.sign_in_admin import SignInAdmin

    sign_in_admin = SignInAdmin(parts.house.storage, parts.mint)
    return sign_in_admin.make_link(_home(parts).id, parts.settings.public_url, parts.clock.now())


def _practice_link(parts: Parts) -> str:
    from plugin.practice import open_practice

    return open_practice(parts)


# --- connecting -----------------------------------------------------------------------------------


@main.command(cls=WithExamples)
@click.argument("platform")
@set_option
@click.option(
    "--map",
    "map_file",
    type=click.Path(path_type=Path),
    help="An access map as JSON, in place of the one before.",
)
@click.option("--finish", is_flag=True, help="After you uploaded the app: read its ids.")
@click.option(
    "--installation", default="", metavar="ID", help="Which one, where there are several."
)
@click.option("--another", is_flag=True, help="A further account beside one that is connected.")
@json_option
def connect(
    platform: str,
    *,
    pairs: tuple[str, ...],
    map_file: Path | None,
    finish: bool,
    installation: str,
    another: bool,
    as_json: bool,
) -> None:
    """Connect a store or a helpdesk: what the install screen does, from the terminal."""
    from plugin.commands.connect import connect_from_terminal

    out = Output(as_json=as_json)
    typed = read_pairs(pairs)
    parts = open_parts()
    code, facts = connect_from_terminal(
        parts,
        _home(parts).id,
        platform,
        typed,
        map_file,
        installation,
        out.line,
        finish=finish,
        another=another,
    )
    out.end(code, **facts)


@main.command()
@click.argument("desk")
@click.option(
    "--installation", default="", metavar="ID", help="Which one, where there are several."
)
@set_option
@click.option("--out", "target", type=click.Path(path_type=Path), help="The file to write.")
@json_option
def package(
    desk: str, *, installation: str, pairs: tuple[str, ...], target: Path | None, as_json: bool
) -> None:
    """Write our app for a helpdesk, once it is connected; or its configuration for a store."""
    from plugin.commands.connect import package_desk, write_app_file

    out = Output(as_json=as_json)
    parts, typed = open_parts(), read_pairs(pairs)
    path = write_app_file(parts, desk, typed, target)
    if path is None:
        path = package_desk(parts, _home(parts).id, desk, installation, target)
    out.line(f"Wrote {path}")
    out.end(path=str(path))


@main.command(
    epilog="\b\nExample:\n"
    '  makegood shop --set name="Northlight Studio" --set time_zone=Europe/Zagreb'
)
@set_option
@json_option
def shop(*, pairs: tuple[str, ...], as_json: bool) -> None:
    """Show your shop's name, time zone and language, or set them."""
    from plugin.commands.shop import describe_shop

    out = Output(as_json=as_json)
    typed = read_pairs(pairs)
    parts = open_parts()
    out.end(**describe_shop(parts, _home(parts).id, typed, out.line))


@main.command()
@json_option
def check(*, as_json: bool) -> None:
    """Check that this machine and data folder are fit to run, and list what is not."""
    from plugin.commands.check import check_house

    out = Output(as_json=as_json)
    settings = read_settings()
    _check_installation()
    facts, faults, warnings = check_house(open_parts(settings), out.line)
    out.end(WRONG if faults else 0, **facts, faults=faults, warnings=warnings)


@main.command()
@click.argument("installation", required=False)
@json_option
def sweep(installation: str | None, *, as_json: bool) -> None:
    """Look now for events that no webhook brought, at all stores or one; tell what differs."""
    from plugin.commands.sweep import sweep_now

    out = Output(as_json=as_json)
    facts, faults = sweep_now(open_parts(), installation, out.line)
    out.end(WRONG if faults else 0, **facts, faults=faults)


# --- keeping --------------------------------------------------------------------------------------


@main.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def backup(file: Path, *, as_json: bool) -> None:
    """Copy all data into a new file, while everything runs. The keys are not in it."""
    from plugin.chance import SystemClock
    from plugin.commands.copies import back_up

    out = Output(as_json=as_json)
    out.end(**back_up(read_settings(), SystemClock(), file, out.line))


@main.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--release", "is_release", is_flag=True, help="End the hold that follows a restore.")
@json_option
def restore(file: Path | None, *, is_release: bool, as_json: bool) -> None:
    """Load a copy into an empty house. Nothing is sent until what happened since is known."""
    from plugin.chance import SystemClock
    from plugin.commands.copies import release_holds
    from plugin.commands.copies import restore as load

    out = Output(as_json=as_json)
    if (file is None) is not is_release:
        raise click.UsageError("give the FILE of a copy, or --release")
    if file is None:
        out.end(**release_holds(open_parts(), out.line))
    out.end(**load(read_settings(), SystemClock(), file, out.line))


@main.command()
@click.option(
    "--to", "revision", default="head", metavar="VERSION", help="Go to this one, also back."
)
@json_option
def migrate(*, revision: str, as_json: bool) -> None:
    """Bring the database to this version's schema, or back to an older one."""
    from plugin.commands.migrating import migrate_house

    out = Output(as_json=as_json)
    out.end(**migrate_house(read_settings(), revision, out.line))


@main.group()
def platforms() -> None:
    """The stores and helpdesks that there are."""


@platforms.command("list")
@json_option
def platforms_list(*, as_json: bool) -> None:
    """List the platforms with their quality rules."""
    from plugin.commands.platforms import list_platforms

    out = Output(as_json=as_json)
    out.end(platforms=list_platforms(out.line))


@platforms.command("new")
@click.argument("name")
@click.option(
    "--kind", type=click.Choice(["store", "helpdesk"]), required=True, help="What it is to us."
)
@click.option(
    "--into",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="A checkout of Makegood; the one that runs, without this.",
)
@json_option
def platforms_new(name: str, *, kind: str, folder: Path | None, as_json: bool) -> None:
    """Write a new platform's first files: manifest, adapter, parser, page and tests.

    NAME is its stem, in small letters with underscores, like good_shop. Overwrites nothing.
    """
    from plugin.commands.new_platform import write_platform
    from plugin.ports import Kind

    out = Output(as_json=as_json)
    out.end(files=write_platform(name, Kind(kind), folder, out.line))


@platforms.command("check")
@json_option
def platforms_check(*, as_json: bool) -> None:
    """Check all manifests against their code, tests and docs, and print all faults at once."""
    from plugin.commands.platforms import check_platforms

    out = Output(as_json=as_json)
    faults = check_platforms(out.line)
    out.end(WRONG if faults else 0, faults=faults)


@platforms.command("matrix")
@json_option
def platforms_matrix(*, as_json: bool) -> None:
    """Print the tables of what each platform can do, as Markdown."""
    from plugin.commands.platforms import matrix

    out = Output(as_json=as_json)
    tables = matrix()
    out.line(tables)
    out.end(matrix=tables)


for group in (*GROUPS, agents):
    main.add_command(group)


if __name__ == "__main__":
    main()
