"""Who gets which fault, when: the drama of a heating year, cast by seed.

Every meter has one story at most. A fault begins where it can be seen: those of the heating inside the heating season,
those of the wire at any time, a leak when the network rests.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from numpy.random import Generator

from simulators.faults import ALERT_KINDS, KINDS
from simulators.fleet import Point
from simulators.fleet_builder import FleetBuilder
from simulators.meter import VirtualMeter
from simulators.randomness import stream
from simulators.season_calendar import heating_window, rest_window
from simulators.weather import CLIMATES

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Look-alikes a year and 100 meters.
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
    "moves_out": 0.5,
    "moves_in": 0.4,
    "suspends": 0.3,
    "resumes": 0.3,
}
# Changes of a point's state that the company knows of: the state before and after the day.
TURNS_OF_STATE: dict[str, tuple[str, str]] = {
    "moves_out": ("active", "vacant"),
    "moves_in": ("vacant", "active"),
    "suspends": ("active", "suspended"),
    "resumes": ("suspended", "active"),
}
# A gateway takes all its meters with it; numbers run wild in JSON only.
_OUT_OF_TURN = frozenset({"gateway_outage", "wild_numbers"})
# Faults that take turns within an alert kind.
TURNS: dict[str, tuple[str, ...]] = {
    kind: tuple(entry.name for entry in KINDS.values() if entry.label == kind and entry.name not in _OUT_OF_TURN)
    for kind in ALERT_KINDS
}
_PARTNERED = frozenset({"desynchronised", "collision"})
# Faults whose window must lie where they can be seen.
_ANY_TIME = frozenset(
    {"silent", "hand_estimates", "rubbish", *_PARTNERED, "clock_drift", "clock_reset",
     "exchange_without_paperwork", "transient_garbage", "gap", "duplicates", "backfill", "low_battery", "jitter",
     "exchange"}
)  # fmt: skip
_WHOLE_TIME = frozenset({"stolen_heat"})
# Best seen while it heats, and seen all the same while it does not.
_SHOWS_AT_REST = frozenset(
    {"wrong_decimal", "unit_change", "thousandfold", "index_jump", "decrease", "reset", "transient_dip", "sensor_break",
     "fell_behind", *TURNS_OF_STATE}
)  # fmt: skip
# The state that a point must be in.
_STATE_OF = {
    "use_while_suspended": "suspended", "use_while_vacant": "vacant", "moves_in": "vacant", "resumes": "suspended",
}  # fmt: skip
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


def dramatise(builder: FleetBuilder, per_kind: int, meters: int, *, rich: bool) -> None:
    """Add `per_kind` faults of each alert kind, look-alikes, and what happens to whole areas; label all of it."""
    cast = _cast(builder)
    _surroundings(cast)
    _gateway_outages(cast, max(1, round(meters / 5000)))
    for kind in ALERT_KINDS:
        names = TURNS[kind]
        for number in range(per_kind):
            # Where nobody suits a fault, the next cause of the same kind has its turn.
            for turn in range(len(names)):
                if _place(cast, names[(number + turn + builder.seed) % len(names)]):
                    break
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


def _window(cast: _Cast, name: str, climate: str) -> tuple[datetime, datetime] | None:
    """Instants in which a fault may begin and will be seen; None where there are none."""
    start, end = cast.builder.start, cast.builder.end
    whole = start + min(20 * DAY, (end - start) / 4), end - 12 * DAY
    if name in _ANY_TIME or name in _WHOLE_TIME:
        return whole
    if name == "leakage":
        return rest_window(climate, start, end)
    heating = heating_window(climate, start, end, 28, 24)
    return heating or (whole if name in _SHOWS_AT_REST else None)


def _begin(cast: _Cast, name: str, window: tuple[datetime, datetime]) -> datetime:
    builder, (first, last) = cast.builder, window
    if name in _WHOLE_TIME:
        return builder.start
    hours = max(int((last - first) / HOUR), 1)
    return min(first + int(cast.rng.integers(hours)) * HOUR, builder.end - 2 * DAY)


def shows_in(name: str, climate: str) -> bool:
    """Whether a fault can be seen at all in a place."""
    if name == "wrong_mounting_side":
        return climate == "copenhagen"  # needs a temperature difference of 30 K
    if name == "leakage":
        return CLIMATES[climate].season is not None  # where water is drawn all summer a drip drowns in it
    return True


def suits_meter(name: str, meter: VirtualMeter) -> bool:
    """Whether a meter can have a fault at all: it has a clock, hours, or room on its display."""
    if name == "thousandfold":
        return meter.index.scale >= 0 and meter.index.unit == "kWh" and meter.first_index_kwh < _THOUSANDFOLD_LIMIT_KWH
    if name in ("clock_drift", "clock_reset"):
        return meter.model.clocked
    if name == "fell_behind":
        return any(register.name == "operating_time" for register in meter.registers)
    if name in _PARTNERED:
        return meter.protocol in ("mbus", "cjt188")  # a bus that several share
    if name in ("wrong_decimal", "unit_change"):
        index = meter.index
        return meter.first_index_kwh * 14 < 10.0 ** (index.digits or 8) * float(index.count_size("kWh"))
    return True


def _suits(cast: _Cast, name: str, meter: VirtualMeter) -> bool:
    point, climate = cast.points[meter.point], cast.climates[meter.area]
    if name in ("stolen_heat", "holiday", *TURNS_OF_STATE) and point.kind != "dwelling":
        return False
    if name == "crossed_wires" and not any(other.block == meter.block for other in cast.shut):
        return False
    wanted = _STATE_OF.get(name)
    if wanted is not None and point.state != wanted:
        return False
    return shows_in(name, climate) and suits_meter(name, meter) and _window(cast, name, climate) is not None


def _place(cast: _Cast, name: str) -> bool:
    """Give a fault to the first free meter that suits it; False where there is none."""
    pool = cast.masters if name == "unmetered_tap" else cast.shut if name in _STATE_OF else cast.free
    for place, meter in enumerate(pool):
        window = _window(cast, name, cast.climates[meter.area])
        if window is not None and _suits(cast, name, meter):
            del pool[place]
            _stage(cast, name, meter, _begin(cast, name, window))
            return True
    return False


def _stage(cast: _Cast, name: str, meter: VirtualMeter, begin: datetime) -> None:
    builder, entry = cast.builder, KINDS[name]
    if name in ("exchange", "exchange_without_paperwork"):
        builder.exchange(meter, begin, recorded=name == "exchange")
        return
    if name == "crossed_wires":
        _cross(cast, meter)
        return
    if name in TURNS_OF_STATE:
        builder.turn(meter, name, *TURNS_OF_STATE[name], begin)
        return
    end = None
    if entry.duration_h is not None:
        end = min(begin + int(cast.rng.integers(entry.duration_h[0], entry.duration_h[1] + 1)) * HOUR, builder.end)
    partner = ""
    if name in _PARTNERED:
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
        window = heating_window(area.climate, builder.start, builder.end, 40, 40)
        if window is None:
            continue
        first, last = window
        span = max(int((last - first) / HOUR), 2)
        outage = first + int(cast.rng.integers(span)) * HOUR
        builder.outage(area.code, outage, outage + int(cast.rng.integers(14, 40)) * HOUR)
        snap = first + int(cast.rng.integers(span)) * HOUR
        builder.cold_snap(
            area.code, snap, snap + int(cast.rng.integers(72, 130)) * HOUR, float(cast.rng.uniform(7, 11))
        )


def _gateway_outages(cast: _Cast, wanted: int) -> None:
    builder = cast.builder
    behind = Counter(meter.link.gateway for meter in cast.free)
    gateways = [gateway for gateway in builder.gateways() if 4 <= behind[gateway.code] <= 14]
    for gateway in gateways[:wanted]:
        span = int((builder.end - builder.start) / HOUR)
        begin = builder.start + int(cast.rng.integers(span // 8, span // 2)) * HOUR
        end = min(begin + int(cast.rng.integers(72, 200)) * HOUR, builder.end)
        for meter in [m for m in cast.free if m.link.gateway == gateway.code]:
            cast.free.remove(meter)
            builder.fault("gateway_outage", meter.id.serial, begin, end)
