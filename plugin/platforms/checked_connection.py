"""Connections that check the address they connect to, and that end when the time is over.

A line takes a connection that rests only where it may: it may be dead already, and would turn a
write that never left into one whose outcome is unknown. Knows nothing of methods, statuses or
errors of ours.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
from collections.abc import Mapping
from functools import cache
from queue import Empty, LifoQueue
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.connection import create_connection
from urllib3.util.ssl_ import create_urllib3_context

from plugin.platforms.addresses import AddressRefused, Resolver, public_addresses
from plugin.platforms.clockwork import Alarm, clockwork
from plugin.platforms.kept_connections import KeptConnections, Way
from plugin.platforms.time_gone import seconds_gone
from plugin.platforms.url_templates import place_of

# At DEBUG this logger writes whole addresses, and queries carry keys and customers.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)


class CutOff:
    """Cuts the connection when `seconds` are over, whatever it is doing then.

    A read time-out alone begins anew with each byte, so a peer that drips could hold a worker for
    hours. Use as a context manager; `passed` says that the time was over.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends = seconds_gone() + seconds
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None
        self._passed = False
        self._alarm: Alarm | None = None

    @property
    def passed(self) -> bool:
        """True from the moment of the cut on."""
        return self._passed

    def remaining(self) -> float:
        """Seconds left, at the least 0."""
        return max(0.0, self._ends - seconds_gone())

    def watch(self, connection: socket.socket) -> None:
        """Cut `connection` when the time is over, in place of the one watched before."""
        # A second handle on the same connection: TLS takes the first one away.
        handle = socket.socket(fileno=os.dup(connection.fileno()))
        with self._lock:
            self._close_handle()
            self._handle = handle
            if self._passed:
                self._shut()

    def __enter__(self) -> Self:
        self._alarm = clockwork.ring_in(self._seconds, self._cut)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._alarm is not None:
            self._alarm.call_off()
        with self._lock:
            self._close_handle()

    def _cut(self) -> None:
        with self._lock:
            self._passed = True
            self._shut()

    def _shut(self) -> None:
        if self._handle is not None:
            try:
                self._handle.shutdown(socket.SHUT_RDWR)
            except OSError:
                # The other side has closed it already: that is all a cut can wish for.
                return

    def _close_handle(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None


class Line:
    """One call's way to one place, and whether a byte of the request may have left on it.

    `place` is the `host:port` that was agreed on; `is_private` lifts the address check for it.
    `ca_file`: certificates to trust in place of the public ones. With `kept`, the connection rests
    there afterwards; with `may_reuse` it may be one that rested there.
    """

    def __init__(
        self,
        *,
        place: str,
        is_private: bool,
        resolver: Resolver,
        cut_off: CutOff,
        ca_file: str = "",
        kept: KeptConnections | None = None,
        may_reuse: bool = False,
    ) -> None:
        self.ca_file = ca_file
        self.place = place
        self._is_private = is_private
        self._resolver = resolver
        self._cut_off = cut_off
        self._kept = kept
        self._may_reuse = may_reuse
        self._dialled = False
        self._sent = False
        self.address_refused = False
        self.was_reused = False

    @property
    def surely_unsent(self) -> bool:
        """True when we tried to connect and no byte of the request can have left. Else unknown."""
        return self._dialled and not self._sent

    def note_sending(self) -> None:
        """From here on the request may have arrived, whatever happens.

        Raises TimeoutError, with nothing sent, where the time is over: this machine may have slept
        since the call was decided on.
        """
        if not self._sent and not self._cut_off.remaining():
            raise TimeoutError
        self._sent = True

    def take_kept(self, pool: HTTPConnectionPool) -> _CheckedHTTPConnection | None:
        """A connection that rested, where there is one and it may be used; once for each line."""
        if self._kept is None or not self._may_reuse:
            return None
        self._may_reuse = False
        connection = self._kept.take(self._way(pool))
        if not isinstance(connection, _CheckedHTTPConnection) or connection.sock is None:
            return None
        self.was_reused = True
        self._cut_off.watch(connection.sock)
        connection.line = self
        return connection

    def put_back(self, pool: HTTPConnectionPool, connection: HTTPConnection) -> None:
        """Let a connection rest that has answered in full, where the place keeps it open."""
        if self._kept is None or self._cut_off.passed:
            connection.close()
        elif connection.sock is not None:
            self._kept.keep(self._way(pool), connection)

    def _way(self, pool: HTTPConnectionPool) -> Way:
        place = place_of(pool.host.strip("[]"), pool.port or 0)
        return pool.scheme or "", place, self._is_private, self.ca_file

    def connect(self, host: str, port: int, timeout: float) -> socket.socket:
        """Return a connection to a checked address. Raises AddressRefused or OSError."""
        self._dialled = True
        addresses = self._addresses(host.strip("[]"), port)
        failure = OSError("the name has no address")
        for address in addresses:
            seconds = min(timeout, self._cut_off.remaining())
            if seconds <= 0:
                raise TimeoutError
            try:
                connection = create_connection(
                    (address, port), seconds, socket_options=HTTPConnection.default_socket_options
                )
            except OSError as error:
                failure = error
            else:
                self._cut_off.watch(connection)
                return connection
        raise failure

    def _addresses(self, host: str, port: int) -> tuple[str, ...]:
        # The last wall: whatever other code made of the URL, only the agreed place is reached.
        if place_of(host, port) != self.place:
            raise AddressRefused
        if self._is_private:
            return tuple(self._resolver(host, port))
        return public_addresses(host, port, self._resolver)


class _CheckedHTTPConnection(HTTPConnection):
    """Connects by its line, in place of asking the resolver a second time."""

    def __init__(self, *args: Any, line: Line, **options: Any) -> None:  # noqa: ANN401 - urllib3's
        super().__init__(*args, **options)
        self.line = line

    def _new_conn(self) -> socket.socket:
        try:
            return self.line.connect(self._dns_host, self.port, float(self.timeout or 0))
        except AddressRefused:
            self.line.address_refused = True
            raise NewConnectionError(self, "this address is not allowed") from None
        except TimeoutError:
            raise ConnectTimeoutError(self, "no connection in time") from None
        except OSError:
            raise NewConnectionError(self, "no connection") from None

    def send(self, data: Any) -> None:  # noqa: ANN401 - as http.client has it
        # A TLS handshake is over by now and carried nothing of the request: until here a failure
        # means that nothing was sent.
        if self.sock is None:
            self.connect()
        self.line.note_sending()
        super().send(data)


class _CheckedHTTPSConnection(_CheckedHTTPConnection, HTTPSConnection):
    """The same under TLS; the certificate is checked for the name, not for the address."""


class _NoQueue(LifoQueue[Any]):
    """Where a pool would keep connections, with the locks that this takes. Ours rest elsewhere."""

    def __init__(self, maxsize: int = 0) -> None:
        self.maxsize = maxsize

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: ANN401, FBT001, FBT002 - its signature
        del item, block, timeout

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: ANN401, FBT001, FBT002 - its signature
        del block, timeout
        raise Empty


class _Pool(HTTPConnectionPool):
    """The connections of one line: at most one, new or rested."""

    ConnectionCls = _CheckedHTTPConnection
    QueueCls = _NoQueue
    line: Line

    def _get_conn(self, timeout: float | None = None) -> Any:  # noqa: ANN401, ARG002 - urllib3's
        return self.line.take_kept(self) or self._new_conn()

    def _put_conn(self, conn: Any) -> None:  # noqa: ANN401 - as above
        if conn is not None:
            self.line.put_back(self, conn)


class _SecurePool(_Pool, HTTPSConnectionPool):
    """The same under TLS."""

    ConnectionCls = _CheckedHTTPSConnection


@cache
def _trust(ca_file: str) -> ssl.SSLContext:
    """What certificates are judged by. Made once: reading the public ones takes 20 ms of CPU."""
    context = create_urllib3_context()
    context.load_verify_locations(ca_file or DEFAULT_CA_BUNDLE_PATH)
    return context


class CheckedAdapter(HTTPAdapter):
    """The transport of `requests` over checked connections. Made for one call, closed after it."""

    def __init__(self, line: Line) -> None:
        super().__init__(max_retries=0)
        self._line = line
        self._pool: _Pool | None = None

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - requests'
        """Make none: a call has one line, and so one pool."""

    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,
        verify: bool | str | None,  # noqa: ARG002, FBT001 - the signature of requests
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002 - never through a proxy
        cert: tuple[str, str] | str | None = None,  # noqa: ARG002 - as above
    ) -> Any:  # noqa: ANN401 - the stubs of requests name another class than urllib3
        """Return a pool that makes checked connections, whatever proxies the environment names."""
        parts = urlsplit(str(request.url))
        is_secure = parts.scheme == "https"
        kind = _SecurePool if is_secure else _Pool
        port = parts.port or (443 if is_secure else 80)
        self._pool = pool = kind(parts.hostname or "", port)
        pool.line = pool.conn_kw["line"] = self._line
        if is_secure:
            pool.conn_kw["ssl_context"] = _trust(self._line.ca_file)
        return pool

    def request_url(self, request: PreparedRequest, proxies: Mapping[str, str] | None) -> str:
        """Its path and query: never through a proxy."""
        del proxies
        return request.path_url

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:  # noqa: ANN401
        """Certificates are always judged, by what the line trusts: never by an environment's."""
        del url, verify, cert
        conn.cert_reqs, conn.ca_certs, conn.ca_cert_dir = "CERT_REQUIRED", None, None
