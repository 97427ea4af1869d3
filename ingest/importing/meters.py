"""`meters.csv`: meters with the register of their index and where they are installed.

Columns: serial, manufacturer, medium, model, point, installed_at, initial_index, energy_unit, energy_digits,
energy_scale, qp_m3h; also read where present: removed_at, final_index, factor, service, profile, mounting_side,
version. Rules: an index is an exact count of the display's last digit; a meter is at one point and a point has one
meter at a time; a later meter of the same point ends the earlier one's time there (an exchange).
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import NamedTuple

from ingest.importing.cells import Row
from ingest.importing.report import ImportReport, Problem
from protocols.registers import Register
from protocols.units import CANONICAL_UNIT, Quantity, dimension, is_unit

COLUMNS = ("serial", "manufacturer", "point")
_SERVICE = {
    "heat": 1, "heat_cooling": 1, "cooling": 2, "water": 3, "cold_water": 3, "hot_water": 4, "warm_water": 4,
    "electricity": 5, "gas": 6,
}  # fmt: skip
_ENERGY = {1: Quantity.HEAT_ENERGY, 2: Quantity.COOLING_ENERGY, 5: Quantity.ELECTRIC_ENERGY}
_NAME = {Quantity.COOLING_ENERGY: "cooling_energy", Quantity.VOLUME: "volume"}
_LAST_NUMBER = re.compile(r"(?P<place>.*?)(?P<number>\d{1,9})\D*", re.DOTALL)
# Flats whose numbers differ by so much may be mixed up by a typing error.
_NEXT_DOOR = 9
_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)


Refuse = Callable[["MeterRow", str, str, str], None]


class Identity(NamedTuple):
    """What makes a meter one meter."""

    manufacturer: str
    serial: str
    medium: str


@dataclass(frozen=True, slots=True)
class MeterRow:
    """A meter as a file states it; indexes are counts."""

    row: int
    identity: Identity
    model: str
    profile: str
    version: int | None
    mounting_side: str
    qp_m3h: Decimal | None
    registers: tuple[Register, ...]
    point: str
    service: int
    installed_at: datetime | None
    removed_at: datetime | None
    initial_index: int | None
    final_index: int | None
    factor: Decimal
    reason: str = "new"


def meter_row(row: Row, zone: tzinfo) -> MeterRow | None:
    """One row checked by itself, None where it is unsound."""
    medium = row.text("medium", limit=40).lower() or "heat"
    service = row.integer("service", low=0, high=6)
    service = _SERVICE.get(medium, 0) if service is None else service
    registers = _registers(row, service)
    point = row.text("point", limit=100)
    installed_at = row.instant("installed_at", zone)
    if point and installed_at is None and row.sound:
        row.problem("installed_at", "cell.empty", "when the meter was installed is not said")
    removed_at = row.instant("removed_at", zone)
    if installed_at and removed_at and removed_at <= installed_at:
        row.problem("removed_at", "installation.backwards", "the meter went before it came")
    made = MeterRow(
        row=row.number,
        identity=Identity(row.text("manufacturer", limit=60), row.text("serial", required=True, limit=60), medium),
        model=row.text("model", limit=200),
        profile=row.text("profile", limit=100),
        version=row.integer("version", low=0, high=255),
        mounting_side=row.choice("mounting_side", ("supply", "return"), "return"),
        qp_m3h=row.decimal("qp_m3h", low=Decimal(0), high=Decimal(99_999)),
        registers=registers,
        point=point,
        service=service,
        installed_at=installed_at,
        removed_at=removed_at,
        initial_index=_index(row, "initial_index", registers),
        final_index=_index(row, "final_index", registers),
        factor=row.decimal("factor", low=Decimal("0.000001"), high=Decimal(999_999)) or Decimal(1),
    )
    return made if row.sound else None


def _registers(row: Row, service: int) -> tuple[Register, ...]:
    """The register that the index columns speak of. Others follow from the first readings, as fine as those really are:
    a resolution made up here would refuse the meter's own telegrams later.
    """
    quantity = _ENERGY.get(service, Quantity.VOLUME)
    wanted = dimension(CANONICAL_UNIT[quantity])
    unit = row.text("energy_unit") or CANONICAL_UNIT[quantity]
    if not is_unit(unit) or dimension(unit) != wanted:
        row.problem("energy_unit", "unit.unknown", f"{unit!r} is not a unit of {wanted}")
        return ()
    name = _NAME.get(quantity, "energy")
    return (Register(name, quantity, unit, _scale(row), row.integer("energy_digits", low=1, high=18)),)


def _scale(row: Row) -> int:
    """A power of ten as -3, or written out as 0.001."""
    value = row.decimal("energy_scale", low=Decimal(-9), high=Decimal(10**9))
    if value is None:
        return 0
    if value == value.to_integral_value() and abs(value) <= 9:
        return int(value)
    exponent = value.normalize().as_tuple()
    if exponent.digits == (1,) and isinstance(exponent.exponent, int) and -9 <= exponent.exponent <= 9:
        return exponent.exponent
    row.problem("energy_scale", "cell.number", f"{value} is not a power of ten")
    return 0


def _index(row: Row, column: str, registers: tuple[Register, ...]) -> int | None:
    value = row.decimal(column, low=Decimal(0), high=Decimal(10**17))
    if value is None or not registers:
        return None
    register = registers[0]
    count = value.scaleb(-register.scale)
    if count != count.to_integral_value():
        message = f"{value} is finer than the display's last digit of 10^{register.scale} {register.unit}"
        row.problem(column, "index.finer", message)
        return None
    if register.capacity is not None and count >= register.capacity:
        row.problem(column, "index.digits", f"{value} does not fit on a display of {register.digits} digits")
        return None
    return int(count)


class BarePoints:
    """Points without any meter: where a neighbour gets two, one of them may be theirs (602 booked as 603)."""

    def __init__(self, codes: Iterable[str]) -> None:
        # What stands before the last number of a code -> those numbers with their codes.
        self._of_place: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for code in codes:
            if numbered := _LAST_NUMBER.fullmatch(code):
                self._of_place[numbered["place"]].append((int(numbered["number"]), code))

    def suspect(self, row: MeterRow, report: ImportReport) -> None:
        """Report a row that brings a point its second meter while the point next door has none."""
        numbered = _LAST_NUMBER.fullmatch(row.point)
        if numbered is None:
            return
        number = int(numbered["number"])
        near = [(abs(other - number), code) for other, code in self._of_place.get(numbered["place"], ())]
        distance, code = min(near, default=(_NEXT_DOOR + 1, ""))
        if distance <= _NEXT_DOOR:
            message = f"point {code} has no meter and {row.point} gets another: booked to the wrong dwelling?"
            report.add(Problem(row.row, "point", "point.neighbour", message, "warning"))


def check_meters(rows: list[MeterRow], points: Iterable[str], bare: BarePoints, report: ImportReport) -> list[MeterRow]:
    """Rows checked against each other and the known point codes; those that are left, exchanges worked out."""
    known, bad = set(points), set[int]()

    def refuse(row: MeterRow, column: str, code: str, message: str) -> None:
        report.add(Problem(row.row, column, code, message))
        bad.add(row.row)

    first: dict[Identity, MeterRow] = {}
    for row in rows:
        if row.point and row.point not in known:
            refuse(row, "point", "point.unknown", f"point {row.point} is not registered")
        before = first.setdefault(row.identity, row)
        if before is row:
            continue
        if before.registers != row.registers:
            refuse(
                row,
                "serial",
                "meter.twice",
                f"meter {row.identity.serial} stands in row {before.row} with another display",
            )
        elif before.installed_at == row.installed_at or before.removed_at is None:
            refuse(
                row,
                "serial",
                "meter.twice",
                f"meter {row.identity.serial} is at point {before.point} (row {before.row})",
            )
    return _with_exchanges([row for row in rows if row.row not in bad], report, refuse, bare)


def _with_exchanges(rows: list[MeterRow], report: ImportReport, refuse: Refuse, bare: BarePoints) -> list[MeterRow]:
    by_place: dict[tuple[str, int], list[MeterRow]] = defaultdict(list)
    result = [row for row in rows if not row.point]
    for row in rows:
        if row.point:
            by_place[(row.point, row.service)].append(row)
    for (point, _), same in by_place.items():
        same.sort(key=lambda row: (row.installed_at or _EARLIEST, row.row))
        current = same[0]
        for row in same[1:]:
            shown = f"{current.identity.serial} (row {current.row})"
            if current.installed_at == row.installed_at:
                refuse(row, "point", "point.two_meters", f"point {point} has meter {shown} from the same instant on")
                bare.suspect(row, report)
                continue
            follower = row
            if current.removed_at is None or current.removed_at > (row.installed_at or _EARLIEST):
                message = f"point {point} gets a second meter after {shown}: taken as an exchange"
                report.add(Problem(row.row, "point", "point.exchange", message, "warning"))
                bare.suspect(row, report)
                current = replace(current, removed_at=row.installed_at)
                follower = replace(row, reason="exchange")
            result.append(current)
            current = follower
        result.append(current)
    return sorted(result, key=lambda row: row.row)
