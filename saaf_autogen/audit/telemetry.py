"""Audit entries as OpenTelemetry log events, where the host's process is set up for them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from saaf_autogen.audit.canonical import canonical

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider

__all__ = ["EVENT_NAME", "Telemetry", "attributes_of", "open_telemetry"]

EVENT_NAME = "saaf.audit"
_log = logging.getLogger(__name__)

# Left the member of an entry, right the attribute: the semantic conventions' where they have one.
_ATTRIBUTES = {
    "subject": "enduser.id",
    "address": "client.address",
    "call_id": "saaf.audit.call_id",
    "kind": "saaf.audit.kind",
    "tenant": "saaf.tenant",
    "issuer": "saaf.issuer",
    "client_id": "saaf.client.id",
    "actors": "saaf.actors",
    "door": "saaf.door",
    "action": "saaf.action",
    "resources": "saaf.resources",
    "decision": "saaf.decision",
    "reason": "saaf.reason",
    "run_id": "saaf.run.id",
    "outcome": "saaf.outcome",
    "duration_us": "saaf.duration_us",
}


class Telemetry:
    """Hands entries to a logger provider.

    Args:
        provider: of the OpenTelemetry SDK. Its processors decide when something is sent; the
            audit log calls from a thread of its own, so that no caller waits for them.
        stop: what ends a provider that was made here.
    """

    def __init__(self, provider: LoggerProvider, stop: Callable[[], None] | None = None) -> None:
        self._logger = provider.get_logger("saaf_autogen.audit")
        self._stop = stop
        self._failed = False

    def emit(self, fields: Mapping[str, Any]) -> None:
        """One entry, as of ``chain.fields_of``, as the event ``saaf.audit``."""
        from opentelemetry._logs import LogRecord, SeverityNumber

        denied = fields.get("decision") == "denied"
        at = datetime.fromisoformat(fields["at"])
        record = LogRecord(
            timestamp=int(at.timestamp() * 1_000_000) * 1_000,
            severity_number=SeverityNumber.WARN if denied else SeverityNumber.INFO,
            severity_text="WARN" if denied else "INFO",
            body=_sentence(fields),
            attributes=attributes_of(fields),
            event_name=EVENT_NAME,
        )
        try:
            self._logger.emit(record)
        except Exception:
            # The boundary to a host's own processors: the audit itself is stored already.
            if not self._failed:
                _log.exception("audit entries cannot be handed to OpenTelemetry")
            self._failed = True

    def close(self) -> None:
        """Send what waits, and stop a provider that was made here."""
        if self._stop:
            self._stop()


def attributes_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of an entry's event."""
    found = {name: fields[member] for member, name in _ATTRIBUTES.items() if member in fields}
    outcome = fields.get("outcome")
    if outcome not in (None, "ok", "replayed"):
        found["error.type"] = outcome
    for member in ("changes", "details"):
        if member in fields:
            found[f"saaf.{member}"] = canonical(fields[member])
    return found


def open_telemetry(environ: Mapping[str, str]) -> Telemetry | None:
    """Where entries go, by what the process is set up for; None where it is not.

    A logger provider that the process has set wins. Otherwise the variables of the OpenTelemetry
    specification count: with ``OTEL_EXPORTER_OTLP_LOGS_ENDPOINT``, ``OTEL_EXPORTER_OTLP_ENDPOINT``
    or ``OTEL_LOGS_EXPORTER=otlp``, entries are sent by OTLP over HTTP in batches; with
    ``OTEL_SDK_DISABLED=true`` or ``OTEL_LOGS_EXPORTER=none``, nothing is.
    """
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    exporter = environ.get("OTEL_LOGS_EXPORTER", "")
    if exporter == "none":
        return None
    given = _given_provider()
    if given is not None:
        return Telemetry(given)
    endpoints = ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    if exporter != "otlp" and not any(environ.get(name) for name in endpoints):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
        from opentelemetry.sdk.resources import Resource
    except ImportError:
        _log.warning("OTEL_* asks for log events: install saaf-autogen[telemetry]")
        return None
    name = environ.get("OTEL_SERVICE_NAME", "saaf")
    provider = LoggerProvider(Resource.create({"service.name": name}), shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    return Telemetry(provider, provider.shutdown)


def _given_provider() -> LoggerProvider | None:
    """The provider that the process has set, if it is one of an SDK."""
    import sys

    # Who has set one up has imported it; nobody else pays for the import.
    api = sys.modules.get("opentelemetry._logs")
    if api is None:
        return None
    from opentelemetry._logs import NoOpLoggerProvider, get_logger_provider

    provider = get_logger_provider()
    unset = isinstance(provider, NoOpLoggerProvider) or type(provider).__name__.startswith("Proxy")
    return None if unset else provider


def _sentence(fields: Mapping[str, Any]) -> str:
    if fields["kind"] == "outcome":
        return f"{fields['call_id']}: {fields['outcome']}"
    return f"{fields['subject']} {fields['decision']}: {fields['action']}"
