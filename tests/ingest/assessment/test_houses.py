"""Which building's own point stands above a flat where nobody entered it."""

from typing import Any

import pytest

from ingest.assessment.loading import places_of, points_table
from ingest.store import series


@pytest.fixture
def above(fleet: Any, start: Any) -> Any:
    """Register points of (code, columns), a meter each; code -> code of the point above it."""

    def register(points: dict[str, dict[str, str]]) -> dict[str, str | None]:
        ids = {code: fleet.add_point(code, **columns) for code, columns in points.items()}
        for code, point in ids.items():
            fleet.install(point, fleet.add_meter(f"M{code}")["meter"], start)
        places = places_of(series.load_installations(fleet.connection))
        table = points_table(places, {}, {places[0].newest["area_id"]: 0})
        names = [place.newest["point_code"] for place in places]
        return {name: names[at] if at >= 0 else None for name, at in zip(names, table.parent.tolist(), strict=True)}

    return register


@pytest.mark.parametrize("called", ["H-00", "Long Road 7", "house seven"])
def test_a_flat_names_its_house_by_code_address_or_building(above: Any, called: str) -> None:
    house = {"kind": "building", "address": "Long Road 7", "building": "house seven"}
    assert above({"H-00": house, "H-01": {"building": called}}) == {"H-00": None, "H-01": "H-00"}


def test_a_name_that_two_houses_bear_is_nobodys_and_no_house_stands_above_another(above: Any) -> None:
    street = {"kind": "building", "building": "Long Road"}
    found = above({"H7": street | {"address": "Long Road 7"}, "H8": street, "F": {"building": "Long Road"}})
    assert found == {"H7": None, "H8": None, "F": None}
