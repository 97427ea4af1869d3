"""The faults of the field by name: where each acts, what it is called in an alert, and what a perfect reviewer decides.

Rules: a fault is a plain record (name, meter, window, magnitude, seed); the functions that act on arrays live beside
their layer (`faults_heat`, `faults_sensor`, `faults_display`, `faults_transport`) and are found by the same name.
A harmless look-alike is a fault of label "none": something changes and nobody needs to be woken.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Layer(StrEnum):
    """Where a fault acts, from the room to the wire."""

    CONTROL = "control"  # thermostats, valves, people
    PIPE = "pipe"  # water and heat
    SENSOR = "sensor"  # what the meter measures
    DISPLAY = "display"  # what the registers show
    TRANSPORT = "transport"  # what arrives
    PLAN = "plan"  # what the registry says


@dataclass(frozen=True, slots=True)
class FaultKind:
    """A kind of fault. `label` is the alert kind of the scorecard or "none"; `magnitude` the usual range, whose meaning
    `unit` names; `duration_h` the usual length in hours, None for "until somebody acts" (the end of the scenario)."""

    name: str
    layer: Layer
    label: str
    verdict: str
    magnitude: tuple[float, float] = (1.0, 1.0)
    unit: str = ""
    duration_h: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault at one meter during [start, end). `partner` is the other meter of a mix-up, empty elsewhere."""

    name: str
    serial: str
    start: datetime
    end: datetime
    magnitude: float = 1.0
    seed: int = 0
    partner: str = ""

    def __post_init__(self) -> None:
        if self.name not in KINDS:
            raise ValueError(f"no fault is named {self.name!r}")
        if self.start.tzinfo is None or self.end <= self.start:
            raise ValueError(f"fault {self.name} at {self.serial}: window must be aware and not empty")

    @property
    def kind(self) -> FaultKind:
        """The catalogue entry."""
        return KINDS[self.name]


_DAY = 24
_C, _P, _S, _D, _T, _R = (
    Layer.CONTROL,
    Layer.PIPE,
    Layer.SENSOR,
    Layer.DISPLAY,
    Layer.TRANSPORT,
    Layer.PLAN,
)

KINDS: dict[str, FaultKind] = {
    kind.name: kind
    for kind in (
        # Heat and water
        FaultKind("stuck_valve", _C, "jump", "valve does not close: repair", (40, 45), "setpoint °C"),
        FaultKind("use_while_suspended", _C, "use_while_inactive", "uses heat while suspended: bill", (19, 22), "°C"),
        FaultKind("use_while_vacant", _C, "use_while_inactive", "somebody lives there: ask", (19, 22), "°C"),
        FaultKind("leakage", _P, "leakage", "leak: send a fitter today", (0.06, 0.12), "share of qp"),
        FaultKind("bypass", _P, "undercooling", "open bypass: close it", (0.35, 0.7), "share of qp"),
        FaultKind("fouled_exchanger", _P, "undercooling", "poor cooling: service the exchanger", (3.5, 6.0), "K"),
        FaultKind("unmetered_tap", _P, "balance", "heat drawn before the flat meters", (0.3, 0.6), "share"),
        # Sensors
        FaultKind("stopped_meter", _S, "zero_use", "meter stands still: exchange, estimate"),
        FaultKind("slow_meter", _S, "low_use", "flow sensor worn: exchange", (0.12, 0.22), "share seen"),
        FaultKind("tamper", _S, "low_use", "seal broken: inspect, estimate", (0.05, 0.18), "share seen"),
        FaultKind("stolen_heat", _S, "neighbours", "pipe round the meter: inspect", (0.12, 0.25), "share seen"),
        FaultKind("swapped_sensors", _S, "swapped_sensors", "sensors swapped: swap back, estimate"),
        FaultKind("sensor_break", _S, "sensor_fault", "temperature sensor broken: exchange", (0, 1), "0 short, 1 open"),
        FaultKind("sensor_drift", _S, "sensor_fault", "sensor reads wrong: exchange", (9, 16), "K"),
        FaultKind("air", _S, "sensor_fault", "air in the flow sensor: vent", (0.4, 0.8), "share of hours"),
        FaultKind("wrong_pulse_factor", _S, "factor_error", "pulse value wrong: correct, re-bill", (1.2, 2.4), "×"),
        FaultKind("wrong_mounting_side", _S, "factor_error", "mounting side set wrong: correct", (1, 1)),
        FaultKind("fell_behind", _S, "behind", "meter stops counting at times: exchange", (0.08, 0.25), "share lost"),
        # Display
        FaultKind("wrong_decimal", _D, "unit_error", "decimal place differs: fix the registry", (10, 10), "×"),
        FaultKind("unit_change", _D, "unit_error", "unit changed by an update: fix the registry", (3.6, 3.6), "×"),
        FaultKind("thousandfold", _D, "unit_error", "Wh taken for kWh: fix the registry", (1000, 1000), "×"),
        FaultKind("index_jump", _D, "jump", "index jumped: reject, estimate", (300, 3000), "kWh"),
        FaultKind("decrease", _D, "decrease", "index fell: find the exchange or the reset", (40, 900), "kWh"),
        FaultKind("reset", _D, "decrease", "index fell to zero: find the reset", (1, 1)),
        FaultKind("transient_dip", _D, "garbage", "index stepped back and recovered", (20, 400), "kWh", (1, 2)),
        FaultKind("transient_garbage", _D, "garbage", "impossible values for a while", (0.3, 0.7), "share", (24, 96)),
        FaultKind("static_display", _D, "static", "momentary values frozen: restart or exchange"),
        FaultKind("clock_drift", _D, "clock", "clock drifts: set it", (120, 400), "s a day"),
        FaultKind("clock_reset", _D, "clock", "clock fell back to 2000: set it, check the battery"),
        FaultKind("jitter", _D, "none", "last digit trembles", (0.01, 0.03), "share", (480, 1440)),
        FaultKind("low_battery", _D, "none", "battery low: plan the exchange"),
        # Transport
        FaultKind("silent", _T, "comms_loss", "no answer: visit"),
        FaultKind("gateway_outage", _T, "comms_loss", "gateway down: one incident", duration_h=(72, 240)),
        FaultKind("hand_estimates", _T, "comms_loss", "read by eye at round figures: visit", (10, 50), "kWh"),
        FaultKind("frozen_payload", _T, "static", "gateway repeats an old telegram: restart it", duration_h=(120, 480)),
        FaultKind("rubbish", _T, "garbage", "unreadable answers: check wiring", (0.7, 1.0), "share", (72, 336)),
        FaultKind(
            "wild_numbers", _T, "garbage", "1.8e21 and -0.007 from a gateway: report it", (0.3, 0.6), "share", (12, 48)
        ),
        FaultKind("desynchronised", _T, "garbage", "another meter's answer: refuse", duration_h=(24, 96)),
        FaultKind("collision", _T, "garbage", "two meters answer at once: readdress one", duration_h=(24, 96)),
        FaultKind("gap", _T, "none", "short gap, measured total returns", duration_h=(3, 20)),
        FaultKind("duplicates", _T, "none", "delivered twice after a reconnect", duration_h=(12, 72)),
        FaultKind("backfill", _T, "none", "a day delivered late, complete", duration_h=(20, 30)),
        # Registry
        FaultKind("exchange", _R, "none", "exchanged and recorded"),
        FaultKind("exchange_without_paperwork", _R, "comms_loss", "exchanged without paperwork: adopt the new one"),
        FaultKind("crossed_wires", _R, "use_while_inactive", "two flats' meters are mixed up: correct the registry"),
        FaultKind("moves_out", _R, "none", "moved out, the company knows: zero is normal"),
        FaultKind("moves_in", _R, "none", "moved in, the company knows: use is normal"),
        FaultKind("suspends", _R, "none", "suspends the heating, the company knows: zero is normal"),
        FaultKind("resumes", _R, "none", "resumes the heating, the company knows: use is normal"),
        FaultKind("rollover", _R, "none", "display rolled over"),
        # Behaviour and surroundings
        FaultKind("vacancy", _C, "none", "moved out, valve closed", duration_h=(20 * _DAY, 80 * _DAY)),
        FaultKind("holiday", _C, "none", "away", (3, 5), "K lower", (7 * _DAY, 16 * _DAY)),
        FaultKind("thermostat_change", _C, "none", "likes it warmer or cooler", (-2.0, 1.5), "K"),
        FaultKind("cold_snap", Layer.PIPE, "none", "weather", (8, 12), "K", (3 * _DAY, 6 * _DAY)),
        FaultKind("network_outage", Layer.PIPE, "none", "network stood still: one incident", duration_h=(10, 60)),
    )
}

ALERT_KINDS: tuple[str, ...] = tuple(dict.fromkeys(kind.label for kind in KINDS.values() if kind.label != "none"))
HARMLESS: tuple[str, ...] = tuple(kind.name for kind in KINDS.values() if kind.label == "none")
