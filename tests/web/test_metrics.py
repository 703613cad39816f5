"""`/metrics`: every series that is documented and no other, for whoever shows the token."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NoReturn

import psutil
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from plugin.app import put_together
from plugin.domain.effects import EffectState
from plugin.ports.watching import (
    CallPutOff,
    Committed,
    DeliveryAnswered,
    EffectMoved,
    Entry,
    RequestBegun,
)
from plugin.settings import read_settings
from plugin.watch.exposition import Exposition
from plugin.watch.metrics import Metrics
from plugin.watch.series import COUNTED, LOOKED_UP, PROCESS, SERIES, Kind
from tests.databases import Databases
from tests.fuzz.deliveries import signed_headers
from tests.kill.places import free_port
from tests.served import ROOT, Served, wait_for
from tests.storage_fixtures import FakeClock
from tests.watched_day import TOKEN, Day, watched_day
from tests.web.site import Site, open_site

BOUNDED = re.compile(r"[A-Za-z0-9_./<>:+-]{1,80}")


def told(page: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Every sample by name and labels."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def bases(page: str) -> set[str]:
    """The names of the series, as they are documented."""
    counters = {series.name.removesuffix("_total"): series.name for series in SERIES}
    return {counters.get(f.name, f.name) for f in text_string_to_metric_families(page)}


# --- the meaning of each --------------------------------------------------------------------------


def test_every_series_is_documented_and_every_documented_one_exists() -> None:
    page = (ROOT / "docs/monitoring.md").read_text("utf-8")
    rows = set(re.findall(r"^\| `(\w+)` \| (?:counter|gauge|histogram) \|", page, re.MULTILINE))
    assert rows == {series.name for series in SERIES}
    named = set(re.findall(r"\b(?:makegood|process)_[a-z_]+", page))
    known = {series.name for series in SERIES}
    parts = {f"{s.name}_{end}" for s in SERIES for end in ("bucket", "sum", "count")}
    assert named <= known | parts
    assert all(series.text.endswith(".") and len(series.text) > 10 for series in SERIES)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Day]:
    with watched_day(tmp_path_factory.mktemp("day"), databases) as one:
        yield one


def test_a_scrape_has_all_of_them_and_no_others(day: Day) -> None:
    assert bases(day.page) == {series.name for series in SERIES}


def test_each_has_its_labels_with_few_short_words_in_them(day: Day) -> None:
    samples = told(day.page)
    for series in SERIES:
        name = f"{series.name}_count" if series.kind is Kind.HISTOGRAM else series.name
        for labels in samples.get(name, {}):
            assert {label for label, _ in labels} == set(series.labels), series.name
            assert all(BOUNDED.fullmatch(value) for _, value in labels), series.name
    with day.house.parts.house.storage.read(day.house.tenant) as uow:
        ids = [day.house.tenant, *(i.connection.installation for i in uow.installations.all())]
    assert not [one for one in ids if one in day.page]


def test_a_day_is_counted(day: Day) -> None:
    value = day.value
    assert value("makegood_deliveries_total", platform="systeme_io", outcome="taken") >= 4
    assert value("makegood_intake_seconds_count") == value(
        "makegood_deliveries_total", outcome="taken"
    )
    assert value("makegood_deliveries_settled_total", state="applied") >= 4
    assert value("makegood_delivery_lag_seconds_count") >= 4
    assert value("makegood_refund_moves_total", state="submitting") == 1
    assert value("makegood_refund_moves_total", state="succeeded") == 1
    assert value("makegood_refund_seconds_count") == 1
    assert value("makegood_refund_seconds_sum") == 10  # the undo, by the tests' clock
    assert value("makegood_effect_attempts_total", kind="TellOwner") == 1
    assert value("makegood_effects_total", kind="RevokeAccess", outcome="done") >= 1
    assert value("makegood_calls_total", label="refund.create", outcome="200") == 1
    assert value("makegood_call_seconds_count", label="refund.create") == 1
    assert value("makegood_calls_total", platform="mail", outcome="sent") == 1
    assert value("makegood_work_total", kind="refund", outcome="done") == 1
    assert value("makegood_work_total", outcome="failed") == 0
    assert value("makegood_requests_total", method="POST", status="200") >= 3
    assert value("makegood_database_up") == 1
    assert value("makegood_database_bytes") > 100_000
    assert value("makegood_breakers_open", platform="stripe") == 0
    assert value("process_cpu_seconds_total") > 0


def test_what_moves_in_practice_is_not_counted() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(FakeClock(), registry)
    moved = EffectMoved("e", "r", "RevokeAccess", EffectState.WAITING, EffectState.SENDING)
    metrics(Committed((moved,), simulated=True))
    labels = {"kind": "RevokeAccess"}
    assert registry.get_sample_value("makegood_effect_attempts_total", labels) is None
    metrics(Committed((moved,), simulated=False))
    assert registry.get_sample_value("makegood_effect_attempts_total", labels) == 1


def test_a_call_that_was_not_made_is_counted_by_its_reason() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(FakeClock(), registry)
    metrics(CallPutOff("stripe", "budget_spent"))
    metrics(RequestBegun("r"))  # says nothing that is counted
    labels = {"platform": "stripe", "reason": "budget_spent"}
    assert registry.get_sample_value("makegood_calls_put_off_total", labels) == 1


def test_only_what_was_taken_is_timed() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(FakeClock(), registry)
    for outcome in Entry:
        metrics(DeliveryAnswered("stripe", outcome, 0.25))
    assert registry.get_sample_value("makegood_intake_seconds_count") == 1
    assert registry.get_sample_value("makegood_intake_seconds_sum") == 0.25


# --- who may ask ----------------------------------------------------------------------------------


def status(site: Site, authorization: str | None) -> int:
    headers = {} if authorization is None else {"Authorization": authorization}
    return site.app.test_client().get("/metrics", headers=headers).status_code


def test_without_a_token_in_the_settings_there_are_no_metrics(site: Site) -> None:
    assert status(site, None) == 404
    assert status(site, "Bearer ") == 404
    assert status(site, f"Bearer {TOKEN}") == 404


@pytest.mark.parametrize(
    "shown",
    [None, "", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \xe9"],
)
def test_whoever_shows_no_token_or_a_wrong_one_is_refused(
    tmp_path: Path, databases: Databases, shown: str | None
) -> None:
    with open_site(tmp_path, databases, {"MAKEGOOD_METRICS_TOKEN": TOKEN}) as site:
        assert status(site, shown) == 401


def test_a_database_that_is_gone_leaves_the_counters(day: Day) -> None:
    def gone() -> NoReturn:
        raise ConnectionRefusedError

    own = CollectorRegistry()
    Metrics(FakeClock(), own)
    page = Exposition(gone, list, own).scrape().decode()
    assert told(page)["makegood_database_up"] == {(): 0}
    assert "makegood_backlog_due" not in told(page)
    assert "makegood_intake_seconds_count" in told(page)


# --- several processes ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("counted")
    with Served(folder, "--practice", MAKEGOOD_METRICS_TOKEN=TOKEN) as one:
        yield one


def scraped(served: Served, port: int | None = None) -> str:
    connection = HTTPConnection("127.0.0.1", port or served.port, timeout=30)
    try:
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        answer = connection.getresponse()
        assert answer.status == 200
        return answer.read().decode()
    finally:
        connection.close()


def total(page: str, series: str, **labels: str) -> float:
    wanted = set(labels.items())
    return sum(v for found, v in told(page).get(series, {}).items() if wanted <= set(found))


def tell_the_shop(served: Served, name: str) -> int:
    """A delivery that the practice shop signs, to the real door. Returns what was answered."""
    parts = put_together(read_settings(settings_of(served)))
    practice = next(one for one in parts.house.storage.tenants() if one.simulated)
    with parts.house.storage.read(practice.id) as uow:
        shop = next(i.connection for i in uow.installations.all() if i.connection.kind == "store")
    parts.house.engine.dispose()
    headers = signed_headers(parts.registry, shop, b'{"type": "ping"}', name)
    connection = HTTPConnection("127.0.0.1", served.port, timeout=30)
    try:
        path = f"/webhooks/{shop.platform}/{shop.installation}"
        connection.request("POST", path, b'{"type": "ping"}', dict(headers))
        return connection.getresponse().status
    finally:
        connection.close()


def settings_of(served: Served) -> dict[str, str]:
    ours = served.environment.items()
    return {name: value for name, value in ours if name.startswith("MAKEGOOD_")}


def test_what_web_and_worker_count_is_one_page_and_outlives_them(served: Served) -> None:
    assert [tell_the_shop(served, f"d-{n}") for n in (1, 2, 2)] == [200, 200, 200]
    wait_for(lambda: total(scraped(served), "makegood_work_total", kind="delivery") >= 2)
    before = scraped(served)
    entries = {"platform": "practice"}
    assert total(before, "makegood_deliveries_total", **entries, outcome="taken") == 2
    assert total(before, "makegood_deliveries_total", **entries, outcome="duplicate") == 1
    assert total(before, "makegood_workers_alive") == 1
    roles = {dict(labels)["role"] for labels in told(before)["process_cpu_seconds_total"]}
    assert roles == {"web", "worker"}
    assert {series.name for series in PROCESS} <= bases(before)
    counting = [p for p in served.below("web").children() if p.status() != psutil.STATUS_ZOMBIE]
    for process in (*counting, served.below("worker")):
        process.kill()
    wait_for(lambda: alive(served).isdisjoint(p.pid for p in counting) and len(alive(served)) == 3)
    after = scraped(served)
    assert total(after, "makegood_deliveries_total", **entries) == 3
    assert total(after, "makegood_intake_seconds_count") == 2
    assert total(after, "makegood_work_total", kind="delivery") >= 2


def alive(served: Served) -> set[int]:
    """The ids of the processes that count and live; none while the web is not back yet."""
    try:
        page = scraped(served)
    except (OSError, HTTPException):
        return set()
    return {int(dict(labels)["pid"]) for labels in told(page)["process_start_time_seconds"]}


def test_a_worker_by_itself_has_a_door_of_its_own(tmp_path: Path) -> None:
    port = free_port()
    served = Served(tmp_path, MAKEGOOD_METRICS_TOKEN=TOKEN, MAKEGOOD_METRICS_PORT=str(port))
    with served:
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(60) == 0
    command = [sys.executable, "-m", "plugin.cli", "worker"]
    with (tmp_path / "worker-log").open("wb") as log:
        worker = subprocess.Popen(command, cwd=ROOT, env=served.environment, stderr=log)
    try:
        wait_for(lambda: listens(port))
        page = scraped(served, port)
        assert {series.name for series in (*LOOKED_UP, *PROCESS)} - bases(page) <= {
            "makegood_breakers_open"  # no account is connected
        }
        assert {series.name for series in COUNTED} <= {
            f.name + ("_total" if f.type == "counter" else "")
            for f in text_string_to_metric_families(page)
        }
        for path, authorization, code in (
            ("/metrics", "Bearer x", 401),
            ("/", f"Bearer {TOKEN}", 404),
        ):
            connection = HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", path, headers={"Authorization": authorization})
            assert connection.getresponse().status == code
            connection.close()
    finally:
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(60) == 0


def listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
