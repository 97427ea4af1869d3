"""An exercise for technicians and reviewers: a small estate, one case of every kind, the answers in the labels."""

from datetime import UTC, datetime, timedelta

from simulators.faults import ALERT_KINDS, KINDS
from simulators.fleet import Fleet
from simulators.fleet_builder import FleetBuilder
from simulators.randomness import stream
from simulators.season_drama import TURNS
from simulators.town import House

TRAINING_DAYS = 56
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SMALLEST = 50
MODELS = ("kamstrup-603", "sensostar", "diehl-sharky", "cjt188-tiangang")
LOOK_ALIKES = ("holiday", "thermostat_change", "gap", "jitter", "low_battery")
MIDWINTER = 15


def training(seed: int, meters: int, days: int, start: datetime) -> Fleet:
    """One fault of each alert kind (which of its causes: by seed) and five look-alikes in a cold estate.

    Parameters
    ----------
    seed, meters, days : int
        At least 50 meters and 42 days.
    start : datetime
        Aware; the calendar stands still in midwinter whatever it says.

    Raises
    ------
    ValueError
        Too small.
    """
    if meters < SMALLEST or days < 42:
        raise ValueError(f"training needs at least {SMALLEST} meters and 42 days")
    start = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    builder = FleetBuilder("training", seed, start + days * DAY, start, start + days * DAY, MIDWINTER)
    builder.area("school", "Training estate", "Trainees", "copenhagen")
    houses = (House("T1", "flats", (meters - 2) // 2), House("T2", "flats", meters - 2 - (meters - 2) // 2))
    codes = builder.houses("school", houses)
    for number, points in enumerate(codes):
        gateway = builder.gateway(f"G-T{number + 1}", "mbus_tcp", "school")
        for place, point in enumerate(points):
            builder.meter(
                point, MODELS[(place + number) % len(MODELS)] if point != points[-1] else "kamstrup-603", gateway,
                str(place + 1), installed_at=start, settings={"primary_address": place + 1},
            )  # fmt: skip
    _cases(builder, codes)
    return builder.build()


def _cases(builder: FleetBuilder, codes: list[list[str]]) -> None:
    rng = stream(builder.seed, "exercise")
    flats = [point for points in codes for point in points[:-1]]
    order = [flats[int(place)] for place in rng.permutation(len(flats))]
    for kind in ALERT_KINDS:
        # A flat exchanged or mixed up needs a second flat; the exercise stays with one case, one door.
        names = [n for n in TURNS[kind] if n not in ("crossed_wires", "exchange_without_paperwork", "desynchronised")]
        name = names[int(rng.integers(len(names)))]
        point = codes[0][-1] if kind == "balance" else order.pop()
        begin = builder.start + (32 + int(rng.integers(0, 6))) * DAY + int(rng.integers(24)) * HOUR
        if kind == "use_while_inactive":
            builder.state(point, "suspended" if name == "use_while_suspended" else "vacant", builder.start - 30 * DAY)
        meter = builder.meter_of(point)
        duration = KINDS[name].duration_h
        end = None if duration is None else min(begin + duration[1] * HOUR, builder.end)
        builder.fault(name, meter.id.serial, builder.start if name == "stolen_heat" else begin, end)
    for name in LOOK_ALIKES:
        begin = builder.start + (15 + int(rng.integers(0, 20))) * DAY
        duration = KINDS[name].duration_h
        end = None if duration is None else min(begin + duration[0] * HOUR, builder.end)
        builder.fault(name, builder.meter_of(order.pop()).id.serial, begin, end)
