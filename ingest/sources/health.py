"""How gateways and meters fare, counted where the questions are asked and written in batches.

Rules: counting is plain arithmetic in memory; `Tally.take` hands over what has changed since the last take and begins
again; a failed write is given back with `put_back`, so that no count is lost while the database is away.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from ingest.sources.errors import LineClosedError, SourceError

COUNTERS = ("timeouts", "checksum_errors", "collisions", "refusals")
MAX_ERROR_TEXT = 300


@dataclass(slots=True)
class HealthChange:
    """What changed for one gateway or one meter since it was last written. Times are wall clock, aware UTC."""

    key: int
    attempts: int = 0
    successes: int = 0
    timeouts: int = 0
    checksum_errors: int = 0
    collisions: int = 0
    refusals: int = 0
    last_attempt_at: datetime | None = None
    last_success_at: datetime | None = None
    # Failures since the last success, over all changes.
    failures: int = 0
    latency_ms: float | None = None
    last_error: str | None = None
    connected: bool | None = None
    clock_drift_s: float | None = None

    def succeed(self, at: datetime, latency_s: float) -> None:
        """An answer came after `latency_s`."""
        self.attempts += 1
        self.successes += 1
        self.last_attempt_at = self.last_success_at = at
        self.latency_ms = latency_s * 1000
        self.failures = 0
        self.last_error = ""

    def fail(self, at: datetime, error: SourceError) -> None:
        """A question failed."""
        self.attempts += 1
        self.last_attempt_at = at
        setattr(self, error.counter, getattr(self, error.counter) + 1)
        self.failures += 1
        self.last_error = f"{type(error).__name__}: {error}"[:MAX_ERROR_TEXT]

    def merge(self, later: "HealthChange") -> None:
        """Add what came after this change."""
        self.attempts += later.attempts
        self.successes += later.successes
        for name in COUNTERS:
            setattr(self, name, getattr(self, name) + getattr(later, name))
        self.failures = later.failures
        for name in ("last_attempt_at", "last_success_at", "latency_ms", "last_error", "connected", "clock_drift_s"):
            value = getattr(later, name)
            if value is not None:
                setattr(self, name, value)


@dataclass(slots=True)
class Tally:
    """Changes of all gateways and meters of a process."""

    gateways: dict[int, HealthChange] = field(default_factory=dict)
    meters: dict[int, HealthChange] = field(default_factory=dict)
    # Of gateways since the process began, for metrics.
    totals: dict[int, HealthChange] = field(default_factory=dict)
    _streaks: dict[int, int] = field(default_factory=dict)

    def gateway(self, gateway_id: int) -> HealthChange:
        """The running change of a gateway."""
        return self.gateways.setdefault(gateway_id, HealthChange(gateway_id))

    def meter(self, meter_id: int) -> HealthChange:
        """The running change of a meter."""
        known = self.meters.get(meter_id)
        if known is None:
            known = self.meters[meter_id] = HealthChange(meter_id, failures=self._streaks.get(meter_id, 0))
        return known

    def succeeded(self, gateway_id: int, meter_id: int, at: datetime, latency_s: float) -> None:
        """A meter answered."""
        for gateway in (self.gateway(gateway_id), self._total(gateway_id)):
            gateway.succeed(at, latency_s)
            gateway.connected = True
        self.meter(meter_id).succeed(at, latency_s)

    def failed(self, gateway_id: int, meter_id: int | None, at: datetime, error: SourceError) -> None:
        """A question failed; `meter_id` None where the gateway itself is to blame."""
        for gateway in (self.gateway(gateway_id), self._total(gateway_id)):
            gateway.fail(at, error)
            if isinstance(error, LineClosedError):
                gateway.connected = False
        if meter_id is not None:
            self.meter(meter_id).fail(at, error)

    def connected(self, gateway_id: int, connected: bool, error: str) -> None:
        """A gateway that is not asked (a broker) came or went."""
        for gateway in (self.gateway(gateway_id), self._total(gateway_id)):
            gateway.connected, gateway.last_error = connected, error

    def _total(self, gateway_id: int) -> HealthChange:
        return self.totals.setdefault(gateway_id, HealthChange(gateway_id))

    def take(self) -> tuple[list[HealthChange], list[HealthChange]]:
        """Changes of gateways and of meters since the last take."""
        taken = list(self.gateways.values()), list(self.meters.values())
        self._streaks.update((change.key, change.failures) for change in taken[1])
        self.gateways, self.meters = {}, {}
        return taken

    def put_back(self, gateways: Iterable[HealthChange], meters: Iterable[HealthChange]) -> None:
        """What was taken could not be written."""
        for older, current in ((gateways, self.gateways), (meters, self.meters)):
            for change in older:
                later = current.get(change.key)
                if later is not None:
                    change.merge(later)
                current[change.key] = change
