"""The last telegrams of each meter, so that one that comes again is known (rule V20) and never counts as a reading.

Rules: equal bytes at another instant are the same telegram where the telegram itself says so: by the meter's clock; by
the access number of a radio telegram, as long as that cannot have come round; or where the broker says that it sends
again. What a receiver writes around a telegram (level, time) is none of it. A message that carries values only is the
one before, where its values are the same within a minute, or an older one, where an index would fall back to what it
was. Everything else may be a meter that repeats itself because nothing changed. Bounded, a few telegrams a meter.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from ingest.model import Decoded, Delivery
from protocols.mbus.wireless import without_crcs
from protocols.mqtt.raw_wmbus import looks_like_telegram, telegrams_from_payload
from protocols.telegram import Telegram
from protocols.units import Quantity

# Telegrams of a meter that a repeater, or a broker after a broken connection, may still bring again.
_REMEMBERED: Final = 16
# The access number has eight bits; no meter sends 256 telegrams in less (one in 7 s).
_ACCESS_NUMBERS: Final = timedelta(minutes=30)
_FRAMES: Final = frozenset({"mbus", "wmbus"})
# Receivers that hear a telegram hand it on within seconds; no meter's index is asked for so often.
_ECHO: Final = timedelta(minutes=1)
_VALUES_REMEMBERED: Final = 8


@dataclass(frozen=True, slots=True)
class LastSaid:
    """A telegram as the store has it; `meter_time` is aware, None where the telegram carried no clock."""

    meter_id: int
    protocol: str
    payload: bytes
    meter_time: datetime | None
    read_at: datetime


def frame_in(protocol: str, payload: bytes) -> bytes | None:
    """The M-Bus frame that a delivery consists of, bare or as hexadecimal digits."""
    if protocol in _FRAMES:
        return payload if len(payload) > 15 else None
    if protocol != "mqtt" or len(payload) < 32 or not payload.isalnum():
        return None
    try:
        return bytes.fromhex(payload.decode())
    except ValueError:
        return None


def is_counted(telegram: Telegram) -> bool:
    """Whether it is a radio telegram with an access number, which tells it from the one before and after it."""
    return telegram.protocol == "wmbus" and telegram.access_number is not None


_Heard = tuple[int, datetime | None, datetime]


@dataclass(slots=True)
class _Values:
    """What messages of a meter that carry values only said lately, and the indexes of the last one."""

    said: deque[tuple[int, datetime]] = field(default_factory=lambda: deque(maxlen=_VALUES_REMEMBERED))
    indexes: dict[str, int] = field(default_factory=dict)


class HeardLately:
    """What each meter said lately."""

    __slots__ = ("_meters", "_values")

    def __init__(self) -> None:
        self._values: dict[int, _Values] = {}
        # meter -> (digest of the telegram, its clock, the instant of its reading), oldest first
        self._meters: dict[int, deque[_Heard]] = {}

    def learn(self, said: Iterable[LastSaid]) -> None:
        """Take what the store knows, oldest first; what was heard since stays the later."""
        for one in said:
            known = self._of(one.meter_id)
            if not known or known[-1][2] < one.read_at:
                digest = _digest(one.protocol, one.payload, frame_in(one.protocol, one.payload), counted=True)
                known.append((digest, one.meter_time, one.read_at))

    def repeats(
        self, delivery: Delivery, meter_id: int, meter_time: datetime | None, counted: bool, frame: bytes | None
    ) -> bool:
        """Whether a telegram came before under another instant; remembers it where not.

        Parameters
        ----------
        meter_time : datetime, optional
            The clock in the telegram, aware.
        counted : bool
            It is a radio telegram with an access number.
        frame : bytes, optional
            What `frame_in` finds.
        """
        again = bool(delivery.details) and delivery.details.get("redelivered") is True
        if meter_time is None and not counted and not again and delivery.protocol != "mqtt":
            return False
        digest, at = _digest(delivery.protocol, delivery.payload, frame, counted=counted), delivery.read_at
        known = self._of(meter_id)
        for said, clock, before in known:
            if said != digest or clock != meter_time:
                continue
            if before == at:
                return False
            if clock is not None or again or (counted and abs(at - before) < _ACCESS_NUMBERS):
                return True
        known.append((digest, meter_time, at))
        return False

    def echoes(self, told: Decoded, meter_id: int, meter_time: datetime | None, read_at: datetime) -> bool:
        """Whether the values of a message came before under another instant; remembers them where not.

        Parameters
        ----------
        told : Decoded
            A message of finished values: what the receiver adds to it is no register.
        meter_time : datetime, optional
            The clock among the values, aware.
        """
        present = (None, told.sent)
        readings = [one for one in told.readings if one.register.quantity is not Quantity.BATTERY_VOLTAGE]
        values = tuple((one.register.name, one.count, None if one.time in present else one.time) for one in readings)
        if not values:
            return False
        known = self._values.setdefault(meter_id, _Values())
        digest, at = hash((values, meter_time)), told.sent or read_at
        indexes = {
            one.register.name: one.count
            for one in readings
            if one.count is not None and one.time in present and one.register.cumulative
        }
        # What the sender dated itself takes nothing back, whenever it comes.
        back = told.sent is None and any(count < known.indexes.get(name, count) for name, count in indexes.items())
        for age, (said, before) in enumerate(reversed(known.said)):
            if said != digest:
                continue
            if before == at:
                return False
            # A value that returns to what it was is a value; only the latest message has an echo.
            within = _ACCESS_NUMBERS if back else _ECHO if age == 0 else timedelta(0)
            if meter_time is not None or abs(at - before) < within:
                return True
        known.said.append((digest, at))
        known.indexes = indexes
        return False

    def _of(self, meter_id: int) -> deque[_Heard]:
        known = self._meters.get(meter_id)
        if known is None:
            known = self._meters[meter_id] = deque(maxlen=_REMEMBERED)
        return known


def _digest(protocol: str, payload: bytes, frame: bytes | None, *, counted: bool) -> int:
    # Keyed anew in every process, so nobody can choose telegrams that collide; a restart learns from the bytes.
    return hash(_telegram_in(protocol, payload, frame, counted) or payload)


def _telegram_in(protocol: str, payload: bytes, frame: bytes | None, counted: bool) -> bytes | None:
    """The frame that a delivery consists of or, where it is a radio telegram (`counted`), brings in whatever clothing:
    receivers write the same one as bytes or digits, with and without CRCs, with a level and a time beside it.
    """
    if frame is None and counted and protocol == "mqtt":
        found = [one for one in telegrams_from_payload(payload) if looks_like_telegram(one)]
        frame = found[0] if len(found) == 1 else None
    return frame if frame is None or protocol == "mbus" else without_crcs(frame)
