"""When each meter of a gateway is due: rounds on a fixed grid, shifted by a jitter, nobody read twice in a round.

Rules: pure arithmetic on instants that are passed in; a round that was missed is not made up (the next one reads the
same registers), but a meter never read, or not since the round began, is due at once. Silent meters come after the
others and only while they stay within their share of the bus: they can't silence it.
"""

import heapq
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Grid:
    """Rounds every `period_s`, `offset_s` after the full period (the jitter of this bus).

    Parameters
    ----------
    period_s : float
        Seconds between rounds.
    offset_s : float
        Shift of this bus, 0 up to its jitter.
    """

    period_s: float
    offset_s: float = 0.0

    def __post_init__(self) -> None:
        if self.period_s <= 0:
            raise ValueError(f"a period of {self.period_s} s never comes round")

    def round_start(self, at: datetime) -> datetime:
        """Start of the round that `at` lies in."""
        passed_s = (at - EPOCH).total_seconds() - self.offset_s
        return EPOCH + timedelta(seconds=passed_s // self.period_s * self.period_s + self.offset_s)

    def next_round(self, at: datetime) -> datetime:
        """Start of the first round after `at`."""
        return self.round_start(at) + timedelta(seconds=self.period_s)

    def first_due(self, at: datetime, last_read: datetime | None) -> datetime:
        """When a meter is due that was last read at `last_read` (None: never)."""
        start = self.round_start(at)
        return at if last_read is None or last_read < start else start + timedelta(seconds=self.period_s)


def grid_of(period_s: int, jitter_s: int, seed: int) -> Grid:
    """Grid of a bus: the offset is drawn once from its number, so that every worker draws the same."""
    offset_s = random.Random(seed).uniform(0, jitter_s) if jitter_s else 0.0  # noqa: S311 - spreads load, hides nothing
    return Grid(period_s, offset_s)


@dataclass(slots=True)
class SilentShare:
    """Budget of meters that don't answer: at most `share` of the time; of idle times `ceiling_s` are saved up.

    Time on meters that answer costs nothing; the allowance grows with every second that passes.
    """

    share: float = 0.1
    ceiling_s: float = 10.0
    allowance_s: float = 0.0
    updated: float | None = None

    def allows(self, now_s: float) -> bool:
        """Whether a silent meter may be asked at the monotonic time `now_s`."""
        if self.updated is not None:
            self.allowance_s = min(self.ceiling_s, self.allowance_s + (now_s - self.updated) * self.share)
        self.updated = now_s
        return self.allowance_s >= 0

    def spend(self, cost_s: float) -> None:
        """A silent meter cost so many seconds of the bus."""
        self.allowance_s -= cost_s


class DueList:
    """Meters of one gateway in the order they are due; healthy ones first among those that are due.

    Entries are keys (meter ids); `push` again moves a key.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, bool, int, int]] = []
        self._current: dict[int, int] = {}
        self._stamp = 0

    def __len__(self) -> int:
        return len(self._current)

    def push(self, key: int, due: datetime, *, silent: bool = False) -> None:
        """`key` is due at `due`; an earlier entry of it no longer counts. A silent one comes after its equals."""
        self._stamp += 1
        self._current[key] = self._stamp
        heapq.heappush(self._heap, (due, silent, self._stamp, key))

    def drop(self, key: int) -> None:
        """`key` is no longer read."""
        self._current.pop(key, None)

    def next_due(self) -> datetime | None:
        """When the next key is due; None where there is none."""
        while self._heap and self._current.get(self._heap[0][3]) != self._heap[0][2]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop_due(self, at: datetime) -> int | None:
        """Take the first key that is due at `at`; None where none is."""
        due = self.next_due()
        if due is None or due > at:
            return None
        key = heapq.heappop(self._heap)[3]
        del self._current[key]
        return key
