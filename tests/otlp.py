"""A real OTLP/HTTP receiver on loopback: keeps every span that it is sent."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Seen:
    """One span as it arrived."""

    name: str
    role: str
    trace: bytes
    id: bytes
    parent: bytes
    links: tuple[bytes, ...]
    said: dict[str, str]
    is_error: bool
    seconds: float


@dataclass
class Receiver:
    """`endpoint` is what a setting takes. `raw` holds all bytes that came, as text."""

    endpoint: str = ""
    spans: list[Seen] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)

    def named(self, name: str) -> list[Seen]:
        return [span for span in self.spans if span.name == name]

    def take(self, body: bytes) -> None:
        self.raw.append(body.decode("latin-1"))
        asked = ExportTraceServiceRequest.FromString(body)
        for resource in asked.resource_spans:
            about = {one.key: one.value.string_value for one in resource.resource.attributes}
            assert about["service.name"] == "makegood"
            for scope in resource.scope_spans:
                for span in scope.spans:
                    said = {one.key: _text(one.value) for one in span.attributes}
                    self.spans.append(
                        Seen(
                            span.name,
                            about["makegood.role"],
                            span.trace_id,
                            span.span_id,
                            span.parent_span_id,
                            tuple(link.trace_id for link in span.links),
                            said,
                            span.status.code == 2,
                            (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                        )
                    )


def _text(value: object) -> str:
    kind = value.WhichOneof("value")  # type: ignore[attr-defined]  # made by protobuf
    return str(getattr(value, kind))


@contextmanager
def otlp_receiver() -> Iterator[Receiver]:
    """Listens while inside."""
    receiver = Receiver()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            receiver.paths.add(self.path)
            receiver.take(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    receiver.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
