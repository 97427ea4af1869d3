"""Meters that only count: exact bytes, no physics, cheap enough for tens of thousands in a process.

For servers, fault tests and load tests, where a meter must be true to the byte and its index must be computable from
the instant alone: `index_at(at)` is what a perfect reader books.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property

from protocols.cjt188 import frame_from_telegram as cjt188_frame
from protocols.dlt645 import frame_from_telegram as dlt645_frame
from protocols.mbus.encoding import Coding, dib_for, vib_for
from protocols.mbus.frame import RSP_UD, LongFrame
from protocols.mbus.header import bytes_from_meter
from protocols.modbus import ReadRequest, image_from_blocks, read_plan, registers_from_values
from protocols.profile import MeterProfile
from protocols.telegram import DataRecord, MeterId, Telegram

ORIGIN = datetime(2020, 1, 1, tzinfo=UTC)
LONG_HEADER = 0x72
MORE_FOLLOWS = b"\x1f"
MANUFACTURER_DATA = b"\x0f"


@dataclass(frozen=True, slots=False)
class Counting:
    """An index that grows by `per_hour` counts an hour, from `start` at the beginning of 2020."""

    identity: MeterId
    start: int = 1_000
    per_hour: int = 60

    def index_at(self, at: datetime) -> int:
        """Displayed count of the energy register."""
        return self.start + int((at - ORIGIN).total_seconds() * self.per_hour / 3600) % 90_000_000

    def volume_at(self, at: datetime) -> int:
        """Displayed count of the volume register."""
        return self.index_at(at) * 3 % 99_999_999


@dataclass(frozen=True)
class CountingMbus(Counting):
    """Wired M-Bus: energy in kWh, volume in 0.01 m3, temperatures; several `telegrams` a readout, a `tail` of bytes."""

    telegrams: int = 1
    primary: int = 0
    tail: int = 0

    @cached_property
    def _head(self) -> bytes:
        return bytes_from_meter(self.identity)

    def telegram_bytes(self, at: datetime) -> bytes:
        """The first (or only) telegram."""
        return self.telegrams_bytes(at)[0]

    def telegrams_bytes(self, at: datetime) -> list[bytes]:
        """All telegrams of a readout."""
        access = int(at.timestamp()) & 0xFF
        parts = []
        for number in range(self.telegrams):
            body = self._head + bytes(((access + number) & 0xFF, 0, 0, 0)) + self._records(at, number)
            if number + 1 < self.telegrams:
                body += MORE_FOLLOWS
            elif self.tail:
                body += MANUFACTURER_DATA + bytes(self.tail)
            parts.append(LongFrame(RSP_UD, self.primary, LONG_HEADER, body).to_bytes())
        return parts

    def _records(self, at: datetime, number: int) -> bytes:
        if number:
            # The later telegrams of a readout carry tariffs.
            return dib_for(Coding.BCD8, tariff=number) + _ENERGY + _bcd(self.index_at(at) // (number + 1))
        return _FIRST + _bcd(self.index_at(at)) + _SECOND + _bcd(self.volume_at(at)) + _TEMPERATURES


@dataclass(frozen=True)
class CountingCjt188(Counting):
    """CJ/T 188: energy in 0.01 kWh, in the frame of a dialect."""

    dialect: str = "standard"

    def telegram_bytes(self, at: datetime) -> bytes:
        """The answer to a read of 901F."""
        records = (
            DataRecord("energy", "kWh", Decimal(self.index_at(at)).scaleb(-2)),
            DataRecord("volume", "m3", Decimal(self.volume_at(at)).scaleb(-2)),
            DataRecord("power", "kW", Decimal("6.00")),
            DataRecord("flow", "m3/h", Decimal("0.1800")),
            DataRecord("supply_temperature", "°C", Decimal("58.40")),
            DataRecord("return_temperature", "°C", Decimal("41.10")),
            DataRecord("datetime", "", at.replace(tzinfo=None, microsecond=0).isoformat()),
        )
        telegram = Telegram("cjt188", self.identity, records, status=0, details={"di": "901F"})
        return cjt188_frame(telegram, self.dialect)


@dataclass(frozen=True)
class CountingDlt645(Counting):
    """DL/T 645-2007: active energy in 0.01 kWh."""

    def telegram_bytes(self, at: datetime) -> bytes:
        """The answer to a read of 00010000."""
        value = Decimal(self.index_at(at) % 99_999_999).scaleb(-2)
        record = DataRecord("energy", "kWh", value, code="00010000")
        return dlt645_frame(Telegram("dlt645", self.identity, (record,)))


class CountingModbus:
    """Modbus: energy by a profile's register map; only the energy words change between two reads."""

    def __init__(self, profile: MeterProfile, *, start: int = 1_000, per_hour: int = 60) -> None:
        self.profile = profile
        self._plan: tuple[ReadRequest, ...] = read_plan(profile)
        self._counting = Counting(MeterId(""), start, per_hour)

    def index_at(self, at: datetime) -> int:
        """Energy in whole kWh."""
        return self._counting.index_at(at)

    def telegram_bytes(self, at: datetime) -> bytes:
        """The register image that the plan of the profile reads."""
        words = registers_from_values(
            self.profile, {"energy": (Decimal(self.index_at(at)), "kWh"), "supply_temperature": (Decimal(60), "°C")}
        )
        return image_from_blocks(
            (
                request.function,
                request.address,
                [words[request.function, request.address + at] for at in range(request.count)],
            )
            for request in self._plan
        )


_ENERGY = vib_for("energy", "Wh", 3)
_FIRST = dib_for(Coding.BCD8) + _ENERGY
_SECOND = dib_for(Coding.BCD8) + vib_for("volume", "m3", -2)
_TEMPERATURES = (
    dib_for(Coding.INT16) + vib_for("supply_temperature", "°C", -2) + (5840).to_bytes(2, "little")
    + dib_for(Coding.INT16) + vib_for("return_temperature", "°C", -2) + (4110).to_bytes(2, "little")
)  # fmt: skip


def _bcd(count: int) -> bytes:
    return bytes.fromhex(f"{count % 100_000_000:08d}")[::-1]
