"""pyMeterBus, which knows nothing of us, is master on a simulated M-Bus."""

import asyncio
import socket
from decimal import Decimal

import meterbus
import pytest

from protocols.telegram import MeterId
from simulators.counting import CountingMbus
from simulators.mbus_server import MbusServer, MbusSlave


class SerialOverTcp:
    """What pyMeterBus expects of a serial port, over a socket."""

    def __init__(self, address: str) -> None:
        host, port = address.split(":")
        self._socket = socket.create_connection((host, int(port)), timeout=20.0)

    def read(self, count: int) -> bytes:
        try:
            return self._socket.recv(count, socket.MSG_WAITALL)
        except TimeoutError:
            return b""

    def write(self, data: bytes) -> int:
        self._socket.sendall(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        self._socket.close()


def _meters() -> list[CountingMbus]:
    return [CountingMbus(MeterId(f"1000000{number}", "KAM", 0x34, "heat")) for number in (1, 2, 3)]


def _read(port: SerialOverTcp, address: int) -> meterbus.TelegramLong:
    meterbus.send_request_frame(port, address)
    return meterbus.load(meterbus.recv_frame(port, meterbus.FRAME_DATA_LENGTH))


def _energy_kwh(telegram: meterbus.TelegramLong) -> Decimal:
    record = telegram.records[0].interpreted
    return Decimal(record["value"]) / 1000


@pytest.fixture
async def bus():
    slaves = [MbusSlave(meter, number) for number, meter in enumerate(_meters(), start=1)]
    async with MbusServer(slaves, speed_up=50) as server:
        yield server


async def test_it_reads_every_slave_by_primary_address(bus) -> None:
    def session() -> list[tuple[str, Decimal]]:
        port = SerialOverTcp(bus.address)
        try:
            read = []
            for address in (1, 2, 3):
                meterbus.send_ping_frame(port, address)
                assert meterbus.recv_frame(port, 1) == b"\xe5"
                telegram = _read(port, address)
                read.append((telegram.secondary_address, _energy_kwh(telegram)))
            return read
        finally:
            port.close()

    read = await asyncio.to_thread(session)
    now = bus.clock.now()
    assert [address[:8] for address, _ in read] == ["10000001", "10000002", "10000003"]
    for (_, energy_kwh), meter in zip(read, _meters(), strict=True):
        assert abs(energy_kwh - meter.index_at(now)) <= 1


async def test_it_selects_by_secondary_address_and_wildcards(bus) -> None:
    def session() -> tuple[str, str]:
        port = SerialOverTcp(bus.address)
        try:
            meterbus.send_select_frame(port, "10000002" + "2D2C" + "34" + "04")
            assert meterbus.recv_frame(port, 1) == b"\xe5"
            exact = _read(port, meterbus.ADDRESS_NETWORK_LAYER).secondary_address
            meterbus.send_select_frame(port, "1FFFFFF3" + "FFFF" + "FF" + "FF")
            assert meterbus.recv_frame(port, 1) == b"\xe5"
            return exact, _read(port, meterbus.ADDRESS_NETWORK_LAYER).secondary_address
        finally:
            port.close()

    exact, wild = await asyncio.to_thread(session)
    assert exact[:8] == "10000002"
    assert wild[:8] == "10000003"


async def test_an_address_that_nobody_has_stays_silent(bus) -> None:
    def session() -> object:
        port = SerialOverTcp(bus.address)
        port._socket.settimeout(0.3)
        try:
            meterbus.send_ping_frame(port, 77)
            return meterbus.recv_frame(port, 1)
        finally:
            port.close()

    assert await asyncio.to_thread(session) is None
