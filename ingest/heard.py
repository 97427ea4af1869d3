"""The last telegrams of each meter, so that one that comes again is known (rule V20) and never counts as a reading.

Rules: equal bytes at another instant are the same telegram where the telegram itself says so: by the meter's clock; by
the access number of a radio telegram, as long as that cannot have come round; or where the broker says that it sends
again. Everything else may be a meter that repeats itself because nothing changed. Bounded, a few telegrams a meter.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

from ingest.model import Delivery
from protocols.telegram import Telegram

# Telegrams of a meter that a repeater, or a broker after a broken connection, may still bring again.
_REMEMBERED: Final = 16
# The access number has eight bits; no meter sends 256 telegrams in less (one in 7 s).
_ACCESS_NUMBERS: Final = timedelta(minutes=30)
_FRAMES: Final = frozenset({"mbus", "wmbus"})


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


class HeardLately:
    """What each meter said lately."""

    __slots__ = ("_meters",)

    def __init__(self) -> None:
        # meter -> (digest of the telegram, its clock, the instant of its reading), oldest first
        self._meters: dict[int, deque[tuple[bytes, datetime | None, datetime]]] = {}

    def learn(self, said: Iterable[LastSaid]) -> None:
        """Take what the store knows, oldest first; what was heard since stays the later."""
        for one in said:
            known = self._of(one.meter_id)
            if not known or known[-1][2] < one.read_at:
                known.append((_digest(one.protocol, one.payload), one.meter_time, one.read_at))

    def repeats(self, delivery: Delivery, meter_id: int, meter_time: datetime | None, counted: bool) -> bool:
        """Whether a telegram came before under another instant; remembers it where not.

        Parameters
        ----------
        meter_time : datetime, optional
            The clock in the telegram, aware.
        counted : bool
            It is a radio telegram with an access number.
        """
        again = bool(delivery.details) and delivery.details.get("redelivered") is True
        if meter_time is None and not counted and not again and delivery.protocol != "mqtt":
            return False
        digest, at = _digest(delivery.protocol, delivery.payload), delivery.read_at
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

    def _of(self, meter_id: int) -> deque[tuple[bytes, datetime | None, datetime]]:
        known = self._meters.get(meter_id)
        if known is None:
            known = self._meters[meter_id] = deque(maxlen=_REMEMBERED)
        return known


def _digest(protocol: str, payload: bytes) -> bytes:
    """Of the frame, where it is one: receivers write the same telegram as bytes, in small and in large digits."""
    return blake2b(frame_in(protocol, payload) or payload, digest_size=8).digest()
