"""The heating year: thousands of meters, true-to-life rates of labelled faults, more harmless look-alikes than faults.

Some points change their state on the way: people move out and in, suspend and resume, and the company knows.
"""

from datetime import UTC, datetime, timedelta

from numpy.random import Generator

from simulators.fleet import Fleet
from simulators.fleet_builder import FleetBuilder
from simulators.meter_models import MODELS as METER_MODELS
from simulators.randomness import stream
from simulators.season_drama import dramatise
from simulators.town import House
from simulators.wanted import Wanted

DAY = timedelta(days=1)
SEASON_START = datetime(2024, 9, 1, tzinfo=UTC)
SEASON_DAYS = 365
SMALLEST, SHORTEST_DAYS = 120, 30
FAULTS_PER_KIND = 20  # in 10,000 meters
RICH_FAULTS_PER_KIND = 200
METERS_PER_AREA = 1250
# Share of points that are shut when it begins.
SUSPENDED_SHARE, VACANT_SHARE = 0.05, 0.03
_CLIMATE_TURNS = ("harbin", "beijing", "copenhagen", "harbin")
_MODELS = {
    "harbin": ("cjt188-tiangang", "cjt188-huizhong", "sensostar", "cjt188-maituo"),
    "beijing": ("cjt188-lichuang", "diehl-sharky", "cjt188-huizhong", "landisgyr-uh50"),
    "copenhagen": ("kamstrup-603", "kamstrup-403", "kamstrup-wireless", "landisgyr-uh50"),
}
_GATEWAY_KIND = {"cjt188": "cjt188_tcp", "mbus": "mbus_tcp", "wmbus": "mqtt", "modbus": "modbus_tcp"}


def season(
    *, seed: int = 1, meters: int = 10_000, days: int = SEASON_DAYS, start: datetime = SEASON_START, rich: bool = False
) -> Fleet:
    """A heating year by its usual measures; see `season_wanted`."""
    return season_wanted(Wanted(seed, meters, days, start), rich=rich)


def season_wanted(wanted: Wanted, *, rich: bool = False) -> Fleet:
    """A heating year.

    Parameters
    ----------
    wanted : Wanted
        At least 120 meters, masters included, and 30 days. What cannot show in the span is left out: faults of the
        heating need a heating season inside it, leaks a rest of the network.
    rich : bool
        Ten times the faults, for statistics of recall.

    Raises
    ------
    ValueError
        Too small.
    """
    if wanted.meters < SMALLEST or wanted.days < SHORTEST_DAYS:
        raise ValueError(f"a season needs at least {SMALLEST} meters and {SHORTEST_DAYS} days")
    name = "season-rich" if rich else "season"
    start, end = wanted.first_hour, wanted.end
    builder = FleetBuilder(name, wanted.seed, end, start, end, blocks_kept=2, display=wanted.display)
    _populate(builder, wanted.meters, wanted.climates or _CLIMATE_TURNS)
    rate = (RICH_FAULTS_PER_KIND if rich else FAULTS_PER_KIND) * wanted.meters / 10_000
    per_kind = max(1, round(rate)) if wanted.faults_per_kind is None else wanted.faults_per_kind
    dramatise(builder, per_kind, wanted.meters, rich=rich)
    return builder.build()


def _populate(builder: FleetBuilder, wanted: int, climates: tuple[str, ...]) -> None:
    areas = max(3, round(wanted / METERS_PER_AREA))
    rng = stream(builder.seed, "town")
    made = 0
    for number in range(areas):
        climate = climates[number % len(climates)]
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
