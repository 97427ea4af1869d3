"""Telegrams that differ from earlier ones in meter number and values only: resolved without decoding them again.

Rules: what is recalled is exactly what decoding and resolving would give (`protocols.profile_template` declines
everything else), for the registry as it is now; whatever is in doubt goes the long way, which learns from it. Bounded,
so that hostile senders cost neither time nor memory.
"""

from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Final

from ingest.clock_watch import ClockWatch
from ingest.directory import Directory, MeterEntry, UnitMismatchError, is_same_meter
from ingest.heard import frame_in, is_counted
from ingest.model import Decoded, Delivery, MeterStatus, Resolved
from ingest.profiles import mapping_of, profile_named
from ingest.store.packing import microseconds
from protocols.mqtt.families import family_by_topic
from protocols.profile_template import Template, template_from_frame
from protocols.registers import Register

Wanted = dict[tuple[int, str], tuple[MeterEntry, Register]]

_MOST: Final = 100_000
# Layouts and states of one kind of meter: short and long telegrams, months that end, status bits.
_LAYOUTS: Final = 16


class Incomplete:
    """The telegram is known, but registers of its meter must be created first (`Wanted` says which)."""


INCOMPLETE: Final = Incomplete()


@dataclass(frozen=True, slots=True)
class _Way:
    """What, beside the bytes, decides how a delivery is decoded."""

    protocol: str
    profile: str | None
    family: str | None
    mapped: bool


@dataclass(slots=True)
class _Bound:
    """A meter's part of a template, for the registry as it was at `version`."""

    entry: MeterEntry
    version: int
    meter_ids: tuple[int, ...]
    register_ids: tuple[int, ...]
    # Instants that the telegram itself gives, None for "now"; empty where all are now.
    times_us: tuple[int | None, ...]
    zone: tzinfo


@dataclass(slots=True)
class _Layout:
    """A template, the profile that the telegram alone suggests, and the meters that were met, by address and asked."""

    template: Template
    suggested: str
    # Whether its telegrams carry an access number by radio.
    counted: bool
    bound: dict[tuple[bytes, int | None], _Bound] = field(default_factory=dict)


_Kind = tuple[_Way, int, bytes]


class Recall:
    """Templates by the way a telegram came, its length and its maker's part of the address."""

    def __init__(self, directory: Directory, watch: ClockWatch, zone: tzinfo) -> None:
        self._directory, self._watch, self._zone = directory, watch, zone
        self._ways: dict[tuple[str, str | None, str | None, str | None], _Way] = {}
        self._layouts: dict[_Kind, list[_Layout]] = {}
        # How often nothing could be learnt of a kind.
        self._declined: dict[_Kind, int] = {}

    def made(self, delivery: Delivery, wanted: Wanted) -> Resolved | Incomplete | None:
        """What the store keeps of a delivery whose instant is believable; None where it must be decoded."""
        frame = frame_in(delivery.protocol, delivery.payload)
        if frame is None:
            return None
        for layout in self._layouts.get(self._kind(delivery, frame), ()):
            if layout.template.fits(frame):
                bound = self._bound(delivery, frame, layout, wanted)
                if bound is not None:
                    return bound if isinstance(bound, Incomplete) else self._resolved(delivery, frame, layout, bound)
        return None

    def learn(self, delivery: Delivery, said: Decoded, own: Decoded) -> None:
        """Learn from a delivery of one telegram: as it was decoded, and as the meter's own profile reads it."""
        frame = frame_in(delivery.protocol, delivery.payload)
        if frame is None or own.sent is not None or own.remarks:
            return
        kind = self._kind(delivery, frame)
        tries = self._declined.get(kind, 0)
        layouts = self._layouts.get(kind, [])
        if any(one.template.profile == own.profile and one.template.fits(frame) for one in layouts):
            return  # a value that was no number this time
        template = None
        # The second, fourth, eighth ... failure may still be followed by luck: a value that was invalid at first.
        if tries & (tries - 1) == 0:
            template = template_from_frame(frame, own.telegram, profile_named(own.profile))
        if template is None:
            if len(self._declined) >= _MOST:
                self._declined.clear()
            self._declined[kind] = tries + 1
            return
        layouts.insert(0, _Layout(template, said.profile, is_counted(own.telegram)))
        del layouts[_LAYOUTS:]
        self._layouts[kind] = layouts
        if len(self._layouts) > _MOST:
            del self._layouts[next(iter(self._layouts))]

    def _kind(self, delivery: Delivery, frame: bytes) -> _Kind:
        family = delivery.details.get("family") if delivery.details else None
        asked = None if delivery.meter_id is None else self._directory.entry(delivery.meter_id)
        profile = delivery.profile or (asked.profile if asked else None) or None
        key = delivery.protocol, delivery.topic, profile, family
        way = self._ways.get(key)
        if way is None:
            if len(self._ways) >= _MOST:
                self._ways.clear()
            topic = delivery.topic or ""
            found = family or (family_by_topic(topic) if topic else None)
            way = self._ways[key] = _Way(delivery.protocol, profile, found, mapping_of(profile, topic) is not None)
        maker = frame[11:15] if frame[0] == frame[3] == 0x68 else frame[2:4] + frame[8:10]
        return way, len(frame), maker

    def _bound(self, delivery: Delivery, frame: bytes, layout: _Layout, wanted: Wanted) -> _Bound | Incomplete | None:
        """The meter's part; None where the registry means something else than the template."""
        key = frame[layout.template.address], delivery.meter_id
        bound = layout.bound.get(key)
        if bound is not None and bound.version == self._directory.version:
            return bound
        entry = self._entry(delivery, layout.template, frame)
        if entry is None or (entry.profile or layout.suggested) != layout.template.profile:
            return None
        if bound is not None and bound.entry is entry:
            bound.version = self._directory.version
            return bound
        made = self._binding(entry, layout.template, wanted)
        if isinstance(made, _Bound):
            if len(layout.bound) >= _MOST:
                del layout.bound[next(iter(layout.bound))]
            layout.bound[key] = made
        return made

    def _entry(self, delivery: Delivery, template: Template, frame: bytes) -> MeterEntry | None:
        meter = template.meter(frame)
        if delivery.meter_id is None:
            return self._directory.meter_for(meter)
        asked = self._directory.entry(delivery.meter_id)
        return asked if asked is not None and is_same_meter(asked.identity, meter) else None

    def _binding(self, entry: MeterEntry, template: Template, wanted: Wanted) -> _Bound | Incomplete | None:
        numbers: list[int] = []
        missing = False
        for register, _ in template.registers:
            try:
                number = self._directory.register_id(entry, register)
            except UnitMismatchError:
                return None
            if number is None:
                missing = True
                wanted[(entry.meter_id, register.name)] = (entry, register)
            else:
                numbers.append(number)
        if missing:
            return INCOMPLETE
        zone = entry.clock_zone or self._zone
        times = [time for _, time in template.registers]
        times_us = tuple(
            None if time is None else microseconds(time if time.tzinfo else time.replace(tzinfo=zone)) for time in times
        )
        ids = (entry.meter_id,), tuple(numbers)
        return _Bound(entry, self._directory.version, *ids, times_us if any(times) else (), zone)

    def _resolved(self, delivery: Delivery, frame: bytes, layout: _Layout, bound: _Bound) -> Resolved | None:
        template = layout.template
        values = template.counts(frame)
        clock, shown = template.clock(frame)
        if values is None or not shown:
            return None
        meter_time = None if clock is None else clock.replace(tzinfo=bound.zone).astimezone(UTC)
        flags, notes = self._watch.judged(
            delivery, bound.entry.meter_id, meter_time, counted=layout.counted, frame=frame
        )
        read_us, number = microseconds(delivery.read_at), len(values)
        ts_us = tuple(read_us if us is None else us for us in bound.times_us) if bound.times_us else (read_us,) * number
        said = (*template.flags, *notes) if notes else template.flags
        status = MeterStatus(bound.entry.meter_id, read_us, template.info_code, meter_time, said)
        return Resolved(bound.meter_ids, bound.register_ids, ts_us, values, (int(flags),) * number, (status,))
