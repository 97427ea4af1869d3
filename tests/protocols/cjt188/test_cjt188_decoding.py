"""CJ/T 188 answers decode in every dialect, named or not, and a bad field never takes the others with it."""

from decimal import Decimal

import pytest

from protocols.cjt188 import DIALECTS, Dialect, frame_from_telegram, telegram_from_frame
from protocols.errors import ContentError, DeviceError, ProfileError
from protocols.serial_frame import SerialFrame, encoded
from protocols.telegram import DataRecord, MeterId, Telegram

SERIAL = "42590012345678"
WIRES = ("901F", "1F90")


def telegram(dialect: str = "standard", serial: str = SERIAL, di_wire: str = "", **values: tuple[str, str]) -> Telegram:
    given = {
        "energy": ("12345.67", "kWh"),
        "settlement": ("9876.54", "kWh"),
        "power": ("4.75", "kW"),
        "flow": ("0.9310", "m3/h"),
        "volume": ("710.82", "m3"),
        "supply_temperature": ("51.04", "°C"),
        "return_temperature": ("46.61", "°C"),
        "operating_time": ("28390", "h"),
    } | values
    records = [
        DataRecord(
            "energy" if name == "settlement" else name, unit, Decimal(value), storage=1 if name == "settlement" else 0
        )
        for name, (value, unit) in given.items()
    ]
    records.append(DataRecord("datetime", "", "2026-01-08T09:24:30"))
    details = {"dialect": dialect, "ser": "18", "di": "901F"}
    if di_wire:
        details["di_wire"] = di_wire
    return Telegram("cjt188", MeterId(serial, serial[:4], None, "heat"), tuple(records), status=0x0400, details=details)


def by_name(decoded: Telegram) -> dict[tuple[str, int], DataRecord]:
    return {(record.quantity, record.storage): record for record in decoded.records}


def patched(frame: bytes, at: int, value: int) -> bytes:
    body = bytearray(frame)
    body[at] = value
    body[-2] = sum(body[:-2]) & 0xFF
    return bytes(body)


def test_an_answer_gives_every_value_with_the_unit_it_states() -> None:
    decoded = telegram_from_frame(frame_from_telegram(telegram()))
    found = {key: (record.value, record.unit) for key, record in by_name(decoded).items()}
    assert found == {
        ("energy", 1): (Decimal("9876.54"), "kWh"),
        ("energy", 0): (Decimal("12345.67"), "kWh"),
        ("power", 0): (Decimal("4.75"), "kW"),
        ("flow", 0): (Decimal("0.9310"), "m3/h"),
        ("volume", 0): (Decimal("710.82"), "m3"),
        ("supply_temperature", 0): (Decimal("51.04"), "°C"),
        ("return_temperature", 0): (Decimal("46.61"), "°C"),
        ("operating_time", 0): (Decimal(28390), "h"),
        ("datetime", 0): ("2026-01-08T09:24:30", ""),
    }
    assert decoded.meter == MeterId(SERIAL, "4259", None, "heat")
    assert decoded.status == 0x0400
    assert decoded.details["ser"] == "18"


@pytest.mark.parametrize(
    ("dialect", "di_wire"),
    [
        *((dialect, wire) for dialect in ("standard", "unit-first", "shifted", "shifted-unit-first") for wire in WIRES),
        # No big-endian maker sends the identifier low byte first.
        ("big-endian", "901F"),
    ],
)
def test_the_layout_is_found_without_being_named(dialect: str, di_wire: str) -> None:
    frame = frame_from_telegram(telegram(dialect, di_wire=di_wire))
    blind, told = telegram_from_frame(frame), telegram_from_frame(frame, dialect)
    assert blind == told
    assert by_name(blind)["energy", 0].value == Decimal("12345.67")
    assert blind.meter.serial == SERIAL


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_every_dialect_reads_what_it_writes(dialect: str) -> None:
    said = telegram(dialect, energy=("12345", "kWh"), power=("4", "kW"), flow=("1", "m3/h"), volume=("71", "m3"))
    decoded = telegram_from_frame(frame_from_telegram(said), dialect)
    found = by_name(decoded)
    assert found["energy", 0].value == 12345
    assert found["supply_temperature", 0].value == Decimal("51.04")
    assert found["datetime", 0].value == "2026-01-08T09:24:30"
    assert decoded.meter.serial == SERIAL


def test_the_settlement_slot_of_some_makers_holds_cooling_energy() -> None:
    decoded = telegram_from_frame(frame_from_telegram(telegram()), "tiangang")
    found = by_name(decoded)
    assert found["cooling_energy", 0].value == Decimal("9876.54")
    assert ("energy", 1) not in found


def test_shifted_data_under_a_shifted_identifier_decode_too() -> None:
    plain = frame_from_telegram(telegram(di_wire="1F90"))
    data = bytes((byte + 0x33) & 0xFF for byte in plain[11:-2])
    frame = encoded(SerialFrame("cjt188", plain[2:9], 0x81, data, 0x20))
    decoded = telegram_from_frame(frame)
    assert by_name(decoded)["energy", 0].value == Decimal("12345.67")
    assert (decoded.details["di"], decoded.details["ser"]) == ("901F", "18")


@pytest.mark.parametrize(
    ("at", "value", "quantity", "error"),
    [
        (11 + 8, 0x6A, "energy", "bcd.invalid"),
        (11 + 12, 0x99, "energy", "unit.unknown"),
        (11 + 12, 0x35, "energy", "unit.unexpected"),
        (11 + 30, 0xF0, "supply_temperature", "bcd.invalid"),
        (11 + 41, 0x13, "datetime", "clock.invalid"),
    ],
)
def test_a_bad_field_is_null_with_its_reason_and_the_rest_stays(at: int, value: int, quantity: str, error: str) -> None:
    good = telegram_from_frame(frame_from_telegram(telegram()))
    bad = telegram_from_frame(patched(frame_from_telegram(telegram()), at, value))
    changed = [
        (before, after) for before, after in zip(good.records, bad.records, strict=True) if before.value != after.value
    ]
    assert len(changed) == 1
    record = changed[0][1]
    assert record.quantity == quantity
    assert record.value is None
    assert record.error is not None
    assert record.error.startswith(error)
    assert record.raw


def test_all_nines_are_marked_as_a_placeholder() -> None:
    record = by_name(telegram_from_frame(frame_from_telegram(telegram(energy=("999999.99", "kWh")))))["energy", 0]
    assert record.value == Decimal("999999.99")
    assert record.error is not None
    assert record.error.startswith("value.placeholder")


def test_century_00_is_this_century() -> None:
    frame = frame_from_telegram(telegram())
    decoded = telegram_from_frame(patched(frame, 11 + 43, 0x00))
    assert by_name(decoded)["datetime", 0].value == "2026-01-08T09:24:30"


def test_hundredfold_units_keep_their_resolution() -> None:
    said = telegram(energy=("1234500", "MWh"))
    assert by_name(telegram_from_frame(frame_from_telegram(said)))["energy", 0].value == 1234500


@pytest.mark.parametrize(("medium", "kind"), [("cold_water", 0x10), ("hot_water", 0x11), ("gas", 0x30)])
def test_water_and_gas_meters_have_their_own_fields(medium: str, kind: int) -> None:
    records = (
        DataRecord("volume", "m3", Decimal("123.45")),
        DataRecord("volume", "m3", Decimal("100.00"), storage=1),
        DataRecord("datetime", "", "2026-01-08T09:24:30"),
    )
    said = Telegram("cjt188", MeterId(SERIAL, "4259", None, medium), records, status=1)
    frame = frame_from_telegram(said)
    assert frame[1] == kind
    decoded = telegram_from_frame(frame)
    assert decoded.meter.medium == medium
    assert by_name(decoded)["volume", 0].value == Decimal("123.45")
    assert by_name(decoded)["volume", 1].value == Decimal("100.00")


def test_history_of_a_month_has_its_own_storage() -> None:
    records = (DataRecord("energy", "kWh", Decimal("11.10"), storage=7),)
    said = Telegram("cjt188", MeterId(SERIAL, "4259", None, "heat"), records, details={"di": "D125"})
    decoded = telegram_from_frame(frame_from_telegram(said))
    assert [(record.value, record.storage) for record in decoded.records] == [(Decimal("11.10"), 7)]


def test_the_2018_edition_has_cooling_and_pressures() -> None:
    records = (
        DataRecord("energy", "kWh", Decimal("11.10")),
        DataRecord("cooling_energy", "kWh", Decimal("2.20")),
        DataRecord("supply_pressure", "MPa", Decimal("0.6000")),
    )
    said = Telegram("cjt188", MeterId(SERIAL, "4259", None, "heat_cooling"), records, details={"di": "911F"})
    found = by_name(telegram_from_frame(frame_from_telegram(said, "2018"), "2018"))
    assert found["cooling_energy", 0].value == Decimal("2.20")
    assert found["supply_pressure", 0].value == Decimal("0.6000")


def test_an_unknown_identifier_keeps_its_bytes() -> None:
    frame = encoded(SerialFrame("cjt188", bytes(7), 0x81, bytes.fromhex("3F9001AABB"), 0x20))
    decoded = telegram_from_frame(frame)
    assert [(record.raw, record.error) for record in decoded.records] == [("aabb", "di.unknown")]
    assert decoded.diagnostics


def test_a_short_answer_keeps_the_fields_that_fit() -> None:
    whole = frame_from_telegram(telegram())
    frame = encoded(SerialFrame("cjt188", whole[2:9], 0x81, whole[11 : 11 + 30], 0x20))
    decoded = telegram_from_frame(frame, "standard")
    assert by_name(decoded)["energy", 0].value == Decimal("12345.67")
    assert any(note.startswith("record.truncated: supply_temperature") for note in decoded.diagnostics)


def test_an_error_answer_is_a_device_error() -> None:
    frame = encoded(SerialFrame("cjt188", bytes(7), 0xC1, bytes.fromhex("120400"), 0x20))
    with pytest.raises(DeviceError, match="status 0400") as caught:
        telegram_from_frame(frame)
    assert caught.value.code == "device.refused"


def test_an_answer_without_identifier_is_refused() -> None:
    with pytest.raises(ContentError) as caught:
        telegram_from_frame(encoded(SerialFrame("cjt188", bytes(7), 0x81, b"\x1f", 0x20)))
    assert (caught.value.code, caught.value.offset) == ("frame.short", 12)


def test_an_unknown_dialect_is_named() -> None:
    with pytest.raises(ProfileError, match="klingon"):
        telegram_from_frame(frame_from_telegram(telegram()), "klingon")


def answer(data: str, control: int = 0x81, kind: int = 0x20) -> Telegram:
    return telegram_from_frame(encoded(SerialFrame("cjt188", bytes(7), control, bytes.fromhex(data), kind)))


def test_status_bits_may_be_counted_from_the_other_end() -> None:
    turned = Dialect("turned", status_reversed=True)
    frame = frame_from_telegram(telegram(), turned)
    assert telegram_from_frame(frame, "standard").status == 0x2000
    assert telegram_from_frame(frame, turned).status == 0x0400


@pytest.mark.parametrize(
    ("data", "values"),
    [
        ("810301" + "25", [("settlement_day", 0, Decimal(25))]),
        ("810401" + "01", [("reading_day", 0, Decimal(1))]),
        (
            "810201" + "002000" + "100000" + "003000" + "200000" + "004000",
            [
                ("price", 0, Decimal("20.00")),
                ("price_volume", 0, Decimal(10)),
                ("price", 1, Decimal("30.00")),
                ("price_volume", 1, Decimal(20)),
                ("price", 2, Decimal("40.00")),
            ],
        ),
    ],
)
def test_settings_can_be_read(data: str, values: list[tuple[str, int, Decimal]]) -> None:
    assert [(record.quantity, record.storage, record.value) for record in answer(data).records] == values


def test_acknowledgements_carry_their_status() -> None:
    moved = answer("A01701" + "0100", 0x84)
    assert (moved.status, moved.records, moved.details["st"]) == (0x0100, (), "0100")
    assert answer("A01501", 0x84).records == ()
    assert answer("810A01", 0x83).details["di"] == "810A"


def test_an_echo_in_front_of_the_answer_is_passed_over() -> None:
    frame = frame_from_telegram(telegram())
    request = encoded(SerialFrame("cjt188", frame[2:9], 0x01, frame[11:14], 0x20))
    assert telegram_from_frame(b"\xfe\xfe" + request + b"\xfe" + frame) == telegram_from_frame(frame)


def test_trailing_bytes_are_noted() -> None:
    notes = answer("810301" + "25" + "AABB").diagnostics
    assert notes == ("data.trailing: 2 bytes after byte 15",)
