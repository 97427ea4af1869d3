"""The heating year: thousands of meters, true-to-life rates of labelled faults, more harmless look-alikes than faults.

States of points are constant over the year, so that `points.csv` tells the whole truth about them.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from numpy.random import Generator

from simulators.faults import ALERT_KINDS, KINDS
from simulators.fleet import Fleet, Point
from simulators.fleet_builder import FleetBuilder
from simulators.meter import VirtualMeter
from simulators.meter_models import MODELS as METER_MODELS
from simulators.randomness import stream
from simulators.town import House
from simulators.weather import CLIMATES

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SEASON_START = datetime(2024, 9, 1, tzinfo=UTC)
SEASON_DAYS = 365
SMALLEST, SHORTEST_DAYS = 120, 30
FAULTS_PER_KIND = 20  # in 10,000 meters
RICH_FAULTS_PER_KIND = 200
METERS_PER_AREA = 1250
# Share of points that are shut all year, and look-alikes a year and 100 meters.
SUSPENDED_SHARE, VACANT_SHARE = 0.05, 0.03
LOOK_ALIKES = {
    "holiday": 2.0,
    "thermostat_change": 1.5,
    "exchange": 0.8,
    "rollover": 0.4,
    "jitter": 0.6,
    "gap": 1.5,
    "duplicates": 0.5,
    "backfill": 0.4,
    "low_battery": 0.3,
}
# A gateway takes all its meters with it; numbers run wild in JSON only.
_OUT_OF_TURN = frozenset({"gateway_outage", "wild_numbers"})
# Faults that take turns within an alert kind.
TURNS: dict[str, tuple[str, ...]] = {
    kind: tuple(entry.name for entry in KINDS.values() if entry.label == kind and entry.name not in _OUT_OF_TURN)
    for kind in ALERT_KINDS
}
_CLIMATE_TURNS = ("harbin", "beijing", "copenhagen", "harbin")
_MODELS = {
    "harbin": ("cjt188-tiangang", "cjt188-huizhong", "sensostar", "cjt188-maituo"),
    "beijing": ("cjt188-lichuang", "diehl-sharky", "cjt188-huizhong", "landisgyr-uh50"),
    "copenhagen": ("kamstrup-603", "kamstrup-403", "kamstrup-wireless", "landisgyr-uh50"),
}
_GATEWAY_KIND = {"cjt188": "cjt188_tcp", "mbus": "mbus_tcp", "wmbus": "mqtt", "modbus": "modbus_tcp"}
# Faults whose window must lie where they can be seen.
_ANY_TIME = frozenset(
    {"silent", "hand_estimates", "rubbish", "desynchronised", "clock_drift", "clock_reset",
     "exchange_without_paperwork", "transient_garbage", "gap", "duplicates", "backfill", "low_battery", "jitter",
     "exchange"}
)  # fmt: skip
_WHOLE_TIME = frozenset({"stolen_heat"})
_THOUSANDFOLD_LIMIT_KWH = 80_000.0


@dataclass(slots=True)
class _Cast:
    """Who is still free to get a fault."""

    builder: FleetBuilder
    rng: Generator
    free: list[VirtualMeter]
    masters: list[VirtualMeter]
    shut: list[VirtualMeter]
    points: dict[str, Point]
    climates: dict[str, str]


def season(
    *, seed: int = 1, meters: int = 10_000, days: int = SEASON_DAYS, start: datetime = SEASON_START, rich: bool = False
) -> Fleet:
    """A heating year.

    Parameters
    ----------
    seed : int
    meters : int
        How many, masters included; at least 120.
    days : int
        Length from `start`, at least 30. Faults of the heating season need one inside it to show.
    start : datetime
        Aware; the first reading.
    rich : bool
        Ten times the faults, for statistics of recall.
    """
    if meters < SMALLEST or days < SHORTEST_DAYS:
        raise ValueError(f"a season needs at least {SMALLEST} meters and {SHORTEST_DAYS} days")
    start = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    end = start + days * DAY
    builder = FleetBuilder("season-rich" if rich else "season", seed, end, start, end, blocks_kept=2)
    _populate(builder, meters)
    rate = (RICH_FAULTS_PER_KIND if rich else FAULTS_PER_KIND) * meters / 10_000
    _dramatise(builder, max(1, round(rate)), meters, rich=rich)
    return builder.build()


def _populate(builder: FleetBuilder, wanted: int) -> None:
    areas = max(3, round(wanted / METERS_PER_AREA))
    rng = stream(builder.seed, "town")
    made = 0
    for number in range(areas):
        climate = _CLIMATE_TURNS[number % len(_CLIMATE_TURNS)]
        code = f"A{number + 1:02d}"
        builder.area(code, f"Area {number + 1:02d}", f"Team {number + 1}", climate)
        share = wanted * (number + 1) // areas
        house = 0
        while made < share:
            block: list[House] = []
            room = share - made
            while room > 0 and len(block) < 6:
                house += 1
                block.append(_house(f"{code}B{house:03d}", climate, house, room, rng))
                room -= block[-1].units + block[-1].master
            for kind, codes in zip(block, builder.houses(code, tuple(block)), strict=True):
                made += _equip(builder, code, climate, kind, codes, rng)


def _house(name: str, climate: str, number: int, room: int, rng: Generator) -> House:
    kind = {0: "enterprise", 5: "shops"}.get(number % 12, "flats")
    if climate == "copenhagen" and kind == "flats" and number % 2:
        kind = "villas"
    units = {"enterprise": 8, "shops": 12}.get(kind) or int(rng.integers(24, 45))
    master = kind in ("flats", "villas") and room > 12
    units = min(units, room - master)
    return House(name, kind, units, master)


def _equip(builder: FleetBuilder, area: str, climate: str, house: House, codes: list[str], rng: Generator) -> int:
    models = _MODELS[climate]
    model = "tuf-2000" if house.kind == "enterprise" else models[int(rng.integers(len(models)))]
    gateway = builder.gateway(f"G-{house.name}", _GATEWAY_KIND[METER_MODELS[model].protocol], area)
    for number, point in enumerate(codes, start=1):
        master = house.master and point == codes[-1]
        chance = rng.random()
        if not master and house.kind != "enterprise" and chance < SUSPENDED_SHARE + VACANT_SHARE:
            builder.state(point, "suspended" if chance < SUSPENDED_SHARE else "vacant", builder.start - 30 * DAY)
        kind = _master_model(model) if master else model
        address = str(number) if METER_MODELS[kind].protocol in ("mbus", "modbus") else ""
        builder.meter(
            point,
            kind,
            gateway,
            address,
            installed_at=builder.start,
            settings={"primary_address": number, "unit": number},
        )
    return len(codes)


def _master_model(model: str) -> str:
    return "kamstrup-603" if model.startswith("kamstrup") else model


def _dramatise(builder: FleetBuilder, per_kind: int, meters: int, *, rich: bool) -> None:
    cast = _cast(builder)
    _surroundings(cast)
    _gateway_outages(cast, max(1, round(meters / 5000)))
    for kind in ALERT_KINDS:
        names = TURNS[kind]
        for number in range(per_kind):
            _place(cast, names[(number + builder.seed) % len(names)])
    share = 0.5 if rich else 1.0
    for name, per_hundred in LOOK_ALIKES.items():
        for _ in range(max(1, round(per_hundred * share * meters / 100))):
            _place(cast, name)
    for meter in cast.shut:
        verdict = f"{cast.points[meter.point].state}: zero is normal"
        builder.label(meter.id.serial, meter.point, "none", builder.start, builder.end, 1.0, verdict, "vacancy")


def _cast(builder: FleetBuilder) -> _Cast:
    points = {point.code: point for point in builder.points()}
    climates = {area.code: area.climate for area in builder.areas()}
    rng = stream(builder.seed, "drama")
    everyone = builder.meters()
    order = rng.permutation(len(everyone))
    shuffled = [everyone[int(place)] for place in order]
    masters = [meter for meter in shuffled if points[meter.point].kind == "building"]
    shut = [meter for meter in shuffled if points[meter.point].state != "active"]
    free = [m for m in shuffled if points[m.point].state == "active" and points[m.point].kind != "building"]
    return _Cast(builder, rng, free, masters, shut, points, climates)


def _heating_window(cast: _Cast, climate: str, first_days: int, last_days: int) -> tuple[datetime, datetime]:
    """Instants in which a fault of the season may begin: clear of its first and last days."""
    builder, season_days = cast.builder, CLIMATES[climate].season
    start, end = builder.start, builder.end
    if season_days is None:
        winter_from, winter_to = datetime(start.year, 10, 1, tzinfo=UTC), datetime(start.year + 1, 4, 20, tzinfo=UTC)
    else:
        (month, day), (last_month, last_day) = season_days
        winter_from = datetime(start.year, month, day, tzinfo=UTC)
        winter_to = datetime(start.year + 1, last_month, last_day, tzinfo=UTC)
    first = max(start + 30 * DAY, winter_from + first_days * DAY)
    last = min(end - 10 * DAY, winter_to - last_days * DAY)
    return (first, last) if last > first else (start + (end - start) * 0.3, start + (end - start) * 0.7)


def _begin(cast: _Cast, name: str, meter: VirtualMeter) -> datetime:
    builder, climate = cast.builder, cast.climates[meter.area]
    if name in _WHOLE_TIME:
        return builder.start
    if name in _ANY_TIME:
        first, last = builder.start + 20 * DAY, builder.end - 12 * DAY
    elif name == "leakage":
        # Seen at night once the network rests.
        _, over = _heating_window(cast, climate, 20, 0)
        first, last = over + 5 * DAY, min(over + 80 * DAY, builder.end - 14 * DAY)
    else:
        first, last = _heating_window(cast, climate, 28, 24)
    hours = max(int((last - first) / HOUR), 1)
    return min(first + int(cast.rng.integers(hours)) * HOUR, builder.end - 2 * DAY)


def _suits(cast: _Cast, name: str, meter: VirtualMeter) -> bool:
    climate = cast.climates[meter.area]
    if name == "wrong_mounting_side":
        return climate == "copenhagen"  # needs a temperature difference of 30 K
    if name == "leakage":
        return CLIMATES[climate].season is not None  # where water is drawn all summer a drip drowns in it
    if name == "thousandfold":
        return meter.index.scale >= 0 and meter.index.unit == "kWh" and meter.first_index_kwh < _THOUSANDFOLD_LIMIT_KWH
    if name in ("clock_drift", "clock_reset"):
        return meter.model.clocked
    if name == "fell_behind":
        return any(register.name == "operating_time" for register in meter.registers)
    if name in ("stolen_heat", "holiday"):
        return cast.points[meter.point].kind == "dwelling"
    if name in ("wrong_decimal", "unit_change"):
        return meter.first_index_kwh * 14 < 10.0 ** ((meter.index.digits or 8) + meter.index.scale)
    return True


def _place(cast: _Cast, name: str) -> None:
    pool = {"unmetered_tap": cast.masters, "use_while_suspended": cast.shut, "use_while_vacant": cast.shut}.get(
        name, cast.free
    )
    for place, meter in enumerate(pool):
        if name == "use_while_suspended" and cast.points[meter.point].state != "suspended":
            continue
        if name == "use_while_vacant" and cast.points[meter.point].state != "vacant":
            continue
        if _suits(cast, name, meter):
            del pool[place]
            _stage(cast, name, meter)
            return


def _stage(cast: _Cast, name: str, meter: VirtualMeter) -> None:
    builder, entry = cast.builder, KINDS[name]
    begin = _begin(cast, name, meter)
    if name in ("exchange", "exchange_without_paperwork"):
        builder.exchange(meter, begin, recorded=name == "exchange")
        return
    if name == "crossed_wires":
        _cross(cast, meter)
        return
    end = None
    if entry.duration_h is not None:
        end = min(begin + int(cast.rng.integers(entry.duration_h[0], entry.duration_h[1] + 1)) * HOUR, builder.end)
    partner = ""
    if name == "desynchronised":
        partner = next(m.id.serial for m in builder.meters() if m.link.gateway == meter.link.gateway and m is not meter)
    builder.fault(name, meter.id.serial, begin, end, partner=partner)


def _cross(cast: _Cast, meter: VirtualMeter) -> None:
    """Swap an active flat's meter with that of a shut flat in the same house, if there is one."""
    builder, house = cast.builder, cast.points[meter.point].building
    for place, other in enumerate(cast.shut):
        if cast.points[other.point].building == house:
            del cast.shut[place]
            builder.cross(meter, other)
            return
    for place, other in enumerate(cast.shut):
        if other.block == meter.block:
            del cast.shut[place]
            builder.cross(meter, other)
            return


def _surroundings(cast: _Cast) -> None:
    """One network outage and one cold snap an area, both harmless."""
    builder = cast.builder
    for area in builder.areas():
        first, last = _heating_window(cast, area.climate, 40, 40)
        span = max(int((last - first) / HOUR), 2)
        outage = first + int(cast.rng.integers(span)) * HOUR
        builder.outage(area.code, outage, outage + int(cast.rng.integers(14, 40)) * HOUR)
        snap = first + int(cast.rng.integers(span)) * HOUR
        builder.cold_snap(
            area.code, snap, snap + int(cast.rng.integers(72, 130)) * HOUR, float(cast.rng.uniform(7, 11))
        )


def _gateway_outages(cast: _Cast, wanted: int) -> None:
    builder = cast.builder
    gateways = [g for g in builder.gateways() if 4 <= sum(m.link.gateway == g.code for m in cast.free) <= 14]
    for gateway in gateways[:wanted]:
        span = int((builder.end - builder.start) / HOUR)
        begin = builder.start + int(cast.rng.integers(span // 8, span // 2)) * HOUR
        end = min(begin + int(cast.rng.integers(72, 200)) * HOUR, builder.end)
        for meter in [m for m in cast.free if m.link.gateway == gateway.code]:
            cast.free.remove(meter)
            builder.fault("gateway_outage", meter.id.serial, begin, end)
