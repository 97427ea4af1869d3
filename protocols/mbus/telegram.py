"""From a frame to a Telegram: link, transport header, security, application data (EN 13757-2, -3, -4, -7).

This file knows the order of the layers and which control information (CI) leads where; each layer has a file.
"""

from typing import Final

from protocols.errors import FrameError, SecurityError, UnsupportedError
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
from protocols.mbus.makers import meter_with_known_medium, records_behind_ci, records_in_tail
from protocols.mbus.plan import PlanCache
from protocols.mbus.records import RecordError, records_from_bytes
from protocols.mbus.transport import (
    APPLICATIONS,
    ENCRYPTED_MODES,
    NO_METER,
    Body,
    Header,
    Message,
    Transport,
    plain_data,
    transport_from_bytes,
)
from protocols.mbus.wireless import FIRST_BLOCK, wireless_frame_from_bytes
from protocols.telegram import DataRecord, MeterId, Telegram

# Length of link and long header before the records of a wired answer.
_PLAIN_HEAD: Final = 19
_HEX: Final = tuple(f"{byte:02x}" for byte in range(256))
# A pure function remembers: what is kept here is derived from the bytes alone and changes no result.
PLANS: Final = PlanCache()


# CIs of the other direction: a master's commands are no telegram of a meter.
_COMMANDS: Final = frozenset((*range(0x50, 0x60), *range(0xB8, 0xC0)))


def telegram_from_frame(
    frame: bytes,
    key: bytes | None = None,
    *,
    layouts: LayoutStore | None = None,
    require_key: bool = False,
    last_counter: int | None = None,
    plans: PlanCache | None = PLANS,
    form: str | None = None,
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

    form : str, optional
        ``"A"``, ``"B"`` or ``"stripped"`` where the radio says which; a garbled format B cannot be told from a telegram
        without CRCs otherwise.

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
    if plans is not None and form is None:
        planned = _planned(frame, plans)
        if planned is not None:
            return planned
    message = Message(key, layouts, last_counter, plans)
    wireless = form is not None or _wireless_like(frame)
    telegram = _wireless(frame, message, form) if wireless else _wired(frame, message)
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
    if control not in RSP_UD_CONTROLS or frame[18] & 0x1F in ENCRYPTED_MODES or frame[12] & 0x80 or frame[-1] != STOP:
        return None
    data = frame[_PLAIN_HEAD:-2]
    plan = plans.find(data)
    if plan is None or check_sum(frame[4:-2]) != frame[-2]:
        return None
    details = {"link": "wired", "address": str(address), "ci": "72", "medium_code": _HEX[frame[14]]}
    meter = meter_from_bytes(frame[7:15])
    return Telegram("mbus", meter, plan.records(data), frame[15], frame[16], plan.more, details)


def _wired(frame: bytes, message: Message) -> Telegram:
    link = frame_from_bytes(frame)
    if not isinstance(link, LongFrame):
        raise UnsupportedError("frame.kind", "an acknowledge or short frame carries no data, byte 0", 0)
    if link.control not in RSP_UD_CONTROLS:
        raise UnsupportedError("frame.direction", f"C field {link.control:02X} is not that of an answer, byte 4", 4)
    message.details.update(link="wired", address=str(link.address))
    return _application(link.ci, link.data, 7, message)


def _wireless(frame: bytes, message: Message, form: str | None) -> Telegram:
    link = wireless_frame_from_bytes(frame, form)
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


def _extended(ci: int, data: bytes, base: int, message: Message) -> tuple[bytes, int] | None:
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


def _authenticate(message: Message, layer: Authentication, data: bytes, base: int) -> None:
    """Check the MAC before anything else is read; without a key remember only that there was one."""
    if not data:
        raise FrameError("frame.truncated", f"nothing after the authentication layer, byte {base}", base)
    message.details["authentication"] = "none" if layer.mac is None else f"cmac{8 * len(layer.mac)}"
    if layer.counter_value is not None:
        message.details["counter"] = str(layer.counter_value)
    if message.key is None or layer.mac is None:
        return
    application = APPLICATIONS.get(data[0])
    own = application is not None and application.header is Header.LONG and len(data) > 5
    link = message.link_address or b""
    identification = data[1:5] if own else link[2:6]
    message.encryption_key = encryption_key_after_check(
        layer, data, message.key, identification, message.last_counter, base
    )


def _closed(message: Message, meter: MeterId, access_number: int | None, status: int | None, base: int) -> Telegram:
    """The header of a telegram that stays encrypted for want of a key."""
    message.details["payload"] = "encrypted"
    note = f"key.missing at byte {base}"
    return Telegram(message.protocol, meter, (), access_number, status, False, message.details, (note,))


def _application(ci: int, data: bytes, base: int, message: Message) -> Telegram:
    """Transport header and application data behind `ci`; `data` starts at offset `base`."""
    message.details["ci"] = f"{ci:02x}"
    if ci == 0x73 and message.wired and len(data) == FIXED_SIZE:
        meter, access_number, status, records = fixed_from_bytes(data, base)
        return Telegram("mbus", meter, records, access_number, status, False, message.details)
    application = APPLICATIONS.get(ci)
    if application is None:
        return _other(ci, data, base, message)
    if application.body is Body.ERROR and application.header is Header.NONE:
        raise application_error(data, base)
    transport = transport_from_bytes(application.header, data, base, message)
    if application.body is Body.ERROR:
        raise application_error(transport.data, transport.base)
    plain = plain_data(transport, message)
    if plain is None:
        return _closed(message, transport.meter, transport.access_number, transport.status, transport.base)
    return _read(application.body, transport._replace(data=plain), message)


def _other(ci: int, data: bytes, base: int, message: Message) -> Telegram:
    if 0xA0 <= ci <= 0xB7:
        meter = NO_METER
        if message.link_address is not None:
            meter = meter_with_known_medium(meter_from_link_bytes(message.link_address))
        record = DataRecord("manufacturer_specific", "", data.hex(), raw=data.hex(), code=f"ci{ci:02x}")
        records = (record, *records_behind_ci(meter, data))
        return Telegram(message.protocol, meter, records, message.access_number, None, False, message.details)
    code = "ci.command" if ci in _COMMANDS else "ci.unsupported"
    raise UnsupportedError(
        code, f"control information {ci:02X} is not that of a meter's data, byte {base - 1}", base - 1
    )


def _read(body: Body, transport: Transport, message: Message) -> Telegram:
    meter, data, base = transport.meter, transport.data, transport.base
    if body is Body.ALARM:
        return _telegram(transport, message, (alarm_record(data),), False)
    if body is Body.FORMAT:
        layout = layout_from_format(data, base)
        if message.layouts is not None:
            message.layouts.learn(meter, layout)
        message.details["layout"] = layout.hex()
        return _telegram(transport, message, (), False)
    if body is Body.COMPACT:
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
    if message.layouts is not None and body is Body.RECORDS and not message.wired:
        plan = None if message.plans is None else message.plans.find(data)
        if plan is None:
            message.layouts.learn_full(meter, data)
        else:
            message.layouts.learn(meter, plan.layout)
    if records and records[-1].quantity == "manufacturer_specific" and records[-1].code == "0f" and not message.wired:
        records = (*records, *records_in_tail(meter, bytes.fromhex(records[-1].raw)))
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
    transport: Transport,
    message: Message,
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
