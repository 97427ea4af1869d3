"""The bulk side of the store, what assessment loads and writes, on both servers: one of them has no COPY."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import numpy as np
import psycopg
import pytest

from ingest.model import Delivery, Rejected, Resolved
from ingest.store import consumption, importing, series, touched, without_copy
from ingest.store.consumption import HOUR, UNKNOWN, NewRows
from ingest.store.habit import new_habits
from ingest.store.packing import instant_of, microseconds
from ingest.store.writes import write_batch
from protocols.telegram import MeterId


def rows_of(point_id: int, start_us: int, energy_j: list[int], version: int = 1) -> NewRows:
    """Hours of heat of a point, the volume unknown in every second one."""
    count = len(energy_j)

    def every(value: int) -> Any:
        return np.full(count, value, dtype=np.int64)

    volume = np.where(np.arange(count) % 2 == 1, UNKNOWN, 7)
    return NewRows(
        every(point_id), every(1), every(HOUR), start_us + np.arange(count) * 3_600_000_000, every(3600),
        np.array(energy_j), volume, every(UNKNOWN), every(1 << 40), every(2), every(1), every(version),
    )  # fmt: skip


@pytest.fixture
async def bulk(store: Any, place: Any) -> AsyncIterator[Any]:
    """(synchronous connection, place): half a day of readings, one twice, one refused answer, weather."""
    items = [place.delivery(hour, 500 + hour) for hour in range(12)]
    items.append(place.delivery(3, 77, payload=b"other"))
    at = items[0][0].read_at
    refused = Rejected("checksum", "checksum 0x3A where 0x3B was computed", meter=MeterId("00000001"))
    bad = Resolved((place.meter_id,), (), (), (), (), (), refused)
    async with store.connection.transaction():
        await write_batch(store.connection, items, copy=store.copy, habits=new_habits())
        bytes_of_it = Delivery("mbus", b"\x68bad", at, at, "g/1")
        await write_batch(store.connection, [(bytes_of_it, bad)], copy=store.copy, habits=new_habits())
        await importing.write_weather(store.connection, [place.area_id], [at], [-7.5])
    # The one in WebAssembly takes one connection at a time.
    await store.connection.close()
    with psycopg.connect(store.url, prepare_threshold=None) as connection:
        assert without_copy.has_copy(connection) == store.copy
        yield connection, place, at


async def test_series_statuses_refusals_and_weather_load_as_arrays(bulk: Any) -> None:
    connection, place, at = bulk
    end = at + timedelta(days=1)
    found = series.load_readings(connection, [place.energy, place.flow], at, end)
    energy = found[found["register_id"] == place.energy]
    assert energy["value"][energy["version"] == 0].tolist() == [500 + hour for hour in range(12)]
    assert energy["value"][energy["version"] == 1].tolist() == [77]
    assert energy["ts"][0] == microseconds(at)
    said = series.load_statuses(connection, [place.meter_id], at, end)
    assert (len(said), set(said["device"].tolist())) == (14, {0, 12})
    assert series.load_rejected(connection, [place.meter_id], at, end).tolist() == [(place.meter_id, microseconds(at))]
    assert series.load_weather(connection, at, end).tolist() == [(place.area_id, microseconds(at), -7.5)]
    assert len(series.load_weather(connection, end, end)) == 0


async def test_consumption_is_written_in_versions_and_read_back_as_known(bulk: Any) -> None:
    connection, place, at = bulk
    start_us = microseconds(at)
    run = consumption.start_run(connection, "test", at)
    hours = 600
    first = rows_of(place.point_id, start_us, list(range(hours)))
    assert consumption.write_versions(connection, first, run_id=run, known_from=at) == hours
    later = at + timedelta(days=2)
    change = rows_of(place.point_id, start_us, [1_000_000], version=2)
    consumption.write_versions(connection, change, run_id=run, known_from=later)
    end = at + timedelta(hours=hours)
    now = consumption.load_current(connection, [place.point_id], HOUR, at, end)
    assert now["energy_j"].tolist() == [1_000_000, *range(1, hours)]
    assert now["volume_ml"][:3].tolist() == [7, UNKNOWN, 7]
    assert (now["version"][0], set(now["flags"].tolist())) == (2, {1 << 40})
    key = (place.point_id, 1, HOUR, at, end)
    assert consumption.consumption_as_known(connection, *key, later - timedelta(hours=1))[0]["energy_j"] == 0
    assert consumption.consumption_as_known(connection, *key, later)[0]["energy_j"] == 1_000_000
    assert consumption.newest_hours(connection, [(place.point_id, 1), (place.point_id, 3)]) == {
        (place.point_id, 1): instant_of(start_us) + timedelta(hours=hours - 1)
    }
    consumption.finish_run(connection, run, "done", later, points=1, intervals=hours, changed=1, message="")


async def test_marks_are_taken_once(bulk: Any) -> None:
    connection, place, at = bulk
    assert touched.take(connection)[place.meter_id] <= at
    assert touched.waiting(connection) == {}
    touched.touch_sync(connection, {place.meter_id: microseconds(at)})
    assert touched.waiting(connection) == {place.meter_id: at}
