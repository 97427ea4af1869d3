"""DL/T 645 requests, and which answer belongs to which: same address, function and identifier."""

from protocols.dlt645.codec import (
    ADDRESS_2007,
    EDITIONS,
    FOLLOW_UP_1997,
    FOLLOW_UP_2007,
    FUNCTION,
    MORE,
    READ_1997,
    READ_2007,
    REFUSED,
    SHIFT,
    SIZES,
)
from protocols.serial_frame import FILL, SerialFrame, encoded

BROADCAST = "aaaaaaaaaaaa"


def read_request(address: str, di: int = 0x00010000, *, edition: str = "2007", fill: int = 0) -> bytes:
    """Request to read an identifier. `address`: 12 digits, A fills from the left as wildcard; `fill`: leading FE
    bytes.
    """
    size, control = SIZES[edition], READ_2007 if edition == "2007" else READ_1997
    data = di.to_bytes(size, "little").translate(SHIFT)
    return bytes((FILL,)) * fill + encoded(SerialFrame("dlt645", _address(address), control, data))


def follow_up_request(address: str, di: int, sequence: int, *, edition: str = "2007", fill: int = 0) -> bytes:
    """Request for the rest of an answer that announced more. `sequence` counts from 1; only 2007 sends it."""
    size, control = SIZES[edition], FOLLOW_UP_2007 if edition == "2007" else FOLLOW_UP_1997
    number = bytes((sequence,)) if edition == "2007" else b""
    data = (di.to_bytes(size, "little") + number).translate(SHIFT)
    return bytes((FILL,)) * fill + encoded(SerialFrame("dlt645", _address(address), control, data))


def following_request(answer: SerialFrame, sequence: int) -> SerialFrame | None:
    """What to ask after an answer to get the rest of it; None where it announces none. `sequence` from 1."""
    function = answer.control & FUNCTION
    if not answer.control & MORE or answer.control & REFUSED:
        return None
    if function in (READ_2007, FOLLOW_UP_2007):
        data = answer.data[:4] + bytes((sequence,)).translate(SHIFT)
        return SerialFrame("dlt645", answer.address, FOLLOW_UP_2007, data)
    if function in (READ_1997, FOLLOW_UP_1997):
        return SerialFrame("dlt645", answer.address, FOLLOW_UP_1997, answer.data[:2])
    return None


def read_address_request(*, fill: int = 0) -> bytes:
    """Request for the address of the only meter on the line (2007)."""
    return bytes((FILL,)) * fill + encoded(SerialFrame("dlt645", _address(BROADCAST), ADDRESS_2007, b""))


def _address(address: str) -> bytes:
    if len(address) != 12:
        raise ValueError(f"a DL/T 645 address has 12 digits: {address!r}")
    return bytes.fromhex(address)[::-1]


def is_reply_to(request: SerialFrame, reply: SerialFrame, *, wildcard_answers: bool = False) -> bool:
    """Whether `reply` answers `request`: address, function, and identifier. A broadcast takes anybody's answer.

    Some 1997 meters answer with the wildcard address AA; with `wildcard_answers` that counts, which is safe only where
    one meter hangs on the line.
    """
    if not reply.is_reply or request.is_reply or reply.control & FUNCTION != request.control & FUNCTION:
        return False
    wild = wildcard_answers and set(reply.address) == {0xAA}
    if not wild and any(asked not in (own, 0xAA) for asked, own in zip(request.address, reply.address, strict=True)):
        return False
    if reply.control & REFUSED or request.control & FUNCTION == ADDRESS_2007:
        return True
    size = SIZES[EDITIONS.get(request.control & FUNCTION, "1997")]
    if request.control & FUNCTION == FOLLOW_UP_2007 and request.data[-1:] != reply.data[-1:]:
        return False
    return request.data[:size] == reply.data[:size]
