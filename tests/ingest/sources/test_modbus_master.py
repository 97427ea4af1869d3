"""The Modbus master against gateways that stall, refuse, mix up and answer late."""

import asyncio

import pytest

from ingest.sources.errors import BusyError, LineClosedError, RefusedError, SilenceError, SourceError
from ingest.sources.masters import plan_of
from ingest.sources.modbus import ModbusMaster, ModbusTiming
from protocols.catalogue import catalogue
from protocols.modbus import blocks_from_image, telegram_from_image
from simulators.counting import CountingModbus
from simulators.modbus_server import ModbusServer

PROFILE = "tuf-2000"


@pytest.fixture
def profile():
    return catalogue().get(PROFILE)


@pytest.fixture
async def master_for():
    masters = []

    def make(address: str, framing: str = "tcp", answer_s: float = 0.3) -> ModbusMaster:
        masters.append(ModbusMaster(address, plan_of, framing=framing, timing=ModbusTiming(answer_s)))
        return masters[-1]

    yield make
    for master in masters:
        await master.close()


def energy_in(image: bytes, profile) -> int:
    return profile.interpret(telegram_from_image(image, profile, "")).readings


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
async def test_all_blocks_of_the_plan_make_one_image(master_for, target_at, profile, framing) -> None:
    meter = CountingModbus(profile)
    async with ModbusServer({5: meter}, framing=framing) as gateway:
        reply = await master_for(gateway.address, framing).read(target_at(5, profile=PROFILE), 1)
    blocks = blocks_from_image(reply.payloads[0])
    wanted = [(request.function, request.address, request.count) for request in plan_of(PROFILE)]
    assert [(block.function, block.address, len(block.words)) for block in blocks] == wanted
    readings = {reading.register.name: reading for reading in energy_in(reply.payloads[0], profile)}
    assert readings["energy"].count is not None


@pytest.mark.parametrize(
    ("code", "error"), [(1, RefusedError), (2, RefusedError), (3, RefusedError), (6, BusyError), (11, SilenceError)]
)
async def test_exceptions_tell_a_wrong_map_from_a_busy_device(master_for, target_at, profile, code, error) -> None:
    async with ModbusServer({5: CountingModbus(profile)}) as gateway:
        gateway.exceptions[5] = code
        with pytest.raises(error):
            await master_for(gateway.address).read(target_at(5, profile=PROFILE), 3)
        # A wrong map is not asked for three times.
        assert gateway.counters.requests == (1 if error is RefusedError else 3)


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
async def test_a_silent_unit_costs_its_time_and_the_next_is_read(master_for, target_at, profile, framing) -> None:
    meters = {5: CountingModbus(profile), 6: CountingModbus(profile)}
    async with ModbusServer(meters, framing=framing) as gateway:
        gateway.silent.add(5)
        master = master_for(gateway.address, framing, 0.1)
        with pytest.raises(SilenceError):
            await master.read(target_at(5, profile=PROFILE), 2)
        assert (await master.read(target_at(6, profile=PROFILE), 1)).payloads


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
async def test_late_answers_are_never_those_of_another_question(master_for, target_at, profile, framing) -> None:
    meters = {unit: CountingModbus(profile, start=unit * 10_000_000, per_hour=0) for unit in (5, 6)}
    async with ModbusServer(meters, framing=framing, connections=8) as gateway:
        master = master_for(gateway.address, framing, 0.15)
        for unit in (5, 6):
            await master.read(target_at(unit, profile=PROFILE), 1)
        gateway.behaviour.delay_s = 0.2
        for unit in (5, 6):
            with pytest.raises(SourceError):
                await master.read(target_at(unit, profile=PROFILE), 1)
        gateway.behaviour.delay_s = 0.0
        for unit in (5, 6, 5):
            reply = await master.read(target_at(unit, profile=PROFILE), 2)
            expected = meters[unit].telegram_bytes(gateway.clock.now())
            assert reply.payloads[0] == expected


async def test_a_gateway_over_its_connection_limit_is_away_not_silent(master_for, target_at, profile) -> None:
    async with ModbusServer({5: CountingModbus(profile)}, connections=1) as gateway:
        await master_for(gateway.address).read(target_at(5, profile=PROFILE), 1)
        with pytest.raises(SourceError):
            await master_for(gateway.address).read(target_at(5, profile=PROFILE), 1)
        assert gateway.counters.refused >= 1


async def test_an_unknown_profile_or_unit_is_refused_without_a_question(master_for, target_at) -> None:
    master = master_for("127.0.0.1:9")
    with pytest.raises(RefusedError):
        await master.read(target_at(5, profile="no-such-map"), 1)
    with pytest.raises(RefusedError):
        await master.read(target_at("unit five", profile=PROFILE), 1)
    with pytest.raises(LineClosedError):
        await master.read(target_at(5, profile=PROFILE), 1)


async def test_many_units_on_one_connection_are_read_one_after_another(master_for, target_at, profile) -> None:
    meters = {unit: CountingModbus(profile) for unit in range(1, 41)}
    async with ModbusServer(meters, connections=1) as gateway:
        master = master_for(gateway.address)
        for unit in meters:
            await master.read(target_at(unit, profile=PROFILE), 1)
        assert gateway.counters.connections == 1
        await asyncio.sleep(0)
