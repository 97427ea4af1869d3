"""A meter without an index at the end: the ladder fills the hole beside the conserved sum, and tells how."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from compute.quality import Method
from ingest.assessment.run import assess

Hours = Callable[[int, int], list[datetime]]
COUNT_J = 36_000
HOLE = (24 * 30, 24 * 36)
SUM = (
    "SELECT coalesce(sum(energy_j), 0), coalesce(sum(energy_j) FILTER (WHERE method IN (6, 7, 8, 9, 11)), 0),"
    " count(*) FILTER (WHERE energy_j IS NULL) FROM consumption JOIN metering_point USING (point_id)"
    " WHERE code = %s AND known_to = 'infinity' AND resolution = %s"
)
MADE = "SELECT method, energy_kwh, uncertainty_kwh, inputs FROM estimate_input ORDER BY from_ts, method"


@pytest.fixture
def house(fleet: Any, hours: Hours, start: datetime) -> Callable[..., Any]:
    """Five flats for 42 days; P0's first meter dies at the hole's beginning and is exchanged at its end."""

    def make(*, exchanged: bool = True, days: int = 42, neighbours: bool = True, **facts: Any) -> dict[str, Any]:
        times = hours(0, 24 * days)
        meters: dict[str, Any] = {}
        for number in range(5 if neighbours else 1):
            point = fleet.add_point(f"P{number}", building="B1", heated_area_m2=80, **facts)
            meter = fleet.add_meter(f"{number}")
            swap = start + timedelta(hours=HOLE[1]) if number == 0 and exchanged else None
            fleet.install(point, meter["meter"], start - timedelta(days=1), swap)
            stop = HOLE[0] + 1 if number == 0 else len(times)
            fleet.read(meter["energy"], [(time, 100 * n) for n, time in enumerate(times[:stop])])
            meters[f"P{number}"] = meter
            if swap is not None:
                fresh = fleet.add_meter("new")
                fleet.install(point, fresh["meter"], swap)
                fleet.read(fresh["energy"], [(time, 100 * n) for n, time in enumerate(times[HOLE[1] :])])
        return meters | {"now": times[-1] + timedelta(minutes=1)}

    return make


def test_neighbours_fill_an_exchange_without_a_final_index(fleet: Any, house: Any) -> None:
    made = house()
    assess(fleet.url, now=made["now"])
    whole, beyond, missing = fleet.rows(SUM, "P0", 1)[0]
    hole = HOLE[1] - HOLE[0]
    assert (whole, missing) == (100 * COUNT_J * (42 * 24 - 1), 0)
    # Beside the estimate stand exactly the index differences of both meters.
    assert beyond == 100 * COUNT_J * hole
    assert fleet.rows(SUM, "P0", 2)[0][0] == whole
    ((method, energy, doubt, inputs),) = fleet.rows(MADE)
    assert (method, energy, doubt) == (int(Method.NEIGHBOURS), pytest.approx(hole), 0.0)
    assert (inputs["neighbours"], inputs["area_m2"], inputs["kwh_per_m2"]) == (4, 80, pytest.approx(hole / 80))


def test_estimating_again_changes_nothing(fleet: Any, house: Any) -> None:
    made = house()
    assess(fleet.url, now=made["now"])
    later = made["now"] + timedelta(minutes=1)
    assert assess(fleet.url, now=later, full=True).changed == 0
    assert assess(fleet.url, now=later + timedelta(minutes=1)).changed == 0


def test_a_reading_that_comes_after_all_takes_the_place_of_the_estimate(fleet: Any, house: Any, hours: Hours) -> None:
    made = house()
    assess(fleet.url, now=made["now"])
    times = hours(0, HOLE[1])
    fleet.read(made["P0"]["energy"], [(times[n], 100 * n) for n in range(HOLE[0] + 1, HOLE[1])])
    assess(fleet.url, now=made["now"] + timedelta(minutes=1))
    whole, beyond, missing = fleet.rows(SUM, "P0", 1)[0]
    assert (beyond, missing) == (0, 1)
    assert whole == 100 * COUNT_J * (42 * 24 - 2)
    assert fleet.rows(MADE) == []


def test_a_masters_balance_comes_before_the_neighbours(fleet: Any, house: Any, hours: Hours, start: datetime) -> None:
    made = house()
    head = fleet.add_point("HOUSE", building="B1", kind="building")
    meter = fleet.add_meter("master")
    fleet.install(head, meter["meter"], start - timedelta(days=1))
    times = hours(0, 24 * 42)
    # P0 uses twice as much while its meter is dead; 4 % are lost in the house.
    counts, total = [], 0
    for n in range(len(times)):
        counts.append(total)
        total += int((500 + (100 if HOLE[0] <= n < HOLE[1] else 0)) / 0.96)
    fleet.read(meter["energy"], list(zip(times, counts, strict=True)))
    assess(fleet.url, now=made["now"])
    ((method, energy, doubt, inputs),) = fleet.rows(MADE)
    assert method == int(Method.BALANCE)
    assert energy == pytest.approx(2 * (HOLE[1] - HOLE[0]), rel=0.05)
    assert doubt < 0.1 * energy
    assert inputs["flats"] == 5


def test_without_neighbours_the_contract_speaks_and_without_anything_it_stays_missing(
    fleet: Any, house: Any, hours: Hours, start: datetime
) -> None:
    made = house(neighbours=False, design_load_kw=5)
    assess(fleet.url, now=made["now"])
    assert fleet.rows(SUM, "P0", 1)[0][2] == HOLE[1] - HOLE[0]
    cold = [(1, time, 0.0) for time in hours(0, 24 * 42)]
    with fleet.connection.cursor() as cursor:
        cursor.executemany("INSERT INTO weather (area_id, ts, temperature_c) VALUES (%s, %s, %s)", cold)
    assess(fleet.url, now=made["now"] + timedelta(minutes=1), full=True)
    ((method, energy, _, inputs),) = fleet.rows(MADE)
    assert (method, energy) == (int(Method.CONTRACT), pytest.approx(6 * 24 * 5 * 18 / 27))
    assert inputs["design_load_kw"] == 5


def test_a_switch_carries_a_dead_meter_on_until_it_expires(fleet: Any, house: Any, start: datetime) -> None:
    made = house(exchanged=False)
    assess(fleet.url, now=made["now"])
    assert fleet.rows(SUM, "P0", 1)[0] == (100 * COUNT_J * HOLE[0], 0, 0)
    until = start + timedelta(hours=HOLE[1])
    fleet.connection.execute(
        "INSERT INTO extrapolation (meter_id, until, reason, created_by) VALUES (%s, %s, 'battery ordered', 'li')",
        (made["P0"]["meter"], until),
    )
    assess(fleet.url, now=made["now"] + timedelta(minutes=1))
    whole, beyond, _ = fleet.rows(SUM, "P0", 1)[0]
    assert beyond == 100 * COUNT_J * (HOLE[1] - HOLE[0])
    assert whole == 100 * COUNT_J * HOLE[1]
    ((method, energy, _, inputs),) = fleet.rows(MADE)
    assert (method, energy) == (int(Method.EXTRAPOLATED), pytest.approx(HOLE[1] - HOLE[0]))
    assert "neighbours" in inputs
    assert assess(fleet.url, now=made["now"] + timedelta(minutes=2), full=True).changed == 0
    fleet.connection.execute("DELETE FROM extrapolation")
    assess(fleet.url, now=made["now"] + timedelta(minutes=3), full=True)
    assert fleet.rows(SUM, "P0", 1)[0][1] == 0


def test_the_same_weeks_of_last_year_fill_a_hole_by_degree_days(fleet: Any, start: datetime) -> None:
    """One point read once a day for two years: 10 degree days a day in the first, 15 in the second."""
    length, died, exchanged = 2 * 364, 364 + 200, 364 + 206
    days = [start + timedelta(days=n) for n in range(length + 1)]
    # Two days of last year's week use more: the period counts, not the year's mean.
    used = [2000 if n in (201, 202) else 1000 if n < 364 else 1500 for n in range(length)]
    index = [sum(used[:n]) for n in range(length + 1)]
    point, first, second = fleet.add_point("P0"), fleet.add_meter("old"), fleet.add_meter("new")
    fleet.install(point, first["meter"], start - timedelta(days=1), days[exchanged])
    fleet.install(point, second["meter"], days[exchanged])
    fleet.read(first["energy"], [(days[n], index[n]) for n in range(died + 1)])
    fleet.read(second["energy"], [(days[n], index[n] - index[exchanged]) for n in range(exchanged, length + 1)])
    fleet.connection.execute(
        "INSERT INTO weather (area_id, ts, temperature_c) SELECT 1, ts, CASE WHEN ts < %(turn)s THEN 8 ELSE 3 END"
        " FROM generate_series(%(start)s::timestamptz, %(end)s, interval '1 hour') AS ts",
        {"start": start, "turn": days[364], "end": days[-1]},
    )
    now = days[-1] + timedelta(minutes=1)
    assess(fleet.url, now=now)
    ((method, energy, doubt, inputs),) = fleet.rows(MADE)
    last_year = sum(used[200:206]) / 100
    assert (method, energy) == (int(Method.LAST_YEAR), pytest.approx(last_year * 1.5))
    assert doubt == pytest.approx(0.25 * energy)
    assert inputs["last_year_kwh"] == pytest.approx(last_year)
    assert (inputs["hdd_last_year_k"], inputs["hdd_k"]) == (pytest.approx(60), pytest.approx(90))
    whole, beyond, missing = fleet.rows(SUM, "P0", 2)[0]
    assert (whole - beyond, missing) == ((index[-1] - index[exchanged] + index[died]) * COUNT_J, 0)
    assert assess(fleet.url, now=now + timedelta(minutes=1), full=True).changed == 0
