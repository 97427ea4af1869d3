"""Which quantity a JSON key or a Sparkplug metric name means, from the stems and unit suffixes of names.toml.

Rules: a name counts only if all of it is understood ("max_flow_m3h" is a maximum, "flow_yesterday_m3h" is no flow);
a name that is not understood stays a record under its own name and becomes no register.
"""

import re
import tomllib
from decimal import Decimal
from functools import lru_cache
from importlib import resources
from typing import Any

import msgspec

from protocols.mqtt.json_text import number_from_json
from protocols.telegram import DataRecord, Function
from protocols.units import dimension, is_unit

MAX_RECORDS = 256


class Field(msgspec.Struct, frozen=True, gc=False):
    """What a name means. `unit` as the name or the table states it; `assumed` where only the table does."""

    quantity: str
    unit: str
    function: Function = Function.INSTANTANEOUS
    tariff: int = 0
    modifiers: tuple[str, ...] = ()
    assumed: bool = False


_NAMES = tomllib.loads((resources.files("protocols.mqtt") / "names.toml").read_text(encoding="utf-8"))
_UNITS: dict[str, str] = _NAMES["units"]
UNIT_SPELLINGS: dict[str, str] = {**_UNITS, **_NAMES["spellings"]}

_QUALIFIERS: tuple[tuple[re.Pattern[str], Function, tuple[str, ...]], ...] = (
    (re.compile(r"^(?:max|maximum|peak)_|_(?:max|maximum)$"), Function.MAXIMUM, ()),
    (re.compile(r"^(?:min|minimum)_|_(?:min|minimum)$"), Function.MINIMUM, ()),
    (re.compile(r"^(?:average|avg|mean)_|_(?:average|avg|mean)$"), Function.INSTANTANEOUS, ("averaged",)),
)
_TARIFF = re.compile(r"_tariff_?(\d{1,2})(?=_|$)")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NOT_WORD = re.compile(r"[^0-9a-z³]+")


_DEFAULT_UNIT: dict[str, str] = {name: table["unit"] for name, table in _NAMES["quantities"].items()}
# (stem, dimension) -> quantity, and stem -> quantity where no unit is stated.
_QUANTITY_OF: dict[tuple[str, str], str] = {}
_ALONE: dict[str, str] = {}
for _name, _table in _NAMES["quantities"].items():
    for _stem in _table["stems"]:
        _QUANTITY_OF.setdefault((_stem, dimension(_table["unit"])), _name)
        if _stem not in _NAMES["ambiguous"]:
            _ALONE.setdefault(_stem, _name)


def snake_case(name: str) -> str:
    """ "SupplyTemp.C", "Supply Temp (C)" and "supplyTemp/c" as "supply_temp_c"."""
    return _NOT_WORD.sub("_", _CAMEL.sub("_", name.strip()).lower()).strip("_").replace("³", "3")


@lru_cache(maxsize=4096)
def field_from_name(name: str, unit: str | None = None) -> Field | None:
    """What a key or metric name means; None where any part of it is not understood.

    Parameters
    ----------
    name : str
        JSON key or metric name: ``"total_energy_consumption_kwh"``, ``"Heat/Energy"``.
    unit : str, optional
        The unit where it stands beside the value; overrides none in the name.
    """
    if len(name) > 80:
        return None
    words = snake_case(name)
    tariff = 0
    found = _TARIFF.search(words)
    if found:
        tariff, words = int(found.group(1)), words[: found.start()] + words[found.end() :]
    function = Function.INSTANTANEOUS
    modifiers: tuple[str, ...] = ()
    stems, words_unit = _split_unit(words)
    for pattern, kind, notes in _QUALIFIERS:
        bare = pattern.sub("", stems)
        if bare != stems:
            stems, function, modifiers = bare, kind, notes
            break
    stated = words_unit if unit is None else UNIT_SPELLINGS.get(unit.strip().lower(), words_unit)
    return _field(stems, stated, function, tariff, modifiers)


def _split_unit(words: str) -> tuple[str, str | None]:
    for length in (2, 1):
        parts = words.rsplit("_", length)
        if len(parts) == length + 1 and "_".join(parts[1:]) in _UNITS:
            return parts[0], _UNITS["_".join(parts[1:])]
    return words, None


def _field(stem: str, unit: str | None, function: Function, tariff: int, modifiers: tuple[str, ...]) -> Field | None:
    if unit is None:
        quantity = _ALONE.get(stem)
        return (
            None
            if quantity is None
            else Field(quantity, _DEFAULT_UNIT[quantity], function, tariff, modifiers, assumed=True)
        )
    measured = dimension(unit)
    quantity = _QUANTITY_OF.get((stem, measured))
    if quantity is None and unit == "°C":
        # Senders write a difference in °C as often as in K.
        quantity, unit = _QUANTITY_OF.get((stem, "temperature_difference")), "K"
    if quantity is None:
        return None
    return Field(quantity, unit, function, tariff, modifiers)


def record_from_field(field: Field | None, key: str, value: Any) -> DataRecord | None:
    """One JSON value as a record; None for texts and nested things under names nobody knows.

    null, "--" and numbers nobody can display keep their record, with the reason in `error`.
    """
    number = number_from_json(value)
    if field is None:
        if number is None:
            return None
        return DataRecord(snake_case(key)[:80], "", number, code=key[:80])
    error = None
    if number is None:
        error = "value.null" if value is None else "value.not_a_number"
    elif not is_unit(field.unit):
        error = "unit.unknown"
    return DataRecord(
        field.quantity,
        field.unit,
        number,
        field.function,
        0,
        field.tariff,
        0,
        "" if error is None or value is None else str(value)[:40],
        error,
        field.modifiers,
        key,
    )


def records_from_values(
    values: dict[str, Any], skip: frozenset[str] = frozenset(), units: dict[str, str] | None = None
) -> tuple[DataRecord, ...]:
    """Records of a flat JSON object, in its order, at most MAX_RECORDS of them. `units`: key -> unit told elsewhere."""
    records: list[DataRecord] = []
    for key, value in values.items():
        if key in skip:
            continue
        field = field_from_name(key, units.get(key) if units else None)
        record = record_from_field(field, key, value)
        if record is not None:
            records.append(record)
            if len(records) >= MAX_RECORDS:
                break
    return tuple(records)


def value_text_of(value: Any) -> str:
    """A short text of any JSON scalar, for serials and names; empty for null, lists and objects."""
    if isinstance(value, str):
        return value.strip()[:128]
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return format(value, "f") if isinstance(value, Decimal) else str(value)
    return ""
