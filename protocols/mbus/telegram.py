"""From a frame to a Telegram: link, transport header, security, application data (EN 13757-2, -3, -4, -7).

This file knows the order of the layers and which control information (CI) leads where; each layer has a file.
"""

from typing import Final

from protocols.errors import FrameError, ProtocolError, SecurityError, UnsupportedError
from protocols.mbus.authentication import (
    AFL,
    Authentication,
    authentication_from_bytes,
    encryption_key_after_check,
)
from protocols.mbus.compact import LayoutStore
from protocols.mbus.content import application_telegram, closed_telegram
from protocols.mbus.extended import LAYOUTS as EXTENDED_LAYOUTS
from protocols.mbus.extended import extended_link_from_bytes, payload_opened
from protocols.mbus.fragments import FragmentStore
from protocols.mbus.frame import RSP_UD_CONTROLS, START_LONG, STOP, LongFrame, check_sum, frame_from_bytes
from protocols.mbus.header import meter_from_bytes, meter_from_link_bytes
from protocols.mbus.opening import ENCRYPTED_MODES
from protocols.mbus.plan import PlanCache
from protocols.mbus.transport import APPLICATIONS, NO_METER, Header, Message
from protocols.mbus.wireless import FIRST_BLOCK, STRIPPED, wireless_frame_from_bytes
from protocols.telegram import Telegram

# Length of link and long header before the records of a wired answer.
_PLAIN_HEAD: Final = 19
_HEX: Final = tuple(f"{byte:02x}" for byte in range(256))
# A pure function remembers: what is kept here is derived from the bytes alone and changes no result.
PLANS: Final = PlanCache()


def telegram_from_frame(
    frame: bytes,
    key: bytes | None = None,
    *,
    layouts: LayoutStore | None = None,
    require_key: bool = False,
    last_counter: int | None = None,
    plans: PlanCache | None = PLANS,
    form: str | None = None,
    fragments: FragmentStore | None = None,
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
    fragments : FragmentStore, optional
        Where messages in several telegrams are put together. Until the last one came, the telegram has no records, the
        fragment's number in ``details["fragment"]`` and a note; without a store a fragment is an error.

    Raises
    ------
    FrameError
        The bytes were garbled; asking again may help.
    ContentError
        The frame is whole, its content is not; a `RecordError` carries the telegram up to the broken record.
    SecurityError
        A wrong key, a wrong MAC, a counter that did not rise.
    UnsupportedError
        A command, an unknown CI, a compact frame without layout, a fragment without a store.
    DeviceError
        The meter reported an application error.
    """
    if plans is not None and form is None:
        planned = _planned(frame, plans)
        if planned is not None:
            return planned
    message = Message(key, layouts, last_counter, plans, fragments)
    wireless = form is not None or _wireless_like(frame)
    telegram = _wireless_in_form(frame, message, form) if wireless else _wired(frame, message)
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
    if plan is None or plan.profiled or check_sum(frame[4:-2]) != frame[-2]:
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
    if link.ci == AFL:
        return _authenticated(link.data, 7, message)
    return application_telegram(link.ci, link.data, 7, message)


def _wireless_in_form(frame: bytes, message: Message, form: str | None) -> Telegram:
    """One telegram in 65,536 without CRCs ends as if with one of format B: where that reading of it is not whole and
    the other one is, it has none.
    """
    if form is not None:
        return _wireless(frame, message, form)
    try:
        telegram = _wireless(frame, message, None)
    except ProtocolError:
        stripped = _whole_without_crcs(frame, message)
        if stripped is None:
            raise
        return stripped
    return telegram if not telegram.diagnostics else _whole_without_crcs(frame, message) or telegram


def _whole_without_crcs(frame: bytes, tried: Message) -> Telegram | None:
    if tried.details.get("format") != "B":
        return None
    # A fragment has been put to the others already.
    message = Message(tried.key, tried.layouts, tried.last_counter, tried.plans)
    try:
        telegram = _wireless(frame, message, STRIPPED)
    except ProtocolError:
        return None
    return None if telegram.diagnostics else telegram


def _wireless(frame: bytes, message: Message, form: str | None) -> Telegram:
    link = wireless_frame_from_bytes(frame, form)
    message.details.update(link="wireless", format=link.format, control=f"{link.control:02x}")
    message.link_address, message.could_be_format_b = link.address, link.could_be_format_b
    # Positions count in the telegram without CRCs, as analysers show it.
    ci, data, base = link.data[0], link.data[1:], FIRST_BLOCK + 1
    if ci in EXTENDED_LAYOUTS:
        inner = _extended(ci, data, base, message)
        if inner is None:
            meter = meter_from_link_bytes(link.address)
            return closed_telegram(message, meter, message.access_number, None, base)
        data, base = inner
        ci, data, base = data[0], data[1:], base + 1
    if ci == AFL:
        return _authenticated(data, base, message)
    return application_telegram(ci, data, base, message)


def _extended(ci: int, data: bytes, base: int, message: Message) -> tuple[bytes, int] | None:
    """What the extended link layer carries, from the next CI on, and its offset; None without a key."""
    layer, data, base = extended_link_from_bytes(ci, data, base)
    link = message.link_address or b""
    message.access_number = layer.access_number
    message.details["extended_link"] = f"{ci:02x}"
    if layer.address is not None:
        message.details["receiver"] = meter_from_link_bytes(layer.address).serial
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


def _authenticated(data: bytes, base: int, message: Message) -> Telegram:
    """What the authentication and fragmentation layer carries, once all of it came."""
    layer, data, base = authentication_from_bytes(data, base)
    if not data:
        raise FrameError("frame.truncated", f"nothing after the authentication layer, byte {base}", base)
    if layer.fragment:
        if message.fragments is None:
            raise UnsupportedError("afl.fragment", f"fragment {layer.fragment} of a longer message, byte {base}", base)
        message.details["fragment"] = str(layer.fragment)
        sender = message.details["address"] if message.link_address is None else message.link_address.hex()
        whole = message.fragments.take(sender, layer, data, base)
        if whole is None:
            meter = NO_METER if message.link_address is None else meter_from_link_bytes(message.link_address)
            note = f"afl.fragment {layer.fragment} waits for the next"
            return Telegram(message.protocol, meter, (), message.access_number, None, False, message.details, (note,))
        layer, data = whole
    _authenticate(message, layer, data, base)
    return application_telegram(data[0], data[1:], base + 1, message)


def _authenticate(message: Message, layer: Authentication, data: bytes, base: int) -> None:
    """Check the MAC before anything else is read; without a key remember only that there was one."""
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
