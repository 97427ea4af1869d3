"""A fleet as files: the import formats column by column, values as displayed, and the command that writes them."""

import csv
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from simulators.catalogue import fleet_of
from simulators.files import write_fleet
from simulators.fleet import Fleet
from simulators.season_drama import TURNS_OF_STATE


@pytest.fixture(scope="module")
def estate(estate_of) -> Fleet:  # type: ignore[no-untyped-def]
    begin = datetime(2025, 1, 18, 8, tzinfo=UTC)

    def prepare(builder) -> None:  # type: ignore[no-untyped-def]
        serial = builder.meter_of("E-101").id.serial
        builder.fault("duplicates", serial, begin, begin + timedelta(hours=5))
        builder.fault("hand_estimates", builder.meter_of("E-102").id.serial, begin)
        builder.exchange(builder.meter_of("E-104"), begin)
        builder.exchange(builder.meter_of("E-201"), begin, recorded=False)

    return estate_of(prepare)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def folder(estate: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    steps: list[tuple[int, int]] = []
    written = write_fleet(estate, tmp_path_factory.mktemp("estate"), progress=lambda done, of: steps.append((done, of)))
    assert steps == [(1, 1)]
    assert written.readings == pq.read_metadata(written.folder / "readings.parquet").num_rows
    return written.folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_columns_are_those_of_the_import_formats(folder: Path) -> None:
    expected = {
        "points.csv": "point,area,address,kind,state,heated_area_m2,design_load_kw,building,account,latitude,longitude",
        "states.csv": "point,state,from",
        "events.csv": "area,kind,from,to,magnitude,verdict,fault",
        "meters.csv": "serial,manufacturer,medium,model,point,installed_at,initial_index,energy_unit,energy_digits,"
        "energy_scale,qp_m3h,version,mounting_side",
        "labels.csv": "meter,point,kind,from,to,magnitude,verdict,fault",
        "weather.csv": "area,time,temperature_c",
    }
    for name, header in expected.items():
        assert (folder / name).read_text(encoding="utf-8").splitlines()[0] == header
    names = pq.read_schema(folder / "readings.parquet").names
    assert names == ["serial", "manufacturer", "time", "quantity", "value", "unit"]


def test_readings_are_the_displays_counts(estate: Fleet, folder: Path) -> None:
    table = pq.read_table(folder / "readings.parquet").to_pylist()
    for point in ("E-103", "E-202"):
        meter = estate.meter_at(point)
        found = {
            row["time"]: row["value"]
            for row in table
            if row["serial"] == meter.id.serial and row["quantity"] == "volume"
        }
        assert len(found) == estate.hours
        for hours in (0, 77, 500):
            at = estate.start + timedelta(hours=hours)
            shown = meter.model.register("volume").value_of(meter.readout(at).counts["volume"])
            assert Decimal(repr(found[at])).normalize() == shown.normalize()


def test_units_and_quantities_are_known_to_the_import(folder: Path) -> None:
    from protocols.units import CANONICAL_UNIT, Quantity, dimension

    table = pq.read_table(folder / "readings.parquet", columns=["quantity", "unit"])
    pairs = set(zip(table["quantity"].to_pylist(), table["unit"].to_pylist(), strict=True))
    assert {"heat_energy", "volume", "supply_temperature", "return_temperature", "operating_time"} <= {
        q for q, _ in pairs
    }
    for quantity, unit in pairs:
        assert dimension(unit) == dimension(CANONICAL_UNIT[Quantity(quantity)])


def test_the_initial_index_is_what_the_display_showed_when_installed(estate: Fleet, folder: Path) -> None:
    listed = {row["serial"]: row for row in rows(folder / "meters.csv")}
    table = pq.read_table(folder / "readings.parquet").to_pylist()
    meter = estate.meter_at("E-202")
    first = next(r for r in table if r["serial"] == meter.id.serial and r["quantity"] == "heat_energy")
    assert Decimal(listed[meter.id.serial]["initial_index"]) == Decimal(repr(first["value"]))
    assert listed[meter.id.serial]["energy_unit"] == "kWh"


def test_an_exchange_lists_both_meters_and_an_unrecorded_one_only_the_old(estate: Fleet, folder: Path) -> None:
    listed = [row["point"] for row in rows(folder / "meters.csv")]
    assert listed.count("E-104") == 2
    assert listed.count("E-201") == 1
    known = {row["serial"] for row in rows(folder / "meters.csv")}
    told = set(pq.read_table(folder / "readings.parquet", columns=["serial"])["serial"].to_pylist())
    assert told == known


def test_repeated_deliveries_are_there_twice_and_read_by_eye_figures_are_round(estate: Fleet, folder: Path) -> None:
    table = pq.read_table(folder / "readings.parquet").to_pylist()
    energy = [row for row in table if row["quantity"] == "heat_energy"]
    times = [row["time"] for row in energy if row["serial"] == estate.meter_at("E-101").id.serial]
    assert len(times) - len(set(times)) == 5
    begin = datetime(2025, 1, 18, 8, tzinfo=UTC)
    by_eye = [row for row in energy if row["serial"] == estate.meter_at("E-102").id.serial and row["time"] >= begin]
    assert 2 <= len(by_eye) <= 3


def test_csv_and_parquet_say_the_same(estate: Fleet, folder: Path, tmp_path: Path) -> None:
    write_fleet(estate, tmp_path, readings_format="csv")
    text, binary = rows(tmp_path / "readings.csv"), pq.read_table(folder / "readings.parquet")
    assert len(text) == binary.num_rows
    assert np.array_equal([float(row["value"]) for row in text], binary["value"].to_numpy())
    assert datetime.fromisoformat(text[0]["time"]) == binary["time"][0].as_py()
    with pytest.raises(ValueError, match="parquet or csv"):
        write_fleet(estate, tmp_path, readings_format="xls")


def test_the_command_writes_what_the_same_seed_gives_in_another_process(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "api.cli.main", "simulate", "training", "--seed", "9", "--out", str(tmp_path / "a")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "60 meters" in done.stderr
    write_fleet(fleet_of("training", seed=9), tmp_path / "b")
    for file in ("points.csv", "meters.csv", "labels.csv", "weather.csv"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    # Row by row, not byte by byte: Arrow leaves the padding of its pages as it found it in memory.
    told, again = (pq.read_table(tmp_path / run / "readings.parquet") for run in ("a", "b"))
    assert told.equals(again)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nowhere"],
        ["season", "--meters", "5"],
        ["demo", "--readings", "xml"],
        ["season", "--interval", "minute"],
        ["season", "--climate", "mars"],
        ["season", "--display", "3kWh"],
        ["season", "--from", "2024-09-01", "--to", "2024-08-01"],
        ["season", "--to", "2025-03-01", "--days", "40"],
        ["demo", "--live", "--days", "40"],
    ],
)
def test_the_command_refuses_what_it_does_not_know(arguments: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "api.cli.main", "simulate", *arguments, "--out", str(tmp_path / "x")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert not (tmp_path / "x").exists()


def test_a_demo_fleet_can_be_written_too(tmp_path: Path) -> None:
    written = write_fleet(fleet_of("demo", days=3), tmp_path)
    units = pq.read_table(written.folder / "readings.parquet", columns=["quantity", "unit"]).to_pylist()
    assert {"quantity": "electric_energy", "unit": "kWh"} in units
    assert {"quantity": "heat_energy", "unit": "GJ"} in units


def test_a_season_of_ones_own_by_command(tmp_path: Path) -> None:
    span = "--from 2025-01-10 --to 2025-02-12 --interval day"
    wish = f"season --meters 120 --seed 4 --climate beijing {span} --display 0.001GJ --out {tmp_path}"
    done = subprocess.run(
        [sys.executable, "-m", "api.cli.main", "simulate", *wish.split()],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {(row["energy_unit"], row["energy_scale"]) for row in rows(tmp_path / "meters.csv")} == {("GJ", "-3")}
    table = pq.read_table(tmp_path / "readings.parquet")
    # What is read by eye has its own days.
    times = [row["time"] for row in table.to_pylist() if row["quantity"] == "volume"]
    assert min(times) == datetime(2025, 1, 10, tzinfo=UTC)
    assert max(times) < datetime(2025, 2, 12, tzinfo=UTC)
    assert len(set(times)) == 33
    assert {row["area"] for row in rows(tmp_path / "weather.csv")} == {"A01", "A02", "A03"}


def test_readings_every_quarter_of_an_hour_hold_the_hourly_ones(estate: Fleet, folder: Path, tmp_path: Path) -> None:
    write_fleet(estate, tmp_path, interval="15min")
    serial = estate.meter_at("E-103").id.serial
    found = []
    for source in (folder, tmp_path):
        table = pq.read_table(source / "readings.parquet").to_pylist()
        found.append({r["time"]: r["value"] for r in table if (r["serial"], r["quantity"]) == (serial, "heat_energy")})
    assert len(found[1]) == 4 * len(found[0])
    assert found[0].items() <= found[1].items()
    values = [found[1][at] for at in sorted(found[1])]
    assert values == sorted(values)


def test_states_that_change_on_the_way_are_listed_from_the_first(tmp_path: Path) -> None:
    fleet = fleet_of("season", seed=3, meters=200, days=200)
    write_fleet(fleet, tmp_path, interval="day")
    told: dict[str, list[tuple[str, str]]] = {}
    for row in rows(tmp_path / "states.csv"):
        told.setdefault(row["point"], []).append((row["state"], row["from"]))
    turns = {label.point: label for label in fleet.labels if label.fault in TURNS_OF_STATE}
    assert set(told) == set(turns) != set()
    for point, states in told.items():
        before, after = TURNS_OF_STATE[turns[point].fault]
        assert states == [(before, ""), (after, turns[point].start.strftime("%Y-%m-%dT%H:%M:%SZ"))]
    last = {row["point"]: row["state"] for row in rows(tmp_path / "points.csv")}
    assert all(last[point] == states[-1][0] for point, states in told.items())
