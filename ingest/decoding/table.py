"""Bytes of any protocol become telegrams with register readings: the table protocol -> codec, and nothing else decides.

Rules: undecodable input is a ProtocolError, never an empty answer; an empty answer means a valid message without
readings (a heartbeat, the first half of a frame, a birth). Codecs are loaded on first use: a terminal that decodes
one frame does not pay for all of them. What spans messages lives in the DecodingState the caller keeps.
"""

from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ingest.decoding.detect import bytes_from_text, protocol_of
from ingest.decoding.state import DecodingState
from ingest.model import Decoded
from ingest.profiles import interpreted, mapping_of, profile_for, profile_named
from protocols.errors import ProfileError, ProtocolError, SecurityError, UnsupportedError
from protocols.telegram import MeterId, Telegram

if TYPE_CHECKING:
    from protocols.cjt188 import Dialect
    from protocols.mqtt import MqttMessage

KeyLookup = Callable[[MeterId], bytes | None]


class Request(NamedTuple):
    """What a caller knows beside the bytes; every field may be missing. `at` is the arrival, aware UTC."""

    key: bytes | KeyLookup | None = None
    profile: str | None = None
    port: int | None = None
    topic: str | None = None
    dialect: str | None = None
    family: str | None = None
    at: datetime | None = None


class Part(NamedTuple):
    """One telegram on its way to its profile; `time` is what the sender assigned, `meter` what the envelope says."""

    telegram: Telegram
    time: datetime | None = None
    meter: MeterId | None = None
    flags: tuple[str, ...] = ()


Codec = Callable[[bytes, Request, DecodingState], list[Part]]


def _from(module: str, name: str) -> Any:
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UnsupportedError("protocol.unknown", f"the codec {module}.{name} is not installed") from error


def _mbus(payload: bytes, request: Request, state: DecodingState) -> list[Part]:
    from ingest.decoding.mbus import telegram_from_mbus

    telegram, flags = telegram_from_mbus(payload, request.key, state)
    return [Part(telegram, flags=flags)]


def _cjt188(payload: bytes, request: Request, state: DecodingState) -> list[Part]:
    dialect = request.dialect or _dialect_of(request.profile)
    return [Part(_from("protocols.cjt188", "telegram_from_frame")(payload, dialect=dialect))]


def _dialect_of(profile: str | None) -> "str | Dialect | None":
    """A dialect by name, or one that the profile itself spells out."""
    return profile_named(profile).dialect if profile else None


def _fragment(payload: bytes, request: Request, state: DecodingState) -> list[Part]:
    """A piece kept as evidence: the frame it belongs to is a delivery of its own."""
    return []


def _dlt645(payload: bytes, request: Request, state: DecodingState) -> list[Part]:
    return [Part(_from("protocols.dlt645", "telegram_from_frame")(payload))]


def _modbus(payload: bytes, request: Request, state: DecodingState) -> list[Part]:
    if not request.profile:
        raise ProfileError("profile.missing", "a Modbus register image needs the name of its map (profile)")
    return [Part(_from("protocols.modbus", "telegram_from_image")(payload, profile_named(request.profile), ""))]


def _modbus_rtu(payload: bytes, request: Request, state: DecodingState) -> list[Part]:
    from ingest.decoding.modbus import telegram_from_rtu

    profile = profile_named(request.profile) if request.profile else None
    return [Part(telegram_from_rtu(payload, profile))]


def _lorawan(payload: bytes, request: Request, state: DecodingState) -> list[Part]:
    port = 2 if request.port is None else request.port
    return [Part(_from("protocols.lorawan", "telegram_from_uplink")(payload, port, request.profile))]


def _mqtt(payload: bytes, request: Request, state: DecodingState) -> list[Part]:
    from protocols.mqtt import Publish, messages_from_publish

    topic = request.topic or ""
    # A family that the gateway's settings name is not read as somebody's JSON because of its topic.
    mapping = mapping_of(request.profile, "" if request.family else topic)
    messages = messages_from_publish(
        topic,
        payload,
        state=state.families,
        family=request.family,
        mapping=mapping,
        publish=Publish(topic, payload, request.at),
    )
    parts: list[Part] = []
    refused: list[ProtocolError] = []
    for message in messages:
        try:
            parts.extend(_parts_from_message(message, request, state))
        except ProtocolError as error:
            refused.append(error)
    if refused and not parts:
        raise refused[0]
    if refused:
        parts[0] = parts[0]._replace(flags=(*parts[0].flags, *(f"rejected:{error.code}" for error in refused)))
    return parts


def _parts_from_message(message: "MqttMessage", request: Request, state: DecodingState) -> list[Part]:
    if not message.payload:
        return [] if message.telegram is None else [Part(message.telegram, message.time, message.meter)]
    inner = request._replace(port=message.port, topic=None, family=None)
    try:
        parts = PROTOCOLS[message.protocol](message.payload, inner, state)
    except (SecurityError, ProtocolError) as error:
        if message.telegram is None or isinstance(error, SecurityError):
            raise
        # The network server's own decoder knew what this one does not; its word counts less than bytes would.
        flags = (f"fallback:{error.code}",)
        return [Part(message.telegram, message.time, message.meter, flags)]
    if message.time is None and message.meter is None:
        return parts
    return [Part(part.telegram, part.time or message.time, message.meter, part.flags) for part in parts]


PROTOCOLS: dict[str, Codec] = {
    "mbus": _mbus,
    "wmbus": _mbus,
    "cjt188": _cjt188,
    "dlt645": _dlt645,
    "modbus": _modbus,
    "modbus_rtu": _modbus_rtu,
    "lorawan": _lorawan,
    "mqtt": _mqtt,
    "fragment": _fragment,
}

# Other names in use: test files, vendors' documents, users' habits.
ALIASES: dict[str, str] = {
    "m-bus": "mbus", "mbus_wired": "mbus", "wired": "mbus", "mbus-wired": "mbus", "mbus_tcp": "mbus",
    "wm-bus": "wmbus", "wireless": "wmbus", "mbus_wireless": "wmbus", "wmbus_raw": "wmbus", "oms": "wmbus",
    "cj188": "cjt188", "cj/t188": "cjt188", "cj/t 188": "cjt188",
    "cjt-188": "cjt188", "cjt_188": "cjt188", "cj-t-188": "cjt188",
    "dl/t645": "dlt645", "dl/t 645": "dlt645", "dlt-645": "dlt645", "dlt_645": "dlt645",
    "modbus_image": "modbus", "modbus_regs": "modbus", "modbus_tcp": "modbus",
    "modbus-rtu": "modbus_rtu", "rtu": "modbus_rtu",
    "lora": "lorawan", "manual": "reading", "readings": "reading", "hand": "reading",
}  # fmt: skip


def protocol_name(name: str) -> str:
    """The table's name of a protocol. Raises UnsupportedError "protocol.unknown"."""
    word = name.strip().lower()
    word = ALIASES.get(word, word)
    if word not in PROTOCOLS and word != "reading":
        known = ", ".join([*PROTOCOLS, "reading"])
        raise UnsupportedError("protocol.unknown", f"no protocol is called {name[:40]!r}; known are {known}")
    return word


def decode(
    protocol: str | None,
    payload: bytes,
    *,
    key: bytes | KeyLookup | None = None,
    profile: str | None = None,
    port: int | None = None,
    topic: str | None = None,
    state: DecodingState | None = None,
    dialect: str | None = None,
    family: str | None = None,
    at: datetime | None = None,
    local: datetime | None = None,
) -> list[Decoded]:
    """Every telegram in `payload`, with what its profile makes of it.

    Parameters
    ----------
    protocol : str or None
        A name of `PROTOCOLS`, "reading", or an alias; None asks the bytes.
    payload : bytes
        As the source got them; hexadecimal or base64 text is understood where `protocol` is None.
    key : bytes or callable, optional
        16 bytes, or a lookup by the meter's identity that returns None for an unknown meter.
    profile : str, optional
        Profile or JSON mapping to use instead of the one the telegram's identity finds.
    port : int, optional
        LoRaWAN port. topic: MQTT topic. dialect: of CJ/T 188. family: of MQTT payloads. at: arrival, aware UTC.
    local : datetime, optional
        Instant of the read, aware, in the zone of the meter's clock; a clock far from it dates no monthly values.
    state : DecodingState, optional
        Compact layouts, aliases, half frames, counters; without it every message stands alone.

    Raises
    ------
    ProtocolError
        With code, message and, where known, the byte.
    """
    if not payload:
        raise ProtocolError("payload.empty", "there are no bytes", 0)
    memory = DecodingState() if state is None else state
    request = Request(key, profile, port, topic, dialect, family, at)
    if protocol is None:
        payload = bytes_from_text(payload)
        name = protocol_of(payload, port=port, topic=topic)
    else:
        name = protocol_name(protocol)
    if name == "reading":
        from ingest.decoding.reading import decoded_from_reading

        return decoded_from_reading(payload)
    return [_decoded(part, request, local) for part in PROTOCOLS[name](payload, request, memory)]


def _decoded(part: Part, request: Request, local: datetime | None) -> Decoded:
    telegram = part.telegram
    if part.meter is not None and not telegram.meter.serial:
        # The meter did not name itself: who knows the radio module knows better.
        details = telegram.details | {"identity": "envelope"}
        telegram = msgspec.structs.replace(telegram, meter=_merged(telegram.meter, part.meter), details=details)
    profile = profile_for(telegram, request.profile)
    return interpreted(telegram, profile, local=local, sent=part.time, remarks=part.flags)


def _merged(own: MeterId, envelope: MeterId) -> MeterId:
    """The envelope's identity where the telegram has none, keeping what the telegram does know."""
    return MeterId(
        envelope.serial,
        own.manufacturer or envelope.manufacturer,
        envelope.version if own.version is None else own.version,
        own.medium or envelope.medium,
    )
