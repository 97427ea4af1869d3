"""A virtual fleet: areas, points, gateways, meters and what truly happened to them.

Pure function of scenario, seed and origin: asked again after a restart, the same meter says the same at the same time.
Traces are computed block by block when first needed and kept: all of them where meters are read live (32 bytes a meter
and hour), the last `blocks_kept` where a fleet is written once from end to end.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from simulators.faults import Fault
from simulators.labels import Label
from simulators.meter import VirtualMeter
from simulators.network import Supply, supply_of
from simulators.trace import BlockPlan, Trace, trace_of
from simulators.weather import CLIMATES, Weather, weather_of

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Area:
    """A reading area; `climate` names its weather. `outages` and `cold_snaps` are (start, end) and (start, end, K)."""

    code: str
    name: str
    team: str
    climate: str
    outages: tuple[tuple[datetime, datetime], ...] = ()
    cold_snaps: tuple[tuple[datetime, datetime, float], ...] = ()

    @property
    def time_zone(self) -> str:
        """IANA name of the area's zone."""
        return CLIMATES[self.climate].time_zone


@dataclass(frozen=True, slots=True)
class Spell:
    """A state of a point from `start` to `end` (None: still so)."""

    state: str
    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """A metering point. `parent` is the code of the building's point, empty where there is none."""

    code: str
    area: str
    building: str
    kind: str
    address: str
    account: str
    heated_area_m2: float
    design_load_kw: float
    latitude: float
    longitude: float
    spells: tuple[Spell, ...]
    parent: str = ""

    @property
    def state(self) -> str:
        """The last state."""
        return self.spells[-1].state


@dataclass(frozen=True, slots=True)
class Bus:
    """The wires behind a gateway."""

    code: str = "1"
    baud_rate: int = 2400
    schedule_s: int = 3600


@dataclass(frozen=True, slots=True)
class Gateway:
    """A concentrator. `kind` as in the registry; its network address is known only once a server is bound.
    `behaviour`: how its line misbehaves when live, in the words of `line.LineBehaviour`."""

    code: str
    kind: str
    area: str
    buses: tuple[Bus, ...] = (Bus(),)
    settings: dict[str, Any] = field(default_factory=dict)
    latitude: float | None = None
    longitude: float | None = None
    behaviour: dict[str, Any] = field(default_factory=dict)


class Fleet:
    """See the module. Attributes: `scenario`, `seed`, `origin` (the demo's "now"), `start`, `end` of prepared hours,
    `areas`, `points`, `gateways`, `meters`, `faults`, `labels`, `held_day` (see `weather`)."""

    def __init__(
        self,
        *,
        scenario: str,
        seed: int,
        origin: datetime,
        start: datetime,
        end: datetime,
        areas: tuple[Area, ...],
        points: tuple[Point, ...],
        gateways: tuple[Gateway, ...],
        meters: tuple[VirtualMeter, ...],
        blocks: tuple[BlockPlan, ...],
        labels: tuple[Label, ...],
        faults: tuple[Fault, ...],
        held_day: int | None = None,
        blocks_kept: int | None = None,
    ) -> None:
        self.scenario, self.seed, self.origin, self.start, self.end = scenario, seed, origin, start, end
        self.areas, self.points, self.gateways, self.meters = areas, points, gateways, meters
        self.blocks, self.labels, self.faults, self.held_day = blocks, labels, faults, held_day
        self._hours = int((end - start) / HOUR)
        self._kept: OrderedDict[int, Trace] = OrderedDict()
        self._blocks_kept = blocks_kept
        self._surroundings: dict[tuple[str, int], tuple[Weather, Supply]] = {}
        self._by_serial = {meter.id.serial: meter for meter in meters}
        for meter in meters:
            meter.join(self)

    @property
    def hours(self) -> int:
        """Hours prepared so far."""
        return self._hours

    def meter(self, serial: str) -> VirtualMeter:
        """The meter of a serial number. Raises KeyError."""
        return self._by_serial[serial]

    def meter_at(self, point: str) -> VirtualMeter:
        """The last heat meter installed at a point. Raises KeyError where there is none."""
        found = [meter for meter in self.meters if meter.point == point and meter.medium == "heat"]
        if not found:
            raise KeyError(point)
        return max(found, key=lambda meter: meter.installed_at)

    def area(self, code: str) -> Area:
        """The area of a code. Raises KeyError."""
        for area in self.areas:
            if area.code == code:
                return area
        raise KeyError(code)

    def surroundings(self, area_code: str) -> tuple[Weather, Supply]:
        """Weather and network supply of an area over the prepared hours."""
        key = (area_code, self._hours)
        found = self._surroundings.get(key)
        if found is None:
            area = self.area(area_code)
            weather = weather_of(area.climate, self.start, self._hours, self.seed, self.held_day)
            temperature = weather.temperature_c.copy()
            for first, last, colder_k in area.cold_snaps:
                temperature[self._hour(first) : self._hour(last)] -= colder_k
            weather = replace(weather, temperature_c=temperature)
            outages = tuple((self._hour(first), self._hour(last)) for first, last in area.outages)
            found = (weather, supply_of(weather, self.seed, area_code, outages))
            self._surroundings[key] = found
        return found

    @property
    def weather(self) -> dict[str, Weather]:
        """Weather of each area, by code."""
        return {area.code: self.surroundings(area.code)[0] for area in self.areas}

    def trace(self, block: int) -> Trace:
        """What the counters of a block accumulate over the prepared hours."""
        kept = self._kept.get(block)
        if kept is not None and kept.hours >= self._hours:
            self._kept.move_to_end(block)
            return kept
        plan = self.blocks[block]
        weather, supply = self.surroundings(plan.area)
        computed = trace_of(plan, weather, supply, self.seed)
        self._kept[block] = computed
        self._kept.move_to_end(block)
        while self._blocks_kept is not None and len(self._kept) > self._blocks_kept:
            self._kept.popitem(last=False)
        return computed

    def keep_all(self) -> None:
        """Keep every block's trace once it is computed: for meters that are read again and again."""
        self._blocks_kept = None

    def reach(self, at: datetime) -> None:
        """Prepare hours beyond `at`. What was said before stays the same."""
        needed = int((at - self.start) / HOUR) + 2
        if needed > self._hours:
            self._hours = max(needed, self._hours + self._hours // 2)
            self.end = self.start + HOUR * self._hours

    def history(
        self, meter: VirtualMeter, start: datetime, end: datetime, step: timedelta = HOUR
    ) -> Iterator[tuple[datetime, bytes]]:
        """The telegrams of [start, end) that arrive, as (time, payload), oldest first.

        `start` is taken up to the next multiple of `step` since midnight UTC.
        """
        whole = datetime(2000, 1, 1, tzinfo=UTC)
        offset = (start - whole) % step
        at = start if not offset else start + (step - offset)
        times = []
        while at < end:
            times.append(at)
            at += step
        yield from meter.telegrams(times)

    def _hour(self, at: datetime) -> int:
        return round((at - self.start) / HOUR)
