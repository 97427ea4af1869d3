"""What meters' own clocks tell: how far off they are, and whether a gateway repeats an answer that is long stale.

Rules: a meter's clock never dates a reading, it only judges it (V2, V20). The same bytes with the same clock at another
instant are the same reading seen again; the last ones are remembered a meter, and learnt from the store at the start,
so that a restart forgets no frozen meter.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import blake2b

import psycopg
import structlog

from compute.quality import Quality
from ingest.clock import wall_now
from ingest.model import Delivery
from ingest.store.database import Pool
from ingest.store.last_said import last_said

log = structlog.get_logger(__name__)

# Battery heat meters drift up to this without anybody minding (V2).
CLOCK_OFF_S = 900.0
# A meter that said nothing for longer is a case for the silence rules.
REMEMBERED = timedelta(days=40)


class ClockWatch:
    """Judges telegrams by their clocks; `drifts_s` is what was found since somebody last took it."""

    def __init__(self) -> None:
        self.drifts_s: dict[int, float] = {}
        # meter -> (digest of its last payload, its clock then, the instant of that reading)
        self._last: dict[int, tuple[bytes, datetime, datetime]] = {}

    def take_drifts(self) -> dict[int, float]:
        """Seconds that meter clocks were ahead of the reading's instant, by meter, since the last call."""
        taken, self.drifts_s = self.drifts_s, {}
        return taken

    def learn(self, last: Iterable[tuple[int, bytes, datetime, datetime]]) -> None:
        """Take what each meter said last: (meter, payload, its clock, instant of the reading), all aware."""
        for meter_id, payload, meter_time, read_at in last:
            known = self._last.get(meter_id)
            if known is None or known[2] < read_at:
                self._last[meter_id] = (_digest(payload), meter_time, read_at)

    def judged(self, delivery: Delivery, meter_id: int, meter_time: datetime | None) -> tuple[Quality, list[str]]:
        """Flags that all readings of a telegram share, and notes for its status; `meter_time` is aware."""
        flags = Quality.MANUAL if delivery.protocol == "reading" else Quality.NONE
        if meter_time is None:
            return flags, []
        drift_s = (meter_time - delivery.read_at).total_seconds()
        self.drifts_s[meter_id] = drift_s
        if abs(drift_s) > CLOCK_OFF_S:
            flags |= Quality.CLOCK
        digest = _digest(delivery.payload)
        last = self._last.get(meter_id)
        if last is not None and last[:2] == (digest, meter_time) and last[2] != delivery.read_at:
            return flags | Quality.STALE, ["stale"]
        self._last[meter_id] = (digest, meter_time, delivery.read_at)
        return flags, []


async def watch_from_store(watch: ClockWatch, pool: Pool) -> None:
    """Let a watch learn what meters said last; a database that does not answer only costs the memory."""
    try:
        async with pool.connection() as connection:
            watch.learn(await last_said(connection, wall_now() - REMEMBERED))
    except (psycopg.Error, OSError, TimeoutError) as error:
        log.warning("last telegrams not known, stale answers are noticed from the second on", reason=str(error))


def _digest(payload: bytes) -> bytes:
    return blake2b(payload, digest_size=8).digest()
