"""Prometheus metrics of a serving process: requests by route and status, latencies, pool, pipeline.

Labels are route templates, never addresses: their number stays small whatever is asked.
"""

import time
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.idempotency import ROUTE_HOLDER
from ingest.store.database import Pool

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST


class Metrics:
    """Counters of one app; `registry` may be shared with the pipeline's."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.requests = Counter(
            "heatbook_http_requests", "HTTP requests", ("method", "route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "heatbook_http_request_seconds",
            "Time to the last byte",
            ("route",),
            registry=self.registry,
            buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
        )
        self.pool = Gauge("heatbook_pool", "Database pool figures", ("figure",), registry=self.registry)

    def text(self, pool: Pool | None = None) -> bytes:
        """The exposition that Prometheus scrapes."""
        if pool is not None:
            for figure, value in pool.get_stats().items():
                self.pool.labels(figure).set(value)
        made: bytes = generate_latest(self.registry)  # type: ignore[no-untyped-call]
        return made


class CountRequests:
    """ASGI middleware that counts and times requests by route template; `prefix`: what the rooms are included under."""

    def __init__(self, app: ASGIApp, metrics: Metrics, prefix: str) -> None:
        self.app = app
        self.metrics = metrics
        self.prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with the stopwatch running."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500
        found: list[str] = []
        scope[ROUTE_HOLDER] = found

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            template = self.prefix + found[0] if found else "other"
            self.metrics.requests.labels(scope["method"], template, str(status)).inc()
            self.metrics.seconds.labels(template).observe(time.perf_counter() - started)
