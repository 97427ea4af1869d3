"""Named fleets by seed: `demo` here, the seasons, `town`, `chaos` and `training` beside it."""

from datetime import UTC, datetime, timedelta

from simulators.fleet import Fleet
from simulators.fleet_builder import FleetBuilder
from simulators.town import House

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DEMO_HISTORY = 15 * DAY
DEMO_AHEAD = 30 * DAY
MIDWINTER = 15  # day of the year
MBUS_MODELS = ("kamstrup-603", "kamstrup-403", "landisgyr-uh50", "diehl-sharky", "sensostar")
CJT_MODELS = ("cjt188-tiangang", "cjt188-huizhong", "cjt188-runa", "cjt188-lichuang")
MODBUS_MODELS = ("modbus-a", "tuf-2000", "itron-cf-echo2-modbus", "diehl-sharky-775-modbus")
DEMO_SMALLEST = 218


def demo(*, seed: int = 1, meters: int = DEMO_SMALLEST, origin: datetime, ahead: timedelta = DEMO_AHEAD) -> Fleet:
    """The fleet of ``heatbook run``: at least 218 meters of every protocol in two wintry areas, faults among them.

    Parameters
    ----------
    seed : int
        Names the fleet.
    meters : int
        How many; more than 218 adds houses with M-Bus meters.
    origin : datetime
        Aware. History lies in the 15 days before it, life after it; every fault has begun by then.
    ahead : timedelta
        How far beyond the origin hours are prepared at once; the fleet prepares more when asked.
    """
    origin = origin.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    builder = FleetBuilder("demo", seed, origin, origin - DEMO_HISTORY - 5 * DAY, origin + ahead, MIDWINTER)
    builder.area("daoli", "道里片区", "一队", "harbin")
    builder.area("haidian", "海淀片区", "二队", "beijing")
    _demo_north(builder)
    _demo_south(builder)
    _demo_more(builder, meters - DEMO_SMALLEST)
    _demo_faults(builder, origin)
    return builder.build()


def _mbus_house(builder: FleetBuilder, codes: list[str], gateway: str) -> None:
    for number, point in enumerate(codes):
        model = MBUS_MODELS[number % len(MBUS_MODELS)]
        builder.meter(point, model, gateway, str(number + 1), settings={"primary_address": number + 1})


def _demo_north(builder: FleetBuilder) -> None:
    houses = (House("DL1", "flats", 34), House("DL2", "flats", 33), House("DL3", "flats", 33))
    more = (House("DL4", "flats", 24), House("DL5", "flats", 24), House("DL6", "flats", 24))
    codes = builder.houses("daoli", houses) + builder.houses("daoli", more)
    modbus = builder.gateway("MOD-DL", "modbus_tcp", "daoli")
    power = builder.gateway("EL-DL", "dlt645_tcp", "daoli")
    radio = builder.gateway("RADIO-DL", "mqtt", "daoli")
    for number, points in enumerate(codes, start=1):
        flats, master = points[:-1], points[-1]
        builder.meter(master, MODBUS_MODELS[number % 2], modbus, str(number), settings={"unit": number})
        builder.meter(master, "dlt645", power)
        if number <= 3:
            _mbus_house(builder, flats, builder.gateway(f"MB-DL{number}", "mbus_tcp", "daoli"))
        elif number <= 5:
            serial = builder.gateway(f"CJ-DL{number}", "cjt188_tcp", "daoli")
            for place, point in enumerate(flats):
                builder.meter(point, CJT_MODELS[place % 4], serial)
        else:
            for place, point in enumerate(flats):
                model = "sensostar-wireless" if place % 3 == 0 else "kamstrup-wireless"
                builder.meter(point, model, radio)


def _demo_south(builder: FleetBuilder) -> None:
    houses = (House("HD1", "flats", 16), House("HD2", "shops", 14), House("HD3", "enterprise", 1, master=False))
    codes = builder.houses("haidian", (*houses, House("HD4", "enterprise", 1, master=False)))
    modbus = builder.gateway("MOD-HD", "modbus_tcp", "haidian")
    iot = builder.gateway("IOT-HD", "mqtt", "haidian")
    for point in codes[0][:-1]:
        builder.meter(point, "json", iot)
    masters = (codes[0][-1], codes[1][-1])
    for number, point in enumerate((*masters, *codes[1][:-1], *codes[2], *codes[3]), start=1):
        builder.meter(point, MODBUS_MODELS[number % len(MODBUS_MODELS)], modbus, str(number), settings={"unit": number})


def _demo_more(builder: FleetBuilder, wanted: int) -> None:
    for number in range(0, max(wanted, 0), 40):
        house = House(f"DL{7 + number // 40}", "flats", min(40, wanted - number), master=False)
        _mbus_house(
            builder, builder.houses("daoli", (house,))[0], builder.gateway(f"MB-{house.name}", "mbus_tcp", "daoli")
        )


def _demo_faults(builder: FleetBuilder, origin: datetime) -> None:
    def serial(point: str) -> str:
        return builder.meter_of(point).id.serial

    builder.state("DL1-802", "suspended", origin - 60 * DAY)
    builder.state("DL4-302", "vacant", origin - 40 * DAY)
    builder.state("DL2-401", "suspended", origin - 60 * DAY)
    for name, point, days in (
        ("stopped_meter", "DL1-203", 9.5),
        ("index_jump", "DL2-102", 4.3),
        ("silent", "DL3-301", 6.2),
        ("rubbish", "DL3-402", 5.1),
        ("sensor_break", "DL4-201", 7.4),
        ("swapped_sensors", "DL5-303", 8.6),
        ("decrease", "DL1-504", 3.7),
        ("use_while_suspended", "DL2-401", 12.0),
        ("static_display", "DL6-202", 6.0),
        ("wrong_decimal", "HD1-103", 5.5),
        ("clock_reset", "DL5-104", 4.0),
        ("slow_meter", "DL2-703", 10.0),
        ("fouled_exchanger", "DL1-302", 13.0),
        ("stuck_valve", "DL4-404", 6.5),
        ("transient_garbage", "DL2-504", 2.5),
        ("wild_numbers", "HD1-301", 3.0),
        ("holiday", "DL3-602", 8.0),
        ("thermostat_change", "DL5-502", 7.0),
        ("jitter", "DL6-401", 12.0),
        ("low_battery", "DL6-503", 9.0),
    ):
        start = origin - timedelta(hours=round(days * 24))
        length = {"transient_garbage": DAY, "wild_numbers": DAY, "holiday": 6 * DAY}.get(name)
        builder.fault(
            name, serial(point), start, start + length if length else None, 0.7 if name == "rubbish" else None
        )
    _demo_exchange(builder, origin)


def _demo_exchange(builder: FleetBuilder, origin: datetime) -> None:
    """A meter exchanged with its paperwork, six days ago."""
    builder.exchange(builder.meter_of("DL3-203"), origin - 6 * DAY + 10 * HOUR)
