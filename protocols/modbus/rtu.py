"""Modbus RTU frames: read requests and their answers, with CRC; exceptions as errors that say whether to ask again.

Rules: exceptions 4, 6, 8, 10 and 11 are states of the device or its gateway and worth a retry; 1, 2 and 3 mean that the
map is wrong. An answer is checked against the unit and the request it answers, because RTU has no transaction number.
"""

from collections.abc import Sequence
from typing import Final

from protocols.errors import DeviceError, FrameError
from protocols.modbus.plan import ReadRequest

# Modbus application protocol 1.1b3, clause 7: code -> (meaning, worth a retry).
EXCEPTIONS: Final[dict[int, tuple[str, bool]]] = {
    1: ("illegal function", False),
    2: ("illegal data address", False),
    3: ("illegal data value", False),
    4: ("server device failure", True),
    5: ("acknowledge, still working", True),
    6: ("server device busy", True),
    8: ("memory parity error", True),
    10: ("gateway path unavailable", True),
    11: ("gateway target does not respond", True),
}


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        crc = value
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_TABLE = _crc_table()


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS; sent low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc


def _with_crc(body: bytes) -> bytes:
    return body + crc16(body).to_bytes(2, "little")


def exception_error(code: int, unit: int | None = None, offset: int | None = None) -> DeviceError:
    """The error of a Modbus exception; `retryable` tells a passing state from a wrong map."""
    meaning, retryable = EXCEPTIONS.get(code, ("unknown exception", False))
    who = "the device" if unit is None else f"unit {unit}"
    error = DeviceError(f"modbus.exception_{code}", f"{who} answered exception {code}: {meaning}", offset)
    error.retryable = retryable
    return error


def request_frame(unit: int, request: ReadRequest) -> bytes:
    """RTU frame of a read request."""
    head = bytes((unit, request.function)) + request.address.to_bytes(2, "big") + request.count.to_bytes(2, "big")
    return _with_crc(head)


def answer_frame(unit: int, function: int, words: Sequence[int]) -> bytes:
    """RTU frame of a read answer."""
    data = b"".join(word.to_bytes(2, "big") for word in words)
    return _with_crc(bytes((unit, function, len(data))) + data)


def exception_frame(unit: int, function: int, code: int) -> bytes:
    """RTU frame of an exception."""
    return _with_crc(bytes((unit, function | 0x80, code)))


def request_from_frame(frame: bytes) -> tuple[int, ReadRequest]:
    """Unit and request of an RTU request frame. Raises FrameError."""
    _check_crc(frame, 8)
    if frame[1] not in (3, 4):
        raise FrameError("modbus.function", f"function {frame[1]} reads no registers, byte 1", 1)
    request = ReadRequest(frame[1], int.from_bytes(frame[2:4], "big"), int.from_bytes(frame[4:6], "big"))
    if not 1 <= request.count <= 125:
        raise FrameError("modbus.count", f"{request.count} registers asked, byte 4", 4)
    return frame[0], request


def words_from_answer(frame: bytes, unit: int | None = None, request: ReadRequest | None = None) -> tuple[int, ...]:
    """Words of an RTU answer.

    Parameters
    ----------
    unit, request : optional
        Whom and what was asked: an answer of another unit, function or length is refused.

    Raises
    ------
    DeviceError
        An exception, `retryable` set. FrameError: garbled, truncated, or the answer to something else.
    """
    if len(frame) < 5:
        raise FrameError("modbus.truncated", f"an answer has 5 bytes or more, this one {len(frame)}", len(frame))
    exception = bool(frame[1] & 0x80)
    size = 5 if exception else frame[2] + 5
    _check_crc(frame, size)
    if unit is not None and frame[0] != unit:
        raise FrameError("modbus.unit", f"unit {frame[0]} answered where {unit} was asked, byte 0", 0)
    if request is not None and frame[1] & 0x7F != request.function:
        raise FrameError("modbus.function", f"function {frame[1] & 0x7F} where {request.function} was asked, byte 1", 1)
    if exception:
        raise exception_error(frame[2], frame[0], 2)
    if frame[1] not in (3, 4) or frame[2] % 2:
        raise FrameError("modbus.function", f"function {frame[1]} with {frame[2]} bytes is no register answer", 1)
    if request is not None and frame[2] != 2 * request.count:
        raise FrameError("modbus.count", f"{frame[2]} bytes where {2 * request.count} were asked, byte 2", 2)
    data = frame[3 : size - 2]
    return tuple(data[at] << 8 | data[at + 1] for at in range(0, len(data), 2))


def _check_crc(frame: bytes, size: int) -> None:
    if len(frame) < size:
        raise FrameError("modbus.truncated", f"{len(frame)} bytes where {size} were announced", len(frame))
    if len(frame) > size:
        raise FrameError("modbus.trailing", f"{len(frame) - size} bytes after the frame, byte {size}", size)
    stated, computed = int.from_bytes(frame[size - 2 :], "little"), crc16(frame[: size - 2])
    if stated != computed:
        message = f"CRC 0x{stated:04X} where 0x{computed:04X} was computed, byte {size - 2} of {len(frame)}"
        raise FrameError("modbus.crc", message, size - 2)
