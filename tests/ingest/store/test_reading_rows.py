"""What a meter showed at one instant is one row, and whatever way readings come, each is there once."""

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from compute.quality import Quality
from ingest.errors import NotFoundError
from ingest.model import Delivery, Resolved
from ingest.store import reading_writes, registry
from ingest.store.habit import new_habits
from ingest.store.packing import microseconds
from ingest.store.reading_columns import ReadingColumns
from ingest.store.reading_rows import ABSENT
from ingest.store.writes import write_batch
from protocols.registers import Register
from protocols.units import Quantity

T0 = datetime(2026, 1, 5, tzinfo=UTC)
CONFLICT = int(Quality.CONFLICT)
Said = tuple[int, list[tuple[int, int, int, int]]]


async def rows(store: Any, query: str) -> list[Any]:
    found: list[Any] = await (await store.connection.execute(query)).fetchall()
    return found


async def meter_of(store: Any, serial: str, registers: int) -> tuple[int, list[int]]:
    """A meter with so many registers."""
    meter = await registry.create_meter(store.connection, serial=serial, manufacturer="KAM")
    made = [
        await registry.create_register(store.connection, meter, Register(f"r{at}", Quantity.POWER, "kW", 0))
        for at in range(registers)
    ]
    return meter, made


def delivery(number: int, said: Said) -> tuple[Delivery, Resolved]:
    """(meter, [(register, hour, value, flags)]) as a delivery of its own."""
    meter, values = said
    at = T0 + timedelta(seconds=number)
    hours = tuple(microseconds(T0 + timedelta(hours=hour)) for _, hour, _, _ in values)
    resolved = Resolved(
        (meter,), tuple(v[0] for v in values), hours, tuple(v[2] for v in values), tuple(v[3] for v in values)
    )
    return Delivery("mbus", f"{number}".encode(), at, at, "g/1"), resolved


def expected(said: list[Said]) -> set[tuple[int, datetime, int, int, int]]:
    """(register, instant, version, value, flags) that must be there, value by value and without any arrays."""
    known: dict[tuple[int, int], list[int]] = defaultdict(list)
    made = set()
    for _, values in said:
        for register, hour, value, flags in values:
            there = known[register, hour]
            if value not in there:
                version = len(there)
                there.append(value)
                flags_of_it = flags | CONFLICT if version else flags
                made.add((register, T0 + timedelta(hours=hour), version, value, flags_of_it))
    return made


async def test_six_registers_of_an_instant_are_one_row(store: Any) -> None:
    meter, registers = await meter_of(store, "1", 6)
    said = (meter, [(register, 0, at, 0) for at, register in enumerate(registers)])
    async with store.connection.transaction():
        outcome = (await write_batch(store.connection, [delivery(0, said)], copy=store.copy))[0]
    assert outcome.readings == 6
    assert await rows(store, "SELECT bank, part, version, v0, v5, v6, v7 FROM meter_reading") == [
        (0, 0, 0, 0, 5, None, None)
    ]


async def test_what_else_comes_for_an_instant_is_a_further_part_of_version_0(store: Any) -> None:
    meter, registers = await meter_of(store, "1", 10)
    first = (meter, [(register, 0, 1, 0) for register in registers[:3]])
    rest = (meter, [(register, 0, 2, 0) for register in registers[3:]])
    for number, said in enumerate((first, rest)):
        async with store.connection.transaction():
            await write_batch(store.connection, [delivery(number, said)], copy=store.copy)
    assert await rows(store, "SELECT bank, part, version FROM meter_reading ORDER BY bank, part") == [
        (0, 0, 0),
        (0, 1, 0),
        (1, 0, 0),
    ]
    assert await rows(store, "SELECT count(*), max(version) FROM reading") == [(10, 0)]


async def test_readings_with_other_flags_are_a_row_of_their_own(store: Any) -> None:
    meter, registers = await meter_of(store, "1", 3)
    said = (meter, [(registers[0], 0, 1, 0), (registers[1], 0, 2, 4), (registers[2], 0, 3, 0)])
    async with store.connection.transaction():
        await write_batch(store.connection, [delivery(0, said)], copy=store.copy)
    found = await rows(store, "SELECT register_id, value, flags FROM reading ORDER BY register_id")
    assert found == [(registers[0], 1, 0), (registers[1], 2, 4), (registers[2], 3, 0)]
    assert await rows(store, "SELECT count(*) FROM meter_reading") == [(2,)]


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_way_readings_come_each_is_there_once(store: Any, seed: int) -> None:
    chance = random.Random(seed)
    meters = [await meter_of(store, str(number), 11) for number in range(1, 4)]
    said: list[Said] = []
    for _ in range(120):
        meter, registers = chance.choice(meters)
        some = chance.sample(registers, chance.randrange(1, 8))
        hour = chance.randrange(6)
        said.append(
            (meter, [
                (register, hour if chance.random() < 0.8 else chance.randrange(6), chance.randrange(3),
                 chance.choice((0, 0, 0, 4)))
                for register in some
            ])
        )  # fmt: skip
    habits = new_habits()
    items = [delivery(number, one) for number, one in enumerate(said)]
    written = 0
    for start in range(0, len(items), 10):
        async with store.connection.transaction():
            outcomes = await write_batch(store.connection, items[start : start + 10], copy=store.copy, habits=habits)
        written += sum(outcome.readings for outcome in outcomes)
    found = await rows(store, "SELECT register_id, ts, version, value, flags FROM reading")
    assert len(found) == len(set(found)) == written
    assert set(found) == expected(said)


async def test_a_register_that_does_not_exist_is_refused_by_its_number(plain: Any) -> None:
    one = np.ones(1, dtype=np.int64)
    for register in (99, -3):
        readings = ReadingColumns(one, one, one, one * register, one * 0)
        with pytest.raises(NotFoundError, match=str(register)):
            await reading_writes.insert(plain.connection, readings, new_habits())


async def test_no_readings_are_no_rows(plain: Any) -> None:
    none = np.empty(0, dtype=np.int64)
    written = await reading_writes.insert(plain.connection, ReadingColumns(*[none] * 5), new_habits())
    assert len(written.readings) == len(written.rows) == 0


async def test_the_largest_and_smallest_counts_come_back(store: Any) -> None:
    meter, (low, high) = await meter_of(store, "1", 2)
    said = (meter, [(low, 0, ABSENT + 1, 0), (high, 0, 2**63 - 1, 0)])
    async with store.connection.transaction():
        await write_batch(store.connection, [delivery(0, said)], copy=store.copy)
    assert await rows(store, "SELECT value FROM reading ORDER BY value") == [(ABSENT + 1,), (2**63 - 1,)]
