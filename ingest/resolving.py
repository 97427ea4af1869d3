"""What a delivery means to the registry: whose meter, which registers, at what instant, and whether to believe it.

Rules: never raises for what a sender did: what can't be believed is Rejected with a code. One refused telegram,
register or instant never takes the rest of its delivery with it. The meter's clock is never the time of a reading; it
is kept beside it, with its drift. A value of the meter's history carries the time the meter gave it, read in the
meter's zone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from fractions import Fraction
from typing import Self, cast
from zoneinfo import ZoneInfo

import psycopg
import structlog

from compute.quality import Quality
from ingest.clock import wall_now
from ingest.clock_watch import ClockWatch
from ingest.config import Settings
from ingest.decoding.mbus import KEY_MISSING
from ingest.decoding.state import DecodingState
from ingest.decoding.table import decode
from ingest.directory import Directory, MeterEntry, UnitMismatchError, is_same_meter
from ingest.heard import is_counted
from ingest.model import Decoded, Delivery, MeterStatus, Rejected, Resolved
from ingest.profiles import interpreted, profile_named
from ingest.recall import Incomplete, Recall, Wanted
from ingest.store.packing import microseconds
from protocols.errors import ProtocolError
from protocols.registers import Register, RegisterReading

log = structlog.get_logger(__name__)

FUTURE = timedelta(minutes=15)
OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
# Protocols of the telegrams that carry numbers as text, without the meter's own decimal place.
TEXTUAL = frozenset({"mqtt", "reading"})


@dataclass(frozen=True, slots=True)
class ResolvingLimits:
    """What is believed: sizes of payloads, instants back to `backfill_days`; `zone` is that of clocks without one."""

    zone: tzinfo = UTC
    max_payload_bytes: int = 64 * 1024
    backfill_days: int = 3_660

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The limits that the settings name."""
        return cls(ZoneInfo(settings.time_zone), settings.max_payload_bytes, settings.backfill_days)


@dataclass(slots=True)
class _Columns:
    """Readings of one delivery while they are collected."""

    meter_ids: list[int] = field(default_factory=list)
    register_ids: list[int] = field(default_factory=list)
    ts_us: list[int] = field(default_factory=list)
    values: list[int] = field(default_factory=list)
    flags: list[int] = field(default_factory=list)
    statuses: list[MeterStatus] = field(default_factory=list)
    refused: list[Rejected] = field(default_factory=list)
    incomplete: bool = False


class DeliveryResolver:
    """Decodes deliveries and resolves them against the directory.

    Parameters
    ----------
    directory : Directory
        The registry in memory.
    limits : ResolvingLimits
        What is believed.
    state : DecodingState
        Memory of decoding across messages.
    wall : callable
        The wall clock, for the time checks.
    """

    def __init__(
        self,
        directory: Directory,
        limits: ResolvingLimits | None = None,
        *,
        state: DecodingState | None = None,
        wall: Callable[[], datetime] = wall_now,
    ) -> None:
        self.directory = directory
        self.limits = limits or ResolvingLimits()
        self.state = state or DecodingState()
        self.watch = ClockWatch()
        self._recall = Recall(directory, self.watch, self.limits.zone)
        self._wall = wall
        self._wanted: Wanted = {}

    def recalled(self, delivery: Delivery) -> Resolved | Incomplete | None:
        """What the store keeps of a delivery that differs from earlier ones in values only, without decoding it.

        Incomplete where registers must be created first (`prepare`, then ask again); None where it must be decoded.
        """
        if len(delivery.payload) > self.limits.max_payload_bytes or self._unbelievable(delivery.read_at) is not None:
            return None
        try:
            return self._recall.made(delivery, self._wanted)
        except Exception:
            log.exception("recalling failed, the delivery is decoded", channel=delivery.channel)
            return None

    def decoded(self, delivery: Delivery) -> list[Decoded] | Rejected:
        """The telegrams of a delivery, or why there are none."""
        if not delivery.payload:
            return Rejected("payload.empty", "there are no bytes", 0)
        if len(delivery.payload) > self.limits.max_payload_bytes:
            most = self.limits.max_payload_bytes
            return Rejected("payload.too_large", f"{len(delivery.payload)} bytes where {most} are allowed", most)
        if (reason := self._unbelievable(delivery.read_at)) is not None:
            return reason
        asked = None if delivery.meter_id is None else self.directory.entry(delivery.meter_id)
        details = delivery.details
        try:
            return decode(
                delivery.protocol or None,
                delivery.payload,
                key=self.directory.key_for,
                profile=delivery.profile or (asked.profile if asked else None) or None,
                port=delivery.port,
                topic=delivery.topic,
                state=self.state,
                dialect=details.get("dialect") or (asked.settings.get("dialect") if asked else None),
                family=details.get("family"),
                at=delivery.arrived_at,
                local=self._local(delivery, asked),
            )
        except ProtocolError as error:
            return Rejected(error.code, error.message, error.offset)
        except Exception as error:
            log.exception("decoder failed", protocol=delivery.protocol, channel=delivery.channel)
            return Rejected(f"internal.{type(error).__name__.lower()}", f"the decoder failed: {error}"[:500])

    def resolved(self, delivery: Delivery, telegrams: Sequence[Decoded]) -> Resolved | Rejected | None:
        """What the store keeps; None where registers must be created first (`prepare`, then ask again)."""
        columns = _Columns()
        own: Decoded | None = None
        for telegram in telegrams:
            entry = self._entry_of(delivery, telegram)
            if isinstance(entry, Rejected):
                columns.refused.append(entry)
            elif KEY_MISSING in telegram.flags:
                identity = telegram.telegram.meter
                why = f"the telegram of {identity.serial} is encrypted and the registry has no key for its meter"
                columns.refused.append(Rejected(KEY_MISSING, why, field="key", meter=identity))
            else:
                own = self._by_its_own_profile(delivery, entry, telegram)
                self._collect(columns, delivery, own, entry)
        if columns.incomplete:
            return None
        reason = columns.refused[0] if columns.refused else None
        if reason is not None and not columns.values:
            return reason
        resolved = Resolved(
            tuple(dict.fromkeys(columns.meter_ids)),
            tuple(columns.register_ids),
            tuple(columns.ts_us),
            tuple(columns.values),
            tuple(columns.flags),
            tuple(columns.statuses),
            reason,
        )
        if len(telegrams) == 1 and own is not None and len(own.readings) == len(resolved.values):
            self._recall.learn(delivery, telegrams[0], own)
        return resolved

    async def prepare(self) -> None:
        """Create the registers that telegrams brought up. Raises psycopg.Error while the database is away."""
        wanted, self._wanted = list(self._wanted.values()), {}
        try:
            await self.directory.create_registers(wanted)
        except (psycopg.DataError, psycopg.IntegrityError, ValueError):
            # One that the store can't take must not keep the others from existing.
            for entry, register in wanted:
                await self._create_alone(entry, register)

    async def _create_alone(self, entry: MeterEntry, register: Register) -> None:
        try:
            await self.directory.create_registers([(entry, register)])
        except (psycopg.DataError, psycopg.IntegrityError, ValueError) as error:
            log.error("register cannot be created", meter=entry.meter_id, register=register.name, reason=str(error))

    def _unbelievable(self, at: datetime) -> Rejected | None:
        now = self._wall()
        if at > now + FUTURE:
            return Rejected("time.future", f"{at.isoformat()} is more than 15 minutes ahead", field="read_at")
        if at < max(OLDEST, now - timedelta(days=self.limits.backfill_days)):
            return Rejected("time.past", f"{at.isoformat()} is before anything that is backfilled", field="read_at")
        return None

    def _entry_of(self, delivery: Delivery, telegram: Decoded) -> MeterEntry | Rejected:
        identity = telegram.telegram.meter
        asked = None if delivery.meter_id is None else self.directory.entry(delivery.meter_id)
        claimed = identity.serial and telegram.telegram.details.get("identity") != "envelope"
        if asked is not None and (not claimed or is_same_meter(asked.identity, identity)):
            return asked
        found = self.directory.meter_for(identity) if identity.serial else None
        if asked is not None and found is not None and found.meter_id != asked.meter_id:
            return Rejected(
                "meter.mismatch",
                f"meter {identity.serial} answered where {asked.identity.serial} was asked",
                field="meter",
                meter=identity,
            )
        if found is not None:
            return found
        shown = f"{identity.manufacturer} {identity.serial}".strip() or "a meter without a number"
        return Rejected(
            "meter.unknown",
            f"{shown} is not in the registry",
            field="meter",
            meter=identity,
            profile=telegram.profile,
            seen=tuple(reading.as_json() for reading in telegram.readings[:8]),
        )

    def _by_its_own_profile(self, delivery: Delivery, entry: MeterEntry, telegram: Decoded) -> Decoded:
        """The registry's profile wins over the one that the telegram suggests; a hand reading names its registers."""
        if telegram.telegram.protocol == "reading":
            return telegram
        name = entry.profile or telegram.profile
        # Only a telegram without a clock is dated by the zone, which was not known before the meter was.
        zone_matters = entry.clock_zone is not None and telegram.meter_time is None
        if name == telegram.profile and not zone_matters:
            return telegram
        try:
            own = profile_named(name)
        except ProtocolError:
            return telegram
        local, said = self._local(delivery, entry), telegram.telegram
        return interpreted(said, own, local=local, sent=telegram.sent, remarks=telegram.remarks)

    def _local(self, delivery: Delivery, entry: MeterEntry | None) -> datetime:
        """The instant of a read by the zone of its meter's clock."""
        return delivery.read_at.astimezone((entry.clock_zone if entry else None) or self.limits.zone)

    def _collect(self, columns: _Columns, delivery: Delivery, telegram: Decoded, entry: MeterEntry) -> None:
        zone = entry.clock_zone or self.limits.zone
        meter_time = None if telegram.meter_time is None else _aware(telegram.meter_time, zone)
        common, notes = self.watch.judged(
            delivery,
            entry.meter_id,
            meter_time,
            counted=is_counted(telegram.telegram),
            told=telegram if telegram.telegram.protocol == "mqtt" else None,
        )
        read_us = microseconds(delivery.read_at)
        columns.meter_ids.append(entry.meter_id)
        for reading in telegram.readings:
            ts_us = read_us if reading.time is None else self._history_us(reading.time, zone)
            if ts_us is None:
                notes.append(f"{reading.register.name}:time")
            elif reading.count is None:
                notes.append(f"{reading.register.name}:{reading.error or 'invalid'}")
            else:
                fitting = _in_registered_places(entry, reading) if telegram.telegram.protocol in TEXTUAL else reading
                self._place(columns, entry, fitting, ts_us, common)
        # One row a telegram, whatever it says: when a meter was last heard is asked everywhere.
        flags = (*telegram.flags, *dict.fromkeys(notes))
        columns.statuses.append(MeterStatus(entry.meter_id, read_us, telegram.info_code, meter_time, flags))

    def _place(
        self, columns: _Columns, entry: MeterEntry, reading: RegisterReading, ts_us: int, flags: Quality
    ) -> None:
        try:
            register_id = self.directory.register_id(entry, reading.register)
        except UnitMismatchError as error:
            columns.refused.append(Rejected(error.code, error.message, field=error.field, meter=entry.identity))
            return
        if register_id is None:
            columns.incomplete = True
            self._wanted[(entry.meter_id, reading.register.name)] = (entry, reading.register)
            return
        columns.register_ids.append(register_id)
        columns.ts_us.append(ts_us)
        columns.values.append(cast("int", reading.count))
        columns.flags.append(int(flags))

    def _history_us(self, time: datetime, zone: tzinfo) -> int | None:
        at = _aware(time, zone)
        return None if self._unbelievable(at) is not None else microseconds(at)


def _in_registered_places(entry: MeterEntry, reading: RegisterReading) -> RegisterReading:
    """A text states a value, not a display: it counts in the registered places wherever it fits them exactly."""
    known = entry.registers.get(reading.register.name)
    if known is None or reading.count is None or known.register.quantity != reading.register.quantity:
        return reading
    own = known.register
    count = reading.count * reading.register.count_size(own.unit) / Fraction(10) ** own.scale
    return replace(reading, register=own, count=int(count)) if count.denominator == 1 else reading


def _aware(time: datetime, zone: tzinfo) -> datetime:
    return (time if time.tzinfo is not None else time.replace(tzinfo=zone)).astimezone(UTC)
