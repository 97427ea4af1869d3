"""What a meter said, as it said it: identity, header and data records, nothing interpreted yet.

Values keep the telegram's own unit and scale. A record that could not be read keeps its raw bytes
and the reason; it never takes the others with it. `msgspec.Struct` instead of a dataclass because a
decoder makes one DataRecord per value and frozen dataclasses cost four times as much to build.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec


class Function(StrEnum):
    """What kind of value a record holds (EN 13757-3, data information field)."""

    INSTANTANEOUS = "instantaneous"
    MAXIMUM = "maximum"
    MINIMUM = "minimum"
    ERROR = "error"


class MeterId(msgspec.Struct, frozen=True, gc=False):
    """Identity of a meter as it gives itself.

    `serial` is the text of the identification (8 digits on M-Bus, hexadecimal digits are legal; 14 on
    CJ/T 188; 12 on DL/T 645; devEui or unit id elsewhere); `manufacturer` the three letters of EN 62056-21
    or the maker code of the protocol, empty where the protocol has none; `version` the generation number; `medium`
    one of heat, cooling, heat_cooling, water, hot_water, cold_water, electricity, gas, heat_cost, other, ... as text.
    """

    serial: str
    manufacturer: str = ""
    version: int | None = None
    medium: str = ""


class DataRecord(msgspec.Struct, frozen=True, gc=False):
    """One value of a telegram.

    quantity: "energy", "volume", "mass", "power", "flow", "supply_temperature", "return_temperature",
    "temperature_difference", "datetime", "fabrication_number", ... (lower case, underscores).
    unit: "Wh", "J", "m3", "W", "m3/h", "°C", "K", "s", "" ... as scaled in the telegram's tables.
    value: Decimal with the telegram's resolution, an ISO 8601 text for dates and times, a text, or None.
    raw: the data bytes as hex (as transmitted). error: why `value` is None or doubtful, else None.
    """

    quantity: str
    unit: str
    value: Decimal | str | None
    function: Function = Function.INSTANTANEOUS
    storage: int = 0
    tariff: int = 0
    subunit: int = 0
    raw: str = ""
    error: str | None = None
    # Qualifiers that change the meaning ("per hour", "forward flow", "limit exceeded"): dotted words, sorted.
    modifiers: tuple[str, ...] = ()
    # The protocol's own code of the record: VIB as hex on M-Bus, DI on CJ/T 188 and DL/T 645, topic key on JSON.
    code: str = ""


class Telegram(msgspec.Struct, frozen=True, gc=False):
    """A decoded message of one meter. `status` is the raw status byte or word, where the protocol has one."""

    protocol: str
    meter: MeterId
    records: tuple[DataRecord, ...]
    access_number: int | None = None
    status: int | None = None
    more_follows: bool = False
    # Header facts beside the contract's keys: {"ci": "72", "encryption": "mode5", "dialect": "tiangang"}.
    details: dict[str, str] = {}
    # Coded notes on what could not be read, "record.truncated at byte 40" style.
    diagnostics: tuple[str, ...] = ()


def value_text(value: Decimal | str | None) -> str | None:
    """A record's value as the contract prints it: a plain decimal string, never an exponent."""
    return format(value, "f") if isinstance(value, Decimal) else value


def telegram_as_json(telegram: Telegram) -> dict[str, Any]:
    """The telegram as the public JSON shape (``heatbook decode``, ``POST /deliveries``)."""
    meter = telegram.meter
    return {
        "protocol": telegram.protocol,
        "meter": {
            "serial": meter.serial,
            "manufacturer": meter.manufacturer,
            "version": meter.version,
            "medium": meter.medium,
        },
        "access_number": telegram.access_number,
        "status": telegram.status,
        "records": [
            {
                "quantity": record.quantity,
                "unit": record.unit,
                "value": value_text(record.value),
                "function": str(record.function),
                "storage": record.storage,
                "tariff": record.tariff,
                "subunit": record.subunit,
                "raw": record.raw,
                "error": record.error,
                "modifiers": list(record.modifiers),
                "code": record.code,
            }
            for record in telegram.records
        ],
        "more_follows": telegram.more_follows,
        "details": telegram.details,
        "diagnostics": list(telegram.diagnostics),
    }
