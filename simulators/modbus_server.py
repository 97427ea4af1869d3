"""Modbus devices behind a gateway: Modbus TCP, or RTU frames over TCP, thousands of units in a process.

Rules: a unit gives its registers as a register image (`protocols.modbus.image`), taken once a second of its clock; an
address outside the image is exception 2, as on real devices; an unknown unit is exception 11 on a TCP gateway and
silence on an RTU line. Faults of a unit are set by number: `server.exceptions[unit] = 6`, `server.silent.add(unit)`.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from protocols.errors import ProtocolError
from protocols.modbus import blocks_from_image, crc16
from simulators.line import LineServer, Readable

_MBAP = struct.Struct(">HHHB")
_READ = struct.Struct(">BHH")
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, DEVICE_FAILURE, TARGET_SILENT = 1, 2, 3, 4, 11


@dataclass(slots=True)
class _Unit:
    meter: Readable
    second: int = -1
    words: dict[tuple[int, int], int] = field(default_factory=dict)


class ModbusServer(LineServer):
    """`async with ModbusServer({1: meter}) as server:` serves at `server.address`.

    Parameters
    ----------
    units : mapping
        Unit id -> what gives a register image.
    framing : {"tcp", "rtu"}
        Modbus TCP, or RTU frames over TCP.
    max_registers : int
        Registers a request may ask for; more is exception 3.
    **line
        See `LineServer`; `connections` is the gateway's limit, 0 for `baud_rate` means no wire behind it.
    """

    def __init__(
        self,
        units: Mapping[int, Readable],
        *,
        framing: Literal["tcp", "rtu"] = "tcp",
        max_registers: int = 125,
        **line: Any,
    ) -> None:
        super().__init__(**({"baud_rate": 0, "connections": 4} | line))
        self.units = {unit: _Unit(meter) for unit, meter in units.items()}
        self.framing = framing
        self.max_registers = max_registers
        self.exceptions: dict[int, int] = {}
        self.silent: set[int] = set()

    def next_request(self, buffer: bytearray) -> bytes | None:
        """One ADU off the buffer."""
        return self._next_tcp(buffer) if self.framing == "tcp" else self._next_rtu(buffer)

    def _next_tcp(self, buffer: bytearray) -> bytes | None:
        if len(buffer) < 8:
            return None
        _, protocol, length, _ = _MBAP.unpack_from(buffer)
        if protocol or not 2 <= length <= 254:
            buffer.clear()
            return None
        end = 6 + length
        if len(buffer) < end:
            return None
        request = bytes(buffer[:end])
        del buffer[:end]
        return request

    def _next_rtu(self, buffer: bytearray) -> bytes | None:
        while len(buffer) >= 8:
            request = bytes(buffer[:8])
            if crc16(request[:6]) == int.from_bytes(request[6:], "little"):
                del buffer[:8]
                return request
            del buffer[:1]
        return None

    async def respond(self, request: bytes) -> bytes:
        """The unit's answer, or its exception, or silence."""
        unit, body = (request[6], request[7:]) if self.framing == "tcp" else (request[0], request[1:-2])
        if unit in self.silent:
            return b""
        if unit not in self.units and self.framing == "rtu":
            return b""
        answer = self._answer(unit, body)
        if not answer:
            return b""
        if self.framing == "tcp":
            transaction = int.from_bytes(request[:2], "big")
            return _MBAP.pack(transaction, 0, len(answer) + 1, unit) + answer
        frame = bytes((unit,)) + answer
        return frame + crc16(frame).to_bytes(2, "little")

    def _answer(self, unit: int, body: bytes) -> bytes:
        function = body[0]
        if unit not in self.units:
            return _exception(function, TARGET_SILENT)
        if (code := self.exceptions.get(unit)) is not None:
            return _exception(function, code)
        if function not in (3, 4):
            return _exception(function, ILLEGAL_FUNCTION)
        if len(body) != _READ.size:
            return _exception(function, ILLEGAL_VALUE)
        _, address, count = _READ.unpack(body)
        if not 1 <= count <= self.max_registers:
            return _exception(function, ILLEGAL_VALUE)
        try:
            known = self._words(self.units[unit])
        except ProtocolError:
            return _exception(function, DEVICE_FAILURE)
        if not known:
            return b""
        words = [known.get((function, address + offset)) for offset in range(count)]
        present = [word for word in words if word is not None]
        if len(present) != count:
            return _exception(function, ILLEGAL_ADDRESS)
        return struct.pack(f">BB{count}H", function, 2 * count, *present)

    def _words(self, unit: _Unit) -> dict[tuple[int, int], int]:
        at = self.clock.now()
        second = int(at.timestamp())
        if unit.second != second:
            image = unit.meter.telegram_bytes(at)
            unit.words = {
                (block.function, block.address + offset): word
                for block in (blocks_from_image(image) if image else ())
                for offset, word in enumerate(block.words)
            }
            unit.second = second
        return unit.words


def _exception(function: int, code: int) -> bytes:
    return bytes((function | 0x80, code))
