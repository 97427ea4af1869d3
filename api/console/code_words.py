"""Codes of lines, deliveries, devices, gates and the audit log in people's words; the second half of `words`.

As there: English words are message ids, a code that is missing is shown as it is, `tests/house` checks the 中文.
"""

from typing import Final

from api.console.texts import Texts

GATEWAYS: Final = {
    "mbus_tcp": "M-Bus over TCP",
    "mbus_serial": "M-Bus, serial",
    "modbus_tcp": "Modbus TCP",
    "modbus_rtu": "Modbus RTU",
    "modbus_rtu_tcp": "Modbus RTU over TCP",
    "cjt188_tcp": "CJ/T 188 over TCP",
    "dlt645_tcp": "DL/T 645 over TCP",
    "mqtt": "MQTT",
    "push": "pushed",
    "file": "file",
    "manual": "by hand",
}
LINE_ERRORS: Final = {
    "SilenceError": "no answer",
    "GarbledError": "garbled answer",
    "CollisionError": "several answered at once",
    "RefusedError": "the meter refused",
    "StrangerError": "another meter answered",
    "LineClosedError": "the line was closed",
    "BusyError": "the meter is busy",
}
QUARANTINE: Final = {
    "frame.checksum": "checksum wrong",
    "frame.crc": "checksum wrong",
    "modbus.crc": "checksum wrong",
    "frame.truncated": "broken off",
    "record.truncated": "broken off",
    "lorawan.truncated": "broken off",
    "header.truncated": "broken off",
    "frame.start": "no start byte",
    "frame.stop": "no stop byte",
    "frame.length": "length fields contradict each other",
    "frame.empty": "empty",
    "payload.empty": "empty",
    "frame.trailing": "bytes left over",
    "frame.stranger": "of another meter",
    "frame.kind": "unknown kind of frame",
    "key.missing": "encrypted, no key",
    "key.wrong": "encrypted, the key does not fit",
    "key.sealed": "encrypted, the key cannot be unsealed",
    "mac.wrong": "signature wrong",
    "meter.unknown": "meter not registered",
    "unit.mismatch": "unit differs from the registry",
    "protocol.unknown": "protocol unknown",
    "profile.missing": "no meter profile fits",
    "profile.unknown": "meter profile unknown",
    "layout.unknown": "compact frame before its layout",
    "json.malformed": "no JSON",
    "json.type": "JSON field of the wrong type",
    "json.number": "JSON number unreadable",
    "mqtt.family": "MQTT payload of unknown form",
    "lorawan.device": "LoRaWAN device unknown",
    "reading.value": "value unreadable",
    "reading.time": "time unreadable",
}
MEDIA: Final = {
    "heat": "heat",
    "cooling": "cooling",
    "heat_cooling": "heat and cooling",
    "water": "water",
    "hot_water": "hot water",
    "cold_water": "cold water",
    "electricity": "electricity",
    "gas": "gas",
    "supply": "supply",
    "return": "return",
}
# What a meter says about itself; profiles name the bits.
DEVICE_FLAGS: Final = {
    "device_error": "device fault",
    "power_low": "battery low",
    "battery_low": "battery low",
    "permanent_error": "permanent fault",
    "temporary_error": "temporary fault",
    "sensor_error": "sensor fault",
    "supply_sensor_fault": "supply sensor fault",
    "return_sensor_fault": "return sensor fault",
    "supply_sensor_below_range": "supply sensor below its range",
    "supply_sensor_above_range": "supply sensor above its range",
    "return_sensor_below_range": "return sensor below its range",
    "return_sensor_above_range": "return sensor above its range",
    "temperatures_swapped": "temperatures swapped",
    "flow_sensor_fault": "flow sensor fault",
    "flow_sensor_communication": "flow sensor does not answer",
    "flow_sensor_pulse_figure": "pulse figure of the flow sensor wrong",
    "flow_signal_weak_or_air": "weak flow signal or air",
    "flow_direction_wrong": "flow in the wrong direction",
    "flow_above_range": "flow above the range",
    "voltage_interrupted": "voltage interrupted",
    "pipe_empty": "pipe empty",
    "memory_checksum": "memory fault",
    "hardware_fault": "hardware fault",
    "clock_fault": "clock fault",
    "signal_low": "weak signal",
    "signal_poor": "weak signal",
    "signal_missing": "no signal",
    "alarm": "alarm",
    "external_alarm_a": "external alarm A",
    "external_alarm_b": "external alarm B",
}
GATE_REASONS: Final = {
    "sum.differs": "intervals and index differ",
    "index.missing": "no index at a cut-off",
    "unit.changed": "unit changed, to be confirmed",
    "advance.impossible": "the index advanced further than the meter can",
    "meter.missing": "no meter in the period",
    "intervals.missing": "no intervals in the period",
    "share.missing": "too much is missing",
    "share.estimated": "too much is estimated",
    "share.edited": "too much was edited",
}
# A billing figure's state: an open one is not yet frozen, where an open alert is not yet decided.
QUANTITY_STATES: Final = {
    "open": "not frozen yet",
    "blocked": "held back",
    "frozen": "frozen",
    "adjustment": "adjustment",
}
# Why a frozen figure became another one, and which figures a bill is made of.
ADJUSTMENTS: Final = {
    "exchange": "another meter or other dates",
    "factor": "another factor",
    "edit": "an approved edit",
    "rule_set": "other rules",
    "late_readings": "readings that came late",
    "heated_area": "another heated area",
    "state": "the state of the point",
}
BILL_FIGURES: Final = {
    "energy_j": "Energy",
    "volume_ml": "Volume",
    "heated_area_m2": "Heated area",
    "days_in_service": "Days in service",
    "days_suspended": "days suspended",
    "meters": "Meters",
    "factors": "Factor",
}
AUDIT_ACTIONS: Final = {
    "person.login": "logged in",
    "person.add": "added a person",
    "person.change": "changed a person",
    "key.add": "added a key",
    "key.revoke": "revoked a key",
    "alert.acknowledge": "acknowledged an alert",
    "alert.assign": "assigned an alert",
    "alert.comment": "commented on an alert",
    "alert.snooze": "snoozed an alert",
    "alert.suppress": "suppressed an alert",
    "alert.field_check": "ordered a field check",
    "alert.resolve": "resolved an alert",
    "alert.reopen": "opened an alert again",
    "reading.reading": "entered a reading",
    "reading.edit": "edited a reading",
    "reading.estimate": "entered an estimate",
    "reading.approved": "approved a hand-made value",
    "reading.second_approval": "approved a hand-made value, a third person decides",
    "reading.rejected": "rejected a hand-made value",
    "meter.add": "added a meter",
    "meter.install": "installed a meter",
    "meter.factor": "corrected a factor",
    "meter.exchange": "exchanged a meter",
    "meter.check": "noted a check",
    "meter.key": "stored a device key",
    "point.add": "added a point",
    "point.change": "changed a point",
    "point.state": "changed the state of a point",
    "area.add": "added an area",
    "billing.period": "made a billing period",
    "billing.freeze": "froze a billing period",
    "billing.release": "released a held-back quantity",
    "billing.acknowledge": "acknowledged quantities",
    "campaign.start": "started a campaign",
    "campaign.check": "noted a point of a campaign",
    "sample.draw": "drew an audit sample",
    "sample.check": "noted a point of an audit",
    "delivery.replay": "replayed deliveries",
    "discovered.adopt": "adopted a meter",
    "discovered.dismiss": "dismissed a meter",
    "quarantine.dismiss": "dismissed a delivery",
    "notification.add": "added a notification",
    "notification.end": "ended a notification",
    "webhook.add": "added a webhook",
    "webhook.end": "ended a webhook",
}
ENTRY_CODES: Final = {
    "entry.number": "no number of this display",
    "entry.wrong_point": "wrong meter for the point",
    "entry.not_installed": "meter not installed",
    "entry.future": "time in the future",
    "entry.old": "older than a year",
    "entry.digits": "too many digits",
    "entry.below_last": "below the last reading",
    "entry.above_next": "above the next reading",
    "entry.beyond_pipe": "more than the pipe delivers",
    "entry.duplicate": "entered twice",
    "entry.conflict": "another value is stored",
    "entry.much": "unusually much",
    "entry.zero": "no use",
}
TABLES: Final = (
    GATEWAYS, LINE_ERRORS, QUARANTINE, MEDIA, DEVICE_FLAGS, GATE_REASONS, QUANTITY_STATES, ADJUSTMENTS,
    BILL_FIGURES, AUDIT_ACTIONS, ENTRY_CODES,
)  # fmt: skip


def line_error_text(texts: Texts, stored: str | None) -> str:
    """A line's last error: "SilenceError: no answer in 1.21 s" becomes "no answer"; the rest stays as it is, none is
    empty."""
    kind, colon, _ = (stored or "").partition(":")
    return texts(LINE_ERRORS[kind]) if colon and kind in LINE_ERRORS else stored or ""


def device_text(texts: Texts, flag: str) -> str:
    """What a meter said about itself; "energy:value.null" names the register that could not be read."""
    register, colon, reason = flag.partition(":")
    if colon:
        return texts("{register} unreadable ({reason})", register=register, reason=reason.partition(":")[0])
    return texts(DEVICE_FLAGS[flag]) if flag in DEVICE_FLAGS else flag.replace("_", " ")
