"""Where the readings of a register stand: its meter and its slot among that meter's registers.

Rules: a register keeps meter and slot for ever, so what was asked once is known; one of these a database, because
numbers mean nothing in another one.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from psycopg import AsyncConnection

from ingest.errors import NotFoundError
from ingest.store.copying import Copies
from ingest.store.packing import Int4Array

Int64 = npt.NDArray[np.int64]
# Registers of a bank: the value columns of one row.
BANK = 8
_ASK = "SELECT register_id, meter_id, slot FROM register WHERE register_id = ANY(%b::int4[])"
_UNKNOWN = -1


class RegisterSlots:
    """Meters and slots of registers, asked when first met."""

    __slots__ = ("_meter", "_slot")

    def __init__(self) -> None:
        self._meter = np.empty(0, dtype=np.int32)
        self._slot = np.empty(0, dtype=np.int16)

    async def of(
        self, connection: AsyncConnection[Any], register_ids: Int64, copies: Copies | None = None
    ) -> tuple[Int64, Int64]:
        """Meters and slots of registers: two (n,) int64; `copies` under way are settled before anything is asked.

        Raises
        ------
        NotFoundError
            A number that no register has.
        """
        if not len(register_ids):
            return register_ids, register_ids
        if register_ids.min() < 1:
            raise NotFoundError(f"no register has the number {register_ids.min()}")
        self._grow(int(register_ids.max()))
        meter = self._meter[register_ids]
        if (meter == _UNKNOWN).any():
            if copies is not None:
                await copies.settle()
            await self._ask(connection, np.unique(register_ids[meter == _UNKNOWN]))
            meter = self._meter[register_ids]
        return meter.astype(np.int64), self._slot[register_ids].astype(np.int64)

    def _grow(self, highest: int) -> None:
        missing = highest + 1 - len(self._meter)
        if missing > 0:
            # Twice as much as asked, so that a growing registry is not copied register by register.
            room = missing + highest
            self._meter = np.concatenate([self._meter, np.full(room, _UNKNOWN, dtype=np.int32)])
            self._slot = np.concatenate([self._slot, np.zeros(room, dtype=np.int16)])

    async def _ask(self, connection: AsyncConnection[Any], register_ids: Int64) -> None:
        cursor = await connection.execute(_ASK, (Int4Array(register_ids),), binary=True)
        for register_id, meter_id, slot in await cursor.fetchall():
            self._meter[register_id], self._slot[register_id] = meter_id, slot
        absent = register_ids[self._meter[register_ids] == _UNKNOWN]
        if len(absent):
            raise NotFoundError(f"no register has the number {absent[0]}")
