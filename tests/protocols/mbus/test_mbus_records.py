"""Variable data records: what heads mean, what data become, and that one bad record never costs the others."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.mbus.encoding import Coding, bytes_from_records, dib_for, record_bytes, vib_for
from protocols.mbus.plan import PlanCache
from protocols.mbus.records import RecordError, records_from_bytes
from protocols.mbus.vif import TABLES, Kind
from protocols.telegram import Function, value_text


def only(text):
    records, _ = records_from_bytes(bytes.fromhex(text))
    assert len(records) == 1
    return records[0]


@pytest.mark.parametrize(
    ("record", "quantity", "unit", "value"),
    [
        ("0c 06 78 56 34 12", "energy", "Wh", "12345678000"),
        ("04 fb 00 05 00 00 00", "energy", "Wh", "500000"),
        ("04 fb 01 05 00 00 00", "energy", "Wh", "5000000"),
        ("04 fb 08 05 00 00 00", "energy", "J", "500000000"),
        ("04 fb 0d 05 00 00 00", "energy", "Mcal", "5"),
        ("04 0e 05 00 00 00", "energy", "J", "5000000"),
        ("04 13 d2 04 00 00", "volume", "m3", "1.234"),
        ("04 fb 10 05 00 00 00", "volume", "m3", "500"),
        ("02 3b ff ff", "flow", "m3/h", "-0.001"),
        ("02 47 05 00", "flow", "m3/min", "5"),
        ("02 59 d2 04", "supply_temperature", "°C", "12.34"),
        ("0a 61 34 f2", "temperature_difference", "K", "-2.34"),
        ("01 26 02", "operating_time", "s", "7200"),
        ("01 23 02", "on_time", "s", "172800"),
        ("02 fd 17 00 80", "error_flags", "", "32768"),
        ("02 fd 48 09 09", "voltage", "V", "231.3"),
        ("04 fd 59 88 13 00 00", "current", "A", "5.000"),
        ("02 fb 1a 1c 02", "relative_humidity", "%", "54.0"),
        ("02 fb 2e 88 13", "frequency", "Hz", "500.0"),
        ("01 fd 71 c4", "received_signal_strength", "dBm", "-60"),
        ("02 fd 74 0a 00", "battery_remaining_time", "s", "864000"),
        ("01 fd fd 02 0c", "battery_remaining_time", "month", "12"),
        ("05 2e 00 00 c0 3f", "power", "W", "1500"),
        ("04 6e 05 00 00 00", "heat_cost_units", "", "5"),
    ],
)
def test_the_tables_say_what_a_code_measures(record, quantity, unit, value):
    found = only(record)
    assert (found.quantity, found.unit, value_text(found.value)) == (quantity, unit, value)


@pytest.mark.parametrize(
    ("record", "quantity", "unit", "value", "modifiers"),
    [
        ("04 93 3c 05 00 00 00", "volume", "m3", "0.005", ("flow.backward",)),
        ("04 86 3b 05 00 00 00", "energy", "Wh", "5000", ("flow.forward",)),
        ("04 be 50 05 00 00 00", "flow_limit_exceed_duration", "s", "5", ("limit.lower.first",)),
        ("01 bb 59 02", "flow_limit_exceed_duration", "s", "120", ("limit.upper.first",)),
        ("02 ab 48 10 00", "power_limit", "W", "16", ("limit.upper",)),
        ("02 ab 41 10 00", "power_limit_exceed_count", "", "16", ("limit.lower",)),
        ("04 ad 6f 32 14 7a 18", "power_time", "", "2011-08-26T20:50:00", ("last.end",)),
        ("02 86 74 05 00", "energy", "Wh", "50", ()),
        ("02 86 7d 05 00", "energy", "Wh", "5000000", ()),
        ("02 93 22 05 00", "volume_per_hour", "m3/h", "0.005", ()),
        ("02 fd c8 fc 01 05 00", "voltage", "V", "0.5", ("phase.l1",)),
        ("02 d9 7a 05 00", "supply_temperature", "°C", "0.15", ()),
        ("04 93 3d 05 00 00 00", "volume_non_metric", "", "5", ("non_metric",)),
        ("04 83 3f 01 02 03 04", "energy_obis", "", "01020304", ("obis",)),
        ("02 86 ff 12 05 00", "energy", "Wh", "5000", ("manufacturer.12",)),
        ("02 86 1b 05 00", "energy", "Wh", "5000", ("vife.1b",)),
        ("02 fd 97 1d 05 00", "error_flags", "", "5", ("standard_conform",)),
    ],
)
def test_extensions_bend_the_meaning(record, quantity, unit, value, modifiers):
    found = only(record)
    assert (found.quantity, found.unit, value_text(found.value)) == (quantity, unit, value)
    assert found.modifiers == modifiers


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("02 5b 00 80", "value.invalid"),
        ("04 06 00 00 00 80", "value.invalid"),
        ("05 2e 00 00 c0 7f", "value.invalid"),
        ("0c 06 ff ff ff ff", "value.bcd_digits"),
        ("02 6c ff ff", "date.unset"),
        ("04 6d 80 00 42 31", "date.invalid"),
        ("02 86 15 05 00", "vife.no_data"),
        ("02 86 18 05 00", "vife.data_error"),
        ("00 06", "no_data"),
        ("08 06", "no_data"),
        ("01 6c 05", "date.length"),
        ("0a 6c 05 01", "date.length"),
    ],
)
def test_what_is_no_value_is_null_with_raw_bytes_and_reason(record, reason):
    found = only(record)
    assert (found.value, found.error) == (None, reason)
    assert found.raw == record.replace(" ", "")[len(record.replace(" ", "")) - len(found.raw) :]


@pytest.mark.parametrize(
    ("record", "value"),
    [
        ("0d fd 11 05 6f 6c 6c 65 68", "hello"),
        ("0d 06 c2 34 12", "1234000"),
        ("0d 06 d2 34 12", "-1234000"),
        ("0d 06 e3 ff ff ff", "-1000"),
        ("0d 78 e2 ff ff", "65535"),
        ("0d fd 3b e2 12 34", "1234"),
        ("0d 78 00", ""),
    ],
)
def test_variable_length_says_its_own_type(record, value):
    assert value_text(only(record).value) == value


def test_large_binaries_have_the_lengths_of_their_codes():
    for code, size in ((0xF0, 16), (0xF1, 20), (0xF4, 32), (0xF5, 48), (0xF6, 64)):
        data = bytes((0x0D, 0xFD, 0x3B, code)) + bytes(size)
        assert len(only(data.hex()).raw) == 2 * (size + 1)


def test_a_plain_text_unit_stands_before_or_after_its_extensions():
    before, after = only("02 fc 03 48 52 25 74 22 15"), only("02 fc 74 03 48 52 25 22 15")
    assert (before.quantity, before.unit, before.value) == ("relative_humidity", "%", Decimal("54.10"))
    assert (after.quantity, after.unit, after.value) == ("relative_humidity", "%", Decimal("54.10"))
    plain = only("02 7c 03 7a 79 78 05 00")
    assert (plain.quantity, plain.value) == ("xyz", 5)


def test_codes_of_makers_and_unknown_codes_keep_their_code():
    maker, unknown = only("02 ff 07 00 80"), only("02 6f 05 00")
    assert (maker.quantity, maker.code, maker.value) == ("manufacturer_specific", "ff07", -32768)
    assert (unknown.quantity, unknown.code, unknown.value) == ("unknown", "6f", 5)


def test_a_bad_record_in_the_middle_costs_no_other():
    records, _ = records_from_bytes(bytes.fromhex("0c06aaaaaaaa" + "026f0500" + "046d80004231" + "0413d2040000"))
    assert [record.error is None for record in records] == [False, True, False, True]
    assert records[3].value == Decimal("1.234")


def test_fillers_count_as_nothing_and_records_without_data_do_count():
    records, more = records_from_bytes(bytes.fromhex("2f2f 0006 2f 0413d2040000 2f 0f0102"))
    assert [record.quantity for record in records] == ["energy", "volume", "manufacturer_specific"]
    assert records[2].value == "0102"
    assert not more
    assert records_from_bytes(bytes.fromhex("0413d2040000 1f"))[1]


def test_function_storage_tariff_and_subunit_are_taken_apart():
    found = only("dc ff 7f 06 01 00 00 00")
    assert found.function == Function.MAXIMUM
    assert (found.storage, found.tariff, found.subunit) == (0b1_1111_1111, 0b1111, 0b11)
    assert only("f4 06 01 00 00 00".replace("f4", "f4 00")).function == Function.ERROR


@pytest.mark.parametrize(
    ("data", "code", "offset"),
    [
        ("0413d2040000 0406 01", "record.truncated", 6),
        ("0413d2040000 84", "record.truncated", 6),
        ("0413d2040000 0486", "record.truncated", 6),
        ("0413d2040000 0d78", "record.truncated", 6),
        ("0413d2040000 0d78 05 01", "record.truncated", 6),
        ("0413d2040000 0d78 ff", "record.lvar", 8),
        ("0413d2040000 3f", "record.dif", 6),
        ("0413d2040000 84 8080808080808080808000 06", "record.too_many_dife", 17),
        ("0413d2040000 04 86 8080808080808080808000", "record.too_many_vife", 18),
    ],
)
def test_what_cannot_be_delimited_is_an_error_with_its_byte_and_keeps_what_came_before(data, code, offset):
    with pytest.raises(RecordError) as caught:
        records_from_bytes(bytes.fromhex(data), 100)
    assert caught.value.code == code
    assert caught.value.offset == 100 + offset
    assert [record.value for record in caught.value.records] == [Decimal("1.234")]


NUMBERS = [
    (prefix + bytes((code,)), vif)
    for prefix, table in TABLES
    for code, vif in table.items()
    if vif.kind in (Kind.NUMBER, Kind.UNSIGNED) and vif.quantity not in ("manufacturer_specific", "any")
]
CODINGS = {Coding.INT8: 8, Coding.INT16: 16, Coding.INT24: 24, Coding.INT32: 32, Coding.INT48: 48, Coding.INT64: 64}
PLACES = st.fixed_dictionaries(
    {
        "function": st.sampled_from(Function),
        "storage": st.integers(0, 2**41 - 1) | st.integers(0, 40),
        "tariff": st.integers(0, 2**20 - 1) | st.integers(0, 3),
        "subunit": st.integers(0, 2**10 - 1) | st.integers(0, 1),
    }
)


@st.composite
def number_records(draw):
    vib, vif = draw(st.sampled_from(NUMBERS))
    coding = draw(st.sampled_from([*CODINGS, Coding.BCD2, Coding.BCD4, Coding.BCD6, Coding.BCD8, Coding.BCD12]))
    if coding in CODINGS:
        half = 1 << (CODINGS[coding] - 1)
        count = draw(st.integers(1 - half, half - 1) if vif.kind is Kind.NUMBER else st.integers(0, 2 * half - 1))
    else:
        digits = {Coding.BCD2: 2, Coding.BCD4: 4, Coding.BCD6: 6, Coding.BCD8: 8, Coding.BCD12: 12}[coding]
        count = draw(st.integers(1 - 10 ** (digits - 1), 10**digits - 1))
    value = Decimal(count) * vif.factor
    place = draw(PLACES)
    return record_bytes("", value, vib=vib, coding=coding, **place), vif, value, place


@given(number_records())
def test_every_number_of_every_code_comes_back(case):
    data, vif, value, place = case
    (record,), _ = records_from_bytes(data)
    assert (record.quantity, record.unit, record.value, record.error) == (vif.quantity, vif.unit, value, None)
    assert {"function": record.function, "storage": record.storage} == {k: place[k] for k in ("function", "storage")}
    assert (record.tariff, record.subunit) == (place["tariff"], place["subunit"])


@given(st.lists(number_records().map(lambda case: case[0]), max_size=12))
def test_decoded_records_encode_to_records_that_decode_alike(parts):
    records, _ = records_from_bytes(b"".join(parts))
    assert records_from_bytes(bytes_from_records(records))[0] == records


ANY_RECORDS = st.lists(
    number_records().map(lambda case: case[0])
    | st.builds(
        lambda dib, vib, size, data: dib + vib + bytes((size,)) + data[:size],
        st.sampled_from([b"\x0d", b"\x4d", b"\x8d\x10"]),
        st.sampled_from([b"\x78", b"\xfd\x11", b"\xfd\x3b", b"\x06", b"\x6d"]),
        st.integers(0, 12),
        st.binary(min_size=12, max_size=12),
    )
    | st.builds(
        lambda head, data: (
            head + data[: {1: 1, 2: 2, 3: 3, 4: 4, 5: 4, 6: 6, 7: 8, 9: 1, 10: 2, 11: 3, 12: 4, 14: 6}[head[0] & 15]]
        ),
        st.builds(
            lambda nibble, vib: bytes((nibble,)) + vib,
            st.sampled_from([1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 14]),
            st.sampled_from(
                [b"\x06", b"\x5b", b"\x6c", b"\x6d", b"\xfd\x17", b"\x86\x15", b"\xd9\x7a", b"\xff\x22", b"\x93\x3c"]
            ),
        ),
        st.binary(min_size=8, max_size=8),
    )
    | st.just(b"\x2f"),
    max_size=10,
)


@given(ANY_RECORDS, st.sampled_from([b"", b"\x0f", b"\x0f\x01\x02", b"\x1f"]))
def test_a_layout_plan_reads_exactly_what_the_full_decoder_reads(parts, tail):
    data = b"".join(parts) + tail
    plans = PlanCache()
    plans.learn(data)
    plans.learn(data)
    plan = plans.find(data)
    assert plan is not None
    assert (list(plan.records(data)), plan.more) == records_from_bytes(data)


@given(ANY_RECORDS, st.binary(min_size=1, max_size=4), st.integers(0, 200))
def test_a_layout_plan_is_never_used_for_another_layout(parts, change, at):
    data = b"".join(parts)
    plans = PlanCache()
    plans.learn(data)
    plans.learn(data)
    other = (data[:at] + change + data[at + len(change) :])[: len(data)]
    plan = plans.find(other)
    if plan is not None:
        assert (list(plan.records(other)), plan.more) == records_from_bytes(other)


def test_plans_are_made_at_the_second_sight_and_are_bounded():
    plans = PlanCache(limit=10)
    layouts = [record_bytes("volume", 1, "m3", exponent=0, storage=n) for n in range(200)]
    for data in layouts:
        plans.learn(data)
        assert plans.find(data) is None
        plans.learn(data)
        assert plans.find(data) is not None
    assert sum(plans.find(data) is not None for data in layouts) <= 10
    plans.learn(b"\x04")
    assert plans.find(b"\x04") is None


@given(st.binary(max_size=60))
def test_any_bytes_are_records_or_a_coded_error(data):
    offset = 0
    try:
        records_from_bytes(data)
    except RecordError as error:
        offset = error.offset
    assert 0 <= offset <= len(data)


def test_the_encoder_refuses_what_cannot_be_said_exactly():
    with pytest.raises(ValueError, match="finer"):
        record_bytes("energy", Decimal("1.5"), "Wh", exponent=0)
    with pytest.raises(ValueError, match="does not fit"):
        record_bytes("energy", 40_000, "Wh", exponent=0, coding=Coding.INT16)
    with pytest.raises(ValueError, match="no VIF"):
        vib_for("energy", "Wh", 9)
    with pytest.raises(ValueError, match="ten extensions"):
        dib_for(Coding.INT8, storage=1 << 60)
    with pytest.raises(ValueError, match="no pattern"):
        record_bytes("error_flags", None, coding=Coding.INT8)
