"""What we send to CJ/T 188 meters, and how an answer is recognised as the answer to it.

Rules: only reading, address, clock and valve requests exist. A016 (set totals) and A019 (factory enable) are refused by
construction: no function builds them, and the one place that frames a request rejects them. A valve moves only where
the caller says so in words.
"""

from datetime import datetime
from typing import Final, Literal

from protocols.cjt188.decoding import identifier_of
from protocols.cjt188.dialects import STANDARD, Dialect, dialect_named
from protocols.cjt188.layouts import READ_ADDRESS, READ_DATA, REFUSED, REPLY, VALVE_WORDS, WRITE_ADDRESS, WRITE_DATA
from protocols.serial_frame import FILL, SerialFrame, encoded

BROADCAST: Final = "AAAAAAAAAAAAAA"
FORBIDDEN_IDENTIFIERS: Final = frozenset((0xA016, 0xA019))
_VALVE_CODES = {word: code for code, word in VALVE_WORDS.items()}


def address_bytes(address: str, dialect: Dialect) -> bytes:
    """Address on the wire. `address`: 14 digits, most significant first; F fills, A broadcasts. Raises ValueError."""
    if len(address) != 14:
        raise ValueError(f"a CJ/T 188 address has 14 digits: {address!r}")
    try:
        number = bytes.fromhex(address)
    except ValueError:
        raise ValueError(f"a CJ/T 188 address has 14 digits: {address!r}") from None
    return number if dialect.byte_order == "big" else number[::-1]


def identifier_bytes(di: int, dialect: Dialect) -> bytes:
    """Data identifier in the order the dialect sends it."""
    return di.to_bytes(2, "little" if dialect.di_order == "low" else "big")


def clock_bytes(clock: datetime, dialect: Dialect) -> bytes:
    """Seven BCD bytes of a local time."""
    digits = bytes.fromhex(f"{clock:%Y%m%d%H%M%S}".rjust(14, "0"))
    return digits if dialect.byte_order == "big" else digits[::-1]


def _request(
    control: int, address: str, di: int, ser: int, kind: int, dialect: Dialect, content: bytes = b"", fill: int = 0
) -> bytes:
    if di in FORBIDDEN_IDENTIFIERS:
        raise ValueError(f"{di:04X} is never sent: it changes totals or unlocks the factory level")
    data = identifier_bytes(di, dialect) + bytes((ser & 0xFF,)) + content
    frame = SerialFrame("cjt188", address_bytes(address, dialect), control, data, kind)
    return bytes((FILL,)) * fill + encoded(frame)


def read_request(
    address: str,
    di: int = 0x901F,
    *,
    ser: int = 0,
    kind: int = 0x20,
    dialect: str | Dialect | None = None,
    fill: int = 0,
) -> bytes:
    """Request to read a data identifier.

    Parameters
    ----------
    address : str
        14 digits, or `BROADCAST` on a line with one meter.
    di : int
        0x901F current data, 0xD120-0xD12B settlement data of the last 12 months, 0x8102-0x8104 settings.
    ser : int
        Sequence number, repeated in the answer.
    kind : int
        Meter type T: 0x20 heat, 0x10 cold water, ...
    fill : int
        Leading FE bytes that wake a meter up.
    """
    return _request(READ_DATA, address, di, ser, kind, dialect_named(dialect) or STANDARD, fill=fill)


def read_address_request(
    *, ser: int = 0, kind: int = 0x20, dialect: str | Dialect | None = None, fill: int = 0
) -> bytes:
    """Request for the address of the only meter on the line."""
    return _request(READ_ADDRESS, BROADCAST, 0x810A, ser, kind, dialect_named(dialect) or STANDARD, fill=fill)


def readdress_request(
    address: str, new_address: str, *, ser: int = 0, kind: int = 0x20, dialect: str | Dialect | None = None
) -> bytes:
    """Request to take a new address (A018)."""
    chosen = dialect_named(dialect) or STANDARD
    return _request(WRITE_ADDRESS, address, 0xA018, ser, kind, chosen, address_bytes(new_address, chosen))


def clock_request(
    address: str, clock: datetime, *, ser: int = 0, kind: int = 0x20, dialect: str | Dialect | None = None
) -> bytes:
    """Request to set the meter clock (A015). `clock`: naive local time of the meter, whole seconds."""
    chosen = dialect_named(dialect) or STANDARD
    return _request(WRITE_DATA, address, 0xA015, ser, kind, chosen, clock_bytes(clock, chosen))


def valve_request(
    address: str,
    position: Literal["open", "closed"],
    *,
    i_mean_to_move_the_valve: bool,
    ser: int = 0,
    kind: int = 0x20,
    dialect: str | Dialect | None = None,
) -> bytes:
    """Request to open or close the valve (A017): it can cut a home's heat, so the caller says so explicitly.

    Raises
    ------
    ValueError
        `i_mean_to_move_the_valve` is not True, or the position is unknown.
    """
    if i_mean_to_move_the_valve is not True:
        raise ValueError("a valve is moved only on explicit demand")
    if position not in _VALVE_CODES:
        raise ValueError(f"valve position {position!r} is neither open nor closed")
    chosen = dialect_named(dialect) or STANDARD
    return _request(WRITE_DATA, address, 0xA017, ser, kind, chosen, bytes((_VALVE_CODES[position],)))


def is_reply_to(request: SerialFrame, reply: SerialFrame) -> bool:
    """Whether `reply` answers `request`: address, control, identifier in either byte order, and sequence number.

    A broadcast request accepts any address; a heat meter may answer with another type of 20-29; an error reply has no
    identifier.
    """
    if not reply.is_reply or request.is_reply or reply.control & 0x3F != request.control:
        return False
    if request.address != b"\xaa" * 7 and reply.address != request.address:
        return False
    if reply.kind != request.kind and not (reply.kind >> 4 == request.kind >> 4 == 2) and request.kind != 0xAA:
        return False
    if reply.control & (REPLY | REFUSED) == REPLY | REFUSED:
        return len(reply.data) >= 1 and len(request.data) >= 3 and reply.data[0] == request.data[2]
    if len(request.data) < 3 or len(reply.data) < 3:
        return len(request.data) < 3
    asked, _, _ = identifier_of(request.data)
    answered, _, offset = identifier_of(reply.data)
    ser = (reply.data[2] - 0x33) & 0xFF if offset else reply.data[2]
    return answered == asked and ser == request.data[2]
