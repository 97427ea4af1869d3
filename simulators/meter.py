"""A virtual meter: counts in the resolution of its display at any instant, and the bytes it would send.

The meter knows its own row of a block's trace, its display and its faults; it does not know buses or sockets.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from protocols.registers import Register
from protocols.telegram import MeterId
from simulators.display import HOUR_US, Source, counts_of, micros
from simulators.faults import Fault
from simulators.faults_display import DISPLAY_FAULTS, Shown
from simulators.faults_transport import distorted, is_silent, spoken_time
from simulators.meter_cjt188 import identifier_bytes
from simulators.meter_encoding import encoder_of
from simulators.meter_lorawan import uplink_event
from simulators.meter_models import MeterModel
from simulators.meter_state import clock_errors, infos
from simulators.network import Supply
from simulators.readout import Readout, Speaker
from simulators.trace import Trace
from simulators.weather import Weather

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Link:
    """How a meter is reached, in the words of the registry (bus address, unit id, topic)."""

    gateway: str
    bus: str
    address: str
    settings: dict[str, Any] = field(default_factory=dict)


class Host(Protocol):
    """What a meter asks of its fleet."""

    @property
    def start(self) -> datetime: ...
    def trace(self, block: int) -> Trace: ...
    def reach(self, at: datetime) -> None: ...
    def surroundings(self, area_code: str) -> tuple[Weather, Supply]: ...
    def meter(self, serial: str) -> "VirtualMeter": ...


class VirtualMeter:
    """One meter of a fleet.

    Attributes
    ----------
    id : MeterId
    model : MeterModel
    point, area, gateway link : where it hangs (`point`, `area`, `link`)
    qp_m3h : float
        Permanent flow.
    installed_at, removed_at : datetime, datetime or None
        The installation; a meter says nothing outside it.
    registered : bool
        False for a meter that nobody told the registry about.
    key : bytes or None
        AES key of an encrypted wireless meter.
    faults : tuple of Fault
    """

    def __init__(
        self,
        *,
        id: MeterId,  # noqa: A002 - the contract's word
        model: MeterModel,
        point: str,
        area: str,
        link: Link,
        block: int,
        row: int,
        qp_m3h: float,
        installed_at: datetime,
        first_index_kwh: float,
        seed: int,
        removed_at: datetime | None = None,
        registered: bool = True,
        key: bytes | None = None,
        faults: tuple[Fault, ...] = (),
    ) -> None:
        self.id, self.model, self.point, self.area, self.link = id, model, point, area, link
        self.block, self.row, self.qp_m3h = block, row, qp_m3h
        self.installed_at, self.removed_at, self.registered = installed_at, removed_at, registered
        self.key, self.faults, self.seed = key, faults, seed
        self.first_index_kwh = first_index_kwh
        self._fleet: Host | None = None
        self._index_at_start: dict[Fault, int] = {}
        self._month_ends: dict[tuple[datetime, int], list[tuple[datetime, int]]] = {}

    def __repr__(self) -> str:
        return f"VirtualMeter({self.id.serial}, {self.model.name})"

    def join(self, fleet: Host) -> None:
        """Called once by the fleet that owns the meter."""
        self._fleet = fleet

    @property
    def fleet(self) -> Host:
        """The fleet it belongs to. Raises RuntimeError before it has joined one."""
        if self._fleet is None:
            raise RuntimeError(f"{self!r} belongs to no fleet")
        return self._fleet

    @property
    def profile(self) -> str:
        """Name of the profile that reads it."""
        return self.model.profile

    @property
    def protocol(self) -> str:
        """What its bytes are, in the words of the decoding table."""
        return self.model.protocol

    @property
    def medium(self) -> str:
        """heat, electricity, ..."""
        return self.id.medium

    @property
    def registers(self) -> tuple[Register, ...]:
        """What it shows."""
        return self.model.registers

    @property
    def index(self) -> Register:
        """The main cumulative register."""
        return self.model.registers[0]

    def counts_at(self, times_us: Ints, *, faulty: bool = True) -> dict[str, Ints]:
        """The display at many instants.

        Parameters
        ----------
        times_us : (n,) int64
            Epoch microseconds UTC.
        faulty : bool
            Whether display faults show; sensor faults always do.

        Returns
        -------
        dict of str to (n,) int64
            Exact counts by register name.
        """
        shown_us = times_us
        if faulty:
            for fault in self.faults:
                if fault.name == "static_display":
                    first, last = micros(fault.start), micros(fault.end)
                    shown_us = np.where((times_us >= first) & (times_us < last), first, shown_us)
        counts = self._undisturbed(times_us, shown_us)
        if not faulty:
            return counts
        for fault in self.faults:
            if fault.kind.name in DISPLAY_FAULTS:
                mask = (times_us >= micros(fault.start)) & (times_us < micros(fault.end))
                shown = Shown(times_us, mask, counts, self.index, self._index_when(fault))
                DISPLAY_FAULTS[fault.name](shown, fault)
        for register in self.model.registers:
            if register.capacity is not None:
                counts[register.name] %= register.capacity
        return counts

    def _index_when(self, fault: Fault) -> int:
        known = self._index_at_start.get(fault)
        if known is None:
            at = np.array([micros(fault.start)], dtype=np.int64)
            known = int(self._undisturbed(at, at)[self.index.name][0])
            self._index_at_start[fault] = known
        return known

    def _undisturbed(self, times_us: Ints, shown_us: Ints) -> dict[str, Ints]:
        fleet = self.fleet
        source = Source(
            fleet.trace(self.block), self.row, micros(fleet.start), micros(self.installed_at), self.first_index_kwh
        )
        return counts_of(self.model.registers, source, times_us, shown_us)

    def answers(self, at: datetime) -> bool:
        """Whether anything comes back when it is asked, or it sends, at that instant."""
        if at < self.installed_at or (self.removed_at is not None and at >= self.removed_at):
            return False
        return not is_silent(self.faults, at)

    def readout(self, at: datetime) -> Readout:
        """What it shows at an instant (aware). Extends the fleet's horizon where needed."""
        return self._readouts([at])[0]

    def _readouts(self, times: Sequence[datetime]) -> list[Readout]:
        if not times:
            return []
        self.fleet.reach(max(times))
        times_us = np.array([micros(at) for at in times], dtype=np.int64)
        counts = self.counts_at(times_us)
        names = list(counts)
        columns = zip(*(counts[name].tolist() for name in names), strict=True)
        infos, errors = self.infos_at(times_us).tolist(), self.clock_errors_at(times_us).tolist()
        return [
            Readout(at, dict(zip(names, column, strict=True)), self._local(at, error), info, micro // HOUR_US % 256)
            for at, column, info, error, micro in zip(times, columns, infos, errors, times_us.tolist(), strict=True)
        ]

    def infos_at(self, times_us: Ints) -> Ints:
        """Info bits at (n,) instants."""
        trace = self.fleet.trace(self.block)
        return infos(self.faults, trace.info.get(self.row), micros(self.fleet.start), times_us)

    def clock_errors_at(self, times_us: Ints) -> Ints:
        """Meter clock minus true time in whole seconds at (n,) instants."""
        weather, _ = self.fleet.surroundings(self.area)
        return clock_errors(self.faults, self.seed, weather.climate.utc_offset_h, times_us)

    def meter_time(self, at: datetime) -> datetime:
        """The meter's own clock, naive, local standard time: a few seconds off, more with a clock fault."""
        return self._local(at, int(self.clock_errors_at(np.array([micros(at)], dtype=np.int64))[0]))

    def _local(self, at: datetime, error_s: int) -> datetime:
        weather, _ = self.fleet.surroundings(self.area)
        return (at + timedelta(hours=weather.climate.utc_offset_h, seconds=error_s)).replace(tzinfo=None)

    def telegram_bytes(self, at: datetime) -> bytes:
        """The raw payload on the wire at an instant; empty where the meter is silent."""
        found = list(self.telegrams([at]))
        return found[0][1] if found else b""

    def identifier_bytes(self, at: datetime, identifier: int) -> bytes:
        """The raw answer of a CJ/T 188 meter to a read of another identifier than 901F (D120: the last month's index);
        empty where it is silent or has no such thing."""
        if self.protocol != "cjt188" or not self.answers(at):
            return b""
        readout = self.readout(spoken_time(self.faults, at))
        return distorted(self.faults, identifier_bytes(self._speaker(), readout, identifier), at, self._partner_bytes)

    def mqtt_message(self, at: datetime) -> tuple[str, bytes] | None:
        """Topic and payload of a meter that is heard over MQTT: wireless telegrams as hexadecimal text, as bridges
        publish them, LoRaWAN in its network server's event. None where it is silent; KeyError without a topic."""
        payload = self.telegram_bytes(at)
        if not payload:
            return None
        if self.protocol == "lorawan":
            return uplink_event(self.id.serial, payload, at)
        return self.link.settings["topic"], payload.hex().upper().encode() if self.protocol == "wmbus" else payload

    def telegrams(self, times: Sequence[datetime]) -> Iterator[tuple[datetime, bytes]]:
        """Payloads of many instants, the silent ones left out; much cheaper than one by one."""
        heard = [at for at in times if self.answers(at)]
        if not heard:
            return
        encode = encoder_of(self.model)
        speaker = self._speaker()
        readouts = self._readouts([spoken_time(self.faults, at) for at in heard])
        for at, readout in zip(heard, readouts, strict=True):
            yield at, distorted(self.faults, encode(speaker, readout), at, self._partner_bytes)

    def _speaker(self) -> Speaker:
        return Speaker(self.id, self.model, self.link.settings, self.key, self.history_counts)

    def _partner_bytes(self, serial: str, at: datetime) -> bytes:
        return self.fleet.meter(serial).telegram_bytes(at)

    def history_counts(self, at: datetime, months: int) -> list[tuple[datetime, int]]:
        """Index at the last month ends before `at`, newest first, as (local midnight of the first day, count).

        Months before the simulated hours are continued backwards with a usual year of this meter.
        """
        weather, _ = self.fleet.surroundings(self.area)
        offset = timedelta(hours=weather.climate.utc_offset_h)
        first = (at + offset).replace(tzinfo=None, day=1, hour=0, minute=0, second=0, microsecond=0)
        known = self._month_ends.get((first, months))
        if known is not None:
            return known
        month = first
        ends = []
        for _ in range(months):
            ends.append(first)
            first = (first - timedelta(days=1)).replace(day=1)
        moments = [end.replace(tzinfo=UTC) - offset for end in ends]
        edge = max(self.fleet.start, self.installed_at)
        times = np.array([micros(max(moment, edge)) for moment in moments], dtype=np.int64)
        counts = self.counts_at(times)[self.index.name].tolist()
        yearly = counts[-1] / 6.0 if counts else 0.0
        shares = []
        for moment, count in zip(moments, counts, strict=True):
            missing_days = max((edge - moment) / timedelta(days=1), 0.0)
            shares.append(max(int(count - yearly * missing_days / 365.0), 0))
        self._month_ends[(month, months)] = found = list(zip(ends, shares, strict=True))
        return found
