"""Everything that goes wrong between meters and us: silence, gaps, repeats, rubbish, mixed-up answers, clocks."""

from datetime import timedelta

from simulators.faults import KINDS, Layer
from simulators.fleet import Fleet
from simulators.fleet_builder import FleetBuilder
from simulators.randomness import stream
from simulators.scenarios import CJT_MODELS, MBUS_MODELS
from simulators.town import House
from simulators.wanted import Wanted

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SMALLEST = 40
MIDWINTER = 15
HOUSE_SIZE = 20
# Half of the meters have some trouble; the kinds take turns.
TROUBLES = (
    *(kind.name for kind in KINDS.values() if kind.layer is Layer.TRANSPORT and kind.name != "wild_numbers"),
    "transient_garbage", "transient_dip", "jitter", "clock_drift", "clock_reset", "exchange_without_paperwork",
)  # fmt: skip


def chaos(wanted: Wanted) -> Fleet:
    """A wintry fleet on M-Bus and CJ/T 188 in which every second meter has trouble on the wire.

    Raises
    ------
    ValueError
        Fewer than 40 meters or 14 days.
    """
    meters, days = wanted.meters, wanted.days
    if meters < SMALLEST or days < 14:
        raise ValueError(f"chaos needs at least {SMALLEST} meters and 14 days")
    start, end = wanted.first_hour, wanted.end
    builder = FleetBuilder("chaos", wanted.seed, end, start, end, MIDWINTER, display=wanted.display)
    builder.area("storm", "Storm", "Standby", wanted.climate("beijing"))
    for number in range(0, meters, HOUSE_SIZE):
        house = House(f"C{number // HOUSE_SIZE + 1}", "flats", min(HOUSE_SIZE, meters - number), master=False)
        serial_line = number // HOUSE_SIZE % 3 == 2
        kind, models = ("cjt188_tcp", CJT_MODELS) if serial_line else ("mbus_tcp", MBUS_MODELS)
        gateway = builder.gateway(f"G-{house.name}", kind, "storm")
        for place, point in enumerate(builder.houses("storm", (house,))[0]):
            builder.meter(
                point, models[place % len(models)], gateway, "" if serial_line else str(place + 1),
                installed_at=start, settings={"primary_address": place + 1},
            )  # fmt: skip
    _trouble(builder, days)
    return builder.build()


def _trouble(builder: FleetBuilder, days: int) -> None:
    rng = stream(builder.seed, "chaos")
    everyone = builder.meters()
    for number, meter in enumerate(everyone[1::2]):
        name = TROUBLES[number % len(TROUBLES)]
        begin = builder.start + int(rng.integers(3 * 24, (days - 7) * 24)) * HOUR
        if name == "exchange_without_paperwork":
            builder.exchange(meter, begin, recorded=False)
            continue
        span = KINDS[name].duration_h or (days * 24, days * 24)
        end = min(begin + int(rng.integers(span[0], span[1] + 1)) * HOUR, builder.end)
        partner = everyone[2 * number].id.serial if name == "desynchronised" else ""
        builder.fault(name, meter.id.serial, begin, end, partner=partner)
