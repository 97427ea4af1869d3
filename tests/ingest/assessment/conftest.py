"""Registry and readings for assessment tests: points, meters and rows written as the store writes them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

START = datetime(2026, 1, 5, 16, tzinfo=UTC)  # midnight in Shanghai


@dataclass(frozen=True)
class Fleet:
    """A database with meters that count kWh/100 and litres. `registers[meter][role]` is a register id."""

    connection: psycopg.Connection[Any]
    url: str

    def add_point(self, code: str, *, area: int = 1, **columns: Any) -> int:
        names = ["code", "area_id", *columns]
        marks = ", ".join(["%s"] * len(names))
        row = self.connection.execute(
            f"INSERT INTO metering_point ({', '.join(names)}) VALUES ({marks}) RETURNING point_id",
            (code, area, *columns.values()),
        ).fetchone()
        assert row is not None
        return int(row[0])

    def add_meter(self, serial: str, *, digits: int = 8, qp: float | None = None, scale: int = -2) -> dict[str, int]:
        row = self.connection.execute(
            "INSERT INTO meter (serial, qp_m3h) VALUES (%s, %s) RETURNING meter_id", (serial, qp)
        ).fetchone()
        assert row is not None
        found = {"meter": int(row[0])}
        for name, quantity, unit, size in (
            ("energy", "heat_energy", "kWh", scale),
            ("volume", "volume", "m3", -3),
            ("supply_temperature", "supply_temperature", "°C", -1),
            ("return_temperature", "return_temperature", "°C", -1),
        ):
            register = self.connection.execute(
                "INSERT INTO register (meter_id, name, quantity, unit, scale, digits)"
                " VALUES (%s, %s, %s, %s, %s, %s) RETURNING register_id",
                (found["meter"], name, quantity, unit, size, digits),
            ).fetchone()
            assert register is not None
            found[name] = int(register[0])
        return found

    def install(self, point: int, meter: int, start: datetime, end: datetime | None = None, **columns: Any) -> None:
        names = ["point_id", "meter_id", "period", *columns]
        marks = ", ".join(["%s", "%s", "tstzrange(%s, %s)", *["%s"] * len(columns)])
        self.connection.execute(
            f"INSERT INTO installation ({', '.join(names)}) VALUES ({marks})",
            (point, meter, start, end, *columns.values()),
        )

    def read(self, register: int, rows: Sequence[tuple[datetime, int]], *, version: int = 0) -> None:
        """Store readings and touch their meter."""
        place = self.rows("SELECT slot & 7 FROM register WHERE register_id = %s", register)[0][0]
        with self.connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO meter_reading (ts, delivery_id, meter_id, bank, part, version, flags, v{place})"
                " SELECT %s, 0, g.meter_id, g.slot >> 3, (SELECT count(*) FROM meter_reading r WHERE"
                " r.meter_id = g.meter_id AND r.bank = g.slot >> 3 AND r.ts = %s), %s, 0, %s"
                " FROM register g WHERE g.register_id = %s",
                [(ts, ts, version, value, register) for ts, value in rows],
            )
        self.connection.execute(
            "INSERT INTO touched (meter_id, from_ts) SELECT meter_id, %s FROM register WHERE register_id = %s",
            (min(ts for ts, _ in rows), register),
        )

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, values).fetchall()


@pytest.fixture
def fleet(database_url: str) -> Iterator[Fleet]:
    """An empty registry with one area in Shanghai's time."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO area (code, name) VALUES ('north', 'North')")
        yield Fleet(connection, database_url)


@pytest.fixture
def hours() -> Callable[[int, int], list[datetime]]:
    """Instants of the hours `first` to `last` after the start."""
    return lambda first, last: [START + timedelta(hours=n) for n in range(first, last)]


@pytest.fixture
def start() -> datetime:
    """A local midnight in January."""
    return START
