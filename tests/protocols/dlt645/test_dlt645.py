"""DL/T 645 answers of both editions: tables, signs, blocks, missing values, errors, matching."""

import contextlib
from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.dlt645 import (
    follow_up_request,
    following_request,
    frame_from_telegram,
    is_reply_to,
    read_address_request,
    read_request,
    telegram_from_frame,
)
from protocols.dlt645.items import ENERGIES_2007, MOMENTARY_2007, SINGLE_2007, items_1997, items_2007
from protocols.errors import ContentError, DeviceError, ProtocolError
from protocols.serial_frame import SerialFrame, encoded, frame_in
from protocols.telegram import DataRecord, MeterId, Telegram

ADDRESS = "202611220001"
LAST = datetime.fromisoformat("2099-12-31")


def answer(data: str, control: int = 0x91) -> bytes:
    content = bytes((byte + 0x33) & 0xFF for byte in bytes.fromhex(data))
    return encoded(SerialFrame("dlt645", bytes.fromhex(ADDRESS)[::-1], control, content))


@pytest.mark.parametrize(
    ("data", "control", "quantity", "value", "unit"),
    [
        ("00000100" + "56341200", 0x91, "energy", Decimal("1234.56"), "kWh"),
        ("00010102" + "0122", 0x91, "voltage", Decimal("220.1"), "V"),
        ("00010202" + "994900", 0x91, "current", Decimal("4.999"), "A"),
        ("00000302" + "122580", 0x91, "power", Decimal("-0.2512"), "kW"),
        ("00000602" + "9590", 0x91, "power_factor", Decimal("-1.095"), ""),
        ("02008002" + "0250", 0x91, "frequency", Decimal("50.02"), "Hz"),
        ("01010004" + "04221126", 0x91, "date", "2026-11-22", ""),
        ("02010004" + "563412", 0x91, "time", "12:34:56", ""),
        ("1090" + "79261400", 0x81, "energy", Decimal("1426.79"), "kWh"),
        ("11B6" + "2002", 0x81, "voltage", Decimal(220), "V"),
        ("30B6" + "345612", 0x81, "power", Decimal("12.5634"), "kW"),
    ],
)
def test_identifiers_mean_what_the_table_says(
    data: str, control: int, quantity: str, value: Decimal | str, unit: str
) -> None:
    telegram = telegram_from_frame(answer(data, control))
    record = telegram.records[0]
    assert (record.quantity, record.value, record.unit) == (quantity, value, unit)
    assert telegram.meter == MeterId(ADDRESS, "", None, "electricity")


def test_a_block_of_tariffs_becomes_one_record_each() -> None:
    telegram = telegram_from_frame(answer("00FF0100" + "00040000" + "00010000" + "00030000"))
    found = [(record.tariff, record.value) for record in telegram.records]
    assert found == [(0, Decimal("4.00")), (1, Decimal("1.00")), (2, Decimal("3.00"))]


def test_a_block_of_phases_names_each_phase() -> None:
    telegram = telegram_from_frame(answer("00FF0102" + "0122" + "0222" + "FFFF"))
    assert [record.modifiers for record in telegram.records] == [("phase.l1",), ("phase.l2",), ("phase.l3",)]
    assert telegram.records[2].value is None
    assert telegram.records[2].error == "value.missing: all F"


def test_a_settlement_day_is_a_storage() -> None:
    assert telegram_from_frame(answer("02000100" + "56341200")).records[0].storage == 2
    assert telegram_from_frame(answer("1094" + "56341200", 0x81)).records[0].storage == 1


def test_a_maximum_demand_brings_its_time() -> None:
    telegram = telegram_from_frame(answer("00000101" + "341200" + "3012221126"))
    assert [(record.quantity, str(record.function)) for record in telegram.records] == [
        ("power", "maximum"),
        ("datetime", "maximum"),
    ]
    assert telegram.records[1].value == "2026-11-22T12:30:00"


def test_a_missing_value_is_no_number() -> None:
    record = telegram_from_frame(answer("00000100" + "FFFFFFFF")).records[0]
    assert (record.value, record.error) == (None, "value.missing: all F")


def test_a_bad_nibble_rejects_its_item_only() -> None:
    telegram = telegram_from_frame(answer("00FF0100" + "00040000" + "0A010000"))
    assert telegram.records[0].value == Decimal("4.00")
    assert telegram.records[1].value is None
    assert str(telegram.records[1].error).startswith("bcd.invalid")


def test_an_unknown_identifier_keeps_its_bytes() -> None:
    telegram = telegram_from_frame(answer("99999999" + "0102"))
    assert [(record.raw, record.error) for record in telegram.records] == [("0102", "di.unknown")]


@pytest.mark.parametrize(("control", "byte", "words"), [(0xD1, "02", "no such data"), (0xC1, "06", "password")])
def test_an_error_answer_is_a_device_error(control: int, byte: str, words: str) -> None:
    with pytest.raises(DeviceError, match=words) as caught:
        telegram_from_frame(answer(byte, control))
    assert caught.value.offset == 10


def test_an_answer_too_short_for_its_identifier_is_refused() -> None:
    with pytest.raises(ContentError) as caught:
        telegram_from_frame(answer("0000"))
    assert caught.value.offset == 12


def test_more_frames_are_announced_and_numbered() -> None:
    assert telegram_from_frame(answer("00000100" + "56341200", 0xB1)).more_follows
    rest = telegram_from_frame(answer("00000100" + "56341200" + "01", 0x92))
    assert rest.details["sequence"] == "1"
    assert rest.records[0].value == Decimal("1234.56")
    assert frame_in(follow_up_request(ADDRESS, 0x00010000, 1), "dlt645").data[-1] == 0x34


def test_an_address_answer_names_the_meter() -> None:
    frame = encoded(
        SerialFrame("dlt645", b"\xaa" * 6, 0x93, bytes((byte + 0x33) & 0xFF for byte in bytes.fromhex(ADDRESS)[::-1]))
    )
    telegram = telegram_from_frame(frame)
    assert telegram.meter.serial == ADDRESS
    assert frame_from_telegram(telegram)


def test_an_answer_is_matched_by_address_function_and_identifier() -> None:
    request = frame_in(read_request(ADDRESS), "dlt645")
    reply = frame_in(answer("00000100" + "56341200"), "dlt645")
    other_item = frame_in(answer("00000200" + "56341200"), "dlt645")
    other_meter = SerialFrame("dlt645", bytes(6), reply.control, reply.data)
    wildcard = SerialFrame("dlt645", b"\xaa" * 6, reply.control, reply.data)
    assert is_reply_to(request, reply)
    assert is_reply_to(request, frame_in(answer("02", 0xD1), "dlt645"))
    assert not is_reply_to(request, other_item)
    assert not is_reply_to(request, other_meter)
    assert not is_reply_to(request, wildcard)
    assert is_reply_to(request, wildcard, wildcard_answers=True)
    assert not is_reply_to(request, request)
    assert is_reply_to(frame_in(read_address_request(), "dlt645"), frame_in(answer("010000000000", 0x93), "dlt645"))
    assert is_reply_to(frame_in(read_request("aaaaaaaaaaaa"), "dlt645"), wildcard)


@given(
    st.sampled_from(sorted(ENERGIES_2007)),
    st.integers(0, 14),
    st.integers(0, 12),
    st.integers(0, 79_999_999),
    st.booleans(),
)
def test_energies_survive_the_round_trip(kind: int, tariff: int, storage: int, count: int, negative: bool) -> None:
    di = kind << 16 | tariff << 8 | storage
    items = items_2007(di, 4)
    assert items is not None
    value = Decimal(count).scaleb(-2) * (-1 if negative and items[0].signed and count else 1)
    said = Telegram(
        "dlt645",
        MeterId(ADDRESS, "", None, "electricity"),
        (DataRecord(items[0].quantity, items[0].unit, value),),
        details={"di": f"{di:08X}"},
    )
    read = telegram_from_frame(frame_from_telegram(said))
    assert (read.records[0].value, read.records[0].tariff, read.records[0].storage) == (value, tariff, storage)
    assert frame_from_telegram(read) == frame_from_telegram(said)


def test_values_that_do_not_fit_are_not_encoded() -> None:
    def said(value: str) -> Telegram:
        record = DataRecord("energy", "kWh", Decimal(value))
        return Telegram("dlt645", MeterId(ADDRESS), (record,), details={"di": "00010000"})

    for value in ("1000000.00", "-1", "0.001"):
        with pytest.raises(ValueError, match="does not fit"):
            frame_from_telegram(said(value))


def test_tables_do_not_invent_items() -> None:
    assert items_2007(0x7F000000, 4) is None
    assert items_1997(0x7FFF, 4) is None
    assert items_1997(0x9F10, 4) is None


@given(st.binary(max_size=200), st.integers(0, 255))
def test_any_content_decodes_or_is_refused_with_a_code(data: bytes, control: int) -> None:
    with contextlib.suppress(ProtocolError):
        telegram_from_frame(encoded(SerialFrame("dlt645", bytes(6), control, data)))


@given(st.data())
def test_every_item_of_the_tables_survives_the_round_trip(data: st.DataObject) -> None:
    known = [*SINGLE_2007, *(0x02000000 | kind << 16 | phase << 8 for kind in MOMENTARY_2007 for phase in (1, 2, 3))]
    di = data.draw(st.sampled_from(known))
    items = items_2007(di, 4)
    assert items is not None
    item = items[0]
    if item.part == "bits":
        value: Decimal | str = Decimal(data.draw(st.integers(0, 0xFFFF)))
    elif item.part == "text":
        value = data.draw(st.text("0123456789", min_size=12, max_size=12))
    elif item.part == "clock":
        moment = data.draw(st.datetimes(min_value=datetime.fromisoformat("2000-01-01"), max_value=LAST))
        value = moment.isoformat()[:19]
        value = value[11:] if "Y" not in item.clock else value if "h" in item.clock else value[:10]
    else:
        largest = (8 if item.signed else 10) * 10 ** (2 * item.size - 1) - 1
        value = Decimal(data.draw(st.integers(-largest if item.signed else 0, largest))).scaleb(-item.decimals)
    record = DataRecord(item.quantity, item.unit, value)
    said = Telegram("dlt645", MeterId(ADDRESS), (record,), details={"di": f"{di:08X}"})
    assert telegram_from_frame(frame_from_telegram(said)).records[0].value == value


def test_follow_up_frames_that_do_not_follow_each_other_are_refused() -> None:
    first = bytes.fromhex("68010000000000 68 B1 06".replace(" ", "")) + bytes(
        (byte + 0x33) & 0xFF for byte in (0, 255, 1, 0, 1, 2)
    )
    first += bytes((sum(first) & 0xFF, 0x16))
    second = bytes.fromhex("68010000000000 68 92 06".replace(" ", "")) + bytes((0x33, 0x32, 0x34, 0x33, 0x35, 0x36))
    second += bytes((sum(second) & 0xFF, 0x16))
    with pytest.raises(ContentError, match="follow-up frame 1"):
        telegram_from_frame(first + second)


def _whole(*frames: bytes) -> Telegram:
    return telegram_from_frame(b"".join(frames))


def test_an_answer_of_1997_in_several_frames_is_read_as_one() -> None:
    frames = (
        answer("1F90" + "01000000" + "0200", 0xA1),
        answer("1F90" + "0000", 0xA2),
        answer("1F90" + "03000000", 0x82),
    )
    telegram = _whole(*frames)
    assert [(one.tariff, str(one.value)) for one in telegram.records] == [(0, "0.01"), (1, "0.02"), (2, "0.03")]
    assert not telegram.more_follows
    assert _whole(*frames[:2]).more_follows
    for wrong in (
        (frames[0], answer("1090" + "0000", 0x82)),
        (frames[0], answer("1F90", 0x92)),
        (frames[2], frames[1]),
    ):
        with pytest.raises(ContentError, match="follow-up frame 1"):
            _whole(*wrong)


@pytest.mark.parametrize(("data", "control"), [("1F90" + "03000000", 0x82), ("00FF0100" + "03000000" + "01", 0x92)])
def test_the_rest_of_a_block_alone_names_no_quantity(data: str, control: int) -> None:
    telegram = telegram_from_frame(answer(data, control))
    (record,) = telegram.records
    assert (record.quantity, record.value, record.raw, record.error) == (
        "raw_data",
        None,
        "03000000",
        "frame.follow_up",
    )
    assert telegram.diagnostics[0].startswith("frame.follow_up")


def test_a_follow_up_of_1997_is_asked_for_without_a_number() -> None:
    asked = frame_in(follow_up_request(ADDRESS, 0x901F, 1, edition="1997"), "dlt645")
    assert (asked.control, asked.data) == (0x02, bytes((0x1F + 0x33, (0x90 + 0x33) & 0xFF)))
    first, rest = (frame_in(answer("1F90" + "01000000", control), "dlt645") for control in (0xA1, 0xA2))
    assert (
        following_request(first, 1) == following_request(rest, 2) == SerialFrame("dlt645", first.address, 2, asked.data)
    )
    assert following_request(frame_in(answer("1F90", 0x82), "dlt645"), 1) is None
    assert is_reply_to(asked, frame_in(answer("1F90" + "01000000", 0x82), "dlt645"))
    assert not is_reply_to(asked, frame_in(answer("1F90" + "01000000", 0x81), "dlt645"))
