"""An exercise for technicians and reviewers: a small estate, one case of every kind, the answers in the labels."""

from datetime import UTC, datetime, timedelta

from simulators.faults import ALERT_KINDS, KINDS
from simulators.fleet import Fleet
from simulators.fleet_builder import FleetBuilder
from simulators.meter import VirtualMeter
from simulators.meter_models import MODELS as METER_MODELS
from simulators.randomness import stream
from simulators.season_drama import TURNS, shows_in, suits_meter
from simulators.town import House
from simulators.wanted import Wanted
from simulators.weather import CLIMATES

TRAINING_DAYS = 84
SHORTEST_DAYS = 70
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SMALLEST = 50
MODELS = ("kamstrup-603", "sensostar", "diehl-sharky", "cjt188-tiangang")
LOOK_ALIKES = ("holiday", "thermostat_change", "gap", "jitter", "low_battery")
# The estate is read so long after the network has come to rest: a leak shows at night, when nobody draws.
RESTING_DAYS = 16
# A flat exchanged or mixed up needs a second flat; the exercise stays with one case, one door.
_OTHER_DOORS = frozenset({"crossed_wires", "exchange_without_paperwork", "desynchronised", "collision"})
PLACE = "harbin"
GATEWAY_KINDS = ("mbus_tcp", "cjt188_tcp")


def training(wanted: Wanted) -> Fleet:
    """One fault of each alert kind (which of its causes: by seed) and five look-alikes in a cold estate.

    The exercise ends 16 days after the end of the first heating season that leaves room for it after `start`.

    Raises
    ------
    ValueError
        Fewer than 50 meters or 70 days, or a place whose network never rests.
    """
    meters, days, climate = wanted.meters, wanted.days, wanted.climate(PLACE)
    if meters < SMALLEST or days < SHORTEST_DAYS:
        raise ValueError(f"training needs at least {SMALLEST} meters and {SHORTEST_DAYS} days")
    season = CLIMATES[climate].season
    if season is None:
        raise ValueError(f"the network of {climate} never rests: choose another place for the training")
    over = datetime(wanted.first_hour.year, *season[1], tzinfo=UTC)
    while over + (RESTING_DAYS - days) * DAY < wanted.first_hour:
        over = over.replace(year=over.year + 1)
    start = over + (RESTING_DAYS - days) * DAY
    end = start + days * DAY
    builder = FleetBuilder("training", wanted.seed, end, start, end, display=wanted.display)
    builder.area("school", "Training estate", "Trainees", climate)
    houses = (House("T1", "flats", (meters - 2) // 2), House("T2", "flats", meters - 2 - (meters - 2) // 2))
    codes = builder.houses("school", houses)
    for number, points in enumerate(codes, start=1):
        gateways = {kind: builder.gateway(f"G-T{number}-{kind[:2]}", kind, "school") for kind in GATEWAY_KINDS}
        for place, point in enumerate(points, start=1):
            model = MODELS[(place + number) % len(MODELS)] if point != points[-1] else "kamstrup-603"
            serial_line = METER_MODELS[model].protocol == "cjt188"
            builder.meter(
                point, model, gateways["cjt188_tcp" if serial_line else "mbus_tcp"], "" if serial_line else str(place),
                installed_at=start, settings={} if serial_line else {"primary_address": place},
            )  # fmt: skip
    _cases(builder, codes, over, climate)
    return builder.build()


def _names(kind: str, meter: VirtualMeter, climate: str) -> list[str]:
    """The causes of an alert kind that a meter can have and that can be seen."""
    return [
        name
        for name in TURNS[kind]
        if name not in _OTHER_DOORS and shows_in(name, climate) and suits_meter(name, meter)
    ]


def _cases(builder: FleetBuilder, codes: list[list[str]], over: datetime, climate: str) -> None:
    rng = stream(builder.seed, "exercise")
    flats = [point for points in codes for point in points[:-1]]
    order = [flats[int(place)] for place in rng.permutation(len(flats))]
    for kind in ALERT_KINDS:
        pool = [codes[0][-1]] if kind == "balance" else order
        point = next(point for point in pool if _names(kind, builder.meter_of(point), climate))
        pool.remove(point)
        meter = builder.meter_of(point)
        names = _names(kind, meter, climate)
        name = names[int(rng.integers(len(names)))]
        begin = builder.start + (32 + int(rng.integers(0, 6))) * DAY + int(rng.integers(24)) * HOUR
        if name == "leakage":
            begin = over + 2 * DAY + int(rng.integers(24)) * HOUR
        if kind == "use_while_inactive":
            builder.state(point, "suspended" if name == "use_while_suspended" else "vacant", builder.start - 30 * DAY)
        duration = KINDS[name].duration_h
        end = None if duration is None else min(begin + duration[1] * HOUR, builder.end)
        builder.fault(name, meter.id.serial, builder.start if name == "stolen_heat" else begin, end)
    for name in LOOK_ALIKES:
        begin = builder.start + (15 + int(rng.integers(0, 20))) * DAY
        duration = KINDS[name].duration_h
        end = None if duration is None else min(begin + duration[0] * HOUR, builder.end)
        builder.fault(name, builder.meter_of(order.pop()).id.serial, begin, end)
