"""Searching a bus finds every meter on it, and says so of those that nothing tells apart."""

import random

from ingest.sources.search import primary_search, secondary_search
from simulators.mbus_server import MbusServer, MbusSlave


async def found_on(master, fast, pattern="") -> tuple[list[str], list[str]]:
    found, unresolved, progress = [], [], 0.0
    async for step in secondary_search(master, fast, pattern):
        assert step.progress >= progress - 1e-9
        progress = step.progress
        if step.result == "one":
            found.append(step.address)
        elif step.result == "unresolved":
            unresolved.append(step.probe)
    assert abs(progress - 1.0) < 1e-9
    return found, unresolved


async def test_every_meter_is_found_with_hexadecimal_identifications_among_them(
    mbus_master_for, counting, fast
) -> None:
    source = random.Random(11)
    serials = {f"{source.randrange(10**8):08d}" for _ in range(6)} | {"1A2B3C4D", "1A2B3C4E", "ABCDE012"}
    async with MbusServer([MbusSlave(counting(serial)) for serial in serials], baud_rate=fast) as gateway:
        found, unresolved = await found_on(mbus_master_for(gateway.address, 0.1, 0.05, 0.0), fast)
    assert sorted(found) == sorted(f"{serial}.2C2D.34.04" for serial in serials)
    assert unresolved == []


async def test_equal_identifications_are_told_apart(mbus_master_for, counting, fast) -> None:
    slaves = [
        MbusSlave(counting("55555555", medium="heat")),
        MbusSlave(counting("55555555", medium="cold_water")),
        MbusSlave(counting("77777777"), fabrication="00000017"),
        MbusSlave(counting("77777777"), fabrication="00000018"),
    ]
    async with MbusServer(slaves, baud_rate=fast) as gateway:
        master = mbus_master_for(gateway.address, 0.1, 0.05, 0.0)
        found = [
            *(await found_on(master, fast, "5555555F"))[0],
            *(await found_on(master, fast, "7777777F.2C2D.34.04"))[0],
        ]
    wanted = {"55555555.2C2D.34.04", "55555555.2C2D.34.16"}
    wanted |= {"77777777.2C2D.34.04.00000017", "77777777.2C2D.34.04.00000018"}
    assert sorted(found) == sorted(wanted)


async def test_a_pattern_narrows_the_search(mbus_master_for, counting, fast) -> None:
    slaves = [MbusSlave(counting(serial)) for serial in ("12000001", "12000002", "99000001")]
    async with MbusServer(slaves, baud_rate=fast) as gateway:
        found, _ = await found_on(mbus_master_for(gateway.address, 0.1, 0.05, 0.0), fast, "12FFFFFF")
    assert sorted(found) == ["12000001.2C2D.34.04", "12000002.2C2D.34.04"]


async def test_a_primary_search_names_the_meter_behind_each_address(mbus_master_for, counting, fast) -> None:
    slaves = [MbusSlave(counting("10000003"), 3), MbusSlave(counting("10000007"), 7)]
    async with MbusServer(slaves, baud_rate=fast) as gateway:
        master = mbus_master_for(gateway.address, 0.1, 0.05, 0.0)
        steps = [step async for step in primary_search(master, fast, "1-10")]
    assert {step.probe: step.address for step in steps if step.result == "one"} == {
        "3": "10000003.2C2D.34.04",
        "7": "10000007.2C2D.34.04",
    }
