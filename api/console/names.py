"""How kinds, states, services and quality flags are called on screens, in both languages."""

from api.console.texts import Texts
from compute.quality import Quality

# alert kind -> message id
KINDS = {
    "zero_use": "No consumption",
    "low_use": "Little consumption",
    "jump": "Sudden change",
    "static": "Frozen value",
    "leakage": "Leakage",
    "undercooling": "Return too warm",
    "swapped_sensors": "Sensors swapped",
    "sensor_fault": "Sensor fault",
    "unit_error": "Wrong unit",
    "factor_error": "Wrong factor",
    "behind": "Meter falls behind",
    "use_while_inactive": "Use while inactive",
    "neighbours": "Unlike its neighbours",
    "balance": "Building balance",
    "decrease": "Index fell",
    "garbage": "Rubbish values",
    "comms_loss": "Silent meter",
    "clock": "Meter clock off",
    "size": "Meter too small or too large",
    "interval_size": "Uneven readings",
}
STATES = {
    "open": "open",
    "acknowledged": "acknowledged",
    "field_check": "field check",
    "snoozed": "snoozed",
    "suppressed": "suppressed",
    "resolved": "resolved",
    "active": "active",
    "suspended": "heating suspended",
    "vacant": "vacant",
    "closed": "closed",
}
SERVICES = {0: "other", 1: "heat", 2: "cooling", 3: "cold water", 4: "hot water", 5: "electricity", 6: "gas"}
# Incident kinds: what happened to many points at once; the scope ("gateway 7") follows the words.
INCIDENTS = {
    "gateway_silence": "silent gateway",
    "building_silence": "silent building",
    "area_silence": "silent area",
    "building_outage": "no heat in the building",
    "gateway_outage": "no heat behind the gateway",
    "area_outage": "no heat in the area",
}
# Who acts without being a person.
ACTORS = {"engine": "the rules", "system": "the service"}
CAUSE_TEXTS = {
    "meter_defect": "meter defect",
    "sensor_defect": "sensor defect",
    "meter_exchanged": "meter exchanged",
    "wrong_installation": "wrong installation",
    "wrong_configuration": "wrong configuration",
    "communication": "communication",
    "leak": "leak",
    "tampering": "tampering",
    "real_use": "real use",
    "vacant": "vacant",
    "suspended": "heating suspended",
    "network_outage": "network outage",
    "weather": "weather",
    "false_alarm": "false alarm",
    "recovered": "recovered by itself",
    "other": "other",
}
FLAGS = {
    Quality.MISSING: "missing",
    Quality.ROLLOVER: "rollover",
    Quality.RESET: "index fell",
    Quality.GARBAGE: "rubbish left out",
    Quality.ESTIMATED: "estimated",
    Quality.EDITED: "edited",
    Quality.INTERPOLATED: "distribution estimated",
    Quality.QUESTIONABLE: "questionable",
    Quality.FAILED: "failed a rule",
    Quality.EXCHANGE: "meter exchange",
    Quality.RESCALED: "counted in its changed unit",
    Quality.INACTIVE_USE: "use while inactive",
    Quality.DEVICE: "device fault",
    Quality.ZERO: "no use",
    Quality.SPIKE: "spike",
    Quality.RANGE: "out of range",
}


def actor_text(texts: Texts, name: str) -> str:
    """Who did something: a person by name, the service in words."""
    return texts(ACTORS[name]) if name in ACTORS else name


def kind_text(texts: Texts, kind: str) -> str:
    """An alert kind in the reader's words."""
    return texts(KINDS.get(kind, kind))


def state_text(texts: Texts, state: str) -> str:
    """A state of an alert or point in the reader's words."""
    return texts(STATES.get(state, state))


def incident_text(texts: Texts, kind: str, scope: str) -> str:
    """An incident in the reader's words, with the number of its gateway, building or area."""
    return f"{texts(INCIDENTS.get(kind, kind))} · {scope.rpartition(' ')[2]}"


def service_text(texts: Texts, service: int) -> str:
    """What a metering point is supplied with."""
    return texts(SERVICES.get(service, "other"))


def flag_text_list(texts: Texts, flags: int) -> list[str]:
    """The telling quality flags of an interval; none for a plain valid one."""
    return [texts(name) for flag, name in FLAGS.items() if flags & flag]


def flag_texts(texts: Texts, flags: int) -> str:
    """The same, comma-separated."""
    return ", ".join(flag_text_list(texts, flags))
