"""The directory: whose telegram it is, which register it feeds, which key opens it, always up to date."""

import asyncio
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from ingest.directory import Directory, UnitMismatchError
from ingest.sealing import Sealer, SealError, sealer_for
from ingest.store import registry
from ingest.store.database import Pool, open_pool
from protocols.registers import Register
from protocols.telegram import MeterId
from protocols.units import Quantity

KEY = bytes(range(16))


@pytest.fixture
async def pool(plain: Any) -> AsyncIterator[Pool]:
    """A pool on the plain store."""
    opened = await open_pool(plain.url, maximum=3)
    yield opened
    await opened.close()


async def test_a_meter_is_found_by_as_much_identity_as_it_gives(plain: Any, pool: Pool) -> None:
    add = registry.create_meter
    heat = await add(plain.connection, serial="00012345", manufacturer="KAM", medium="heat")
    water = await add(plain.connection, serial="00012345", manufacturer="KAM", medium="cold_water")
    other = await add(plain.connection, serial="9", manufacturer="LUG")
    await add(plain.connection, serial="9", manufacturer="KAM")
    bare = await add(plain.connection, serial="77", manufacturer="")
    directory = await Directory.load(pool)

    def found(serial: str, maker: str = "", medium: str = "") -> int | None:
        entry = directory.meter_for(MeterId(serial, maker, None, medium))
        return None if entry is None else entry.meter_id

    assert found("00012345", "KAM", "heat") == heat
    assert found("12345", "kam", "heat_cooling") == heat
    assert found("12345", "KAM", "water") == water
    assert found("00012345", "KAM") is None
    assert found("9") is None
    assert found("9", "LUG", "heat") == other
    assert found("77", "ABC", "heat") == bare
    assert found("12345", "XYZ", "heat") is None


async def test_another_unit_or_decimal_place_is_a_mismatch_and_an_equal_one_is_not(
    plain: Any, plain_place: Any, pool: Pool
) -> None:
    directory = await Directory.load(pool)
    entry = directory.entry(plain_place.meter_id)
    assert entry is not None
    equal = Register("energy", Quantity.HEAT_ENERGY, "MWh", -3)
    assert directory.register_id(entry, equal) == plain_place.energy
    for wrong in (
        Register("energy", Quantity.HEAT_ENERGY, "GJ", 0),
        Register("energy", Quantity.HEAT_ENERGY, "kWh", -1),
    ):
        with pytest.raises(UnitMismatchError, match="register energy"):
            directory.register_id(entry, wrong)


async def test_registers_that_telegrams_bring_up_are_created_once(plain: Any, plain_place: Any, pool: Pool) -> None:
    directory = await Directory.load(pool)
    other = await Directory.load(pool)
    power = Register("power", Quantity.POWER, "kW", -1)
    for who in (directory, other):
        entry = who.entry(plain_place.meter_id)
        assert entry is not None
        assert who.register_id(entry, power) is None
        await who.create_registers([(entry, power)])
    numbers = {who.register_id(who.entry(plain_place.meter_id), power) for who in (directory, other)}  # type: ignore[arg-type]
    assert len(numbers) == 1


async def heard(directory: Directory, true: Callable[[], bool]) -> None:
    """Wait for refreshes of a directory until something holds."""
    while not true():
        await directory.changed.wait()


async def test_changes_made_elsewhere_are_heard(plain: Any, plain_place: Any, pool: Pool) -> None:
    directory = await Directory.load(pool)
    following = asyncio.create_task(directory.follow(), name="follow")
    try:
        await registry.create_meter(plain.connection, serial="4711", manufacturer="LUG")
        async with asyncio.timeout(10):
            await heard(directory, lambda: directory.meter_for(MeterId("4711", "LUG")) is not None)
            await registry.link_meter(plain.connection, plain_place.meter_id, bus_id=None, address="5")
            await heard(directory, lambda: getattr(directory.entry(plain_place.meter_id), "address", "") == "5")
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_keys_open_for_their_own_meter_only(plain: Any, plain_place: Any, pool: Pool, tmp_path: Path) -> None:
    sealer = sealer_for(tmp_path)
    await registry.set_key(plain.connection, plain_place.meter_id, sealer.seal(KEY, plain_place.meter_id))
    stranger = await registry.create_meter(plain.connection, serial="8", manufacturer="KAM")
    await registry.set_key(plain.connection, stranger, sealer.seal(KEY, plain_place.meter_id))
    directory = await Directory.load(pool, sealer_for(tmp_path))
    assert directory.key_for(MeterId("00000001", "KAM", None, "heat")) == KEY
    assert directory.key_for(MeterId("8", "KAM", None, "heat")) is None
    assert (await Directory.load(pool, Sealer(bytes(32)))).key_for(MeterId("00000001", "KAM")) is None


def test_the_master_key_is_made_once_and_nobody_else_reads_it(tmp_path: Path) -> None:
    sealed = sealer_for(tmp_path / "new").seal(KEY, 1)
    assert sealer_for(tmp_path / "new").open(sealed, 1) == KEY
    assert stat.S_IMODE((tmp_path / "new" / "master.key").stat().st_mode) == 0o600
    with pytest.raises(SealError):
        sealer_for(tmp_path / "new").open(sealed[:-1] + bytes([sealed[-1] ^ 1]), 1)
    assert sealer_for(tmp_path, "ab" * 32).open(sealer_for(tmp_path, "ab" * 32).seal(KEY, 1), 1) == KEY
