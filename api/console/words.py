"""Codes of the service in people's words: registers, figures of an explanation, methods, actions, kinds of things.

The English words are message ids like any other text; a code that is missing here is shown as it is, never hidden.
`tests/house` checks that every word has its 中文.
"""

from typing import Final

from api.console.texts import Texts

REGISTERS: Final = {
    "energy": "heat energy",
    "heat_energy": "heat energy",
    "cooling_energy": "cooling energy",
    "electric_energy": "electric energy",
    "volume": "volume",
    "mass": "mass",
    "power": "power",
    "flow": "flow",
    "mass_flow": "mass flow",
    "supply_temperature": "supply temperature",
    "return_temperature": "return temperature",
    "temperature_difference": "temperature difference",
    "external_temperature": "external temperature",
    "pressure": "pressure",
    "operating_time": "operating time",
    "on_time": "on time",
    "energy_tariff_1": "heat energy, tariff 1",
    "energy_tariff_2": "heat energy, tariff 2",
    "energy_tariff_3": "heat energy, tariff 3",
    "supply_temperature_volume": "supply temperature × volume",
    "return_temperature_volume": "return temperature × volume",
    "voltage": "voltage",
    "current": "current",
}
# Figures by which a detector explains an alert; the unit stands with the words.
FIGURES: Final = {
    "unit": "unit",
    "observed": "observed",
    "expected_low": "expected at least",
    "expected_high": "expected at most",
    "house_median": "median of the building",
    "money_at_stake": "money at stake",
    "days": "days",
    "hdd_k": "degree days (K·d)",
    "zero_h": "hours without use",
    "expected_kwh": "expected (kWh)",
    "volume_m3": "volume (m³)",
    "area_difference_k": "usual temperature difference of the area (K)",
    "worst_s": "largest deviation of the clock (s)",
    "reversed_h": "hours with the return warmer than the supply",
    "rejected": "values left out",
    "supply_c": "supply temperature (°C)",
    "flats": "flats compared",
    "share_percent": "share (%)",
    "robust_z": "distance from the usual (robust z)",
    "ratio": "ratio",
    "other_side_percent": "change of the other figure (%)",
    "lost_h": "running hours lost",
    "gateway": "gateway",
    "state": "state of the point",
    "text": "remark",
}
# Estimation methods of an interval and quality bits beyond those that `names.FLAGS` shows on points.
METHODS: Final = {
    "measured": "measured",
    "linear": "measured total, linear in between",
    "check_meter": "shape of the check meter",
    "like_days": "measured total, shape of like days",
    "signature": "measured total, shape by outside temperature",
    "flat": "measured total, evenly spread",
    "last_year": "last year by degree days",
    "neighbours": "neighbours per m²",
    "contract": "profile of the contract",
    "extrapolated": "extrapolated",
    "edited": "edited",
    "balance": "balance of the building",
}
QUALITY: Final = {
    "first": "first reading",
    "missing": "missing",
    "rollover": "rollover",
    "reset": "index fell",
    "jitter": "one display step back",
    "garbage": "rubbish left out",
    "duplicate": "received twice",
    "conflict": "two values for one instant",
    "stale": "same telegram again",
    "clock": "meter clock off",
    "unit": "unit differs",
    "manual": "read by hand",
    "check_meter": "check meter",
    "exchange": "meter exchange",
    "estimated": "estimated",
    "edited": "edited",
    "interpolated": "distribution estimated",
    "questionable": "questionable",
    "failed": "failed a rule",
    "validated": "validated",
    "derived": "derived",
    "reference_day": "by a reference day",
    "weather": "by the weather",
    "spike": "spike",
    "zero": "no use",
    "range": "out of range",
    "inactive_use": "use while inactive",
    "device": "device fault",
    "partial": "incomplete yet",
}
ACTIONS: Final = {
    "open": "raised",
    "acknowledge": "acknowledged",
    "assign": "assigned",
    "comment": "commented",
    "snooze": "snoozed",
    "wake": "woken up",
    "escalate": "given to the lead: overdue",
    "suppress": "suppressed",
    "field_check": "field check ordered",
    "resolve": "resolved",
    "reopen": "opened again",
    "auto_resolve": "recovered by itself",
    "update": "seen again",
}
THINGS: Final = {
    "critical": "critical",
    "warning": "warning",
    "info": "info",
    # billing
    "open": "open",
    "blocked": "held back",
    "frozen": "frozen",
    "adjustment": "adjustment",
    "all": "all",
    # metering points
    "dwelling": "dwelling",
    "shop": "shop",
    "enterprise": "enterprise",
    "building": "building",
    "substation": "substation",
    "other": "other",
    # reasons of an exchange
    "exchange": "due exchange",
    "defect": "defect",
    "calibration": "calibration",
    "retrofit": "retrofit",
    "upgrade": "upgrade",
    "damage": "damage",
    "theft": "theft",
    "new": "first installation",
    # hand-made values
    "reading": "reading",
    "edit": "edit",
    "estimate": "estimate",
    # verdicts of an audit and of a campaign
    "correct": "right",
    "wrong": "wrong",
    "ok": "in order",
    "fault": "fault",
    "repaired": "repaired",
    "unreachable": "nobody there",
    "pre_season": "before the season",
    "post_season": "after the season",
    # commissioning
    "serial": "serial number",
    "medium": "medium",
    "factor": "factor",
    "mounting_side": "mounting side",
    "difference_sign": "sign of the temperature difference",
    "clock": "clock",
    "first_valid_day": "first valid day",
    "seal": "seal",
    "valve": "valve",
    "heat": "heat",
    "water": "water",
    "supply": "supply",
    "return": "return",
    # columns of reports
    "area": "area",
    "area_name": "area",
    "team": "team",
    "points": "points",
    "comms_ok": "heard",
    "comms_weak": "heard seldom",
    "comms_silent": "silent",
    "no_meter": "without a meter",
    "with_alert": "with an alert",
    "checked": "checked",
    "faults": "faults",
    "operator": "operator",
    "entries": "entries",
    "warned": "warned",
    # roles
    "technician": "technician",
    "reviewer": "reviewer",
    "approver": "approver",
    "lead": "area lead",
    "billing": "billing",
    "admin": "administrator",
}
# The same actions as something that is tried, for refusals.
ACTIONS_TO_DO: Final = {
    "acknowledge": "acknowledging",
    "assign": "assigning",
    "snooze": "snoozing",
    "suppress": "suppressing",
    "resolve": "resolving",
    "reopen": "opening again",
}
# Codes of a checklist that mean something else elsewhere.
CHECKS: Final = {"unit": "unit"}
TABLES: Final = (REGISTERS, FIGURES, METHODS, QUALITY, ACTIONS, ACTIONS_TO_DO, THINGS, CHECKS)


def word(texts: Texts, code: str, *tables: dict[str, str]) -> str:
    """A code in the reader's words, looked up in `tables` first and among the things of the house last."""
    for table in (*tables, THINGS):
        if code in table:
            return texts(table[code])
    return code.replace("_", " ")


def series_text(texts: Texts, name: str) -> str:
    """Name of a register's series: "energy (60700221)" becomes "heat energy (60700221)"."""
    register, _, meter = name.partition(" ")
    return " ".join(filter(None, (word(texts, register, REGISTERS), meter)))
