"""Templates give what decoding and interpreting give, for every frame that fits, and decline all others."""

import random
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from protocols.catalogue import catalogue
from protocols.mbus import record_bytes, telegram_from_frame, wired_frame, wireless_telegram
from protocols.profile_template import Template, template_from_frame
from protocols.telegram import MeterId

CLOCK = datetime.fromisoformat("2026-03-04T05:06")
DUE = "2025-12-31"


def records_of(chance: random.Random, due: str = DUE, clock: datetime = CLOCK) -> bytes:
    """Integers, BCD, a clock, a due date with its value, a text and values that no register takes."""
    power = chance.randrange(10**5)
    return b"".join(
        (
            record_bytes("energy", Decimal(chance.randrange(2**31)).scaleb(3), "Wh"),
            b"\x0c\x14" + bytes.fromhex(f"{chance.randrange(10**8):08d}")[::-1],
            b"\x0b\x2d" + bytes.fromhex(f"{power:06d}")[::-1],
            b"\x03\x3b" + chance.randrange(2**23).to_bytes(3, "little"),
            b"\x02\x5a" + chance.randrange(1_200).to_bytes(2, "little"),
            b"\x02\x5e" + chance.randrange(1_200).to_bytes(2, "little"),
            b"\x04\x20" + chance.randrange(2**30).to_bytes(4, "little"),
            record_bytes("datetime", (clock + timedelta(minutes=chance.randrange(500))).isoformat(), ""),
            record_bytes("date", due, "", storage=1),
            record_bytes("energy", Decimal(chance.randrange(2**31)).scaleb(3), "Wh", storage=1),
            b"\x01\xfd\x17" + bytes((0,)),
        )
    )


def frame_of(kind: str, number: int, records: bytes, status: int = 0) -> bytes:
    meter = MeterId(f"{number:08d}", "KAM", 0x1B, "heat")
    if kind == "wired":
        return wired_frame(meter, records, access_number=number & 0xFF, status=status, address=number % 250)
    radio = MeterId(f"{number + 7:08d}", "ELV", 1, "heat") if kind == "radio" else None
    return wireless_telegram(meter, records, access_number=number & 0xFF, status=status, radio=radio)


def learnt(frame: bytes) -> Template | None:
    telegram = telegram_from_frame(frame, plans=None)
    return template_from_frame(frame, telegram, catalogue().find(telegram))


@pytest.mark.parametrize("kind", ["wired", "wireless", "radio"])
def test_another_meter_with_other_values_gives_what_decoding_gives(kind: str) -> None:
    chance = random.Random(5)
    template = learnt(frame_of(kind, 1, records_of(chance)))
    assert template is not None
    for number in range(2, 300):
        frame = frame_of(kind, number, records_of(chance))
        telegram = telegram_from_frame(frame, plans=None, form=None if kind == "wired" else "stripped")
        whole = catalogue().find(telegram).interpret(telegram)
        assert template.fits(frame)
        assert template.meter(frame) == telegram.meter
        assert template.counts(frame) == tuple(reading.count for reading in whole.readings)
        assert template.registers == tuple((reading.register, reading.time) for reading in whole.readings)
        assert template.clock(frame) == (whole.meter_time, True)
        assert (template.info_code, template.flags) == (whole.info_code, whole.flags)


def test_what_would_change_more_than_values_does_not_fit() -> None:
    chance = random.Random(6)
    template = learnt(frame_of("wired", 1, records_of(chance)))
    assert template is not None
    plain = frame_of("wired", 2, records_of(chance))
    assert template.fits(plain)
    assert not template.fits(frame_of("wired", 2, records_of(chance), status=4))
    assert not template.fits(frame_of("wired", 2, records_of(chance, due="2026-12-31")))
    assert not template.fits(frame_of("wired", 2, records_of(chance) + b"\x2f"))
    assert not template.fits(plain[:-2] + bytes((plain[-2] ^ 1, plain[-1])))


def test_a_value_that_is_no_number_is_declined() -> None:
    records = record_bytes("energy", Decimal("5E+3"), "Wh") + b"\x0c\x14" + bytes.fromhex("78563412")
    template = learnt(frame_of("wired", 1, records))
    assert template is not None
    for odd in (b"\x0c\x14\xff\xff\xff\xff", b"\x0c\x14\x78\x56\x34\xf2"):
        frame = frame_of("wired", 1, record_bytes("energy", Decimal("5E+3"), "Wh") + odd)
        assert template.fits(frame)
        assert template.counts(frame) is None
    invalid = frame_of("wired", 1, b"\x04\x06\x00\x00\x00\x80" + b"\x0c\x14\x78\x56\x34\x12")
    assert template.fits(invalid)
    assert template.counts(invalid) is None


def test_what_no_template_can_promise_has_none() -> None:
    floating = frame_of("wired", 1, b"\x05\x5b\x00\x00\x8c\x42")
    assert learnt(floating) is None
    with_crcs = wireless_telegram(MeterId("00000001", "KAM", 1, "heat"), b"\x0c\x14\x78\x56\x34\x12", form="A")
    assert learnt(with_crcs) is None
