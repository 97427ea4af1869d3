"""pymodbus' own client reads simulated Modbus gateways."""

import pytest
from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient

from protocols.catalogue import catalogue
from protocols.modbus import blocks_from_image
from simulators.counting import CountingModbus
from simulators.modbus_server import ModbusServer

FRAMERS = {"tcp": FramerType.SOCKET, "rtu": FramerType.RTU}


@pytest.fixture
def meter() -> CountingModbus:
    return CountingModbus(catalogue().get("tuf-2000"), per_hour=0)


@pytest.fixture(params=["tcp", "rtu"])
async def gateway(request, meter):
    async with ModbusServer(dict.fromkeys(range(1, 248), meter), framing=request.param) as server:
        yield server


@pytest.fixture
async def client(gateway):
    host, port = gateway.address.split(":")
    framer = FRAMERS[gateway.framing]
    connected = AsyncModbusTcpClient(host, port=int(port), framer=framer, timeout=3, retries=0, reconnect_delay=0)
    assert await connected.connect()
    yield connected
    connected.close()


async def test_it_reads_what_the_meter_shows(gateway, client, meter) -> None:
    for block in blocks_from_image(meter.telegram_bytes(gateway.clock.now())):
        answer = await client.read_holding_registers(block.address, count=len(block.words), device_id=200)
        assert tuple(answer.registers) == block.words


async def test_gaps_counts_and_functions_get_their_exceptions(client) -> None:
    gap = await client.read_holding_registers(9_000, count=2, device_id=1)
    assert (gap.isError(), gap.exception_code) == (True, 2)
    coils = await client.read_coils(0, count=1, device_id=1)
    assert (coils.isError(), coils.exception_code) == (True, 1)


async def test_injected_exceptions_hit_one_unit(gateway, client) -> None:
    gateway.exceptions[3] = 6
    assert (await client.read_holding_registers(0, count=2, device_id=3)).exception_code == 6
    assert not (await client.read_holding_registers(0, count=2, device_id=4)).isError()


async def test_more_clients_than_the_gateway_takes_are_hung_up_on(meter) -> None:
    async with ModbusServer({1: meter}, connections=2) as server:
        host, port = server.address.split(":")
        clients = [
            AsyncModbusTcpClient(host, port=int(port), timeout=3, retries=0, reconnect_delay=0) for _ in range(3)
        ]
        read = 0
        for client in clients:
            await client.connect()
            try:
                read += not (await client.read_holding_registers(0, count=2, device_id=1)).isError()
            except Exception:
                read += 0
        for client in clients:
            client.close()
        assert (read, server.counters.refused) == (2, 1)
