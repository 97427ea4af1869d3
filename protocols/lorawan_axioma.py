"""Axioma Qalcosonic (heat E3/E4, water W1) on port 100: fixed layouts, told apart by their length.

Layouts and scales come from public decoders and their test frames, not from a maker's document seen here: every
telegram says
``details["verified"] = "no"``. Times are Unix seconds. Periods of the past keep their storage number and get no date.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from protocols.errors import FrameError, UnsupportedError
from protocols.mbus.values import number_from_bcd
from protocols.telegram import DataRecord, MeterId, Telegram

INVALID: Final = "value.invalid"


class _Item(NamedTuple):
    """`kind`: u unsigned, i signed, b BCD, t Unix time, d signed difference to the item before, s status; `size`
    bytes.
    """

    name: str
    kind: str
    size: int
    unit: str = ""
    exponent: int = 0
    storage: int = 0


def _history(storages: range, *items: _Item) -> tuple[_Item, ...]:
    return tuple(item._replace(storage=storage) for storage in storages for item in items)


_ENERGY = _Item("energy", "u", 4, "kWh")
_COOLING = _Item("cooling_energy", "u", 4, "kWh")
_VOLUME = _Item("volume", "u", 4, "m3", -3)
_MOMENT = (
    _Item("power", "b", 3, "kW", -1),
    _Item("flow", "b", 3, "m3/h", -3),
    _Item("supply_temperature", "i", 2, "°C", -2),
    _Item("return_temperature", "i", 2, "°C", -2),
)
_TIME, _STATUS, _PERIOD = _Item("datetime", "t", 4), _Item("error_flags", "s", 1), _Item("log_period", "u", 4, "s")
_LOG_TIME = _Item("log_datetime", "t", 4, storage=1)

# Length of the payload -> (name, medium, items in order).
LAYOUTS: Final[dict[int, tuple[str, str, tuple[_Item, ...]]]] = {
    41: ("heat", "heat", (_TIME, _STATUS, *_history(range(4), _ENERGY, _VOLUME), _PERIOD)),
    45: (
        "heat_and_cooling",
        "heat_cooling",
        (_TIME, _STATUS, *_history(range(3), _ENERGY, _COOLING, _VOLUME), _PERIOD),
    ),
    35: (
        "heat_extended",
        "heat_cooling",
        (_TIME, _STATUS, _ENERGY, _COOLING, _VOLUME, *_MOMENT, _Item("operating_time", "u", 4, "s"), _PERIOD),
    ),
    48: ("heat_two_periods", "heat", (_TIME, *_history(range(1, 3), _LOG_TIME, _ENERGY, _VOLUME, *_MOMENT))),
    30: (
        "heat_and_cooling_period",
        "heat_cooling",
        (_TIME, *_history(range(1, 2), _LOG_TIME, _ENERGY, _COOLING, _VOLUME, *_MOMENT)),
    ),
    47: (
        "water_log",
        "water",
        (
            _TIME,
            _STATUS,
            _VOLUME,
            _LOG_TIME,
            _VOLUME._replace(storage=1),
            *_history(range(2, 17), _Item("volume", "d", 2, "m3", -3)),
        ),
    ),
}


def telegram_from_payload(payload: bytes) -> Telegram:
    """The telegram of an uplink; the meter's identity is the network's (devEui).

    Raises
    ------
    FrameError
        ``lorawan.truncated``: no layout is this short. UnsupportedError ``lorawan.format``: no layout has this length.
    """
    layout = LAYOUTS.get(len(payload))
    if layout is None:
        message = (
            f"{len(payload)} bytes, the layouts known here have {', '.join(str(size) for size in sorted(LAYOUTS))}"
        )
        if len(payload) < min(LAYOUTS):
            raise FrameError("lorawan.truncated", message, len(payload))
        raise UnsupportedError("lorawan.format", message, 0)
    name, medium, items = layout
    records: list[DataRecord] = []
    at, base, status = 0, 0, None
    for item in items:
        raw = payload[at : at + item.size]
        at += item.size
        if item.kind == "s":
            status = raw[0]
        if item.kind in "ud":
            base = int.from_bytes(raw, "little") + (base if item.kind == "d" else 0)
        records.append(_record(item, raw, base))
    details = {"message": name, "verified": "no"}
    return Telegram("lorawan", MeterId("", "AXI", None, medium), tuple(records), status=status, details=details)


def _record(item: _Item, raw: bytes, total: int) -> DataRecord:
    value: Decimal | str | None
    error: str | None = None
    if item.kind == "t":
        value = datetime.fromtimestamp(int.from_bytes(raw, "little"), UTC).replace(tzinfo=None).isoformat()
    elif item.kind == "b":
        number, error = number_from_bcd(raw)
        value = None if number is None else Decimal(number).scaleb(item.exponent)
    elif raw == b"\xff" * item.size and item.kind == "u":
        value, error = None, INVALID
    elif item.kind == "i":
        value = Decimal(int.from_bytes(raw, "little", signed=True)).scaleb(item.exponent)
    else:
        value = Decimal(total if item.kind in "ud" else raw[0]).scaleb(item.exponent)
    return DataRecord(
        item.name, item.unit, value, storage=item.storage, raw=raw.hex(), error=error, code=f"axioma:{item.name}"
    )


def payload_from_telegram(telegram: Telegram) -> bytes:
    """The uplink that decodes to `telegram`. Raises ValueError for a layout that is none of ours."""
    for _, _, items in (layout for layout in LAYOUTS.values() if layout[0] == telegram.details.get("message")):
        if len(items) == len(telegram.records):
            return b"".join(bytes.fromhex(record.raw) for record in telegram.records)
    raise ValueError("no layout holds these records")


def payload_from_values(name: str, values: tuple[Decimal | int, ...]) -> bytes:
    """An uplink of layout `name` from its items' values in order: Decimals in the item's unit, times in Unix seconds.

    Raises
    ------
    ValueError
        An unknown layout, the wrong number of values. OverflowError: a value that does not fit.
    """
    items = next((items for known, _, items in LAYOUTS.values() if known == name), None)
    if items is None or len(items) != len(values):
        raise ValueError(f"layout {name!r} is unknown or takes another number of values")
    parts: list[bytes] = []
    for item, value in zip(items, values, strict=True):
        count = int(Decimal(value).scaleb(-item.exponent))
        if item.kind == "b":
            parts.append(bytes.fromhex(f"{count:0{2 * item.size}d}")[::-1])
        else:
            parts.append(count.to_bytes(item.size, "little", signed=item.kind == "i"))
    return b"".join(parts)
