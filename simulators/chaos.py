"""Everything that goes wrong between meters and us: silence, gaps, repeats, rubbish, mixed-up answers, clocks."""

from datetime import timedelta

from simulators.faults import KINDS
from simulators.fleet import Fleet
from simulators.fleet_builder import FleetBuilder
from simulators.meter import VirtualMeter
from simulators.randomness import stream
from simulators.scenarios import CJT_MODELS, MBUS_MODELS
from simulators.town import House
from simulators.wanted import Wanted

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SMALLEST = 40
MIDWINTER = 15
HOUSE_SIZE = 20
LINES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("mbus_tcp", MBUS_MODELS),
    ("cjt188_tcp", CJT_MODELS),
    ("mqtt", ("json", "kamstrup-wireless", "elvaco")),
)
# How lines misbehave when the fleet is live: a master that asks again gets every reading, so nothing is labelled.
BEHAVIOURS: tuple[dict[str, object], ...] = (
    {"echo": True}, {"fragment": 7}, {"noise": 0.2}, {"corrupt": 0.1}, {"lose": 0.1}, {"delay_s": 0.2},
)  # fmt: skip
_ANYWHERE = ("silent", "gateway_outage", "hand_estimates", "frozen_payload", "rubbish", "gap")
_DISPLAY = ("transient_garbage", "transient_dip", "jitter", "exchange_without_paperwork")
WIRE_TROUBLES = (*_ANYWHERE, "desynchronised", "collision", *_DISPLAY, "clock_drift", "clock_reset")
RADIO_TROUBLES = ("duplicates", "backfill", "wild_numbers", *_ANYWHERE, *_DISPLAY)


def chaos(wanted: Wanted) -> Fleet:
    """A wintry fleet on M-Bus, CJ/T 188 and radio in which every second meter has trouble on the wire.

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
    for number, first in enumerate(range(0, meters, HOUSE_SIZE)):
        kind, models = LINES[number % len(LINES)]
        house = House(f"C{number + 1}", "flats", min(HOUSE_SIZE, meters - first), master=False)
        behaviour = {} if kind == "mqtt" else BEHAVIOURS[(number + wanted.seed) % len(BEHAVIOURS)]
        gateway = builder.gateway(f"G-{house.name}", kind, "storm", behaviour=behaviour)
        for place, point in enumerate(builder.houses("storm", (house,))[0], start=1):
            addressed = kind == "mbus_tcp"
            builder.meter(
                point, models[place % len(models)], gateway, str(place) if addressed else "", installed_at=start,
                settings={"primary_address": place} if addressed else None,
            )  # fmt: skip
    _trouble(builder, days)
    return builder.build()


def _trouble(builder: FleetBuilder, days: int) -> None:
    """Every second meter of each kind of line gets one of that line's troubles, in turns."""
    rng = stream(builder.seed, "chaos")
    kinds = {gateway.code: gateway.kind for gateway in builder.gateways()}
    for radio in (False, True):
        everyone = [meter for meter in builder.meters() if (kinds[meter.link.gateway] == "mqtt") is radio]
        troubles = RADIO_TROUBLES if radio else WIRE_TROUBLES
        for number, meter in enumerate(everyone[1::2]):
            name = troubles[number % len(troubles)]
            if name == "wild_numbers" and meter.protocol != "mqtt":
                name = "rubbish"  # only a gateway that writes numbers out can write them wrong
            begin = builder.start + int(rng.integers(3 * 24, (days - 7) * 24)) * HOUR
            if name == "exchange_without_paperwork":
                builder.exchange(meter, begin, recorded=False)
                continue
            span = KINDS[name].duration_h or (days * 24, days * 24)
            end = min(begin + int(rng.integers(span[0], span[1] + 1)) * HOUR, builder.end)
            partner = _neighbour(everyone, meter).id.serial if name in ("desynchronised", "collision") else ""
            builder.fault(name, meter.id.serial, begin, end, partner=partner)


def _neighbour(everyone: list[VirtualMeter], meter: VirtualMeter) -> VirtualMeter:
    """Another meter on the same line."""
    return next(other for other in everyone if other.link.gateway == meter.link.gateway and other is not meter)
