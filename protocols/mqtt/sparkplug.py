"""Sparkplug B: births name what data messages only number, deaths end it, a sequence gap asks for a new birth.

Rules: aliases belong to a node and hold until its next birth; metrics of other instants (historical ones) become
telegrams of
their own; a number that no birth explained is refused, or shown unnamed where the caller is lenient.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from protocols.errors import ContentError
from protocols.mqtt.fields import field_from_name, record_from_field, snake_case
from protocols.mqtt.message import FamilyState, MqttMessage, Publish, remember
from protocols.mqtt.sparkplug_payload import (
    BOOLEAN,
    DATETIME,
    Metric,
    Payload,
    bytes_from_payload,
    integer_of,
    payload_from_bytes,
)
from protocols.mqtt.thingsboard import serial_from_name
from protocols.telegram import DataRecord, MeterId, Telegram

FAMILY = "sparkplug"
NAMESPACE = "spBv1.0"
REBIRTH = "Node Control/Rebirth"
_MAX_NODES = 10_000
_MAX_ALIASES = 20_000
_MAX_INSTANTS = 512
_KINDS = frozenset({"NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"})
# Metrics that control the node or describe it; never readings.
_CONTROL = ("Node Control/", "Device Control/", "Properties/", "bdSeq")


def decode(publish: Publish, state: FamilyState) -> tuple[MqttMessage, ...]:
    """Telegrams and events of a message.

    Raises
    ------
    ContentError
        ``sparkplug.topic``, ``sparkplug.alias_unknown``, ``sparkplug.too_many``, ``protobuf.*``.
    FrameError
        ``protobuf.truncated``.
    """
    group, kind, node, device = _address(publish.topic)
    if kind not in _KINDS:
        # Commands and the host's STATE (JSON) are not meant for meters' readers.
        return ()
    payload = payload_from_bytes(publish.payload)
    slot = state.slot(FAMILY)
    known: dict[str, Any] = slot.get(f"{group}/{node}") or {"seq": None, "aliases": {}}
    details = {"family": FAMILY, "type": kind, "node": node}
    if payload.seq is not None:
        details["seq"] = str(payload.seq)
    missing = _follow(kind, payload, known)
    if missing:
        details |= {"missing": str(missing), "action": "rebirth", "command_topic": f"{NAMESPACE}/{group}/NCMD/{node}"}
    if kind == "NBIRTH":
        known["aliases"] = {}
    if kind in ("NBIRTH", "DBIRTH"):
        _learn(payload, known["aliases"])
    remember(slot, f"{group}/{node}", known, _MAX_NODES)
    event = {"BIRTH": "birth", "DEATH": "death"}.get(kind[1:], "sequence_gap" if missing else "")
    if kind.endswith("DEATH"):
        return (MqttMessage(FAMILY, event="death", details=details | _birth_number(payload)),)
    found = _telegrams(payload, device or node, known["aliases"], details, lenient=state.lenient)
    if found:
        return tuple(
            MqttMessage(FAMILY, "mqtt", telegram=telegram, time=time, event=event, details=details)
            for telegram, time in found
        )
    return (MqttMessage(FAMILY, event=event or "data", details=details | _birth_number(payload)),)


def _address(topic: str) -> tuple[str, str, str, str]:
    levels = topic.split("/")
    if len(levels) < 3 or levels[0] != NAMESPACE:
        raise ContentError("sparkplug.topic", f"{topic[:80]!r} is no topic of {NAMESPACE}")
    if levels[1] == "STATE":
        return "", "STATE", levels[2], ""
    if not 4 <= len(levels) <= 5:
        raise ContentError("sparkplug.topic", f"{topic[:80]!r} is no topic of {NAMESPACE}")
    return levels[1], levels[2], levels[3], levels[4] if len(levels) == 5 else ""


def _follow(kind: str, payload: Payload, known: dict[str, Any]) -> int:
    """How many messages of the node are missing before this one; remembers its number."""
    if payload.seq is None:
        return 0
    last: int | None = known["seq"]
    known["seq"] = payload.seq
    if kind == "NBIRTH" or last is None:
        return 0
    return (payload.seq - last - 1) % 256


def _learn(payload: Payload, aliases: dict[str, Any]) -> None:
    for metric in payload.metrics:
        if metric.alias is None or not metric.name:
            continue
        if len(aliases) >= _MAX_ALIASES:
            raise ContentError("sparkplug.too_many", f"more than {_MAX_ALIASES} aliases of one node")
        aliases[str(metric.alias)] = [metric.name[:200], metric.datatype, metric.unit]


def _birth_number(payload: Payload) -> dict[str, str]:
    found = next((metric for metric in payload.metrics if metric.name == "bdSeq"), None)
    return {} if found is None else {"bdSeq": str(found.value)}


def _telegrams(
    payload: Payload, device: str, aliases: dict[str, Any], details: dict[str, str], *, lenient: bool
) -> list[tuple[Telegram, datetime | None]]:
    """A telegram for every instant that the metrics carry, in order of appearance."""
    by_instant: dict[int | None, list[DataRecord]] = {}
    unknown: list[str] = []
    named = False
    for metric in payload.metrics:
        record, known = _record(metric, aliases)
        if record is None:
            continue
        named = named or known
        if not known:
            unknown.append(str(metric.alias))
        instant = metric.timestamp if metric.timestamp is not None else payload.timestamp
        if instant not in by_instant and len(by_instant) >= _MAX_INSTANTS:
            raise ContentError("sparkplug.too_many", f"more than {_MAX_INSTANTS} instants in one message")
        by_instant.setdefault(instant, []).append(record)
    if unknown and not named and not lenient:
        shown = ", ".join(unknown[:5])
        raise ContentError("sparkplug.alias_unknown", f"no birth of node {details['node']} explained alias {shown}")
    notes = (f"sparkplug.alias_unknown: {', '.join(unknown[:20])}",) if unknown else ()
    meter = MeterId(serial_from_name(device))
    found: list[tuple[Telegram, datetime | None]] = []
    for instant, records in by_instant.items():
        time = _time(instant)
        extra = {"time": time.isoformat()} if time is not None else {}
        found.append((Telegram("mqtt", meter, tuple(records), details=details | extra, diagnostics=notes), time))
    return found


def _time(instant: int | None) -> datetime | None:
    if instant is None or not 946_684_800_000 <= instant < 4_102_444_800_000:
        return None
    return datetime.fromtimestamp(instant // 1000, UTC).replace(microsecond=instant % 1000 * 1000)


def _record(metric: Metric, aliases: dict[str, Any]) -> tuple[DataRecord | None, bool]:
    """A metric as a record, and whether its name is known; None for control metrics and texts."""
    name, datatype, unit = metric.name, metric.datatype, metric.unit
    if not name and metric.alias is not None:
        birth = aliases.get(str(metric.alias))
        if birth is None:
            raw = Decimal(metric.value) if isinstance(metric.value, int) else metric.value
            alias = f"alias_{metric.alias}"
            return DataRecord(alias, "", raw, error=metric.problem or "sparkplug.alias_unknown", code=alias), False
        name, datatype, unit = birth[0], datatype or birth[1], unit or birth[2]
    if name.startswith(_CONTROL) or datatype in (BOOLEAN, DATETIME):
        return None, True
    value: Any = metric.value
    if isinstance(value, int) and not isinstance(value, bool):
        value = integer_of(value, datatype)
    field = field_from_name(name.rsplit("/", 1)[-1], unit) or field_from_name(name, unit)
    record = record_from_field(field, name, value)
    if record is None and value is None:
        record = DataRecord(snake_case(name)[:80], unit or "", None, error="value.null", code=name[:80])
    if record is not None and metric.problem is not None:
        record = DataRecord(record.quantity, record.unit, None, error=metric.problem, code=record.code)
    return record, True


def rebirth_command(group: str, node: str, timestamp_ms: int) -> tuple[str, bytes]:
    """Topic and payload that ask a node for a new birth."""
    metric = Metric(REBIRTH, None, BOOLEAN, value=True, timestamp=timestamp_ms)
    return f"{NAMESPACE}/{group}/NCMD/{node}", bytes_from_payload(Payload((metric,), timestamp_ms))


def topic_of(group: str, kind: str, node: str, device: str = "") -> str:
    """A Sparkplug topic: ``spBv1.0/heat/DDATA/gw1/68824789``."""
    return "/".join([NAMESPACE, group, kind, node, *([device] if device else [])])
