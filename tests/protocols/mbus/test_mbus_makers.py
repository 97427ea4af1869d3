"""Telegrams whose content the maker defines: read where the device is known, kept as bytes where it is not."""

from decimal import Decimal

import pytest

from protocols.mbus import frame_from_telegram, telegram_from_frame, wireless_telegram
from protocols.mbus.header import link_bytes_from_meter
from protocols.mbus.wireless import WirelessFrame
from protocols.telegram import MeterId


def techem(version, medium_code, data):
    link = link_bytes_from_meter(MeterId("12345678", "TCH", version, "other"), medium_code)
    return telegram_from_frame(WirelessFrame(0x44, link, b"\xa2" + data).to_bytes())


def content(last, now, size=2):
    """Last period ended 31 December 2024."""
    date = (31 | 12 << 5 | 24 << 9).to_bytes(2, "little")
    filler = bytes(4 - size)
    return b"\x06" + date + last.to_bytes(size, "little") + filler + now.to_bytes(size, "little") + bytes(8)


@pytest.mark.parametrize(
    ("version", "medium_code", "medium", "quantity", "factor"),
    [
        (0x74, 0x62, "hot_water", "volume", "0.1"),
        (0x95, 0x72, "cold_water", "volume", "0.1"),
        (0x27, 0xC3, "heat", "energy", "1E+6"),
    ],
)
def test_a_counter_is_last_period_plus_what_came_since(version, medium_code, medium, quantity, factor):
    telegram = techem(version, medium_code, content(500, 25))
    assert telegram.meter.medium == medium
    maker, total, since, last, date = telegram.records
    assert maker.quantity == "manufacturer_specific"
    assert (total.quantity, total.value, total.storage) == (quantity, 525 * Decimal(factor), 0)
    assert (since.value, since.modifiers) == (25 * Decimal(factor), ("since_storage_1",))
    assert (last.value, last.storage) == (500 * Decimal(factor), 1)
    assert (date.value, date.storage) == ("2024-12-31", 1)


def test_counters_of_three_bytes():
    telegram = techem(0x45, 0x43, content(70_000, 1, size=3))
    assert telegram.records[1].value == 70_001_000
    assert telegram.records[1].unit == "Wh"


@pytest.mark.parametrize(("version", "shift"), [(0x69, 0), (0x94, 1)])
def test_an_allocator_counts_each_period_from_zero_and_tells_temperatures(version, shift):
    data = content(1026, 131)[:9] + bytes(shift) + (2244).to_bytes(2, "little") + (2551).to_bytes(2, "little")
    units, last, _, room, radiator = techem(version, 0x80, data).records[1:]
    assert (units.quantity, units.value, last.value) == ("heat_cost_units", 131, 1026)
    assert (room.value, radiator.value) == (Decimal("22.44"), Decimal("25.51"))


@pytest.mark.parametrize("data", [b"", b"\1\2\3", bytes(10)])
def test_a_short_or_unknown_telegram_keeps_its_bytes_only(data):
    (record,) = techem(0x74, 0x62, data).records
    assert record.raw == data.hex()
    (record,) = techem(0x01, 0x62, content(1, 2)).records
    assert record.quantity == "manufacturer_specific"


APATOR = MeterId("12345678", "APA", 5, "water")


def apator(registers):
    return telegram_from_frame(wireless_telegram(APATOR, b"\x0f" + bytes(7) + registers))


def test_the_volume_is_found_among_the_registers_of_a_makers_tail():
    volume = b"\x10" + (270_133).to_bytes(4, "little")
    for before in (b"", b"\x43\1\2", b"\x83" + bytes(10) + b"\x41\1\2"):
        telegram = apator(before + volume + b"\xff\xff")
        assert [record.quantity for record in telegram.records] == ["manufacturer_specific", "volume"]
        assert telegram.records[1].value == Decimal("270.133")
    assert len(apator(b"\xee" + volume).records) == 1
    assert len(apator(volume[:3]).records) == 1
    assert telegram_from_frame(frame_from_telegram(telegram)) == telegram
