"""What is wrong with rows of a readings file, reported by row and column without looking at every row in Python.

Rules: of one fault the first two hundred rows of a chunk are named and all are counted; what a whole meter or quantity
shares is one problem that says how many rows it stands for.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt

from ingest.importing.chunks import Chunk, measures, quantity_of
from ingest.importing.columns import Mask
from ingest.importing.report import ImportReport, Problem
from protocols.registers import Register

_OLDEST_US = 946_684_800_000_000
_AHEAD_US = 15 * 60 * 1_000_000
_NAMED = 200


class RowFaults:
    """Judges the rows of chunks; `now` is the instant that no reading lies behind."""

    def __init__(self, report: ImportReport, now: datetime) -> None:
        self._report = report
        self._now = now

    def usable(self, chunk: Chunk) -> Mask:
        """Rows with a time, a value and a quantity; what is wrong with the others is reported."""
        good = ~(chunk.untimed | chunk.values.bad)
        self._each(chunk, np.flatnonzero(chunk.untimed), "time", "cell.unreadable", lambda _: "not an ISO 8601 instant")
        reasons = chunk.values.reasons
        bad = np.flatnonzero(chunk.values.bad & ~chunk.untimed)
        self._each(
            chunk, bad, "value", "value.missing", lambda row: reasons.get(row, "the value is missing or no number")
        )
        latest_us = round(self._now.timestamp() * 1e6) + _AHEAD_US
        for mask, code, said in (
            (good & (chunk.ts_us > latest_us), "time.future", "the time lies ahead"),
            (good & (chunk.ts_us < _OLDEST_US), "time.past", "the time lies before 2000"),
        ):
            self._each(chunk, np.flatnonzero(mask), "time", code, lambda _, said=said: said)  # type: ignore[misc]
            good &= ~mask
        for what, (name, unit) in enumerate(chunk.quantities):
            quantity = quantity_of(name)
            if quantity is not None and measures(unit, quantity):
                continue
            rows = np.flatnonzero(good & (chunk.what == what))
            column = "quantity" if quantity is None else "unit"
            code = f"{column}.unknown"
            message = f"{name!r} is no quantity" if quantity is None else f"{unit!r} does not measure {name}"
            self._all(chunk, rows, column, code, message)
            good[rows] = False
        return good

    def unknown(self, chunk: Chunk, entries: Sequence[object | None]) -> None:
        """Meters that nobody registered: `entries` in the order of the chunk's meters, None for those."""
        for who, entry in enumerate(entries):
            if entry is None:
                serial, maker = chunk.meters[who]
                rows = np.flatnonzero(chunk.who == who)
                message = f"meter {maker} {serial} is not registered, or not the only one"
                self._all(chunk, rows, "serial", "meter.unknown", message)

    def finer(self, chunk: Chunk, rows: npt.NDArray[np.intp], register: Register) -> None:
        """Values that are no whole count of their register."""
        text = f"not a whole count of 10^{register.scale} {register.unit}, the last digit of register {register.name}"
        self._each(chunk, rows, "value", "value.finer", lambda _: text)

    def _each(
        self, chunk: Chunk, rows: npt.NDArray[np.intp], column: str, code: str, said: Callable[[int], str]
    ) -> None:
        for row in rows[:_NAMED].tolist():
            self._report.add(Problem(int(chunk.numbers[row]), column, code, said(row)))
        if len(rows) > _NAMED:
            self._report.counts[code] += len(rows) - _NAMED
            self._report.errors += len(rows) - _NAMED

    def _all(self, chunk: Chunk, rows: npt.NDArray[np.intp], column: str, code: str, message: str) -> None:
        """One problem that all of some rows have."""
        if len(rows):
            more = f" ({len(rows)} rows)" if len(rows) > 1 else ""
            self._report.add(Problem(int(chunk.numbers[rows[0]]), column, code, message + more), len(rows))
