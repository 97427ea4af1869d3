"""`readings.csv` or Parquet: serial, manufacturer, time, quantity, value, unit; millions of rows, never one object a
row.

Rules: a chunk of the file is a delivery whose bytes are kept, so that every reading can be traced to its rows; values
become exact counts of the register, and one finer than the register's last digit is refused with its row; a register
that a meter lacks is created as fine as the whole file's values of it; `info_code` and `meter_time` are what the meter
says about itself. Importing a file again stores nothing twice.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg import AsyncConnection

from ingest.directory import Directory, MeterEntry
from ingest.importing.chunks import SAID, Chunk, chunk_of, quantity_of, register_name_of
from ingest.importing.columns import Int64
from ingest.importing.faults import RowFaults
from ingest.importing.files import batches
from ingest.importing.report import ImportReport, Progress
from ingest.importing.steps import StepKey, finest_decimals
from ingest.model import Delivery, MeterStatus
from ingest.store import deliveries, keys, reading_writes, statuses, touched
from ingest.store.copying import copies_on
from ingest.store.habit import new_habits
from ingest.store.packing import instant_of
from ingest.store.reading_columns import ReadingColumns
from protocols.registers import Register
from protocols.telegram import MeterId
from protocols.units import CANONICAL_UNIT, Quantity, factor

REQUIRED = ("serial", "time", "quantity", "value")
CHUNK_ROWS = 200_000
# Coarser than this is not believed of a measured quantity, whatever the first values look like.
_LEAST_DECIMALS = {
    Quantity.SUPPLY_TEMPERATURE: 1, Quantity.RETURN_TEMPERATURE: 1, Quantity.TEMPERATURE_DIFFERENCE: 2,
    Quantity.FLOW: 3, Quantity.POWER: 1,
}  # fmt: skip


Entries = Sequence[MeterEntry | None]


@dataclass(slots=True)
class _Found:
    """Rows of a chunk that have become readings or statements, as lists of array parts."""

    rows: list[npt.NDArray[np.intp]] = field(default_factory=list)
    registers: list[Int64] = field(default_factory=list)
    counts: list[Int64] = field(default_factory=list)
    meters: list[Int64] = field(default_factory=list)
    said: dict[tuple[int, int], dict[Quantity, float]] = field(default_factory=dict)


class ReadingsImport:
    """Takes the chunks of one file one after the other, each in a transaction of its own."""

    def __init__(
        self,
        connection: AsyncConnection[Any],
        directory: Directory,
        path: Path,
        report: ImportReport,
        *,
        now: datetime,
        copy: bool = True,
    ) -> None:
        self._connection = connection
        self._directory = directory
        self._path = path
        self._report = report
        self._now = now
        self._copy = copy
        self._faults = RowFaults(report, now)
        self._habits = new_habits()
        self._finest: dict[StepKey, int] | None = None

    async def run(self, zone: tzinfo, progress: Progress, total: int) -> None:
        """Import the whole file; the next chunk is read while the server takes the present one."""
        # Told in the thread that reads ahead, reported in ours.
        left_out: deque[tuple[int, str]] = deque()
        read = batches(
            self._path, required=REQUIRED, rows=CHUNK_ROWS, refuse=lambda row, fault: left_out.append((row, fault))
        )
        chunks = (chunk_of(batch, zone) for batch in read)
        coming = asyncio.create_task(asyncio.to_thread(next, chunks, None), name="read chunk")
        while (chunk := await coming) is not None:
            coming = asyncio.create_task(asyncio.to_thread(next, chunks, None), name="read chunk")
            try:
                await self._take(chunk)
            except BaseException:
                await asyncio.gather(coming, return_exceptions=True)
                raise
            self._leave_out(left_out)
            progress(self._report.rows, total)
        self._leave_out(left_out)

    def _leave_out(self, rows: deque[tuple[int, str]]) -> None:
        while rows:
            self._report.leave_out(*rows.popleft())

    async def _take(self, chunk: Chunk) -> None:
        self._report.rows += len(chunk.who)
        found = await self._resolve(chunk)
        rows = sum(len(part) for part in found.rows)
        self._report.refused += len(chunk.who) - rows - sum(len(said) for said in found.said.values())
        if self._report.dry_run or not (found.rows or found.said):
            return
        async with self._connection.transaction():
            delivery_id, complete = await self._deliver(chunk, len(chunk.who) - rows - len(found.said))
            written = 0 if complete else await self._write(chunk, found, delivery_id)
        self._report.written += written
        self._report.unchanged += rows - written

    async def _deliver(self, chunk: Chunk, refused: int) -> tuple[int, bool]:
        """The chunk's delivery, and whether it was stored before with none of its rows refused."""
        delivery = Delivery(
            protocol="import",
            payload=chunk.payload,
            arrived_at=self._now,
            read_at=self._now,
            channel=f"file:{self._path.name}",
            # The same rows of the same file are the same delivery, whenever they come.
            idempotency=f"rows from {chunk.first_row}",
            details={"file": self._path.name, "first_row": chunk.first_row, "rows": len(chunk.who), "form": "arrow",
                     "refused": refused},
        )  # fmt: skip
        digest = keys.digest_of(delivery)
        fresh, known = await keys.claim(self._connection, [digest], self._habits.deliveries, copy=self._copy)
        if digest in known:
            kept = await deliveries.get_many(self._connection, [known[digest]])
            return known[digest], bool(kept) and kept[0].details.get("refused") == 0
        async with copies_on(self._connection, self._copy) as copies:
            await deliveries.insert(self._connection, [(fresh[digest], None, delivery)], copies)
        return fresh[digest], False

    async def _write(self, chunk: Chunk, found: _Found, delivery_id: int) -> int:
        heard: dict[int, int] = dict(found.said.keys())
        written = 0
        if found.rows:
            rows = np.concatenate(found.rows)
            ts_us, meters = chunk.ts_us[rows], np.concatenate(found.meters)
            columns = ReadingColumns(
                ts_us=ts_us,
                value=np.concatenate(found.counts),
                delivery_id=np.full(len(rows), delivery_id),
                register_id=np.concatenate(found.registers),
                flags=np.zeros(len(rows), dtype=np.int64),
            )
            # The quantities of an instant side by side: they are one row.
            columns = columns.take(np.lexsort((ts_us, meters)))
            made = await reading_writes.insert(
                self._connection,
                columns,
                self._habits,
                history=np.zeros(len(rows), dtype=bool),
                copy=self._copy,
            )
            written = len(made.readings)
            heard |= _latest(meters, ts_us)
            async with copies_on(self._connection, self._copy) as copies:
                await touched.by_rows(self._connection, made.rows, copies)
        await self._say(found, heard, delivery_id)
        return written

    async def _say(self, found: _Found, heard: dict[int, int], delivery_id: int) -> None:
        rows = [MeterStatus(meter, ts) for meter, ts in heard.items() if (meter, ts) not in found.said]
        for (meter, ts), said in found.said.items():
            code, clock_s = said.get(Quantity.INFO_CODE), said.get(Quantity.METER_TIME)
            clock = None if clock_s is None else instant_of(round(clock_s * 1e6))
            rows.append(MeterStatus(meter, ts, None if code is None else int(code), clock))
        new = await statuses.unsaid(self._connection, [(delivery_id, status) for status in rows])
        async with copies_on(self._connection, self._copy) as copies:
            await statuses.insert(self._connection, new, copies)

    async def _resolve(self, chunk: Chunk) -> _Found:
        entries = [self._directory.meter_for(MeterId(serial, maker)) for serial, maker in chunk.meters]
        self._faults.unknown(chunk, entries)
        good = self._faults.usable(chunk) & np.array([entry is not None for entry in entries], dtype=bool)[chunk.who]
        # A quantity at a time: its rows, and the meters among them.
        of_quantity = [(what, np.flatnonzero(good & (chunk.what == what))) for what in range(len(chunk.quantities))]
        await self._create_registers(chunk, entries, of_quantity)
        if not self._report.dry_run:
            entries = [None if entry is None else self._directory.entry(entry.meter_id) for entry in entries]
        found = _Found()
        for what, rows in of_quantity:
            quantity = quantity_of(chunk.quantities[what][0])
            if quantity is None or not len(rows):
                continue
            if quantity in SAID:
                self._hear(found, chunk, entries, quantity, rows)
            else:
                self._place(found, chunk, entries, what, rows)
        return found

    def _hear(
        self, found: _Found, chunk: Chunk, entries: Entries, quantity: Quantity, rows: npt.NDArray[np.intp]
    ) -> None:
        """What meters say about themselves: seldom enough to go one by one."""
        for row, value in zip(rows.tolist(), chunk.values.floats(rows).tolist(), strict=True):
            entry = entries[chunk.who[row]]
            if entry is not None:
                found.said.setdefault((entry.meter_id, int(chunk.ts_us[row])), {})[quantity] = value

    def _place(self, found: _Found, chunk: Chunk, entries: Entries, what: int, rows: npt.NDArray[np.intp]) -> None:
        """Readings of one quantity: all rows of meters whose registers count alike at once."""
        name, unit = chunk.quantities[what]
        quantity = Quantity(name)
        register_of = np.zeros(len(entries), dtype=np.int64)
        meter_of = np.zeros(len(entries), dtype=np.int64)
        kind_of = np.full(len(entries), -1, dtype=np.int64)
        kinds: dict[tuple[str, int], int] = {}
        registers: list[Register] = []
        for who in np.unique(chunk.who[rows]).tolist():
            entry = entries[who]
            known = None if entry is None else entry.registers.get(register_name_of(quantity, entry))
            if entry is None or known is None:
                continue
            display = (known.register.unit, known.register.scale)
            if display not in kinds:
                kinds[display] = len(kinds)
                registers.append(known.register)
            register_of[who], meter_of[who], kind_of[who] = known.register_id, entry.meter_id, kinds[display]
        kind = kind_of[chunk.who[rows]]
        for number, register in enumerate(registers):
            alike = rows[kind == number]
            ratio = factor(unit or CANONICAL_UNIT[quantity], register.unit) / Fraction(10) ** register.scale
            counts, wrong = chunk.values.counts(alike, ratio)
            if wrong.any():
                self._faults.finer(chunk, alike[wrong], register)
                alike, counts = alike[~wrong], counts[~wrong]
            found.rows.append(alike)
            found.counts.append(counts)
            found.registers.append(register_of[chunk.who[alike]])
            found.meters.append(meter_of[chunk.who[alike]])

    async def _create_registers(
        self, chunk: Chunk, entries: Entries, of_quantity: list[tuple[int, npt.NDArray[np.intp]]]
    ) -> None:
        wanted: dict[tuple[int, str], tuple[MeterEntry, Register]] = {}
        for what, rows in of_quantity:
            name, unit = chunk.quantities[what]
            quantity = quantity_of(name)
            if quantity is None or quantity in SAID or not len(rows):
                continue
            lacking = np.zeros(len(entries), dtype=bool)
            for who in np.unique(chunk.who[rows]).tolist():
                entry = entries[who]
                lacking[who] = entry is not None and register_name_of(quantity, entry) not in entry.registers
            rows = rows[lacking[chunk.who[rows]]]
            if not len(rows):
                continue
            if self._finest is None:
                self._finest = await asyncio.to_thread(finest_decimals, self._path, REQUIRED, CHUNK_ROWS)
            for who in np.flatnonzero(lacking).tolist():
                entry = entries[who]
                if entry is not None:
                    finest = self._finest.get((*chunk.meters[who], *chunk.quantities[what]), 0)
                    decimals = max(finest, _LEAST_DECIMALS.get(quantity, 0))
                    name = register_name_of(quantity, entry)
                    register = Register(name, quantity, unit or CANONICAL_UNIT[quantity], -decimals)
                    wanted.setdefault((entry.meter_id, name), (entry, register))
        if self._report.dry_run:
            for entry, register in wanted.values():
                entry.registers[register.name] = self._directory.planned(register)
        elif wanted:
            await self._directory.create_registers(wanted.values())


def _latest(meters: Int64, ts_us: Int64) -> dict[int, int]:
    """The latest instant of each meter."""
    order = np.argsort(meters, kind="stable")
    names, first = np.unique(meters[order], return_index=True)
    return dict(zip(names.tolist(), np.maximum.reduceat(ts_us[order], first).tolist(), strict=True))
