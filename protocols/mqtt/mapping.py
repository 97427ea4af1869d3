"""JSON mapping profiles: TOML data that says where a sender puts serial, time and values, and in which unit.

Keys are dotted paths ("data.heat.total", "items.0.value"). A wrong file is a ProfileError naming file and key.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from protocols.errors import ProfileError
from protocols.mqtt.fields import Field, record_from_field, value_text_of
from protocols.mqtt.json_text import number_from_json, time_from_json, value_from_json
from protocols.mqtt.message import MqttMessage, Publish
from protocols.telegram import DataRecord, Function, MeterId, Telegram
from protocols.units import is_unit


@dataclass(frozen=True, slots=True)
class MappedPoint:
    """One value: `path` into the message, the quantity and unit it states, `factor` to that unit."""

    path: tuple[str, ...]
    field: Field
    storage: int = 0
    subunit: int = 0
    factor: Decimal = Decimal(1)
    missing: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class JsonMapping:
    """A sender's JSON dialect. `items` is the path of a list of meters in one message, empty for one meter."""

    name: str
    topics: tuple[str, ...]
    points: tuple[MappedPoint, ...]
    title: str = ""
    items: tuple[str, ...] = ()
    serial_path: tuple[str, ...] = ()
    serial_level: int | None = None
    serial_pattern: re.Pattern[str] | None = None
    time_path: tuple[str, ...] = ()
    key_path: tuple[str, ...] = ()
    manufacturer: str = ""
    medium: str = ""


def topic_matches(pattern: str, topic: str) -> bool:
    """Whether an MQTT filter (+ and #) takes a topic."""
    return bool(_topic_expression(pattern).fullmatch(topic))


@lru_cache(maxsize=1024)
def _topic_expression(pattern: str) -> re.Pattern[str]:
    levels = ["[^/]*" if level == "+" else re.escape(level) for level in pattern.split("/")]
    if levels[-1] == re.escape("#"):
        return re.compile("/".join(levels[:-1]) + ("(?:/.*)?" if len(levels) > 1 else ".*"), re.DOTALL)
    return re.compile("/".join(levels), re.DOTALL)


def mapping_from_toml(data: Mapping[str, Any], source: str) -> JsonMapping:
    """A checked mapping from its TOML tables.

    Raises
    ------
    ProfileError
        "mapping.key": a key is missing, unknown or of the wrong type; the message names file and key.
    """
    allowed = {"name", "title", "manufacturer", "medium", "topics", "items", "serial", "time", "key", "points"}
    for key in data:
        if key not in allowed:
            raise ProfileError("mapping.key", f"{source}: unknown key {key!r}")
    serial = _table(data, "serial", source)
    pattern = serial.get("pattern")
    try:
        compiled = re.compile(pattern) if pattern is not None else None
    except (re.error, TypeError) as error:
        raise ProfileError("mapping.key", f"{source}: serial.pattern is no regular expression") from error
    points = data.get("points")
    if not isinstance(points, list) or not points:
        raise ProfileError("mapping.key", f"{source}: points: at least one [[points]] table is needed")
    level = serial.get("topic_level")
    return JsonMapping(
        name=_text(data, "name", source),
        title=_text(data, "title", source, ""),
        topics=_texts(data, "topics", source),
        points=tuple(_point(point, f"{source}: points[{number}]") for number, point in enumerate(points)),
        items=_path(data.get("items", "")),
        serial_path=_path(serial.get("path", "")),
        serial_level=level if isinstance(level, int) else None,
        serial_pattern=compiled,
        time_path=_path(data.get("time", "")),
        key_path=_path(data.get("key", "")),
        manufacturer=_text(data, "manufacturer", source, ""),
        medium=_text(data, "medium", source, "heat"),
    )


def _table(data: Mapping[str, Any], key: str, source: str) -> dict[str, Any]:
    value = data.get(key, {})
    if not isinstance(value, dict):
        raise ProfileError("mapping.key", f"{source}: {key} must be a table")
    return value


def _text(data: Mapping[str, Any], key: str, source: str, default: str | None = None) -> str:
    value = data.get(key, default)
    if not isinstance(value, str):
        raise ProfileError("mapping.key", f"{source}: {key} must be a text")
    return value


def _texts(data: Mapping[str, Any], key: str, source: str) -> tuple[str, ...]:
    value = data.get(key, [])
    if not isinstance(value, list):
        raise ProfileError("mapping.key", f"{source}: {key} must be a list")
    return tuple(str(item) for item in value)


def _path(text: Any) -> tuple[str, ...]:
    return tuple(part for part in str(text).split(".") if part)


def _point(data: Any, source: str) -> MappedPoint:
    if not isinstance(data, dict):
        raise ProfileError("mapping.key", f"{source} must be a table")
    unknown = set(data) - {"path", "quantity", "unit", "function", "tariff", "storage", "subunit", "factor", "missing"}
    if unknown:
        raise ProfileError("mapping.key", f"{source}: unknown key {min(unknown)!r}")
    unit = _text(data, "unit", source)
    if not is_unit(unit):
        raise ProfileError("mapping.key", f"{source}: unit {unit!r} is not one this project converts")
    factor = number_from_json(data.get("factor", "1"))
    if factor is None:
        raise ProfileError("mapping.key", f"{source}: factor must be a decimal text")
    try:
        function = Function(data.get("function", "instantaneous"))
    except ValueError as error:
        raise ProfileError("mapping.key", f"{source}: function {data['function']!r}") from error
    numbers = {key: data.get(key, 0) for key in ("tariff", "storage", "subunit")}
    for key, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            raise ProfileError("mapping.key", f"{source}: {key} must be a whole number")
    field = Field(_text(data, "quantity", source), unit, function, numbers["tariff"])
    missing = frozenset(_texts(data, "missing", source))
    path = _path(_text(data, "path", source))
    return MappedPoint(path, field, numbers["storage"], numbers["subunit"], factor, missing)


@cache
def packaged_mappings() -> dict[str, JsonMapping]:
    """The mappings that come with the package, by name."""
    folder = resources.files("protocols.mqtt") / "mappings"
    found: dict[str, JsonMapping] = {}
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".toml"):
            mapping = mapping_from_toml(tomllib.loads(entry.read_text(encoding="utf-8")), entry.name)
            found[mapping.name] = mapping
    return found


@lru_cache(maxsize=4096)
def mapping_for(topic: str) -> JsonMapping | None:
    """The first packaged mapping that names this topic."""
    for mapping in packaged_mappings().values():
        if any(topic_matches(pattern, topic) for pattern in mapping.topics):
            return mapping
    return None


_ABSENT = object()


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        if isinstance(value, dict):
            value = value.get(step, _ABSENT)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return _ABSENT
        if value is _ABSENT:
            return _ABSENT
    return value


def message_from_mapping(mapping: JsonMapping, publish: Publish) -> tuple[MqttMessage, ...]:
    """The telegrams of a publish as the mapping reads it. Raises ContentError for malformed JSON."""
    value = value_from_json(publish.payload)
    items = _at(value, mapping.items) if mapping.items else value
    nodes = items if isinstance(items, list) else [items]
    return tuple(_message(mapping, publish, value, node) for node in nodes[:4096])


def _message(mapping: JsonMapping, publish: Publish, whole: Any, node: Any) -> MqttMessage:
    def found(path: tuple[str, ...]) -> Any:
        if not path:
            return None
        value = _at(node, path)
        value = _at(whole, path) if value is _ABSENT else value
        return None if value is _ABSENT else value

    serial = value_text_of(found(mapping.serial_path))
    if not serial and mapping.serial_level is not None:
        levels = publish.topic.split("/")
        serial = levels[mapping.serial_level] if -len(levels) <= mapping.serial_level < len(levels) else ""
    if mapping.serial_pattern is not None:
        matched = mapping.serial_pattern.search(serial)
        serial = (matched.group(1) if matched and matched.groups() else matched.group(0)) if matched else ""
    records = tuple(record for point in mapping.points if (record := _record(point, node)) is not None)
    moment = time_from_json(found(mapping.time_path))
    details = {"family": "json", "mapping": mapping.name}
    if moment is not None:
        details["time"] = moment.isoformat()
    telegram = Telegram("mqtt", MeterId(serial, mapping.manufacturer, None, mapping.medium), records, details=details)
    return MqttMessage(
        "json", "mqtt", telegram=telegram, time=moment, idempotency=value_text_of(found(mapping.key_path))
    )


def _record(point: MappedPoint, node: Any) -> DataRecord | None:
    value = _at(node, point.path)
    if value is _ABSENT:
        return None
    if isinstance(value, str) and value.strip() in point.missing:
        value = None
    number = number_from_json(value)
    scaled: Any = (
        number * point.factor if number is not None and point.factor != 1 else (value if number is None else number)
    )
    record = record_from_field(point.field, ".".join(point.path), scaled)
    if record is None or not (point.storage or point.subunit):
        return record
    return DataRecord(
        record.quantity,
        record.unit,
        record.value,
        record.function,
        point.storage,
        record.tariff,
        point.subunit,
        record.raw,
        record.error,
        record.modifiers,
        record.code,
    )
