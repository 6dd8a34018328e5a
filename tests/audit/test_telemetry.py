"""Entries as OpenTelemetry log events: the SDK's own exporters, and a receiver on a socket."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from saaf_autogen.audit import AuditLog
from saaf_autogen.audit.telemetry import Telemetry, open_telemetry
from saaf_autogen.db import Database
from saaf_autogen.errors import InvalidArguments
from tests.audit.conftest import KEY, outcome, record


async def test_every_stored_entry_is_an_event(database: Database) -> None:
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # of the SDK
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    log = AuditLog(database, KEY, emit=Telemetry(provider).emit)
    await log.write(record("a", address="192.0.2.7", decision="denied", reason="no grant"))
    log.note(record("b", outcome="timed_out", changes={"title": {"from": "x", "to": "y"}}))
    log.note(outcome("c"))
    with database.transaction() as session:
        log.append(session, record("d", kind="change"))

    def undone() -> None:
        with database.transaction() as session:
            log.append(session, record("e", kind="change"))
            raise InvalidArguments("undone")

    with pytest.raises(InvalidArguments):
        undone()
    await log.close()
    events = [each.log_record for each in exporter.get_finished_logs()]
    assert {event.event_name for event in events} == {"saaf.audit"}
    by_call = {dict(event.attributes or {})["saaf.audit.call_id"]: event for event in events}
    # What was rolled back was never said.
    assert set(by_call) == {"a", "b", "c", "d"}
    first = dict(by_call["a"].attributes or {})
    assert first["enduser.id"] == "client:ann"
    assert first["client.address"] == "192.0.2.7"
    assert first["saaf.decision"] == "denied"
    assert first["saaf.resources"] == ("wh://nyc/main.flights",)
    assert by_call["a"].severity_text == "WARN"
    assert by_call["a"].timestamp == 1_767_225_600_000_000_000
    second = dict(by_call["b"].attributes or {})
    assert second["error.type"] == "timed_out"
    assert second["saaf.changes"] == '{"title":{"from":"x","to":"y"}}'
    provider.shutdown()


async def test_a_processor_that_fails_harms_nothing(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def get_logger(self, _name: str) -> Broken:
            return self

        def emit(self, _record: object) -> None:
            raise ConnectionError("no collector")

    log = AuditLog(database, KEY, emit=Telemetry(Broken()).emit)  # type: ignore[arg-type]  # a stand-in
    await log.write(record("a"))
    await log.write(record("b"))
    await log.close()
    assert caplog.text.count("cannot be handed to OpenTelemetry") == 1


class Receiver(ThreadingHTTPServer):
    """Takes OTLP over HTTP."""

    def __init__(self) -> None:
        self.requests: list[ExportLogsServiceRequest] = []
        self.paths: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                outer.requests.append(ExportLogsServiceRequest.FromString(body))
                outer.paths.append(self.path)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


async def test_entries_arrive_at_a_collector_by_the_variables_of_opentelemetry(
    database: Database, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{receiver.server_port}"
    # The SDK reads its own variables from the process.
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    telemetry = open_telemetry({"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_SERVICE_NAME": "nyc"})
    assert telemetry is not None
    log = AuditLog(database, KEY, emit=telemetry.emit)
    await log.write(*(record(f"c{number}") for number in range(50)))
    await log.close()
    telemetry.close()
    assert set(receiver.paths) == {"/v1/logs"}
    scopes = [
        (resource, scope)
        for request in receiver.requests
        for resource in request.resource_logs
        for scope in resource.scope_logs
    ]
    names = {
        each.value.string_value
        for resource, _ in scopes
        for each in resource.resource.attributes
        if each.key == "service.name"
    }
    assert names == {"nyc"}
    events = [event for _, scope in scopes for event in scope.log_records]
    assert len(events) == 50
    assert {event.event_name for event in events} == {"saaf.audit"}
    assert events[0].body.string_value == "client:ann allowed: warehouse.query"


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"},
        {"OTEL_LOGS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"},
    ],
)
def test_nothing_is_sent_where_nobody_asked_for_it(environ: dict[str, str]) -> None:
    assert open_telemetry(environ) is None


async def test_a_collector_that_hangs_holds_up_no_write(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket
    import time

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        telemetry = open_telemetry({"OTEL_EXPORTER_OTLP_ENDPOINT": url})
        assert telemetry is not None
        log = AuditLog(database, KEY, emit=telemetry.emit)
        began = time.monotonic()
        for number in range(20):
            await log.write(record(f"c{number}"))
        assert time.monotonic() - began < 1
        await log.close()
    telemetry.close()
