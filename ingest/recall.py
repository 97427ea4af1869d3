"""Telegrams that differ from an earlier one of the same meter in values only: resolved without decoding them again.

Rules: what is recalled is exactly what decoding and resolving would give (`protocols.profile_template` declines
everything else), for a registry that has not changed since; whatever is in doubt goes the long way, which learns from
it. Bounded, so that hostile senders cost neither time nor memory.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from ingest.clock_watch import ClockWatch
from ingest.directory import Directory, MeterEntry
from ingest.model import Decoded, Delivery, MeterStatus, Resolved
from ingest.profiles import profile_named
from ingest.store.packing import microseconds
from protocols.profile_template import Template, template_from_frame

_MOST = 200_000
# Layouts of one meter under one topic: a meter alternates between a few (short and long, with and without a month).
_LAYOUTS = 4
# Tries to learn of one kind of telegram; a value may have been invalid the first time.
_ATTEMPTS = 4
_FRAMES = frozenset({"mbus", "wmbus"})

_Key = tuple[str, str | None, str | None, int | None, object, bytes]


@dataclass(slots=True)
class _Known:
    """A template bound to the registry as it was at `version`."""

    template: Template
    entry: MeterEntry
    version: int
    meter_ids: tuple[int, ...]
    register_ids: tuple[int, ...]
    # Instants that the telegram itself gives, None for "now"; empty where all are now.
    times_us: tuple[int | None, ...]
    zone: tzinfo


class Recall:
    """Templates by the way a telegram came and the address in it."""

    def __init__(self, directory: Directory, watch: ClockWatch) -> None:
        self._directory, self._watch = directory, watch
        self._known: dict[_Key, list[_Known]] = {}
        # How often nothing could be learnt of telegrams of this key and length.
        self._declined: dict[tuple[_Key, int], int] = {}

    def made(self, delivery: Delivery) -> Resolved | None:
        """What the store keeps of a delivery whose instant is believable; None where it must be decoded."""
        frame = _frame_of(delivery)
        if frame is None:
            return None
        for known in self._known.get(_key(delivery, frame), ()):
            if known.template.fits(frame):
                return self._resolved(delivery, frame, known) if self._holds(delivery, known) else None
        return None

    def _holds(self, delivery: Delivery, known: _Known) -> bool:
        """Whether the registry still means the same meter, registers and profile by the telegram."""
        directory = self._directory
        if known.version == directory.version:
            return True
        asked = delivery.meter_id
        entry = directory.meter_for(known.template.meter) if asked is None else directory.entry(asked)
        if entry is not known.entry:
            return False
        known.version = directory.version
        return True

    def _resolved(self, delivery: Delivery, frame: bytes, known: _Known) -> Resolved | None:
        template = known.template
        values = template.counts(frame)
        clock, shown = template.clock(frame)
        if values is None or not shown:
            return None
        meter_time = None if clock is None else clock.replace(tzinfo=known.zone).astimezone(UTC)
        (meter_id,) = known.meter_ids
        flags, notes = self._watch.judged(delivery, meter_id, meter_time)
        read_us, number = microseconds(delivery.read_at), len(values)
        ts_us = tuple(read_us if us is None else us for us in known.times_us) if known.times_us else (read_us,) * number
        said = (*template.flags, *notes) if notes else template.flags
        status = MeterStatus(meter_id, read_us, template.info_code, meter_time, said)
        return Resolved(known.meter_ids, known.register_ids, ts_us, values, (int(flags),) * number, (status,))

    def learn(self, delivery: Delivery, telegram: Decoded, entry: MeterEntry, zone: tzinfo, resolved: Resolved) -> None:
        """Remember what was made of a delivery of one telegram, where that can be recalled."""
        frame = _frame_of(delivery)
        if frame is None or telegram.sent is not None or telegram.remarks or resolved.rejected is not None:
            return
        key = _key(delivery, frame)
        layouts = self._known.get(key, [])
        place = next((n for n, known in enumerate(layouts) if known.template.fits(frame)), None)
        if place is not None:
            if self._holds(delivery, layouts[place]):
                return  # a value that was no number this time
            del layouts[place]
        elif self._declined.get((key, len(frame)), 0) >= _ATTEMPTS:
            return
        template = template_from_frame(frame, telegram.telegram, profile_named(telegram.profile))
        if template is None or len(template.registers) != len(resolved.register_ids):
            self._decline((key, len(frame)))
            return
        times = tuple(time for _, time in template.registers)
        times_us = tuple(None if time is None else _us(time, zone) for time in times) if any(times) else ()
        ids = resolved.meter_ids, resolved.register_ids
        layouts = self._known.setdefault(key, layouts)
        layouts.insert(0, _Known(template, entry, self._directory.version, *ids, times_us, zone))
        del layouts[_LAYOUTS:]
        if len(self._known) > _MOST:
            del self._known[next(iter(self._known))]

    def _decline(self, layout: tuple[_Key, int]) -> None:
        if len(self._declined) >= _MOST:
            self._declined.clear()
        self._declined[layout] = self._declined.get(layout, 0) + 1


def _frame_of(delivery: Delivery) -> bytes | None:
    """The M-Bus frame that a delivery consists of, bare or as hexadecimal digits."""
    if delivery.protocol in _FRAMES:
        return delivery.payload if len(delivery.payload) > 11 else None
    if delivery.protocol != "mqtt" or len(delivery.payload) < 24 or not delivery.payload.isalnum():
        return None
    try:
        return bytes.fromhex(delivery.payload.decode())
    except ValueError:
        return None


def _key(delivery: Delivery, frame: bytes) -> _Key:
    address = frame[7:15] if frame[0] == frame[3] == 0x68 else frame[2:10]
    family = delivery.details.get("family") if delivery.details else None
    return delivery.protocol, delivery.topic, delivery.profile, delivery.meter_id, family, address


def _us(time: datetime, zone: tzinfo) -> int:
    return microseconds(time if time.tzinfo is not None else time.replace(tzinfo=zone))
