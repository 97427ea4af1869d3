"""The registry in memory: who a telegram belongs to, which registers it feeds, which key opens it.

Rules: lookups are plain dictionary reads and never wait; what changes in the database is heard by LISTEN and loaded
meter by meter. A meter is found by manufacturer, serial and medium; a missing part of the identity is made up for
only where exactly one meter fits. A register that a known meter does not have yet is created from what the telegram
says about it.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from fractions import Fraction
from typing import Any, Self
from zoneinfo import ZoneInfo

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from ingest.errors import IngestError
from ingest.sealing import Sealer, SealError
from ingest.store import directory_rows
from protocols.registers import Register
from protocols.telegram import MeterId
from protocols.units import CANONICAL_UNIT

log = structlog.get_logger(__name__)

_PART = 400

# Meters of one family may answer under another medium code of it (supply- and return-mounted, combined heat and cold).
_FAMILY = {
    "heat": "heat", "cooling": "heat", "heat_cooling": "heat",
    "water": "water", "hot_water": "water", "warm_water": "water", "cold_water": "water",
}  # fmt: skip


class UnitMismatchError(IngestError):
    """A register says another unit or decimal place than the registry: V6, for a person to decide."""

    code = "unit.mismatch"


@dataclass(frozen=True, slots=True)
class RegisterEntry:
    """A register of the registry; `count` is what one count is in the quantity's canonical unit."""

    register_id: int
    register: Register
    count: Fraction


@dataclass(slots=True)
class MeterEntry:
    """A registered meter with its registers by name, its link, and the zone its clock runs in."""

    meter_id: int
    identity: MeterId
    profile: str = ""
    clock_zone: tzinfo | None = None
    gateway_id: int | None = None
    bus_id: int | None = None
    address: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    registers: dict[str, RegisterEntry] = field(default_factory=dict)
    sealed_key: bytes | None = None


class Directory:
    """Lookups for decoding and resolving.

    Made by `await Directory.load(pool)`; run `follow()` as a task so that it keeps up with the registry.
    """

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[TupleRow]], sealer: Sealer | None = None) -> None:
        self._pool = pool
        self._sealer = sealer
        self._meters: dict[int, MeterEntry] = {}
        self._exact: dict[tuple[str, str, str], MeterEntry] = {}
        self._by_serial: dict[str, list[MeterEntry]] = {}
        self._keys: dict[int, bytes] = {}
        self.version = 0
        # Set, and replaced by a new one, with every refresh: who waits on it hears of the next change.
        self.changed = asyncio.Event()

    @classmethod
    async def load(cls, pool: AsyncConnectionPool[AsyncConnection[TupleRow]], sealer: Sealer | None = None) -> Self:
        """A directory of the whole registry; `sealer` opens the device keys."""
        directory = cls(pool, sealer)
        await directory.refresh()
        return directory

    def __len__(self) -> int:
        return len(self._meters)

    def entry(self, meter_id: int) -> MeterEntry | None:
        """The meter of a number, None where it is not registered."""
        return self._meters.get(meter_id)

    def entries(self) -> Iterable[MeterEntry]:
        """All registered meters."""
        return self._meters.values()

    def meter_for(self, identity: MeterId) -> MeterEntry | None:
        """The registered meter that a telegram's identity means, None where none or more than one fits."""
        manufacturer = identity.manufacturer.upper()
        exact = self._exact.get((manufacturer, identity.serial, identity.medium))
        if exact is not None:
            return exact
        candidates = [
            entry
            for entry in self._by_serial.get(_bare(identity.serial), ())
            if _agree(manufacturer, entry.identity.manufacturer.upper())
            and _agree(_family(identity.medium), _family(entry.identity.medium))
        ]
        if len(candidates) > 1:
            same_medium = [entry for entry in candidates if entry.identity.medium == identity.medium]
            candidates = same_medium or candidates
        return candidates[0] if len(candidates) == 1 else None

    def register_id(self, entry: MeterEntry, register: Register) -> int | None:
        """Number of the meter's register of that name; None where it must be created first (`create_registers`).

        Raises
        ------
        UnitMismatchError
            The registry has it with another quantity, unit or decimal place.
        """
        known = entry.registers.get(register.name)
        if known is None:
            return None
        own = known.register
        if own is register or (own.unit == register.unit and own.scale == register.scale):
            return known.register_id
        if own.quantity != register.quantity or known.count != _count(register):
            raise UnitMismatchError(
                f"register {register.name} counts {_shown(register)} where the registry has {_shown(own)}",
                field=register.name,
            )
        return known.register_id

    def plan(self, entry: MeterEntry) -> None:
        """Know a meter that a dry run would register."""
        if self.meter_for(entry.identity) is None:
            self._add(entry)

    @staticmethod
    def planned(register: Register) -> RegisterEntry:
        """A register that a dry run would create."""
        return RegisterEntry(0, register, _count(register))

    def key_for(self, identity: MeterId) -> bytes | None:
        """The device key of a meter in clear, None where there is none or it does not open."""
        entry = self.meter_for(identity)
        if entry is None or entry.sealed_key is None or self._sealer is None:
            return None
        key = self._keys.get(entry.meter_id)
        if key is None:
            try:
                key = self._sealer.open(entry.sealed_key, entry.meter_id)
            except SealError as error:
                log.warning("device key does not open", meter=entry.meter_id, reason=error.message)
                return None
            self._keys[entry.meter_id] = key
        return key

    async def create_registers(self, wanted: Iterable[tuple[MeterEntry, Register]]) -> None:
        """Create registers that telegrams of known meters brought up; one that exists by now is left as it is."""
        rows = {(entry.meter_id, register.name): register for entry, register in wanted}
        meter_ids = sorted({meter_id for meter_id, _ in rows})
        # In parts: a notice about more than 500 meters says "all", and every worker would load the whole registry.
        for start in range(0, len(meter_ids), _PART):
            part = set(meter_ids[start : start + _PART])
            chosen = {key: register for key, register in rows.items() if key[0] in part}
            async with self._pool.connection() as connection, connection.transaction():
                await directory_rows.create_registers(connection, chosen)
            await self.refresh(sorted(part))

    async def refresh(self, meter_ids: Sequence[int] | None = None) -> None:
        """Load the registry again: the given meters, or all of it."""
        async with self._pool.connection() as connection:
            meters = await directory_rows.meters(connection, meter_ids)
            registers = await directory_rows.registers(connection, meter_ids)
        loaded = {row[0]: _entry(row) for row in meters}
        for meter_id, register_id, register in registers:
            if meter_id in loaded:
                loaded[meter_id].registers[register.name] = RegisterEntry(register_id, register, _count(register))
        if meter_ids is None:
            self._meters, self._exact, self._by_serial, self._keys = {}, {}, {}, {}
        else:
            for meter_id in meter_ids:
                self._remove(meter_id)
        for entry in loaded.values():
            self._add(entry)
        self.version += 1
        self.changed.set()
        self.changed = asyncio.Event()

    async def follow(self) -> None:
        """Keep up with the registry until cancelled; a lost connection is made again and everything is loaded anew."""
        wait_s = 0.5
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                async with await AsyncConnection.connect(str(self._pool.conninfo), autocommit=True) as connection:
                    await connection.execute("LISTEN heatbook_registry")
                    await self.refresh()
                    wait_s = 0.5
                    async for notice in connection.notifies():
                        await self._take(notice.payload)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, 15.0)

    async def _take(self, payload: str) -> None:
        kind, _, numbers = payload.partition(":")
        await self.refresh([int(number) for number in numbers.split(",")] if kind == "meters" else None)

    def _add(self, entry: MeterEntry) -> None:
        self._meters[entry.meter_id] = entry
        identity = entry.identity
        self._exact[(identity.manufacturer.upper(), identity.serial, identity.medium)] = entry
        self._by_serial.setdefault(_bare(identity.serial), []).append(entry)

    def _remove(self, meter_id: int) -> None:
        self._keys.pop(meter_id, None)
        entry = self._meters.pop(meter_id, None)
        if entry is None:
            return
        identity = entry.identity
        self._exact.pop((identity.manufacturer.upper(), identity.serial, identity.medium), None)
        self._by_serial[_bare(identity.serial)].remove(entry)


def is_same_meter(registered: MeterId, said: MeterId) -> bool:
    """Whether a telegram's identity is that of the registered meter that was asked."""
    return _bare(registered.serial) == _bare(said.serial) and _agree(
        said.manufacturer.upper(), registered.manufacturer.upper()
    )


def _bare(serial: str) -> str:
    # Spreadsheets and some protocols drop or add leading zeros.
    return serial.upper().lstrip("0")


def _agree(said: str, registered: str) -> bool:
    return said == registered or not said or not registered


def _family(medium: str) -> str:
    return _FAMILY.get(medium, medium)


def _count(register: Register) -> Fraction:
    return register.count_size(CANONICAL_UNIT[register.quantity])


def _shown(register: Register) -> str:
    return f"{register.quantity} in 10^{register.scale} {register.unit or '(no unit)'}"


def _entry(row: Sequence[Any]) -> MeterEntry:
    number, serial, manufacturer, medium, version, profile, zone, gateway_id, bus_id, address, settings, sealed = row
    return MeterEntry(
        meter_id=number,
        identity=MeterId(serial, manufacturer, version, medium),
        profile=profile,
        clock_zone=ZoneInfo(zone) if zone else None,
        gateway_id=gateway_id,
        bus_id=bus_id,
        address=address or "",
        settings=settings or {},
        sealed_key=None if sealed is None else bytes(sealed),
    )
