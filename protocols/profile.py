"""A meter profile: what one kind of meter means by its records, as data; a telegram in, register readings out.

Rules: interpreting is pure; the meter's clock is reported, never used as the time of a current reading. History in the
telegram becomes readings of the same register at their target dates. A record that no rule of the profile takes falls
to the standard rules, so a profile only says what is special. An invalid value becomes a reading without count, with
the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from protocols.profile_counts import Assignment, assignment_of, register_of
from protocols.profile_history import HistoryRule, instant_of, storage_times
from protocols.profile_registers import Refinement, RegisterRule, standard_rule
from protocols.registers import RegisterReading
from protocols.telegram import DataRecord, Function, MeterId, Telegram

if TYPE_CHECKING:
    from protocols.cjt188.dialects import Dialect
    from protocols.modbus.map import ModbusMap

_CACHE_SIZE = 4096
# A meter clock further off than this says nothing about the months it stored.
_CLOCK_TOLERANCE = timedelta(days=20)


@dataclass(frozen=True, slots=True)
class Interpretation:
    """What a profile makes of one telegram.

    `meter_time` is the meter's own clock, naive local time. `info_code` is the word that the profile's status bits
    explain, `flags` the words of the bits that are set, most severe first.
    """

    readings: tuple[RegisterReading, ...]
    meter_time: datetime | None = None
    info_code: int | None = None
    flags: tuple[str, ...] = ()


class Source(NamedTuple):
    """A record that becomes a register reading, how it is counted, and the instant that the telegram gives it."""

    record: DataRecord
    assignment: Assignment
    time: datetime | None


@dataclass(frozen=True, slots=True)
class Detection:
    """Which telegrams a profile is for; empty lists do not restrict. More matching conditions win over fewer."""

    manufacturers: frozenset[str] = frozenset()
    versions: frozenset[int] = frozenset()
    media: frozenset[str] = frozenset()
    dialects: frozenset[str] = frozenset()

    def score(self, meter: MeterId, dialect: str) -> int | None:
        """Number of conditions met; None where one is not."""
        pairs = (
            (self.manufacturers, meter.manufacturer),
            (self.versions, meter.version),
            (self.media, meter.medium),
            (self.dialects, dialect),
        )
        met = 0
        for allowed, value in pairs:
            if allowed:
                if value not in allowed:
                    return None
                met += 1
        return met


@dataclass(frozen=True, slots=True)
class StatusBit:
    """A pattern of an info code or status word: set where ``word & mask == value``; value None: where any bit of
    it is.
    """

    mask: int
    value: int | None
    word: str
    severity: str
    title: str = ""

    def matches(self, code: int) -> bool:
        """Whether the pattern is in `code`."""
        masked = code & self.mask
        return masked != 0 if self.value is None else masked == self.value


@dataclass(frozen=True, slots=True)
class Sample:
    """A message made by our encoder and the readings that the profile must find in it."""

    payload: bytes
    readings: Mapping[str, str | None]
    flags: tuple[str, ...] = ()
    history: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    meter_time: str | None = None
    key: bytes | None = None
    serial: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class MeterProfile:
    """One kind of meter.

    Attributes
    ----------
    name, title : str
        Key in the catalogue, and what a person reads.
    protocols : tuple of str
        Protocols its telegrams may come in; `protocol` is the first.
    registers : tuple of RegisterRule
        What is special about its registers; everything else follows the standard rules where `standard` is set.
    refinements : dict of str to Refinement
        Displays of registers that the standard rules find, by register name.
    history : tuple of HistoryRule
        How undated storages get their dates.
    info_source : str
        ``"status"`` (the telegram's status word), or quantity or code of the record that holds the info code.
    dialect : str or Dialect or None
        CJ/T 188 dialect to decode with.
    modbus : ModbusMap or None
        Register map.
    aliases : tuple of str
        Other names it answers to.
    clock_note : str
        What is known of the zone of the meter's clock.
    """

    name: str
    title: str
    protocols: tuple[str, ...]
    detection: Detection = Detection()
    registers: tuple[RegisterRule, ...] = ()
    refinements: Mapping[str, Refinement] = field(default_factory=dict)
    standard: bool = True
    fallback: bool = False
    history: tuple[HistoryRule, ...] = ()
    info_source: str = ""
    status_bits: tuple[StatusBit, ...] = ()
    dialect: "str | Dialect | None" = None
    modbus: "ModbusMap | None" = None
    clock_note: str = ""
    notes: str = ""
    unverified: tuple[str, ...] = ()
    samples: tuple[Sample, ...] = ()
    manufacturer: str = ""
    aliases: tuple[str, ...] = ()
    _assigned: dict[tuple[str, str], dict[Any, Assignment | None]] = field(default_factory=dict, repr=False)

    @property
    def protocol(self) -> str:
        """The protocol the profile is written for first."""
        return self.protocols[0]

    def severity_of(self, flag: str) -> str:
        """``"fault"``, ``"warning"`` or ``"info"`` of a flag word; ``"info"`` for a word of no bit of this profile."""
        for bit in self.status_bits:
            if bit.word == flag:
                return bit.severity
        return "info"

    def interpret(self, telegram: Telegram, reference: datetime | None = None) -> Interpretation:
        """Register readings, clock, info code and flags of a telegram.

        Parameters
        ----------
        telegram : Telegram
            As its decoder made it.
        reference : datetime, optional
            Naive local time of the read: dates monthly storages of telegrams without a clock, and keeps those of a
            meter whose clock is far off undated.
        """
        meter_time = _clock_of(telegram)
        readings = []
        for record, assignment, time in self._sources(telegram, _trusted(meter_time, reference)):
            count, error = assignment.count_of(record)
            readings.append(RegisterReading(assignment.register, count, time, error))
        info_code = self._info_code(telegram)
        return Interpretation(tuple(readings), meter_time, info_code, self._flags(telegram, info_code))

    def sources(self, telegram: Telegram, reference: datetime | None = None) -> list["Source"]:
        """Which records the readings of `interpret` come from, and how each is counted, in the same order."""
        return self._sources(telegram, _trusted(_clock_of(telegram), reference))

    def _sources(self, telegram: Telegram, reference: datetime | None) -> list["Source"]:
        times = storage_times(telegram, self.history, reference)
        sources: list[Source] = []
        seen: set[tuple[str, datetime | None]] = set()
        assigned = self._assigned.setdefault((telegram.protocol, telegram.meter.medium), {})
        for record in telegram.records:
            storage = record.storage
            time = times.get(storage) if storage else None
            modifiers = record.modifiers
            if modifiers:
                time = _own_time(record) or time
                modifiers = tuple(word for word in modifiers if not word.startswith("time="))
            value = record.value
            key = (
                record.quantity,
                record.unit,
                record.function,
                0 if time is not None else storage,
                record.tariff,
                record.subunit,
                record.code,
                modifiers,
                value.as_tuple().exponent if isinstance(value, Decimal) else None,
            )
            if key not in assigned:
                if len(assigned) >= _CACHE_SIZE:
                    assigned.clear()
                assigned[key] = self._assign(record, telegram.protocol, telegram.meter.medium, key[3])
            assignment = assigned[key]
            if assignment is None:
                continue
            place = (assignment.register.name, time)
            if place not in seen:
                seen.add(place)
                sources.append(Source(record, assignment, time))
        return sources

    def _assign(self, record: DataRecord, protocol: str, medium: str, storage: int) -> Assignment | None:
        rule = next((rule for rule in self.registers if rule.takes(record, storage)), None)
        if rule is None and self.standard:
            rule = standard_rule(record, storage, medium)
        if rule is None:
            return None
        if rule.name in self.refinements:
            rule = self.refinements[rule.name].refined(rule)
        exponent = self.modbus.exponent_of(record.code) if self.modbus is not None else None
        register = register_of(rule, record, protocol, exponent)
        return None if register is None else assignment_of(record, register, protocol)

    def _info_code(self, telegram: Telegram) -> int | None:
        if self.info_source == "status":
            return telegram.status
        if self.info_source:
            for record in telegram.records:
                if self.info_source in (record.quantity, record.code) and isinstance(record.value, Decimal):
                    return int(record.value)
        return None

    def _flags(self, telegram: Telegram, info_code: int | None) -> tuple[str, ...]:
        found = [] if info_code is None else [bit for bit in self.status_bits if bit.matches(info_code)]
        words = [bit.word for bit in sorted(found, key=lambda bit: SEVERITIES.index(bit.severity))]
        if telegram.protocol in ("mbus", "wmbus") and telegram.status:
            words += [word for mask, value, word in MBUS_STATUS if telegram.status & mask == value]
        return tuple(dict.fromkeys(words))


SEVERITIES = ("fault", "warning", "info")

# Status byte of the M-Bus data header (EN 13757-3, 5.8).
MBUS_STATUS = (
    (0x10, 0x10, "temporary_error"),
    (0x08, 0x08, "permanent_error"),
    (0x04, 0x04, "power_low"),
    (0x03, 0x01, "application_busy"),
    (0x03, 0x02, "application_error"),
    (0x03, 0x03, "abnormal_condition"),
)


def _clock_of(telegram: Telegram) -> datetime | None:
    for record in telegram.records:
        if (
            record.quantity == "datetime"
            and not record.storage
            and not record.tariff
            and record.function is Function.INSTANTANEOUS
            and isinstance(record.value, str)
        ):
            try:
                return datetime.fromisoformat(record.value).replace(tzinfo=None)
            except ValueError:
                return None
    return None


def _trusted(meter_time: datetime | None, reference: datetime | None) -> datetime | None:
    """Where months are counted back from: the meter stored by its own clock, so a clock that is far off dates
    nothing.
    """
    if meter_time is None or reference is None:
        return meter_time or reference
    return meter_time if abs(meter_time - reference) < _CLOCK_TOLERANCE else None


def _own_time(record: DataRecord) -> datetime | None:
    """The instant that a value's own timestamp names (``"time=..."`` among the modifiers); a bare date as elsewhere."""
    for modifier in record.modifiers:
        if modifier.startswith("time="):
            text = modifier[5:]
            return datetime.fromisoformat(text) if len(text) > 10 else instant_of(text)
    return None
