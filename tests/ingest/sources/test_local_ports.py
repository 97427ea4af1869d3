"""Masters on a local serial port: a pseudo-terminal here, with a simulated bus at its other end."""

import asyncio
import contextlib
import os
import tty

import pytest

from ingest.sources.errors import LineClosedError
from ingest.sources.masters import MASTERS, GatewayAddress
from protocols.catalogue import catalogue
from protocols.mbus import telegram_from_frame
from protocols.modbus import blocks_from_image
from simulators.counting import CountingModbus
from simulators.mbus_server import MbusServer, MbusSlave
from simulators.modbus_server import ModbusServer


@contextlib.asynccontextmanager
async def port_to(address: str):
    """Path of a local port whose wires lead to a TCP server."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    loop = asyncio.get_running_loop()
    loop.add_reader(ours, lambda: writer.write(os.read(ours, 512)))

    async def back() -> None:
        while data := await reader.read(512):
            os.write(ours, data)

    task = asyncio.create_task(back())
    try:
        yield os.ttyname(theirs)
    finally:
        loop.remove_reader(ours)
        task.cancel()
        writer.transport.abort()
        os.close(ours)
        os.close(theirs)


async def test_mbus_on_a_local_port(target_at, counting, fast) -> None:
    async with (
        MbusServer([MbusSlave(counting("10000001", telegrams=2), 1)], baud_rate=fast) as bus,
        port_to(bus.address) as path,
    ):
        # A pseudo-terminal knows neither parity nor wires; speeds are only believed.
        master = MASTERS["mbus_serial"](GatewayAddress("mbus_serial", path, {"parity": "N", "network_s": 0.3}, 2400))
        reply = await master.read(target_at(1, baud_rate=2400), 1)
        await master.close()
    assert [telegram_from_frame(frame).meter.serial for frame in reply.payloads] == ["10000001"] * 2


async def test_modbus_rtu_on_a_local_port(target_at, fast) -> None:
    meter = CountingModbus(catalogue().get("tuf-2000"), per_hour=0)
    async with ModbusServer({7: meter}, framing="rtu") as bus, port_to(bus.address) as path:
        master = MASTERS["modbus_rtu"](GatewayAddress("modbus_rtu", path, {"answer_s": 0.5}, 9600))
        reply = await master.read(target_at(7, profile="tuf-2000"), 1)
        await master.close()
    assert blocks_from_image(reply.payloads[0]) == blocks_from_image(meter.telegram_bytes(bus.clock.now()))


@pytest.mark.parametrize("kind", ["mbus_serial", "modbus_rtu"])
async def test_a_port_that_is_not_there_is_a_closed_line(target_at, kind) -> None:
    master = MASTERS[kind](GatewayAddress(kind, "/dev/no-such-port", {}, 2400))
    with pytest.raises(LineClosedError):
        await master.read(target_at(1, profile="tuf-2000"), 2)
    await master.close()
