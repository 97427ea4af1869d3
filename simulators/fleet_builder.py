"""Puts a fleet together: houses become blocks, spaces become points, points get meters, meters get links and faults.

Scenarios say what they want in these words; numbering, addresses, sizes and serial numbers are decided here, by seed.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np

from protocols.telegram import MeterId
from simulators.building import Dwellings
from simulators.faults import KINDS, Fault, Layer
from simulators.fleet import Area, Bus, Fleet, Gateway, Point, Spell
from simulators.labels import Label
from simulators.meter import Link, VirtualMeter
from simulators.meter_models import MODELS, MeterModel
from simulators.numbering import door_of, serial_of
from simulators.randomness import stream
from simulators.town import House, dwellings_of, qp_for
from simulators.trace import ENERGY_NOISE, BlockPlan
from simulators.wanted import Display
from simulators.weather import CLIMATES

_POINT_KIND = {"flats": "dwelling", "villas": "dwelling", "shops": "shop", "enterprise": "enterprise"}
_ROW_LAYERS = frozenset({Layer.CONTROL, Layer.PIPE, Layer.SENSOR})
_TOPICS = {"mqtt": "heatbook/{serial}/reading", "wmbus": "wmbus/{gateway}/telegram"}
_CLOSED = frozenset({"suspended", "vacant", "closed"})


@dataclass(slots=True)
class _Slot:
    """A point with the place of its meter: block, row and sizes."""

    point: Point
    block: int
    row: int
    design_kw: float


@dataclass(slots=True)
class FleetBuilder:
    """Collects a fleet and builds it. `start` is the first simulated hour; `installed_at` of ordinary meters is before.

    Use: areas, houses (returns their point codes), gateways, meters, faults, then `build`.
    """

    scenario: str
    seed: int
    origin: datetime
    start: datetime
    end: datetime
    held_day: int | None = None
    noise: float = ENERGY_NOISE
    blocks_kept: int | None = None
    display: Display | None = None
    _areas: dict[str, Area] = field(default_factory=dict)
    _slots: dict[str, _Slot] = field(default_factory=dict)
    _plans: list[tuple[str, Dwellings, tuple[int, ...], tuple[float, ...], list[float]]] = field(default_factory=list)
    _gateways: dict[str, Gateway] = field(default_factory=dict)
    _meters: dict[str, VirtualMeter] = field(default_factory=dict)
    _faults: list[Fault] = field(default_factory=list)
    _extra_labels: list[Label] = field(default_factory=list)
    _of_point: dict[str, list[str]] = field(default_factory=dict)
    _supply_mounted: dict[tuple[int, int], bool] = field(default_factory=dict)

    def area(self, code: str, name: str, team: str, climate: str) -> None:
        """Add a reading area."""
        self._areas[code] = Area(code, name, team, climate)

    def houses(self, area: str, houses: tuple[House, ...]) -> list[list[str]]:
        """Add a block of houses; returns, per house, its points' codes, the master's last where it has one."""
        climate = CLIMATES[self._areas[area].climate]
        block = len(self._plans)
        dwellings = dwellings_of(houses, climate.name, self.seed, block)
        rng = stream(self.seed, "place", block)
        masters = tuple(number for number, house in enumerate(houses) if house.master)
        losses = tuple(float(value) for value in rng.uniform(0.04, 0.09, len(masters)))
        design = dwellings.loss_kw_k * (20.0 - climate.design_c)
        qps: list[float] = [qp_for(float(kw) * 2.0) for kw in design]
        codes: list[list[str]] = []
        row = 0
        for house in houses:
            codes.append([])
            centre = climate.latitude + rng.normal(0, 0.012), climate.longitude + rng.normal(0, 0.016)
            parent = f"{house.name}-00" if house.master else ""
            for unit in range(house.units):
                code = f"{house.name}-{door_of(house.kind, unit)}"
                point = self._point(code, area, house, unit, dwellings, row, float(design[row]), centre, parent)
                self._slots[code] = _Slot(point, block, row, float(design[row]))
                codes[-1].append(code)
                row += 1
        for place, number in enumerate(masters):
            house, total = houses[number], float(design[dwellings.house == number].sum())
            qps.append(qp_for(total * 1.5))
            members, first = dwellings.house == number, self._slots[codes[number][0]].point
            point = Point(
                f"{house.name}-00", area, house.name, "building", f"{self._areas[area].name} {house.name} 00", "",
                round(float(dwellings.area_m2[members].sum()), 1), round(total * 1.06, 1),
                first.latitude, first.longitude, (Spell("active", self.start - timedelta(days=900)),),
            )  # fmt: skip
            self._slots[point.code] = _Slot(point, block, len(dwellings) + place, total)
            codes[number].append(point.code)
        self._plans.append((area, dwellings, masters, losses, qps))
        return codes

    def _point(
        self, code: str, area: str, house: House, unit: int, dwellings: Dwellings, row: int, design_kw: float,
        centre: tuple[float, float], parent: str,
    ) -> Point:  # fmt: skip
        address = f"{self._areas[area].name} {house.name} {door_of(house.kind, unit)}"
        return Point(
            code, area, house.name, _POINT_KIND[house.kind], address, f"A{len(self._slots) + 100001}",
            round(float(dwellings.area_m2[row]), 1), round(design_kw, 2), round(centre[0], 6), round(centre[1], 6),
            (Spell("active", self.start - timedelta(days=900)),), parent,
        )  # fmt: skip

    def state(self, point: str, state: str, start: datetime, end: datetime | None = None) -> None:
        """Give a point another state from `start` to `end` (None: for good). Its valve is shut meanwhile."""
        slot = self._slots[point]
        first = slot.point.spells[0]
        spells = [Spell("active", first.start, start)] if start > first.start else []
        spells.append(Spell(state, max(start, first.start), end))
        if end is not None:
            spells.append(Spell("active", end))
        slot.point = replace(slot.point, spells=tuple(spells))

    def gateway(
        self, code: str, kind: str, area: str, *, baud_rate: int = 2400, schedule_s: int = 3600,
        behaviour: dict[str, object] | None = None,
    ) -> str:  # fmt: skip
        """Add a gateway with one bus; `behaviour` as in `line.LineBehaviour`."""
        self._gateways[code] = Gateway(code, kind, area, (Bus("1", baud_rate, schedule_s),), behaviour=behaviour or {})
        return code

    def meter(
        self, point: str, model: str, gateway: str, address: str = "", *, serial: str | None = None,
        installed_at: datetime | None = None, removed_at: datetime | None = None, registered: bool = True,
        settings: dict[str, object] | None = None, first_index_kwh: float | None = None,
    ) -> VirtualMeter:  # fmt: skip
        """Put a meter at a point."""
        kind, slot = self._model(model), self._slots[point]
        number = len(self._meters)
        rng = stream(self.seed, "meter", number)
        serial = serial or serial_of(kind, number, self.seed)
        key = rng.bytes(16) if kind.encrypted else None
        qp = self._plans[slot.block][4][slot.row]
        yearly = slot.design_kw * 1900.0
        first = float(rng.uniform(0.8, 5.0) * yearly) if first_index_kwh is None else first_index_kwh
        long_ago = self.start - timedelta(days=int(rng.integers(200, 1500)))
        settings = dict(settings or {})
        if kind.protocol in _TOPICS:
            settings.setdefault("topic", _TOPICS[kind.protocol].format(gateway=gateway, serial=serial))
        meter = VirtualMeter(
            id=MeterId(serial, kind.manufacturer, kind.version, kind.medium), model=kind, point=point,
            area=slot.point.area, link=Link(gateway, "1", address or serial, settings), block=slot.block,
            row=slot.row, qp_m3h=qp, installed_at=installed_at or long_ago, first_index_kwh=first,
            seed=int(rng.integers(1 << 31)), removed_at=removed_at, registered=registered, key=key,
        )  # fmt: skip
        self._meters[serial] = meter
        self._of_point.setdefault(point, []).append(serial)
        if kind.medium == "heat":
            self._supply_mounted[(slot.block, slot.row)] = kind.mounting_side == "supply"
        return meter

    def _model(self, name: str) -> MeterModel:
        """A type of meter, with the display that somebody wants instead of its maker's."""
        kind = MODELS[name]
        return kind if self.display is None else replace(kind, registers=self.display.of(kind.registers))

    def fault(
        self, name: str, serial: str, start: datetime, end: datetime | None = None, magnitude: float | None = None,
        *, partner: str = "", kind: str | None = None,
    ) -> Fault:  # fmt: skip
        """Add a fault with its label. `end` None: until the end; `magnitude` None: drawn from the usual range."""
        rng = stream(self.seed, "fault", name, serial)
        entry = KINDS[name]
        if magnitude is None:
            magnitude = round(float(rng.uniform(*entry.magnitude)), 3)
        fault = Fault(name, serial, start, end or self.end, magnitude, int(rng.integers(1 << 31)), partner)
        self._faults.append(fault)
        point = self._meters[serial].point
        self.label(serial, point, kind or entry.label, fault.start, fault.end, magnitude, entry.verdict, name)
        return fault

    def label(
        self, serial: str, point: str, kind: str, start: datetime, end: datetime, magnitude: float, verdict: str,
        fault: str,
    ) -> None:  # fmt: skip
        """Add a line of truth."""
        self._extra_labels.append(Label(serial, point, kind, start, end, magnitude, verdict, fault))

    def outage(self, area: str, start: datetime, end: datetime) -> None:
        """The network of an area stands still."""
        self._event("network_outage", area, start, end, 1.0)
        self._areas[area] = replace(self._areas[area], outages=(*self._areas[area].outages, (start, end)))

    def cold_snap(self, area: str, start: datetime, end: datetime, colder_k: float) -> None:
        """Colder for some days."""
        self._event("cold_snap", area, start, end, colder_k)
        snaps = (*self._areas[area].cold_snaps, (start, end, colder_k))
        self._areas[area] = replace(self._areas[area], cold_snaps=snaps)

    def _event(self, name: str, area: str, start: datetime, end: datetime, magnitude: float) -> None:
        """A line of truth about a whole area: it has no meter, and the area's code stands for the point."""
        entry = KINDS[name]
        self.label("", area, entry.label, start, min(end, self.end), round(magnitude, 3), entry.verdict, name)

    def exchange(self, old: VirtualMeter, at: datetime, *, recorded: bool = True) -> VirtualMeter:
        """Replace a meter at an instant, with or without telling the registry."""
        if old.removed_at is not None:
            raise ValueError(f"{old!r} was removed before")
        old.removed_at = at
        new = self.meter(
            old.point, old.model.name, old.link.gateway, old.link.address if recorded else "", installed_at=at,
            first_index_kwh=0.0, registered=recorded, settings=dict(old.link.settings),
        )  # fmt: skip
        if recorded:
            old.link = Link("", "", "")  # off the wires, and the registry knows
        name = "exchange" if recorded else "exchange_without_paperwork"
        entry, end = KINDS[name], at + timedelta(hours=1) if recorded else self.end
        for meter in (old, new) if recorded else (old,):
            self.label(meter.id.serial, old.point, entry.label, at, end, 1.0, entry.verdict, name)
        return new

    def turn(self, meter: VirtualMeter, name: str, before: str, after: str, at: datetime) -> None:
        """A point's state changes at an instant and the registry knows; its valve follows. Harmless, and labelled."""
        if before == "active":
            self.state(meter.point, after, at)
        else:
            self.state(meter.point, before, self.start - timedelta(days=30), at)
        entry = KINDS[name]
        self.label(meter.id.serial, meter.point, entry.label, at, self.end, 1.0, entry.verdict, name)

    def cross(self, active: VirtualMeter, shut: VirtualMeter) -> None:
        """Mix up the meters of an active and a shut point: each measures the other's pipe."""
        active.row, shut.row = shut.row, active.row
        verdict = KINDS["crossed_wires"].verdict
        self.label(
            shut.id.serial, shut.point, "use_while_inactive", self.start, self.end, 1.0, verdict, "crossed_wires"
        )
        self.label(active.id.serial, active.point, "zero_use", self.start, self.end, 1.0, verdict, "crossed_wires")

    def meters(self) -> list[VirtualMeter]:
        """The meters so far."""
        return list(self._meters.values())

    def areas(self) -> list[Area]:
        """The areas so far."""
        return list(self._areas.values())

    def gateways(self) -> list[Gateway]:
        """The gateways so far."""
        return list(self._gateways.values())

    def points(self) -> list[Point]:
        """The points so far."""
        return [slot.point for slot in self._slots.values()]

    def meter_of(self, point: str) -> VirtualMeter:
        """The first meter at a point."""
        return self._meters[self._of_point[point][0]]

    def build(self) -> Fleet:
        """The finished fleet."""
        for fault in self._faults:
            meter = self._meters[fault.serial]
            meter.faults = (*meter.faults, fault)
        blocks = self._blocks()
        return Fleet(
            scenario=self.scenario, seed=self.seed, origin=self.origin, start=self.start, end=self.end,
            areas=tuple(self._areas.values()), points=tuple(self.points()), gateways=tuple(self._gateways.values()),
            meters=tuple(self._meters.values()), blocks=blocks, labels=tuple(self._extra_labels),
            faults=tuple(self._faults), held_day=self.held_day, blocks_kept=self.blocks_kept,
        )  # fmt: skip

    def _blocks(self) -> tuple[BlockPlan, ...]:
        """Plans with what their rows suffer; faults and spells are dealt out once, so a town takes as long a meter."""
        faults: list[list[tuple[int, Fault]]] = [[] for _ in self._plans]
        for fault in self._faults:
            if fault.kind.layer in _ROW_LAYERS:
                meter = self._meters[fault.serial]
                faults[meter.block].append((meter.row, fault))
        spells: list[list[tuple[int, int, int]]] = [[] for _ in self._plans]
        for slot in self._slots.values():
            for spell in slot.point.spells:
                if spell.state in _CLOSED:
                    last = self._hour(spell.end) if spell.end else 1 << 40
                    spells[slot.block].append((slot.row, self._hour(spell.start), last))
        return tuple(
            BlockPlan(
                number, area, dwellings, masters, losses, np.array(qps),
                np.array([self._supply_mounted.get((number, row), False) for row in range(len(qps))]),
                self.noise, tuple(spells[number]), tuple(faults[number]),
            )
            for number, (area, dwellings, masters, losses, qps) in enumerate(self._plans)
        )  # fmt: skip

    def _hour(self, at: datetime) -> int:
        return round((at - self.start) / timedelta(hours=1))
