"""From a frame to a Telegram: link, transport header, security, application data (EN 13757-2, -3, -4, -7).

This file knows the order of the layers and which control information (CI) leads where; each layer has a file.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

from protocols.errors import ContentError, FrameError, SecurityError, UnsupportedError
from protocols.mbus.application import alarm_record, application_error
from protocols.mbus.authentication import (
    AFL,
    Authentication,
    authentication_from_bytes,
    encryption_key_after_check,
)
from protocols.mbus.compact import LayoutStore, full_from_compact, layout_from_format
from protocols.mbus.extended import LAYOUTS as EXTENDED_LAYOUTS
from protocols.mbus.extended import extended_link_from_bytes, payload_opened
from protocols.mbus.fixed import SIZE as FIXED_SIZE
from protocols.mbus.fixed import fixed_from_bytes
from protocols.mbus.frame import RSP_UD_CONTROLS, START_LONG, STOP, LongFrame, check_sum, frame_from_bytes
from protocols.mbus.header import meter_from_bytes, meter_from_link_bytes
from protocols.mbus.plan import PlanCache
from protocols.mbus.records import RecordError, records_from_bytes
from protocols.mbus.security import BLOCK, MARK, cbc_decrypted, mode5_vector, opened
from protocols.mbus.wireless import FIRST_BLOCK, wireless_frame_from_bytes
from protocols.telegram import DataRecord, MeterId, Telegram

NO_METER: Final = MeterId("")
# Length of link and long header before the records of a wired answer.
_PLAIN_HEAD: Final = 19
# On the wire only these security modes are believed: the bytes were a "signature" once, and any value is about.
_ENCRYPTED_MODES: Final = (5, 7)
_HEX: Final = tuple(f"{byte:02x}" for byte in range(256))
# A pure function remembers: what is kept here is derived from the bytes alone and changes no result.
PLANS: Final = PlanCache()


class _Header(Enum):
    NONE = 0
    SHORT = 4
    LONG = 12


class _Body(Enum):
    RECORDS = "records"
    COMPACT = "compact"
    FORMAT = "format"
    ERROR = "error"
    ALARM = "alarm"


class _Application(NamedTuple):
    header: _Header
    body: _Body


APPLICATIONS: Final = {
    0x69: _Application(_Header.NONE, _Body.FORMAT),
    0x6A: _Application(_Header.SHORT, _Body.FORMAT),
    0x6B: _Application(_Header.LONG, _Body.FORMAT),
    0x6E: _Application(_Header.SHORT, _Body.ERROR),
    0x6F: _Application(_Header.LONG, _Body.ERROR),
    0x70: _Application(_Header.NONE, _Body.ERROR),
    0x71: _Application(_Header.NONE, _Body.ALARM),
    0x72: _Application(_Header.LONG, _Body.RECORDS),
    0x73: _Application(_Header.LONG, _Body.COMPACT),
    0x74: _Application(_Header.SHORT, _Body.ALARM),
    0x75: _Application(_Header.LONG, _Body.ALARM),
    0x76: _Application(_Header.LONG, _Body.RECORDS),
    0x78: _Application(_Header.NONE, _Body.RECORDS),
    0x79: _Application(_Header.NONE, _Body.COMPACT),
    0x7A: _Application(_Header.SHORT, _Body.RECORDS),
    0x7B: _Application(_Header.SHORT, _Body.COMPACT),
}

# CIs of the other direction: a master's commands are no telegram of a meter.
_COMMANDS: Final = frozenset((*range(0x50, 0x60), *range(0xB8, 0xC0)))


@dataclass(slots=True)
class _Message:
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


class _Transport(NamedTuple):
    """A parsed transport header; `data` starts at `base`."""

    meter: MeterId
    address: bytes | None
    access_number: int | None
    status: int | None
    configuration: int
    data: bytes
    base: int


def telegram_from_frame(
    frame: bytes,
    key: bytes | None = None,
    *,
    layouts: LayoutStore | None = None,
    require_key: bool = False,
    last_counter: int | None = None,
    plans: PlanCache | None = PLANS,
) -> Telegram:
    """Decode one wired long frame or one wireless telegram (L field first; format A, B or without CRCs).

    Parameters
    ----------
    frame : bytes
        Exactly one frame; a stream is cut by `receiver.FrameReceiver`.
    key : bytes, optional
        AES-128 key of the meter, 16 bytes.
    layouts : LayoutStore, optional
        Layouts of compact frames; full telegrams and format frames are learnt into it.
    require_key : bool
        Whether an encrypted telegram without a key is an error (``key.missing``); else its header is returned with no
        records and a diagnostic.
    last_counter : int, optional
        Highest message counter seen from this meter; mode 7 refuses one that does not exceed it. The counter of an
        accepted message stands in ``details["counter"]``.
    plans : PlanCache or None
        Layout plans, which make repeated telegrams fast and change no result; None decodes without them.

    Raises
    ------
    FrameError
        The bytes were garbled; asking again may help.
    ContentError
        The frame is whole, its content is not; a `RecordError` carries the telegram up to the broken record.
    SecurityError
        A wrong key, a wrong MAC, a counter that did not rise.
    UnsupportedError
        A command, an unknown CI, a compact frame without layout.
    DeviceError
        The meter reported an application error.
    """
    if plans is not None:
        planned = _planned(frame, plans)
        if planned is not None:
            return planned
    decoder = _wireless if _wireless_like(frame) else _wired
    telegram = decoder(frame, _Message(key, layouts, last_counter, plans))
    if require_key and telegram.diagnostics and telegram.diagnostics[0].startswith("key.missing"):
        raise SecurityError("key.missing", "the telegram is encrypted and no key is known for its meter")
    return telegram


def _wireless_like(frame: bytes) -> bool:
    """Whether bytes are to be read as a wireless telegram: an L field of at least the address, no wired start."""
    wired_start = frame[:1] == bytes((START_LONG,)) and (frame[1:2] == frame[2:3] or frame[3:4] == frame[:1])
    return len(frame) > 10 and frame[0] >= 10 and not wired_start


def _planned(frame: bytes, plans: PlanCache) -> Telegram | None:
    """The short way of a plain wired answer with a long header whose layout is known; None: take the long way."""
    size = len(frame)
    if size < _PLAIN_HEAD + 2:
        return None
    start, length, again, second, control, address, ci = frame[:7]
    if ci != 0x72 or start != START_LONG or second != START_LONG or length != again or length + 6 != size:
        return None
    if control not in RSP_UD_CONTROLS or frame[18] & 0x1F in _ENCRYPTED_MODES or frame[12] & 0x80 or frame[-1] != STOP:
        return None
    data = frame[_PLAIN_HEAD:-2]
    plan = plans.find(data)
    if plan is None or check_sum(frame[4:-2]) != frame[-2]:
        return None
    details = {"link": "wired", "address": str(address), "ci": "72", "medium_code": _HEX[frame[14]]}
    meter = meter_from_bytes(frame[7:15])
    return Telegram("mbus", meter, plan.records(data), frame[15], frame[16], plan.more, details)


def _wired(frame: bytes, message: _Message) -> Telegram:
    link = frame_from_bytes(frame)
    if not isinstance(link, LongFrame):
        raise UnsupportedError("frame.kind", "an acknowledge or short frame carries no data, byte 0", 0)
    if link.control not in RSP_UD_CONTROLS:
        raise UnsupportedError("frame.direction", f"C field {link.control:02X} is not that of an answer, byte 4", 4)
    message.details.update(link="wired", address=str(link.address))
    return _application(link.ci, link.data, 7, message)


def _wireless(frame: bytes, message: _Message) -> Telegram:
    link = wireless_frame_from_bytes(frame)
    message.details.update(link="wireless", format=link.format, control=f"{link.control:02x}")
    message.link_address = link.address
    # Positions count in the telegram without CRCs, as analysers show it.
    ci, data, base = link.data[0], link.data[1:], FIRST_BLOCK + 1
    if ci in EXTENDED_LAYOUTS:
        inner = _extended(ci, data, base, message)
        if inner is None:
            meter = meter_from_link_bytes(message.link_address or link.address)
            return _closed(message, meter, message.access_number, None, base)
        data, base = inner
        ci, data, base = data[0], data[1:], base + 1
    if ci == AFL:
        layer, data, base = authentication_from_bytes(data, base)
        _authenticate(message, layer, data, base)
        ci, data, base = data[0], data[1:], base + 1
    return _application(ci, data, base, message)


def _extended(ci: int, data: bytes, base: int, message: _Message) -> tuple[bytes, int] | None:
    """What the extended link layer carries, from the next CI on, and its offset; None without a key."""
    layer, data, base = extended_link_from_bytes(ci, data, base)
    link = message.link_address or b""
    message.access_number = layer.access_number
    message.details["extended_link"] = f"{ci:02x}"
    message.link_address = layer.address or link
    if layer.encryption:
        message.details["encryption"] = "ctr"
    if layer.session is not None:
        payload = payload_opened(layer, link, data, message.key, base)
        if payload is None:
            return None
        data, base = payload, base + 2
    if not data:
        raise FrameError("frame.truncated", f"nothing after the extended link layer, byte {base}", base)
    return data, base


def _authenticate(message: _Message, layer: Authentication, data: bytes, base: int) -> None:
    """Check the MAC before anything else is read; without a key remember only that there was one."""
    if not data:
        raise FrameError("frame.truncated", f"nothing after the authentication layer, byte {base}", base)
    message.details["authentication"] = "none" if layer.mac is None else f"cmac{8 * len(layer.mac)}"
    if layer.counter_value is not None:
        message.details["counter"] = str(layer.counter_value)
    if message.key is None or layer.mac is None:
        return
    application = APPLICATIONS.get(data[0])
    own = application is not None and application.header is _Header.LONG and len(data) > 5
    link = message.link_address or b""
    identification = data[1:5] if own else link[2:6]
    message.encryption_key = encryption_key_after_check(
        layer, data, message.key, identification, message.last_counter, base
    )


def _closed(message: _Message, meter: MeterId, access_number: int | None, status: int | None, base: int) -> Telegram:
    """The header of a telegram that stays encrypted for want of a key."""
    message.details["payload"] = "encrypted"
    note = f"key.missing at byte {base}"
    return Telegram(message.protocol, meter, (), access_number, status, False, message.details, (note,))


def _application(ci: int, data: bytes, base: int, message: _Message) -> Telegram:
    """Transport header and application data behind `ci`; `data` starts at offset `base`."""
    message.details["ci"] = f"{ci:02x}"
    if ci == 0x73 and message.wired and len(data) == FIXED_SIZE:
        meter, access_number, status, records = fixed_from_bytes(data, base)
        return Telegram("mbus", meter, records, access_number, status, False, message.details)
    application = APPLICATIONS.get(ci)
    if application is None:
        return _other(ci, data, base, message)
    if application.body is _Body.ERROR and application.header is _Header.NONE:
        raise application_error(data, base)
    transport = _transport(application.header, data, base, message)
    if application.body is _Body.ERROR:
        raise application_error(transport.data, transport.base)
    plain = _plain(transport, message)
    if plain is None:
        return _closed(message, transport.meter, transport.access_number, transport.status, transport.base)
    return _read(application.body, transport._replace(data=plain), message)


def _other(ci: int, data: bytes, base: int, message: _Message) -> Telegram:
    if 0xA0 <= ci <= 0xB7:
        meter = NO_METER if message.link_address is None else meter_from_link_bytes(message.link_address)
        record = DataRecord("manufacturer_specific", "", data.hex(), raw=data.hex(), code=f"ci{ci:02x}")
        return Telegram(message.protocol, meter, (record,), message.access_number, None, False, message.details)
    code = "ci.command" if ci in _COMMANDS else "ci.unsupported"
    raise UnsupportedError(
        code, f"control information {ci:02X} is not that of a meter's data, byte {base - 1}", base - 1
    )


def _transport(header: _Header, data: bytes, base: int, message: _Message) -> _Transport:
    size = header.value
    if len(data) < size:
        end = base + len(data)
        raise ContentError("header.truncated", f"{len(data)} of {size} header bytes, byte {end}", end)
    link = message.link_address
    meter, address = (NO_METER, None) if link is None else (meter_from_link_bytes(link), link)
    if header is _Header.LONG:
        meter, address = meter_from_bytes(data[:8]), data[4:6] + data[:4] + data[6:8]
        message.details["medium_code"] = f"{data[7]:02x}"
        if data[5] & 0x80:
            message.details["manufacturer_code"] = f"{data[5]:02x}{data[4]:02x}"
        if link is not None and address != link:
            message.details["radio"] = meter_from_link_bytes(link).serial
    if header is _Header.NONE:
        return _Transport(meter, address, message.access_number, None, 0, data, base)
    access_number, status = data[size - 4], data[size - 3]
    configuration = data[size - 2] | data[size - 1] << 8
    return _Transport(meter, address, access_number, status, configuration, data[size:], base + size)


def _plain(transport: _Transport, message: _Message) -> bytes | None:
    """Application data in the clear; None without a key."""
    mode = transport.configuration >> 8 & 0x1F
    data, base = transport.data, transport.base
    if mode == 0 or (message.wired and mode not in _ENCRYPTED_MODES):
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


def _mode5(transport: _Transport, blocks: int, message: _Message) -> bytes | None:
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
    return bool(records) and all(record.code not in ("0f", "1f") and record.quantity != "unknown" for record in records)


def _read(body: _Body, transport: _Transport, message: _Message) -> Telegram:
    meter, data, base = transport.meter, transport.data, transport.base
    if body is _Body.ALARM:
        return _telegram(transport, message, (alarm_record(data),), False)
    if body is _Body.FORMAT:
        layout = layout_from_format(data, base)
        if message.layouts is not None:
            message.layouts.learn(meter, layout)
        message.details["layout"] = layout.hex()
        return _telegram(transport, message, (), False)
    if body is _Body.COMPACT:
        data = full_from_compact(data, meter, message.layouts, base)
    try:
        records, more = _records(data, base, message.plans)
    except RecordError as error:
        note = f"{error.code} at byte {error.offset}"
        partial = _telegram(transport, message, tuple(error.records), False, (note,))
        # A radio cannot be asked again, so what came whole counts; on the wire the master asks for a repeat.
        if not message.wired and error.records:
            return partial
        error.telegram = partial
        raise
    if message.layouts is not None and body is _Body.RECORDS and not message.wired:
        message.layouts.learn_full(meter, data)
    return _telegram(transport, message, records, more)


def _records(data: bytes, base: int, plans: PlanCache | None) -> tuple[tuple[DataRecord, ...], bool]:
    """Records by a plan where one fits, else in full."""
    plan = None if plans is None else plans.find(data)
    if plan is not None:
        return plan.records(data), plan.more
    records, more = records_from_bytes(data, base)
    if plans is not None:
        plans.learn(data)
    return tuple(records), more


def _telegram(
    transport: _Transport,
    message: _Message,
    records: tuple[DataRecord, ...],
    more: bool,
    diagnostics: tuple[str, ...] = (),
) -> Telegram:
    return Telegram(
        message.protocol,
        transport.meter,
        records,
        transport.access_number,
        transport.status,
        more,
        message.details,
        diagnostics,
    )
