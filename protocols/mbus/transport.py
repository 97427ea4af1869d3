"""The transport layer between link and application: headers and the configuration word (EN 13757-7).

This file knows which header a control information (CI) announces; `opening` brings what follows it into the clear.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

from protocols.errors import ContentError
from protocols.mbus.compact import LayoutStore
from protocols.mbus.fragments import FragmentStore
from protocols.mbus.header import meter_from_bytes, meter_from_link_bytes
from protocols.mbus.plan import PlanCache
from protocols.telegram import MeterId

NO_METER: Final = MeterId("")


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
    # Acknowledgements and the like: a header, mostly without anything behind it.
    0x8A: Application(Header.SHORT, Body.RECORDS),
    0x8B: Application(Header.LONG, Body.RECORDS),
}


@dataclass(slots=True)
class Message:
    """What is known of a message on its way through the layers."""

    key: bytes | None
    layouts: LayoutStore | None
    last_counter: int | None
    plans: PlanCache | None
    fragments: FragmentStore | None = None
    details: dict[str, str] = field(default_factory=dict)
    link_address: bytes | None = None  # manufacturer first, as on the air; None on the wire
    access_number: int | None = None
    encryption_key: bytes | None = None  # Kenc of mode 7, once the MAC held
    could_be_format_b: bool = False  # the last two bytes may be a CRC that does not hold

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
    head: bytes = b""  # the CI and the header, as they came


def transport_from_bytes(ci: int, header: Header, data: bytes, base: int, message: Message) -> Transport:
    """The header behind `ci`, which is at offset `base` - 1. Raises ContentError: ``header.truncated``."""
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
    head = bytes((ci,)) + data[:size]
    return Transport(meter, address, access_number, status, configuration, data[size:], base + size, head)
