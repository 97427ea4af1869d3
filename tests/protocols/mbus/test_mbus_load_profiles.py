"""Compact load profiles: the elements become dated records, forward and backward, and nothing is guessed.

The first two cases are the worked examples of EN 13757-3, annex F (F.2.7 and F.2.8), the third that of OMS volume 2,
annex G; all others are built from the rules there.
"""

from decimal import Decimal

import pytest

from protocols.catalogue import catalogue
from protocols.mbus import frame_from_telegram, telegram_from_frame, wired_frame, wireless_telegram
from protocols.telegram import DataRecord, MeterId, Telegram

METER = MeterId("12345678", "KAM", 52, "water")


def _decoded(data: str) -> Telegram:
    return telegram_from_frame(wired_frame(METER, bytes.fromhex(data)))


def _elements(telegram: Telegram) -> list[DataRecord]:
    return [record for record in telegram.records if record.code.startswith("profile.")]


def _dated(telegram: Telegram) -> list[tuple[int, str, str | None]]:
    return [
        (
            record.storage,
            record.modifiers[-1].removeprefix("time="),
            None if record.value is None else str(record.value),
        )
        for record in _elements(telegram)
    ]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            "84046D00204111 8B0415003012 8D04951F056901030211",
            [
                (9, "2010-01-01T01:00:00", "12300.3"),
                (10, "2010-01-01T02:00:00", "12300.5"),
                (11, "2010-01-01T03:00:00", "12301.6"),
            ],
        ),
        (
            "84046D00234111 8B0415163012 8D049513056901110203",
            [
                (9, "2010-01-01T02:00:00", "12300.5"),
                (10, "2010-01-01T01:00:00", "12300.3"),
                (11, "2010-01-01T00:00:00", "12300.0"),
            ],
        ),
        (
            "0C1313100000 026C1F15 0D93130A7AFE5802320314024401",
            [
                (1, "2008-04-30", "0.755"),
                (2, "2008-03-31", "0.423"),
                (3, "2008-02-29", "0.209"),
                (4, "2008-01-31", "0.065"),
            ],
        ),
        # Absolute values need no base; FFFF and 8000 are no values.
        (
            "426C1F15 4D93130832FE 0A00 0080 1400",
            [(2, "2008-04-30", "0.010"), (3, "2008-03-31", None), (4, "2008-02-29", "0.020")],
        ),
        # Signed differences, younger minus older, half-hours: going back they are taken away.
        (
            "046D00204111 041310270000 0D931304D11EF60A",
            [(1, "2009-12-31T23:30:00", "10.010"), (2, "2009-12-31T23:00:00", "10.000")],
        ),
        # Decrements of a falling count.
        ("026C4111 0206E803 0D861F04B2010A00", [(1, "2010-01-02", "990000")]),
        # Half months from the middle of one, quarters from its end.
        ("026C4F11 0D931F0431FD0102", [(1, "2010-01-31", "0.001"), (2, "2010-02-15", "0.002")]),
        ("026C5F13 0D931F0421FE0102", [(1, "2010-06-30", "0.001"), (2, "2010-09-30", "0.002")]),
    ],
)
def test_elements_are_dated_and_counted_from_the_base(data: str, expected: list[tuple[int, str, str | None]]) -> None:
    telegram = _decoded(data)
    found = _dated(telegram)
    assert [(storage, time, value and Decimal(value)) for storage, time, value in found] == [
        (storage, time, value and Decimal(value)) for storage, time, value in expected
    ]
    assert telegram.diagnostics == ()


def test_an_unknown_step_makes_all_further_values_unknown() -> None:
    telegram = _decoded("026C1F15 041310270000 0D93130872FE 0A00 FFFF 0B00")
    values = [(str(record.value), record.error) for record in _elements(telegram)]
    assert values == [("9.990", None), ("None", "value.invalid"), ("None", "profile.base_missing")]


@pytest.mark.parametrize(
    ("data", "note"),
    [
        ("041310270000 0D93130872FE0A000B000C00", "profile.time_missing"),
        ("026C1F15 0D93130872FE0A000B000C00", "profile.base_missing"),
        ("026C1F15 041310270000 0D93130872FF0A000B000C00", "profile.spacing"),
        ("026C1F15 041310270000 0D93130872000A000B000C00", "profile.spacing"),
        ("026C1F15 041310270000 0D93130772FE0A000B000C", "profile.layout"),
        ("026C1F15 041310270000 0D9313087DFE0A000B000C00", "profile.layout"),
        ("026C1F15 041310270000 0D93130172", "profile.layout"),
    ],
)
def test_what_cannot_be_told_stays_in_the_profile_with_a_note(data: str, note: str) -> None:
    telegram = _decoded(data)
    assert not _elements(telegram)
    assert telegram.diagnostics[0].startswith(note)
    assert telegram.records[-1].quantity == "volume_profile"
    assert telegram.records[-1].raw


def test_profiles_with_register_numbers_stay_as_they_came() -> None:
    telegram = _decoded("026C1F15 0D931E0872FE0A000B000C00")
    assert telegram.records[-1].modifiers == ("profile.registers",)
    assert telegram.diagnostics == ()


def test_elements_come_alike_with_and_without_plans_and_by_radio() -> None:
    data = bytes.fromhex("026C1F15041310270000" + "0D93130872FE0A000B000C00" + "0F0102")
    frame, radio = wired_frame(METER, data), wireless_telegram(METER, data)
    first = telegram_from_frame(frame, plans=None).records
    assert [telegram_from_frame(frame).records for _ in range(3)] == [first] * 3
    assert [telegram_from_frame(radio).records for _ in range(3)] == [first] * 3
    telegram = telegram_from_frame(frame)
    assert telegram_from_frame(frame_from_telegram(telegram)).records == telegram.records


def test_elements_become_readings_of_the_plain_register_at_their_month_ends() -> None:
    telegram = _decoded("0C1313100000 026C1F15 0D93130A7AFE5802320314024401")
    profile = catalogue().find(telegram)
    readings = [(one.register.name, one.time, one.count) for one in profile.interpret(telegram).readings]
    dated = [(time.isoformat(), count) for name, time, count in readings if name == "volume" and time is not None]
    assert dated == [
        ("2008-05-01T00:00:00", 755),
        ("2008-04-01T00:00:00", 423),
        ("2008-03-01T00:00:00", 209),
        ("2008-02-01T00:00:00", 65),
    ]
