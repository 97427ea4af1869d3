"""Reading series as arrays: every row, in order, with versions and flags, on both servers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from compute.quality import Quality
from ingest.store.packing import microseconds
from ingest.store.series_arrays import reading_arrays
from ingest.store.writes import write_batch

T0 = datetime(2026, 1, 5, tzinfo=UTC)


async def test_series_come_by_register_and_time_with_their_versions(plain: Any, plain_place: Any) -> None:
    items = [plain_place.delivery(hour, 500 + hour) for hour in range(48)]
    async with plain.connection.transaction():
        await write_batch(plain.connection, items[::-1])
        await write_batch(plain.connection, [plain_place.delivery(7, 9, payload=b"other")])
    with psycopg.connect(plain.url) as connection:
        registers = [plain_place.flow, plain_place.energy, 99_999]
        table = reading_arrays(connection, registers, T0, T0 + timedelta(days=1))
        assert len(reading_arrays(connection, [], T0, T0 + timedelta(days=1))) == 0
    assert len(table) == 49
    energy = table[table["register_id"] == plain_place.energy]
    assert energy["ts"].tolist() == sorted([microseconds(T0 + timedelta(hours=h)) for h in [*range(24), 7]])
    assert energy["value"][6:10].tolist() == [506, 507, 9, 508]
    assert (energy["version"][8], energy["flags"][8]) == (1, int(Quality.CONFLICT))
    assert energy["version"].sum() == 1
