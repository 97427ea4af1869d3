"""What telegrams tell of their own age: how far off a meter's clock is, and whether an old telegram came again.

Rules: a meter's clock never dates a reading, it only judges it (V2, V20). What was heard lately is learnt from the
store at the start, so that a restart forgets no frozen meter.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

import psycopg
import structlog

from compute.quality import Quality
from ingest.clock import wall_now
from ingest.heard import HeardLately, LastSaid, frame_in
from ingest.model import Decoded, Delivery
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
        self._heard = HeardLately()

    def take_drifts(self) -> dict[int, float]:
        """Seconds that meter clocks were ahead of the reading's instant, by meter, since the last call."""
        taken, self.drifts_s = self.drifts_s, {}
        return taken

    def learn(self, said: Iterable[LastSaid]) -> None:
        """Take what the store knows of each meter's last telegrams, oldest first."""
        self._heard.learn(said)

    def judged(
        self,
        delivery: Delivery,
        meter_id: int,
        meter_time: datetime | None,
        *,
        counted: bool = False,
        frame: bytes | None = None,
        told: Decoded | None = None,
    ) -> tuple[Quality, list[str]]:
        """Flags that all readings of a telegram share, and notes for its status.

        Parameters
        ----------
        meter_time : datetime, optional
            The clock in the telegram, aware.
        counted : bool
            It is a radio telegram with an access number.
        frame : bytes, optional
            The M-Bus frame that the delivery consists of, where the caller has it.
        told : Decoded, optional
            It is a message of finished values, these.
        """
        flags = Quality.MANUAL if delivery.protocol == "reading" else Quality.NONE
        if meter_time is not None:
            drift_s = (meter_time - delivery.read_at).total_seconds()
            self.drifts_s[meter_id] = drift_s
            if abs(drift_s) > CLOCK_OFF_S:
                flags |= Quality.CLOCK
        frame = frame or frame_in(delivery.protocol, delivery.payload)
        again = self._heard.repeats(delivery, meter_id, meter_time, counted, frame)
        if again or (told is not None and self._heard.echoes(told, meter_id, meter_time, delivery.read_at)):
            return flags | Quality.STALE, ["stale"]
        return flags, []


async def watch_from_store(watch: ClockWatch, pool: Pool) -> None:
    """Let a watch learn what meters said last; a database that does not answer only costs the memory."""
    try:
        async with pool.connection() as connection:
            watch.learn(await last_said(connection, wall_now() - REMEMBERED))
    except (psycopg.Error, OSError, TimeoutError) as error:
        log.warning("last telegrams not known, stale answers are noticed from the second on", reason=str(error))
