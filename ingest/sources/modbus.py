"""Modbus master (TCP, RTU over TCP, RTU on a local port) through pymodbus, reading the plan of a meter's profile.

Rules: one connection and one request in flight a gateway; pymodbus keeps the time (a call is never wrapped in another
timeout: its stale reply would be taken for the next one); after any time-out the connection is closed, and on RTU,
which has no transaction id, what comes late is waited out before the next question. A meter's registers are one
delivery: the register image, all blocks or none.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import serialx
from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusTcpClient

from ingest.sources.asking import Reply, Target, retried
from ingest.sources.errors import (
    BusyError,
    LineClosedError,
    RefusedError,
    SilenceError,
    SourceError,
    StrangerError,
)
from ingest.sources.transport import CHARACTER_BITS, SerialSettings, host_and_port
from protocols.modbus import ReadRequest, image_from_blocks

Framing = Literal["tcp", "rtu", "serial"]
PlanOf = Callable[[str], Sequence[ReadRequest]]
_FRAMERS: dict[Framing, FramerType] = {"tcp": FramerType.SOCKET, "rtu": FramerType.RTU, "serial": FramerType.RTU}
# Modbus application protocol 1.1b3, 7: worth asking again (busy, acknowledge, memory, gateway), or a wrong set-up.
_BUSY = frozenset((4, 5, 6, 8, 0x0A))
_TARGET_SILENT = 0x0B
_LONGEST_ANSWER = 256

# It logs every silence as an error; here silence is counted and shown on the comms board.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class ModbusTiming:
    """`answer_s` to an answer; `pause_s` between requests, which slow gateways need."""

    answer_s: float = 2.0
    pause_s: float = 0.0


class ModbusMaster:
    """Reads units behind one address.

    Parameters
    ----------
    address : str
        "host:port" (502 by default), or the path of a serial port.
    framing : {"tcp", "rtu", "serial"}
        Modbus TCP, RTU frames over TCP, RTU on a local port.
    plan_of : callable
        Profile name -> its read plan; raises KeyError for an unknown one.
    """

    protocol = "modbus"

    def __init__(
        self,
        address: str,
        plan_of: PlanOf,
        *,
        framing: Framing = "tcp",
        timing: ModbusTiming | None = None,
        serial: SerialSettings | None = None,
    ) -> None:
        self.address, self.framing = address, framing
        self._plan_of = plan_of
        self._timing = timing or ModbusTiming()
        self._serial = serial or SerialSettings(9600, "N")
        self._client: AsyncModbusTcpClient | None = None
        self._distrust = False

    async def close(self) -> None:
        """Hang up."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def read(self, target: Target, tries: int) -> Reply:
        """The register image of a unit. Raises SourceError."""
        try:
            plan = self._plan_of(target.profile or "")
            unit = int(target.address)
        except (KeyError, ValueError) as error:
            raise RefusedError(f"unit {target.address!r} with profile {target.profile!r} cannot be read") from error
        try:
            return await retried(lambda _: self._image(unit, plan), tries, self._timing.pause_s)
        except LineClosedError:
            await self.close()
            raise

    async def _image(self, unit: int, plan: Sequence[ReadRequest]) -> Reply:
        loop = asyncio.get_running_loop()
        started = loop.time()
        blocks = []
        for number, request in enumerate(plan):
            if number and self._timing.pause_s:
                await asyncio.sleep(self._timing.pause_s)
            registers = await self._registers(unit, request)
            blocks.append((request.function, request.address, registers))
        return Reply((image_from_blocks(blocks),), loop.time() - started)

    async def _registers(self, unit: int, request: ReadRequest) -> tuple[int, ...]:
        client = await self._ready()
        call = client.read_input_registers if request.function == 4 else client.read_holding_registers
        try:
            answer = await call(request.address, count=request.count, device_id=unit)
        except ModbusException as error:
            lost = not client.connected
            await self._hang_up()
            if lost:
                raise LineClosedError(f"{self.address} closed the connection") from error
            raise SilenceError(f"unit {unit} did not answer: {error}") from error
        except asyncio.CancelledError:
            await self._hang_up()
            raise
        if answer.isError():
            raise _exception(unit, getattr(answer, "exception_code", 0))
        if len(answer.registers) != request.count:
            await self._hang_up()
            raise StrangerError(f"unit {unit} gave {len(answer.registers)} registers where {request.count} were asked")
        return tuple(answer.registers)

    async def _ready(self) -> AsyncModbusTcpClient:
        if self._client is not None and self._client.connected:
            return self._client
        await self.close()
        client = self._new_client()
        if not await client.connect():
            client.close()
            raise LineClosedError(f"{self.address} did not accept")
        self._client = client
        if self._distrust and self.framing != "tcp":
            # What was asked before may still be on its way and would fit the next question.
            await asyncio.sleep(self._timing.answer_s)
        self._distrust = False
        return client

    def _new_client(self) -> AsyncModbusTcpClient:
        try:
            host, port = ("localhost", 502) if self.framing == "serial" else host_and_port(self.address, 502)
        except ValueError as error:
            raise LineClosedError(str(error)) from error
        timeout_s = self._timing.answer_s
        if self.framing == "serial":
            timeout_s += _LONGEST_ANSWER * CHARACTER_BITS / self._serial.baud_rate
        client = AsyncModbusTcpClient(
            host, port=port, framer=_FRAMERS[self.framing], timeout=timeout_s, retries=0, reconnect_delay=0
        )
        if self.framing == "serial":
            client.ctx.call_create = lambda: serialx.create_serial_connection(
                asyncio.get_running_loop(),
                cast("Callable[[], asyncio.Protocol]", client.ctx.handle_new_connection),
                self.address,
                baudrate=self._serial.baud_rate,
                parity=serialx.Parity(self._serial.parity),
                stopbits=serialx.StopBits(self._serial.stop_bits),
            )
        return client

    async def _hang_up(self) -> None:
        self._distrust = True
        await self.close()


def _exception(unit: int, code: int) -> SourceError:
    text = f"unit {unit} answered exception {code}"
    if code == _TARGET_SILENT:
        return SilenceError(text)
    return BusyError(text) if code in _BUSY else RefusedError(text)
