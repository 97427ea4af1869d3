"""What the pipeline counts for /metrics: deliveries in, outcomes out, refusals by code, spool, depth, times."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ingest.model import Outcome

_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SIZES = (1, 10, 50, 100, 500, 1000, 2000, 5000)


class PipelineCounters:
    """Counters of one pipeline in `registry` (one of its own where none is given, so that tests don't meet)."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.offered = Counter(
            "heatbook_deliveries", "Deliveries handed in, by protocol", ["protocol"], registry=self.registry
        )
        # Looking a label up costs more than counting.
        self._offered: dict[str, Counter] = {}
        self.outcomes = Counter(
            "heatbook_outcomes", "Deliveries by what became of them", ["state"], registry=self.registry
        )
        self.rejected = Counter(
            "heatbook_rejections", "Quarantined deliveries by code", ["code"], registry=self.registry
        )
        self.readings = Counter("heatbook_readings", "Readings committed", registry=self.registry)
        self.spooled = Counter("heatbook_spooled", "Deliveries written to the spool", registry=self.registry)
        self.drained = Counter("heatbook_drained", "Deliveries taken from the spool", registry=self.registry)
        self.spool_refused = Counter(
            "heatbook_spool_refused", "Batches that the spool had no room for", registry=self.registry
        )
        self.away = Gauge(
            "heatbook_database_away", "1 while the database does not take batches", registry=self.registry
        )
        self.depth = Gauge("heatbook_pipeline_depth", "Deliveries taken and not yet safe", registry=self.registry)
        self.batch_seconds = Histogram(
            "heatbook_commit_seconds", "Seconds a batch took to commit", buckets=_SECONDS, registry=self.registry
        )
        self.batch_deliveries = Histogram(
            "heatbook_batch_deliveries", "Deliveries a batch", buckets=_SIZES, registry=self.registry
        )

    def took(self, protocol: str) -> None:
        """A delivery was handed in."""
        counter = self._offered.get(protocol)
        if counter is None:
            counter = self._offered[protocol] = self.offered.labels(protocol)
        counter.inc()

    def committed(self, outcomes: Iterable[Outcome], seconds: float) -> None:
        """A batch was committed in so many seconds."""
        states: dict[str, int] = {}
        readings = 0
        for outcome in outcomes:
            states[outcome.state] = states.get(outcome.state, 0) + 1
            readings += max(0, outcome.readings)
            if outcome.code is not None:
                self.rejected.labels(outcome.code).inc()
        for state, count in states.items():
            self.outcomes.labels(state).inc(count)
        self.readings.inc(readings)
        self.batch_seconds.observe(seconds)
        self.batch_deliveries.observe(sum(states.values()))
