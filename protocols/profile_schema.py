"""Profile files (TOML) into MeterProfiles; every mistake names file and key.

Rules: this module parses text, it opens no file. Unknown keys are mistakes: a misspelt key would silently lose a
register. A file may hold variants of one device (other firmware, other datagram); each becomes a profile of its own,
``name.variant``.
"""

import tomllib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from protocols.cjt188.dialects import Dialect, dialect_from_table, dialect_named
from protocols.errors import ProfileError
from protocols.modbus.map import ModbusMap
from protocols.modbus.map_tables import map_from_tables
from protocols.profile import SEVERITIES, Detection, MeterProfile, Sample, StatusBit
from protocols.profile_history import HistoryRule
from protocols.profile_registers import STANDARD, Refinement, RegisterRule
from protocols.telegram import Function
from protocols.units import CANONICAL_UNIT, Quantity, dimension, is_unit

PROTOCOLS = ("mbus", "wmbus", "cjt188", "dlt645", "modbus", "lorawan", "mqtt", "reading", "*")

_TOP = {
    "name": str, "title": str, "protocol": (str, list), "detect": dict, "register": list, "standard": bool,
    "fallback": bool, "history": list, "info_code": dict, "status": list, "dialect": str, "cjt188": dict,
    "modbus": dict,
    "point": list, "variant": list, "clock_note": str, "notes": str, "unverified": list, "sample": list,
    "manufacturer": str, "alias": list,
}  # fmt: skip
_DETECT = {"manufacturer": list, "version": list, "medium": list, "dialect": list}
_REGISTER = {
    "name": str, "quantity": str, "record": str, "function": str, "storage": int, "tariff": int, "subunit": int,
    "code": str, "unit": str, "scale": int, "digits": int, "note": str,
}  # fmt: skip
_HISTORY = {"first": int, "last": int, "monthly": bool, "day": int, "back": int, "date_is": str, "note": str}
_STATUS = {"bit": int, "mask": int, "value": int, "any": bool, "word": str, "severity": str, "title": str}
_SAMPLE = {
    "hex": str, "readings": dict, "flags": list, "history": dict, "meter_time": str, "key": str, "serial": str,
    "note": str,
}  # fmt: skip
_VARIANT = {
    "name": str, "title": str, "modbus": dict, "point": list, "register": list, "notes": str, "sample": list,
    "detect": dict,
}  # fmt: skip


def profiles_from_text(text: str, file: str) -> tuple[MeterProfile, ...]:
    """The profiles of one TOML text: the device and its variants.

    Parameters
    ----------
    text : str
        Content.
    file : str
        Name for messages.

    Raises
    ------
    ProfileError
        Not TOML, an unknown or missing key, a value that does not fit; the message names file and key.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError("profile.toml", f"{file}: {error}") from error
    _keys(file, table, _TOP)
    try:
        base = _profile(file, table)
        variants = [_variant(file, table, variant, index) for index, variant in enumerate(table.get("variant", []))]
    except ProfileError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProfileError("profile.value", f"{file}: {error}") from error
    except ArithmeticError as error:
        raise ProfileError("profile.value", f"{file}: a number that is none, or is infinite") from error
    return (base, *variants)


def _variant(file: str, table: dict[str, Any], variant: dict[str, Any], index: int) -> MeterProfile:
    """The base table with the variant's own parts in place."""
    where = f"{file}: variant[{index}]"
    _keys(where, variant, _VARIANT)
    _need(where, variant, "name")
    merged = {key: value for key, value in table.items() if key not in ("variant", "sample", "alias")}
    merged |= variant
    merged["name"] = f"{table['name']}.{variant['name']}"
    merged["modbus"] = table.get("modbus", {}) | variant.get("modbus", {})
    if not merged["modbus"]:
        del merged["modbus"]
    return _profile(where, merged)


def _keys(where: str, table: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for key, value in table.items():
        if key not in known:
            raise ProfileError("profile.key", f"{where}: unknown key {key!r}; known: {', '.join(sorted(known))}")
        wanted = known[key]
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is int):
            raise ProfileError("profile.value", f"{where}: {key} = {value!r} is of the wrong type")


def _need(where: str, table: Mapping[str, Any], *keys: str) -> None:
    for key in keys:
        if key not in table:
            raise ProfileError("profile.key", f"{where}: {key} is missing")


def _profile(file: str, table: dict[str, Any]) -> MeterProfile:
    _need(file, table, "name", "title", "protocol")
    protocols = table["protocol"] if isinstance(table["protocol"], list) else [table["protocol"]]
    for protocol in protocols:
        if protocol not in PROTOCOLS:
            raise ProfileError("profile.value", f"{file}: protocol {protocol!r} is none of {', '.join(PROTOCOLS)}")
    detect = table.get("detect", {})
    _keys(f"{file}: detect", detect, _DETECT)
    items = [(f"{file}: register[{index}]", item) for index, item in enumerate(table.get("register", []))]
    registers = tuple(_register(where, item) for where, item in items if not _refines(item))
    info = table.get("info_code", {})
    _keys(f"{file}: info_code", info, {"source": str})
    map_ = _map(file, table)
    _check_codes(file, registers, map_)
    return MeterProfile(
        name=table["name"],
        title=table["title"],
        protocols=tuple(protocols),
        detection=Detection(
            frozenset(detect.get("manufacturer", ())),
            frozenset(detect.get("version", ())),
            frozenset(detect.get("medium", ())),
            frozenset(detect.get("dialect", ())),
        ),
        registers=registers,
        refinements={item["name"]: _refinement(where, item) for where, item in items if _refines(item)},
        standard=table.get("standard", True),
        fallback=table.get("fallback", False),
        history=tuple(_history(f"{file}: history[{i}]", item) for i, item in enumerate(table.get("history", []))),
        info_source=info.get("source", ""),
        status_bits=tuple(_status(f"{file}: status[{i}]", item) for i, item in enumerate(table.get("status", []))),
        dialect=_dialect(file, table),
        modbus=map_,
        clock_note=table.get("clock_note", ""),
        notes=table.get("notes", ""),
        unverified=tuple(table.get("unverified", ())),
        samples=tuple(_sample(f"{file}: sample[{i}]", item) for i, item in enumerate(table.get("sample", []))),
        aliases=tuple(table.get("alias", ())),
        manufacturer=table.get("manufacturer", next(iter(detect.get("manufacturer", ())), "")),
    )


def _map(file: str, table: Mapping[str, Any]) -> ModbusMap | None:
    if "modbus" not in table and "point" not in table:
        return None
    return map_from_tables(file, table.get("modbus", {}), table.get("point", []))


def _check_codes(file: str, registers: tuple[RegisterRule, ...], map_: ModbusMap | None) -> None:
    if map_ is None:
        return
    names = {point.name for point in map_.points if not point.internal}
    for rule in registers:
        if rule.code and rule.code not in names:
            raise ProfileError("profile.value", f"{file}: register {rule.name}: no point {rule.code!r} in the map")


def _dialect(file: str, table: Mapping[str, Any]) -> str | Dialect | None:
    name: str | None = table.get("dialect")
    try:
        if "cjt188" in table:
            return dialect_from_table(table["name"], table["cjt188"])
        dialect_named(name)
    except ProfileError as error:
        raise ProfileError(error.code, f"{file}: {error.message}") from error
    return name


def _refines(table: Mapping[str, Any]) -> bool:
    """Without a quantity, ``[[register]]`` describes the display of a register that the standard rules find."""
    return "quantity" not in table and set(table) <= {"name", "digits", "unit", "scale", "note"} and len(table) > 1


def _refinement(where: str, table: Mapping[str, Any]) -> Refinement:
    _keys(where, table, _REGISTER)
    _need(where, table, "name")
    if table.get("unit") and not is_unit(table["unit"]):
        raise ProfileError("profile.value", f"{where}: unit {table['unit']!r} is unknown")
    _check_digits(where, table)
    return Refinement(table.get("digits"), table.get("unit", ""), table.get("scale"))


def _check_digits(where: str, table: Mapping[str, Any]) -> None:
    digits = table.get("digits")
    if digits is not None and not 1 <= digits <= 18:
        raise ProfileError("profile.value", f"{where}: digits {digits} outside 1-18")


def _register(where: str, table: Mapping[str, Any]) -> RegisterRule:
    _keys(where, table, _REGISTER)
    _need(where, table, "name", "quantity")
    try:
        quantity = Quantity(table["quantity"])
    except ValueError:
        raise ProfileError("profile.value", f"{where}: quantity {table['quantity']!r} is unknown") from None
    unit = table.get("unit", "")
    if unit and (not is_unit(unit) or dimension(unit) != dimension(CANONICAL_UNIT[quantity])):
        raise ProfileError("profile.value", f"{where}: unit {unit!r} does not measure {quantity}")
    _check_digits(where, table)
    record = table.get("record") or ("energy" if quantity.value.endswith("_energy") else quantity.value)
    if not table.get("record") and quantity is Quantity.COOLING_ENERGY:
        record = "cooling_energy"
    if "code" not in table and record not in STANDARD and record != "energy" and not table.get("record"):
        raise ProfileError("profile.key", f"{where}: record or code is missing")
    try:
        function = Function(table.get("function", "instantaneous"))
    except ValueError:
        raise ProfileError("profile.value", f"{where}: function {table['function']!r} is unknown") from None
    return RegisterRule(
        table["name"],
        quantity,
        record,
        function,
        table.get("storage", 0),
        table.get("tariff", 0),
        table.get("subunit", 0),
        table.get("code", ""),
        unit,
        table.get("scale"),
        table.get("digits"),
    )


def _history(where: str, table: Mapping[str, Any]) -> HistoryRule:
    _keys(where, table, _HISTORY)
    _need(where, table, "first", "last")
    if not 1 <= table["first"] <= table["last"]:
        raise ProfileError("profile.value", f"{where}: first and last are storages from 1, in order")
    if not 1 <= table.get("day", 1) <= 28:
        raise ProfileError("profile.value", f"{where}: day outside 1-28")
    if table.get("date_is", "auto") not in ("auto", "start", "end"):
        raise ProfileError("profile.value", f"{where}: date_is is none of auto, start, end")
    return HistoryRule(**{key: value for key, value in table.items() if key != "note"})


def _status(where: str, table: Mapping[str, Any]) -> StatusBit:
    _keys(where, table, _STATUS)
    _need(where, table, "word", "severity")
    if table["severity"] not in SEVERITIES:
        raise ProfileError("profile.value", f"{where}: severity is none of {', '.join(SEVERITIES)}")
    if ("bit" in table) == ("mask" in table):
        raise ProfileError("profile.key", f"{where}: either bit or mask")
    mask = 1 << table["bit"] if "bit" in table else table["mask"]
    return StatusBit(
        mask,
        None if table.get("any") else table.get("value", mask),
        table["word"],
        table["severity"],
        table.get("title", ""),
    )


def _sample(where: str, table: Mapping[str, Any]) -> Sample:
    _keys(where, table, _SAMPLE)
    _need(where, table, "hex", "readings")
    for key in ("hex", "key"):
        try:
            bytes.fromhex(table.get(key, ""))
        except ValueError:
            raise ProfileError("profile.value", f"{where}: {key} is no hexadecimal text") from None
    if "meter_time" in table:
        datetime.fromisoformat(table["meter_time"])
    readings = {name: None if value == "null" else str(value) for name, value in table["readings"].items()}
    return Sample(
        bytes.fromhex(table["hex"]),
        readings,
        tuple(table.get("flags", ())),
        table.get("history", {}),
        table.get("meter_time"),
        bytes.fromhex(table["key"]) if "key" in table else None,
        table.get("serial", ""),
    )
