"""A fleet's registry as files: points, their states, meters, and of a live fleet gateways and links to meters.

Columns are those of `heatbook import`, and plain enough for any other product. A meter that nobody told the registry
about is in none of them: its absence is the symptom.
"""

import csv
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

import numpy as np

from simulators.display import micros
from simulators.fleet import Fleet, Gateway, Point
from simulators.meter import VirtualMeter

POINT_COLUMNS = (
    "point", "area", "address", "kind", "state", "heated_area_m2", "design_load_kw", "building", "account", "latitude",
    "longitude",
)  # fmt: skip
STATE_COLUMNS = ("point", "state", "from")
METER_COLUMNS = (
    "serial", "manufacturer", "medium", "model", "point", "installed_at", "initial_index", "energy_unit",
    "energy_digits", "energy_scale", "qp_m3h", "version", "mounting_side",
)  # fmt: skip
GATEWAY_COLUMNS = ("gateway", "kind", "address", "area", "bus", "baud_rate", "schedule_s", "latitude", "longitude")
LINK_COLUMNS = ("serial", "manufacturer", "medium", "gateway", "bus", "address", "profile", "key", "settings")
Row = tuple[object, ...]


def write_rows(path: Path, header: tuple[str, ...], rows: Iterable[Row]) -> None:
    """A CSV file with a header line."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def iso(at: datetime) -> str:
    """An instant as the import formats write it; `at` in UTC."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def write_points(fleet: Fleet, folder: Path) -> None:
    """`points.csv` with every point's state at the end, `states.csv` with those that changed on the way."""
    write_rows(folder / "points.csv", POINT_COLUMNS, (_point_row(point) for point in fleet.points))
    rows = (row for point in fleet.points for row in _state_rows(fleet, point))
    write_rows(folder / "states.csv", STATE_COLUMNS, rows)


def _point_row(point: Point) -> Row:
    return (
        point.code, point.area, point.address, point.kind, point.state, f"{point.heated_area_m2:.1f}",
        f"{point.design_load_kw:.2f}", point.building, point.account, point.latitude, point.longitude,
    )  # fmt: skip


def _state_rows(fleet: Fleet, point: Point) -> list[Row]:
    """A point's states in the order of time where it has more than one inside the simulated span."""
    spells = [spell for spell in point.spells if spell.end is None or spell.end > fleet.start]
    # What came before the span is not told: the first state holds since ever.
    later = [spell for number, spell in enumerate(spells) if number and spell.start > fleet.start]
    if not later:
        return []
    first = max((spell for spell in spells if spell.start <= fleet.start), key=lambda spell: spell.start)
    return [(point.code, first.state, ""), *((point.code, spell.state, iso(spell.start)) for spell in later)]


def meter_row(meter: VirtualMeter) -> Row:
    """The meter's row of `meters.csv`; the initial index is what the display showed when it was installed."""
    index = meter.index
    at = np.array([micros(meter.installed_at)], dtype=np.int64)
    shown = index.value_of(int(meter.counts_at(at)[index.name][0] % (index.capacity or 10**18)))
    return (
        meter.id.serial, meter.id.manufacturer, meter.id.medium, meter.model.name, meter.point,
        iso(meter.installed_at), f"{shown:f}", index.unit, index.digits, index.scale, f"{meter.qp_m3h:g}",
        "" if meter.id.version is None else meter.id.version, meter.model.mounting_side,
    )  # fmt: skip


def write_meters(fleet: Fleet, folder: Path) -> None:
    """`meters.csv` of a fleet whose readings are not written, block by block."""
    known = sorted((meter for meter in fleet.meters if meter.registered), key=lambda meter: meter.block)
    write_rows(folder / "meters.csv", METER_COLUMNS, (meter_row(meter) for meter in known))


def write_lines(fleet: Fleet, folder: Path, addresses: Mapping[str, str]) -> None:
    """`gateways.csv` and `links.csv` of a live fleet; `addresses` by gateway code, those without one are left out."""
    rows = (_gateway_row(gateway, addresses[gateway.code]) for gateway in fleet.gateways if gateway.code in addresses)
    write_rows(folder / "gateways.csv", GATEWAY_COLUMNS, rows)
    links = (_link_row(meter) for meter in fleet.meters if meter.registered and meter.link.gateway in addresses)
    write_rows(folder / "links.csv", LINK_COLUMNS, links)


def _gateway_row(gateway: Gateway, address: str) -> Row:
    bus = gateway.buses[0]
    return (
        gateway.code, gateway.kind, address, gateway.area, bus.code, bus.baud_rate, bus.schedule_s,
        "" if gateway.latitude is None else gateway.latitude, "" if gateway.longitude is None else gateway.longitude,
    )  # fmt: skip


def _link_row(meter: VirtualMeter) -> Row:
    link = meter.link
    key = meter.key.hex().upper() if meter.key is not None else ""
    settings = json.dumps(link.settings, separators=(",", ":")) if link.settings else ""
    return (
        meter.id.serial, meter.id.manufacturer, meter.id.medium, link.gateway, link.bus, link.address, meter.profile,
        key, settings,
    )  # fmt: skip
