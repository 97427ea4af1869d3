"""The transport layer between link and application: headers, configuration word, security modes (EN 13757-7).

This file knows which header a control information (CI) announces and how what follows it is brought into the clear.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

from protocols.errors import ContentError, SecurityError, UnsupportedError
from protocols.mbus.compact import LayoutStore
from protocols.mbus.header import meter_from_bytes, meter_from_link_bytes
from protocols.mbus.plan import PlanCache
from protocols.mbus.records import RecordError, records_from_bytes
from protocols.mbus.security import BLOCK, MARK, cbc_decrypted, mode5_vector, opened
from protocols.telegram import MeterId

NO_METER: Final = MeterId("")
# What random bytes read as, too.
_UNPROVEN: Final = ("manufacturer_specific", "more_records_follow", "unknown", "any")
# On the wire only these security modes are believed: the bytes were a "signature" once, and any value is about.
ENCRYPTED_MODES: Final = (5, 7)


class Header(Enum):
    NONE = 0
    SHORT = 4
    LONG = 12


class Body(Enum):
    RECORDS = "records"
    COMPACT = "compact"
    FORMAT = "format"
    ERROR = "error"
    ALARM = "alarm"


class Application(NamedTuple):
    header: Header
    body: Body


APPLICATIONS: Final = {
    0x69: Application(Header.NONE, Body.FORMAT),
    0x6A: Application(Header.SHORT, Body.FORMAT),
    0x6B: Application(Header.LONG, Body.FORMAT),
    0x6E: Application(Header.SHORT, Body.ERROR),
    0x6F: Application(Header.LONG, Body.ERROR),
    0x70: Application(Header.NONE, Body.ERROR),
    0x71: Application(Header.NONE, Body.ALARM),
    0x72: Application(Header.LONG, Body.RECORDS),
    0x73: Application(Header.LONG, Body.COMPACT),
    0x74: Application(Header.SHORT, Body.ALARM),
    0x75: Application(Header.LONG, Body.ALARM),
    0x76: Application(Header.LONG, Body.RECORDS),
    0x78: Application(Header.NONE, Body.RECORDS),
    0x79: Application(Header.NONE, Body.COMPACT),
    0x7A: Application(Header.SHORT, Body.RECORDS),
    0x7B: Application(Header.SHORT, Body.COMPACT),
}


@dataclass(slots=True)
class Message:
    """What is known of a message on its way through the layers."""

    key: bytes | None
    layouts: LayoutStore | None
    last_counter: int | None
    plans: PlanCache | None
    details: dict[str, str] = field(default_factory=dict)
    link_address: bytes | None = None  # manufacturer first, as on the air; None on the wire
    access_number: int | None = None
    encryption_key: bytes | None = None  # Kenc of mode 7, once the MAC held

    @property
    def wired(self) -> bool:
        return self.link_address is None

    @property
    def protocol(self) -> str:
        return "mbus" if self.link_address is None else "wmbus"


class Transport(NamedTuple):
    """A parsed transport header; `data` starts at `base`."""

    meter: MeterId
    address: bytes | None
    access_number: int | None
    status: int | None
    configuration: int
    data: bytes
    base: int


def transport_from_bytes(header: Header, data: bytes, base: int, message: Message) -> Transport:
    size = header.value
    if len(data) < size:
        end = base + len(data)
        raise ContentError("header.truncated", f"{len(data)} of {size} header bytes, byte {end}", end)
    link = message.link_address
    meter, address = (NO_METER, None) if link is None else (meter_from_link_bytes(link), link)
    if header is Header.LONG:
        meter, address = meter_from_bytes(data[:8]), data[4:6] + data[:4] + data[6:8]
        message.details["medium_code"] = f"{data[7]:02x}"
        if data[5] & 0x80:
            message.details["manufacturer_code"] = f"{data[5]:02x}{data[4]:02x}"
        if link is not None and address != link:
            message.details["radio"] = meter_from_link_bytes(link).serial
    if header is Header.NONE:
        return Transport(meter, address, message.access_number, None, 0, data, base)
    access_number, status = data[size - 4], data[size - 3]
    configuration = data[size - 2] | data[size - 1] << 8
    return Transport(meter, address, access_number, status, configuration, data[size:], base + size)


def plain_data(transport: Transport, message: Message) -> bytes | None:
    """Application data in the clear; None without a key."""
    mode = transport.configuration >> 8 & 0x1F
    data, base = transport.data, transport.base
    if mode == 0 or (message.wired and mode not in ENCRYPTED_MODES):
        return data
    blocks = transport.configuration >> 4 & 0x0F
    if mode == 5:
        return _mode5(transport, blocks, message)
    if mode != 7:
        raise UnsupportedError("security.mode", f"security mode {mode}, byte {base - 2}", base - 2)
    message.details["encryption"] = "mode7"
    if message.key is None:
        return None
    if message.encryption_key is None:
        raise SecurityError("mac.missing", f"security mode 7 without an authentication layer, byte {base}", base)
    size = blocks * BLOCK
    if len(data) < 1 + size:
        raise ContentError("security.length", f"{blocks} encrypted blocks in {len(data) - 1} bytes, byte {base}", base)
    head = cbc_decrypted(message.encryption_key, bytes(BLOCK), data[1 : 1 + size])
    return (opened(head, base) if size else b"") + data[1 + size :]


def _mode5(transport: Transport, blocks: int, message: Message) -> bytes | None:
    data, base = transport.data, transport.base
    size = blocks * BLOCK
    if not size:
        return data
    if len(data) < size:
        if message.wired:
            return data
        raise ContentError("security.length", f"{blocks} encrypted blocks in {len(data)} bytes, byte {base}", base)
    message.details["encryption"] = "mode5"
    address, access_number = transport.address, transport.access_number
    if message.key is not None and address is not None and access_number is not None:
        head = cbc_decrypted(message.key, mode5_vector(address, access_number), data[:size])
        if head[:2] == MARK:
            return head + data[size:]
    # Receivers that decrypt leave the configuration word as it was; old wired meters never meant it.
    if data[:2] == MARK or (message.wired and _plausible(data)):
        message.details["encryption"] = "none"
        return data
    if message.key is None:
        return None
    raise SecurityError("key.wrong", f"no 2F 2F after decryption, byte {base}: the key is not this meter's", base)


def _plausible(data: bytes) -> bool:
    """Whether bytes read as records of known meaning to the last byte, which encrypted ones practically never do."""
    try:
        records, _ = records_from_bytes(data)
    except RecordError:
        return False
    return bool(records) and all(record.quantity not in _UNPROVEN for record in records)
