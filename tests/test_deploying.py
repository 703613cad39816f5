"""The configurations in docs/deploying.md, tried out with the programs that they are for.

Each is taken from the page as it stands; only addresses and files become those of the test. Where
a program is not installed its tests are skipped, and say so.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from plugin.settings import read_settings
from tests.kill.places import free_port
from tests.served import ROOT, Served, wait_for
from tests.watched_day import TOKEN

PAGE = (ROOT / "docs/deploying.md").read_text("utf-8")
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
CADDY = shutil.which("caddy")
NEEDS_NGINX = pytest.mark.skipif(NGINX is None, reason="nginx is not installed (nginx-light)")
NEEDS_CADDY = pytest.mark.skipif(CADDY is None, reason="caddy is not installed")
NAME = "refunds.example.com"


def block(language: str, place: int = 0) -> str:
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return found[place]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("behind")
    with Served(
        folder,
        "--practice",
        MAKEGOOD_PUBLIC_URL=f"https://{NAME}",
        MAKEGOOD_METRICS_TOKEN=TOKEN,
        MAKEGOOD_WEB_WORKERS="1",
    ) as one:
        yield one


@dataclass(frozen=True)
class Proxy:
    """A proxy that runs. `log` is what it wrote about requests."""

    port: int
    plain_port: int | None
    log: Path
    host: str = NAME

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """By https where the proxy speaks it."""
        if self.plain_port is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        else:
            trusting = ssl.create_default_context()
            trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=30, context=trusting
            )
        try:
            connection.request(method, path, body or None, {"Host": self.host, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()


@contextmanager
def running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    with (folder / "said").open("wb") as said:
        home = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
        process = subprocess.Popen(command, stdout=said, stderr=said, env=home)
    try:
        wait_for(lambda: listens(port) or process.poll() is not None)
        assert process.poll() is None, (folder / "said").read_text("utf-8", "replace")
        yield
    finally:
        process.terminate()
        process.wait(30)


def listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


# --- both proxies ---------------------------------------------------------------------------------


@pytest.fixture(
    scope="module",
    params=[pytest.param("nginx", marks=NEEDS_NGINX), pytest.param("caddy", marks=NEEDS_CADDY)],
)
def proxy(
    request: pytest.FixtureRequest, served: Served, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp(request.param)
    starts = {"nginx": start_nginx, "caddy": start_caddy}[request.param]
    with starts(folder, served.port) as one:
        yield one


@contextmanager
def start_nginx(folder: Path, behind: int) -> Iterator[Proxy]:
    assert NGINX is not None
    certificate, key = made_up_certificate(folder)
    port, plain = free_port(), free_port()
    config = replaced(
        block("nginx"),
        {
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "listen 80": f"listen 127.0.0.1:{plain}",
            "127.0.0.1:8080": f"127.0.0.1:{behind}",
            "/etc/ssl/refunds.example.com.pem": str(certificate),
            "/etc/ssl/private/refunds.example.com.key": str(key),
            "/var/log/nginx/makegood.log": str(folder / "log"),
        },
    )
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = folder / "nginx.conf"
    user = "user root;\n" if os.getuid() == 0 else ""
    file.write_text(
        f"{user}daemon off;\npid {folder}/pid;\nerror_log {folder}/errors;\n"
        f"events {{}}\nhttp {{\n{temporary}{config}\n}}\n"
    )
    command = [NGINX, "-c", str(file), "-p", str(folder), "-e", str(folder / "errors")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "warn" not in checked.stderr, checked.stderr
    with running(command, folder, port):
        yield Proxy(port, plain, folder / "log")


@contextmanager
def start_caddy(folder: Path, behind: int) -> Iterator[Proxy]:
    assert CADDY is not None
    port = free_port()
    config = replaced(
        block("caddyfile"),
        {
            f"{NAME} {{": f"http://{NAME}:{port} {{\n\tbind 127.0.0.1",
            "127.0.0.1:8080": f"127.0.0.1:{behind}",
            "\tlog {\n": f"\tlog {{\n\t\toutput file {folder}/log\n",
        },
    )
    file = folder / "Caddyfile"
    file.write_text("{\n\tadmin off\n}\n" + config)
    with running([CADDY, "run", "--config", str(file)], folder, port):
        # It finds the log of a site that is not at its usual port by name and port.
        one = Proxy(port, None, folder / "log", f"{NAME}:{port}")
        # Until the first check has gone by it does not know that we are ready.
        wait_for(lambda: one.ask("GET", "/healthz")[0] == 200)
        yield one


def replaced(config: str, changes: dict[str, str]) -> str:
    for before, after in changes.items():
        assert before in config, before
        config = config.replace(before, after)
    return config


def made_up_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private


def test_pages_come_through_with_their_headers(proxy: Proxy) -> None:
    status, headers, body = proxy.ask("GET", "/readyz")
    assert (status, body) == (200, b"ok\n")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert re.fullmatch(r"[0-9a-f]{32}", headers["X-Request-Id"])


def test_the_link_that_is_printed_signs_in_behind_the_proxy(proxy: Proxy, served: Served) -> None:
    path = served.announced["practice"].removeprefix(f"https://{NAME}")
    status, _, body = proxy.ask("GET", path, headers={"Accept": "text/html"})
    assert status == 200
    assert b"<html" in body


def test_metrics_are_not_for_the_world(proxy: Proxy) -> None:
    shown = {"Authorization": f"Bearer {TOKEN}"}
    assert proxy.ask("GET", "/metrics", headers=shown)[0] == 404


def test_a_webhook_of_a_megabyte_comes_through_and_no_larger_one(proxy: Proxy) -> None:
    # Nobody listens at that address, which only Makegood itself can say.
    path = f"/webhooks/practice/{'0' * 32}"
    assert proxy.ask("POST", path, b"x" * 1024 * 1024)[0] == 404
    # Refused before it is read whole: a proxy that still sends may find the connection closed.
    assert proxy.ask("POST", path, b"x" * (1024 * 1024 + 1))[0] in {413, 502}


def test_no_forwarded_header_changes_anything(proxy: Proxy) -> None:
    liar = {
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "evil.example",
        "X-Request-Id": "canary",
    }
    status, headers, body = proxy.ask("GET", "/", headers=liar)
    assert status == 303
    assert headers["Location"] == "/admin"
    assert "canary" not in str(headers) + body.decode()
    assert "evil.example" not in str(headers) + body.decode()
    assert "Strict-Transport-Security" in headers


def test_no_query_and_no_session_stands_in_the_proxy_s_log(proxy: Proxy, served: Served) -> None:
    link = served.announced["practice"].removeprefix(f"https://{NAME}")
    opened = proxy.ask("GET", link, headers={"Accept": "text/html"})[1]
    session = opened["X-Makegood-Session"]
    assert len(session) > 40
    proxy.ask(
        "GET", "/admin/sign-in?link=canary-link", headers={"Cookie": "makegood=canary-cookie"}
    )
    wait_for(lambda: "/admin/sign-in" in proxy.log.read_text())
    log = proxy.log.read_text()
    assert not [word for word in ("canary", session, link, "eyJ") if word in log]


@NEEDS_NGINX
def test_plain_http_is_sent_to_https(tmp_path: Path, served: Served) -> None:
    with start_nginx(tmp_path, served.port) as one:
        assert one.plain_port is not None
        connection = http.client.HTTPConnection("127.0.0.1", one.plain_port, timeout=30)
        connection.request("GET", "/admin?x=1", headers={"Host": NAME})
        answer = connection.getresponse()
        assert answer.status == 301
        assert answer.headers["Location"] == f"https://{NAME}/admin?x=1"
        connection.close()


# --- systemd --------------------------------------------------------------------------------------


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)
def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    program = tmp_path / "makegood"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = block("ini").replace("/opt/makegood/.venv/bin/makegood", str(program))
    file = tmp_path / "makegood.service"
    file.write_text(unit)
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(file)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
    )
    ours = [line for line in told.stderr.splitlines() if "makegood" in line]
    assert ours == []


def test_the_unit_starts_a_command_that_there_is_and_gives_it_time_to_end() -> None:
    unit = dict(re.findall(r"^(\w+)=(.*)$", block("ini"), re.MULTILINE))
    assert unit["ExecStart"].endswith("/makegood serve")
    assert block("ini", 1).strip().endswith("/makegood worker")
    assert int(unit["TimeoutStopSec"]) >= 30 + 25
    assert unit["RestartPreventExitStatus"].split() == ["2", "3"]


def test_the_settings_of_the_unit_are_settings() -> None:
    given = dict(line.split("=", 1) for line in block("text").splitlines())
    given["MAKEGOOD_METRICS_TOKEN"] = TOKEN
    assert read_settings(given).is_https
