"""A Modbus RTU answer without its request (DTU passthrough, a log): found in the profile's plan by its length.

An answer says how many registers it brings, not which; only a plan with exactly one request of that size tells.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from protocols.errors import DeviceError, FrameError, ProfileError
from protocols.telegram import DataRecord, MeterId, Telegram

if TYPE_CHECKING:
    from protocols.profile import MeterProfile

# Modbus application protocol 1.1b3, 7.
_EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge",
    6: "server device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target failed to respond",
}


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS, low byte first on the wire."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def registers_from_rtu(frame: bytes) -> tuple[int, int, bytes]:
    """Unit, function and register bytes of a read answer.

    Raises
    ------
    FrameError
        modbus.truncated, modbus.crc. DeviceError modbus.exception with the device's code.
    """
    if len(frame) < 5:
        raise FrameError("modbus.truncated", f"{len(frame)} bytes, an answer has at least 5", len(frame))
    end = 5 if frame[1] & 0x80 else 5 + frame[2]
    if len(frame) < end:
        raise FrameError("modbus.truncated", f"{len(frame)} bytes where {end} were announced", len(frame))
    stated = int.from_bytes(frame[end - 2 : end], "little")
    computed = crc16(frame[: end - 2])
    if stated != computed:
        raise FrameError(
            "modbus.crc",
            f"CRC 0x{stated:04X} where 0x{computed:04X} was computed, byte {end - 2} of {len(frame)}",
            end - 2,
        )
    if frame[1] & 0x80:
        text = _EXCEPTIONS.get(frame[2], "unknown exception")
        error = DeviceError("modbus.exception", f"unit {frame[0]} answered exception {frame[2]} ({text})", 2)
        error.retryable = frame[2] in (4, 5, 6, 8, 10, 11)
        raise error
    if frame[1] not in (3, 4) or frame[2] % 2:
        raise FrameError("modbus.function", f"function {frame[1]} with {frame[2]} bytes is no register answer", 1)
    return frame[0], frame[1], frame[3 : end - 2]


def telegram_from_rtu(frame: bytes, profile: "MeterProfile | None") -> Telegram:
    """The telegram of an answer: by the profile's plan, or as plain registers where there is no profile."""
    unit, function, data = registers_from_rtu(frame)
    if profile is None:
        records = tuple(
            DataRecord(
                f"register_{at // 2}",
                "",
                None,
                raw=data[at : at + 2].hex(),
                error="profile.missing",
                code=f"{function}:{at // 2}",
            )
            for at in range(0, len(data), 2)
        )
        return Telegram("modbus", MeterId(str(unit)), records)
    modbus: Any = import_module("protocols.modbus")
    count = len(data) // 2
    fitting = [
        request for request in modbus.read_plan(profile) if request.count == count and request.function == function
    ]
    if len(fitting) != 1:
        raise ProfileError(
            "modbus.request_unknown", f"{len(fitting)} requests of profile {profile.name} ask for {count} registers"
        )
    head = bytes([function]) + fitting[0].address.to_bytes(2, "big") + count.to_bytes(2, "big")
    telegram: Telegram = modbus.telegram_from_image(head + data, profile, str(unit))
    return telegram
