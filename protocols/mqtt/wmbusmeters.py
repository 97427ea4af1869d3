"""wmbusmeters' flat JSON: one meter a message, units in the key, nulls for what the telegram did not carry.

Keys were renamed across its versions ("_": "telegram" marks newer ones), so they are read through the name table.
Source: README and drivers of wmbusmeters 1.x and 2.x.
"""

from typing import Any

from protocols.mqtt.fields import records_from_values, value_text_of
from protocols.mqtt.json_text import object_from_json, time_from_json
from protocols.mqtt.message import FamilyState, MqttMessage, Publish
from protocols.telegram import DataRecord, MeterId, Telegram

FAMILY = "wmbusmeters"

MEDIUM: dict[str, str] = {
    "heat": "heat",
    "heat/cooling": "heat_cooling",
    "heat/cooling load": "heat_cooling",
    "cooling": "cooling",
    "cooling load volume at outlet": "cooling",
    "cooling load volume at inlet": "cooling",
    "heat volume at inlet": "heat",
    "heat cost allocation": "heat_cost",
    "water": "water",
    "cold water": "cold_water",
    "warm water": "hot_water",
    "hot water": "hot_water",
    "electricity": "electricity",
    "gas": "gas",
    "room sensor": "room_sensor",
}
_SKIP = frozenset(
    {
        "_",
        "media",
        "meter",
        "name",
        "id",
        "timestamp",
        "device",
        "rssi_dbm",
        "status",
        "timestamp_ut",
        "timestamp_lt",
        "timestamp_utc",
    }
)
_CLOCKS = ("device_date_time", "meter_datetime", "meter_date_time", "device_datetime")


def decode(publish: Publish, state: FamilyState) -> tuple[MqttMessage, ...]:
    """One wmbusmeters message as a finished telegram. Raises ContentError."""
    values = object_from_json(publish.payload)
    return (message_from_object(values),)


def message_from_object(values: dict[str, Any]) -> MqttMessage:
    """The telegram of an already parsed object."""
    clock = next((key for key in _CLOCKS if isinstance(values.get(key), str)), None)
    records = records_from_values(values, _SKIP | ({clock} if clock else frozenset()))
    if clock is not None:
        records += (DataRecord("datetime", "", str(values[clock]).strip().replace(" ", "T")[:32], code=clock),)
    media = value_text_of(values.get("media")).lower()
    details = {"family": FAMILY}
    for key in ("name", "meter", "status"):
        text = value_text_of(values.get(key))
        if text:
            details[key if key != "meter" else "driver"] = text
    serial = value_text_of(values.get("id"))
    telegram = Telegram(
        "mqtt", MeterId(serial, medium=MEDIUM.get(media, media.replace(" ", "_")[:32])), records, details=details
    )
    return MqttMessage(FAMILY, "mqtt", telegram=telegram, time=time_from_json(values.get("timestamp")))


def encode(serial: str, values: dict[str, Any], *, media: str = "heat", name: str = "", timestamp: str = "") -> bytes:
    """A message as wmbusmeters publishes it; `values` by its key names ("total_energy_consumption_kwh": 12.3)."""
    from protocols.mqtt.encode import json_bytes

    head: dict[str, Any] = {"_": "telegram", "media": media, "meter": "auto", "name": name or serial, "id": serial}
    return json_bytes({**head, **values, "timestamp": timestamp} if timestamp else {**head, **values})
