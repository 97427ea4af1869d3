"""What the registry says of the places of a run: which registers count, points and states as arrays, the grid.

Rules: a place is a point and a service; the local calendar of the area makes the days. Readings are the matter of
`ingest.assessment.readings`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from compute.days import ABSENT, STATES, Points, unknown_points
from compute.series import Grid, grid
from ingest.store import series as store
from ingest.store.packing import microseconds
from protocols.units import factor

Int64 = NDArray[np.int64]

HOUR_US = 3_600_000_000
# quantity of the energy index by service; others have only a volume.
ENERGY_OF_SERVICE = {0: "heat_energy", 1: "heat_energy", 2: "cooling_energy", 5: "electric_energy"}
INDEX_ROLES = ("energy", "volume", "operating_time", "supply_temperature_volume", "return_temperature_volume")
SAMPLE_ROLES = {"supply_temperature": "°C", "return_temperature": "°C", "flow": "m3/h"}


@dataclass(frozen=True, slots=True)
class Place:
    """A point and a service with its installations in order of time, as rows of `ingest.store.series`."""

    point_id: int
    service: int
    installations: tuple[store.Row, ...]

    @property
    def newest(self) -> store.Row:
        """The latest installation: it tells the meter, the area and the rule group of today."""
        return self.installations[-1]

    @property
    def meters(self) -> tuple[int, ...]:
        """Meters in order of time."""
        return tuple(row["meter_id"] for row in self.installations)


def places_of(rows: Sequence[store.Row]) -> list[Place]:
    """Places of installation rows, in order of point and service."""
    grouped: dict[tuple[int, int], list[store.Row]] = {}
    for row in rows:
        grouped.setdefault((row["point_id"], row["service"]), []).append(row)
    return [Place(point, service, tuple(found)) for (point, service), found in sorted(grouped.items())]


def grid_of(zone: str, first: date, last: date) -> Grid:
    """Hours and local days from the midnight that opens `first` to the one that closes `last`."""
    place = ZoneInfo(zone)
    count = (last - first).days + 2
    midnights = [datetime.combine(first + timedelta(days=n), datetime.min.time(), place) for n in range(count)]
    days = np.array([microseconds(midnight) for midnight in midnights], np.int64)
    hours = np.concatenate([np.arange(a, b, HOUR_US) for a, b in pairwise(days)] + [days[-1:]])
    return grid(hours, days)


def registers_of(connection: Connection[object], places: Sequence[Place]) -> dict[tuple[int, str], store.Row]:
    """(meter, role) -> register row: the finest display of each quantity that a place needs."""
    services = {meter: place.service for place in places for meter in place.meters}
    chosen: dict[tuple[int, str], store.Row] = {}
    for row in store.load_registers(connection, sorted(services)):
        quantity = row["quantity"]
        role = "energy" if quantity == ENERGY_OF_SERVICE.get(services[row["meter_id"]]) else quantity
        if role in INDEX_ROLES or role in SAMPLE_ROLES:
            chosen.setdefault((row["meter_id"], role), row)
    return chosen


def worth(register: store.Row, unit: str, multiplier: Decimal) -> Fraction:
    """What one count of a register is worth in `unit` at a point, exactly."""
    count: Fraction = factor(register["unit"], unit) * Fraction(10) ** register["scale"]
    return count * Fraction(multiplier)


def points_table(
    places: Sequence[Place], registers: Mapping[tuple[int, str], store.Row], areas: Mapping[int, int]
) -> Points:
    """What the registry knows of the places. `areas`: area id -> row in the weather."""
    table = unknown_points(len(places))
    numbers: dict[str, int] = {}
    place_of = {place.point_id: at for at, place in reversed(list(enumerate(places)))}
    houses = _houses(places)
    for at, place in enumerate(places):
        row = place.newest
        for role, unit, column in (("energy", "kWh", table.energy_step_kwh), ("volume", "m3", table.volume_step_m3)):
            register = registers.get((row["meter_id"], role))
            column[at] = 0.0 if register is None else float(worth(register, unit, row["factor"]))
        for name, column in (
            ("qp_m3h", table.qp_m3h), ("qs_m3h", table.qs_m3h),
            ("design_load_kw", table.design_load_kw), ("heated_area_m2", table.heated_area_m2),
        ):  # fmt: skip
            column[at] = np.nan if row[name] is None else float(row[name])
        table.supply_mounted[at] = row["mounting_side"] == "supply"
        table.area[at] = areas[row["area_id"]]
        table.building[at] = numbers.setdefault(row["building"], len(numbers)) if row["building"] else -1
        table.gateway[at] = -1 if row["gateway_id"] is None else row["gateway_id"]
        # A house's own point stands above its flats, also where nobody entered that.
        own_house = -1 if row["point_kind"] == "building" else houses.get(row["building"], -1)
        table.parent[at] = place_of.get(row["parent_id"], own_house)
        table.cadence_us[at] = 0 if row["schedule_s"] is None else row["schedule_s"] * 1_000_000
    return table


def _houses(places: Sequence[Place]) -> dict[str, int]:
    """Position of a building's own point by what flats may call it: its code, its address, its building; a name that
    two houses bear is nobody's.
    """
    found: dict[str, int] = {}
    for name in ("point_code", "address", "building"):
        claims: dict[str, set[int]] = {}
        for at, place in enumerate(places):
            if place.newest["point_kind"] == "building" and place.newest[name]:
                claims.setdefault(place.newest[name], set()).add(at)
        for text, who in claims.items():
            if len({places[at].point_id for at in who}) == 1:
                found.setdefault(text, min(who))
    return found


def states_table(connection: Connection[object], places: Sequence[Place], bounds: Int64) -> NDArray[np.int8]:
    """(p, d) state of each local day; a day that is not wholly in one state, or before any meter, is `ABSENT`."""
    result = np.zeros((len(places), len(bounds) - 1), np.int8)
    rows_of: dict[int, list[int]] = {}
    for at, place in enumerate(places):
        rows_of.setdefault(place.point_id, []).append(at)
        since = np.searchsorted(bounds, microseconds(place.installations[0]["start_at"]), side="right") - 1
        result[at, : max(since, 0)] = ABSENT
        if place.newest["end_at"] is not None:
            result[at, max(np.searchsorted(bounds, microseconds(place.newest["end_at"]), side="right") - 1, 0) :] = (
                ABSENT
            )
    for point, state, start, end in store.load_states(connection, sorted(rows_of)):
        number = STATES.index(state)
        low = int(bounds[0]) if start is None else microseconds(start)
        high = int(bounds[-1]) if end is None else microseconds(end)
        whole = (bounds[:-1] >= low) & (bounds[1:] <= high)
        touched = (bounds[:-1] < high) & (bounds[1:] > low) & ~whole
        for at in rows_of[point]:
            result[at, whole & (result[at] != ABSENT)] = number
            if number:
                result[at, touched] = ABSENT
    return result
