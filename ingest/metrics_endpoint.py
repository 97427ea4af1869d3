"""Prometheus metrics of processes that serve no HTTP themselves: ingest workers and assessment.

Rules: off unless a port is set; loopback unless a host is named, for there is no log-in; counters are read when they
are asked for, so that a fleet of gateways costs nothing between scrapes.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ingest.config import Settings
from ingest.errors import SettingsError

if TYPE_CHECKING:
    from ingest.assessment.run import AssessmentReport
    from ingest.pipeline.intake import Pipeline
    from ingest.sources.health import Tally
    from ingest.sources.mqtt import MqttSource
    from ingest.store.field import FieldGateway

log = structlog.get_logger(__name__)

# Metric of a gateway -> field of its totals.
_GATEWAY = {
    "heatbook_gateway_attempts": ("attempts", "Questions that a gateway's meters were asked"),
    "heatbook_gateway_successes": ("successes", "Questions that were answered"),
    "heatbook_gateway_timeouts": ("timeouts", "Questions without an answer in time"),
    "heatbook_gateway_checksum_errors": ("checksum_errors", "Answers with a wrong check sum"),
    "heatbook_gateway_collisions": ("collisions", "Answers of several meters at once"),
    "heatbook_gateway_refusals": ("refusals", "Connections or requests that were refused"),
}
_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_MQTT = ("received", "redelivered", "acknowledged", "losses", "pauses", "oversized")


class BeingRead(Protocol):
    """A gateway that a worker reads, and its subscription where it is a broker."""

    gateway: "FieldGateway"
    source: "MqttSource | None"


class WorkerCollector(Collector):
    """What a worker's gateways, brokers and spool show at the moment of a scrape.

    Parameters
    ----------
    pipeline : Pipeline
    tally : Tally
        Its totals are shown.
    running : mapping of int to BeingRead
        The gateways by number, as they are at the moment of a scrape.
    """

    def __init__(self, pipeline: "Pipeline", tally: "Tally", running: Mapping[int, BeingRead]) -> None:
        self._pipeline, self._tally, self._running = pipeline, tally, running

    def collect(self) -> Iterable[Metric]:
        """Metric families, gateways by code."""
        spool = self._pipeline.spool
        yield GaugeMetricFamily(
            "heatbook_spool_bytes", "Bytes that wait in the spool", value=0 if spool is None else spool.size_bytes
        )
        yield GaugeMetricFamily("heatbook_gateways", "Gateways that this worker reads", value=len(self._running))
        yield from self._gateways()
        yield from self._brokers()

    def _gateways(self) -> Iterator[Metric]:
        totals = self._tally.totals
        codes = {number: running.gateway.code for number, running in list(self._running.items())}
        for name, (counter, text) in _GATEWAY.items():
            family = CounterMetricFamily(name, text, labels=["gateway"])
            for number, code in codes.items():
                if (total := totals.get(number)) is not None:
                    family.add_metric([code], getattr(total, counter))
            yield family
        connected = GaugeMetricFamily("heatbook_gateway_connected", "1 while a gateway is reached", labels=["gateway"])
        latency = GaugeMetricFamily("heatbook_gateway_latency_seconds", "Of the last answer", labels=["gateway"])
        for number, code in codes.items():
            total = totals.get(number)
            if total is not None and total.connected is not None:
                connected.add_metric([code], float(total.connected))
            if total is not None and total.latency_ms is not None:
                latency.add_metric([code], total.latency_ms / 1000)
        yield connected
        yield latency

    def _brokers(self) -> Iterator[Metric]:
        family = CounterMetricFamily("heatbook_mqtt_messages", "MQTT messages of a broker", labels=["gateway", "what"])
        for running in list(self._running.values()):
            if running.source is not None:
                for what in _MQTT:
                    family.add_metric([running.gateway.code, what], getattr(running.source.counters, what))
        yield family


class AssessmentCounters:
    """What a watching assessment counts, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.points = Counter("heatbook_assessed_points", "Metering points assessed", registry=self.registry)
        self.changed = Counter("heatbook_assessed_changes", "Consumption intervals changed", registry=self.registry)
        self.alerts = Counter("heatbook_alerts_opened", "Alerts opened", registry=self.registry)
        self.seconds = Histogram(
            "heatbook_assessment_seconds", "Seconds an assessment took", buckets=_SECONDS, registry=self.registry
        )
        self.away = Gauge("heatbook_assessment_database_away", "1 while there is no database", registry=self.registry)

    def stepped(self, report: "AssessmentReport | None") -> None:
        """The database answered; a step was made, or there was nothing to do (None)."""
        self.away.set(0)
        if report is not None:
            self.points.inc(report.points)
            self.changed.inc(report.changed)
            self.alerts.inc(report.alerts_opened)
            self.seconds.observe(report.seconds)


@contextlib.contextmanager
def metrics_served(settings: Settings, registry: CollectorRegistry) -> Iterator[int | None]:
    """Serve a registry at ``http://host:port/metrics`` while inside; yields the port, None where it is off.

    Raises
    ------
    SettingsError
        The port is taken.
    """
    if not settings.metrics_port:
        yield None
        return
    host, port = settings.metrics_host, settings.metrics_port
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise SettingsError(f"HEATBOOK_METRICS_PORT: {host}:{port}: {error}") from error
    log.info("metrics served", host=host, port=server.server_port)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
