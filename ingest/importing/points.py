"""`points.csv`: metering points with their areas and states.

Columns: point, area, address, kind, state, heated_area_m2, design_load_kw; also read where present: building, account,
route, latitude, longitude, contract, parent. Rules: one household, one dwelling, one account; an address whose flat
number is not the point's own is reported where nearly all others agree (602 booked as 603); `parent` is the point whose
meter measures this one's too (a flat's building, a building's substation): it is known, and nothing is above itself.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from ingest.importing.cells import Row
from ingest.importing.report import ImportReport, Problem

COLUMNS = ("point", "area", "address", "kind", "state", "heated_area_m2", "design_load_kw")
KINDS = ("dwelling", "shop", "enterprise", "building", "substation", "other")
STATES = ("active", "suspended", "vacant", "closed")
# Flat numbers are compared where so many rows of a file have the same one in code and address.
_AGREE_SHARE = 0.9
_AGREE_ROWS = 5
_NUMBERS = re.compile(r"\d+")
# "Heping Road 12-3-602", "Block 4, flat 602", "7号楼2单元602室": what stands before the flat is the building.
_FLAT = re.compile(
    r"^(?P<building>.*\S)[\s,;/#-]+(?:flat|apt\.?|room|unit|no\.?)?\s*\d+\s*(?:室|号|户)?$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class PointRow:
    """A point as a file states it; one that is not sound stands for the checks against others alone."""

    row: int
    code: str
    area: str
    route: str
    address: str
    building: str
    kind: str
    state: str
    account: str | None
    contract: str
    heated_area_m2: Decimal | None
    design_load_kw: Decimal | None
    latitude: Decimal | None
    longitude: Decimal | None
    parent: str
    sound: bool


def point_row(row: Row) -> PointRow:
    """One row checked by itself."""
    address = row.text("address")
    made = PointRow(
        row=row.number,
        code=row.text("point", required=True, limit=100),
        area=row.text("area", required=True, limit=100),
        route=row.text("route", limit=100),
        address=address,
        building=row.text("building") or building_of(address),
        kind=row.choice("kind", KINDS, "dwelling"),
        state=row.choice("state", STATES, "active"),
        account=row.text("account", limit=100) or None,
        contract=row.text("contract"),
        heated_area_m2=row.decimal("heated_area_m2", low=Decimal(0), high=Decimal(10**9)),
        design_load_kw=row.decimal("design_load_kw", low=Decimal(0), high=Decimal(10**8)),
        latitude=row.decimal("latitude", low=Decimal(-90), high=Decimal(90)),
        longitude=row.decimal("longitude", low=Decimal(-180), high=Decimal(180)),
        parent=row.text("parent", limit=100),
        sound=True,
    )
    return made if row.sound else replace(made, sound=False)


def building_of(address: str) -> str:
    """The building that an address names: what stands before its flat number, empty where there is no such thing."""
    found = _FLAT.match(address)
    return found["building"].strip(" ,;/#-") if found else ""


def check_points(
    rows: list[PointRow], accounts: Mapping[str, str], parents: Mapping[str, str], report: ImportReport
) -> list[PointRow]:
    """Rows checked against each other and against what is stored; those that are left.

    `accounts`: account -> point code, `parents`: point code -> code of the point above it, both in the database.
    """
    bad = {row.row for row in rows if not row.sound}
    for name, code in (("code", "point.twice"), ("account", "account.twice")):
        for value, same in _grouped(rows, name).items():
            for row in same[1:]:
                column = "point" if name == "code" else name
                report.add(Problem(row.row, column, code, f"{column} {value} stands in row {same[0].row} already"))
                bad.add(row.row)
    for value, same in _grouped(rows, "address").items():
        for row in same[1:]:
            message = f"the address {value!r} is that of point {same[0].code} (row {same[0].row})"
            report.add(Problem(row.row, "address", "address.twice", message, "warning"))
    for row in rows:
        holder = accounts.get(row.account) if row.account else None
        if holder is not None and holder != row.code:
            report.add(Problem(row.row, "account", "account.taken", f"account {row.account} belongs to point {holder}"))
            bad.add(row.row)
    bad |= _check_parents(rows, bad, parents, report)
    _check_flats(rows, report)
    return [row for row in rows if row.row not in bad]


def _check_parents(
    rows: list[PointRow], refused: set[int], stored: Mapping[str, str], report: ImportReport
) -> set[int]:
    """Numbers of the rows whose parent nobody knows, or that would stand above themselves; and of those below them."""
    bad = set(refused)
    while True:
        left = {row.code: row for row in rows if row.row not in bad}
        above = {**stored, **{code: row.parent for code, row in left.items()}}
        wrong = {row: why for row in left.values() if row.parent and (why := _wrong_parent(row, above))}
        for row, (code, message) in wrong.items():
            report.add(Problem(row.row, "parent", code, message))
        if not wrong:
            break
        bad |= {row.row for row in wrong}
    for row in left.values():
        over = left.get(row.parent)
        if over is not None and over.kind == "dwelling":
            message = f"point {row.parent} (row {over.row}) is a dwelling and stands above another point"
            report.add(Problem(row.row, "parent", "parent.dwelling", message, "warning"))
    return bad


def _wrong_parent(row: PointRow, above: Mapping[str, str]) -> tuple[str, str] | None:
    if row.parent not in above:
        return "parent.unknown", f"point {row.parent} is neither registered nor a sound row of this file"
    way = [row.code]
    while (code := above.get(way[-1], "")) and code not in way:
        way.append(code)
    return ("parent.circle", f"{' < '.join([*way, code])}: a point above itself") if code == row.code else None


def _grouped(rows: list[PointRow], name: str) -> dict[Any, list[PointRow]]:
    groups: dict[Any, list[PointRow]] = defaultdict(list)
    for row in rows:
        value = getattr(row, name)
        if value:
            groups[value].append(row)
    return {value: same for value, same in groups.items() if len(same) > 1}


def _check_flats(rows: list[PointRow], report: ImportReport) -> None:
    pairs = [(row, _last_number(row.code), _last_number(row.address)) for row in rows]
    pairs = [(row, code, address) for row, code, address in pairs if code and address]
    odd = [(row, code, address) for row, code, address in pairs if code != address]
    if not odd or len(pairs) < _AGREE_ROWS or len(odd) > (1 - _AGREE_SHARE) * len(pairs):
        return
    for row, code, address in odd:
        message = f"the address ends in {address} where the point is {code}: booked to the wrong dwelling?"
        report.add(Problem(row.row, "address", "point.flat", message, "warning"))


def _last_number(text: str) -> str:
    numbers = _NUMBERS.findall(text)
    return numbers[-1].lstrip("0") if numbers else ""
