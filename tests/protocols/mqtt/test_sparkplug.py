"""Sparkplug B: births, data by alias, deaths, gaps, protobuf both ways."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import ContentError, ProtocolError
from protocols.mqtt import FamilyState, messages_from_publish
from protocols.mqtt.sparkplug import REBIRTH, rebirth_command, topic_of
from protocols.mqtt.sparkplug_payload import (
    BOOLEAN,
    DOUBLE,
    FLOAT,
    INT16,
    INT32,
    INT64,
    STRING,
    UINT64,
    Metric,
    Payload,
    bytes_from_payload,
    metrics_of,
    payload_from_bytes,
)
from protocols.mqtt.sparkplug_watch import SparkplugWatch

AT = 1763798400000
NOW = datetime(2026, 1, 1, tzinfo=UTC)
BIRTH = metrics_of(
    [("Energy", Decimal("124638.5"), "kWh"), ("Supply Temp", Decimal("61.5"), "°C"), ("Volume", 5397, "m3")]
)


def publish(kind, metrics, seq, state, device="68001122"):
    return messages_from_publish(
        topic_of("heat", kind, "gw1", device), bytes_from_payload(Payload(metrics, AT, seq)), state=state
    )


@pytest.fixture
def born():
    state = FamilyState()
    publish("NBIRTH", (Metric("bdSeq", None, INT64, 3), Metric(REBIRTH, None, BOOLEAN, value=False)), 0, state, "")
    publish("DBIRTH", BIRTH, 1, state)
    return state


def test_a_birth_is_a_reading_too():
    (message,) = publish("DBIRTH", BIRTH, 1, FamilyState())
    assert message.telegram.meter.serial == "68001122"
    assert [(record.quantity, record.unit, record.value) for record in message.telegram.records] == [
        ("energy", "kWh", Decimal("124638.5")),
        ("supply_temperature", "°C", Decimal("61.5")),
        ("volume", "m3", Decimal(5397)),
    ]
    assert message.time == datetime(2025, 11, 22, 8, tzinfo=UTC)


def test_data_are_named_by_the_birth(born):
    (message,) = publish(
        "DDATA",
        (Metric(alias=1, datatype=DOUBLE, value=Decimal("124640.0")), Metric(alias=2, datatype=DOUBLE)),
        2,
        born,
    )
    energy, supply = message.telegram.records
    assert (energy.quantity, energy.unit, energy.value) == ("energy", "kWh", Decimal("124640.0"))
    assert (supply.quantity, supply.value, supply.error) == ("supply_temperature", None, "value.null")
    assert message.event == ""


def test_a_gap_in_the_sequence_asks_for_a_new_birth(born):
    (message,) = publish("DDATA", (Metric(alias=1, datatype=DOUBLE, value=Decimal(1)),), 5, born)
    assert message.event == "sequence_gap"
    assert (message.details["missing"], message.details["action"]) == ("3", "rebirth")


def test_the_sequence_wraps_at_256(born):
    for seq in (*range(2, 256), 0):
        (message,) = publish("DDATA", (Metric(alias=1, datatype=DOUBLE, value=Decimal(1)),), seq, born)
        assert message.event == ""


def test_a_new_node_birth_forgets_the_old_aliases(born):
    publish("NBIRTH", (Metric("bdSeq", None, INT64, 4),), 0, born, "")
    with pytest.raises(ContentError) as caught:
        publish("DDATA", (Metric(alias=1, datatype=DOUBLE, value=Decimal(1)),), 1, born)
    assert caught.value.code == "sparkplug.alias_unknown"


def test_people_may_look_at_unborn_data():
    (message,) = publish("DDATA", (Metric(alias=1, datatype=DOUBLE, value=Decimal(7)),), 1, FamilyState(lenient=True))
    (record,) = message.telegram.records
    assert (record.quantity, record.value, record.error) == ("alias_1", Decimal(7), "sparkplug.alias_unknown")


def test_a_death_is_an_event(born):
    (message,) = publish("NDEATH", (Metric("bdSeq", None, INT64, 3),), None, born, "")
    assert (message.event, message.details["bdSeq"], message.telegram) == ("death", "3", None)


def test_historical_metrics_become_telegrams_of_their_own(born):
    metrics = (
        Metric(alias=1, datatype=DOUBLE, value=Decimal(1), timestamp=AT - 3_600_000, historical=True),
        Metric(alias=1, datatype=DOUBLE, value=Decimal(2), timestamp=AT),
    )
    first, second = publish("DDATA", metrics, 2, born)
    assert second.time - first.time == timedelta(hours=1)


def test_the_rebirth_command_is_what_a_node_expects():
    topic, data = rebirth_command("heat", "gw1", AT)
    assert topic == "spBv1.0/heat/NCMD/gw1"
    (metric,) = payload_from_bytes(data).metrics
    assert (metric.name, metric.datatype, metric.value) == (REBIRTH, BOOLEAN, True)


def test_commands_and_host_state_are_not_for_readers():
    assert messages_from_publish("spBv1.0/STATE/host", b'{"online": true}') == ()
    assert messages_from_publish(*rebirth_command("heat", "gw1", AT)) == ()


def test_the_watch_asks_once_for_an_unborn_node_and_again_after_a_gap():
    watch = SparkplugWatch()
    topic = topic_of("heat", "DDATA", "gw1", "m")
    first = watch.observe(topic, bytes_from_payload(Payload((), AT, 7)), NOW)
    assert first is not None
    assert first[0] == "spBv1.0/heat/NCMD/gw1"
    assert watch.observe(topic, bytes_from_payload(Payload((), AT, 9)), NOW) is None
    assert watch.observe(topic_of("heat", "NBIRTH", "gw1"), bytes_from_payload(Payload((), AT, 0)), NOW) is None
    assert watch.observe(topic, bytes_from_payload(Payload((), AT, 1)), NOW) is None
    assert watch.observe(topic, bytes_from_payload(Payload((), AT, 5)), NOW) is not None


numbers = {INT16: st.integers(-(2**15), 2**15 - 1), INT32: st.integers(-(2**31), 2**31 - 1),
           INT64: st.integers(-(2**63), 2**63 - 1),
           UINT64: st.integers(0, 2**64 - 1)}  # fmt: skip


@st.composite
def metrics(draw):
    kind = draw(st.sampled_from([*numbers, DOUBLE, FLOAT, STRING, BOOLEAN]))
    if kind in numbers:
        value = draw(numbers[kind])
    elif kind == STRING:
        value = draw(st.text(max_size=20))
    elif kind == BOOLEAN:
        value = draw(st.booleans())
    else:
        value = (
            Decimal(repr(draw(st.sampled_from([0.0, 30.5, -12.25, 124640.0, 0.1]))))
            if kind == FLOAT
            else Decimal(repr(draw(st.floats(-1e15, 1e15, allow_nan=False))))
        )
    return Metric(
        draw(st.text(max_size=12)),
        draw(st.none() | st.integers(0, 2**40)),
        kind,
        value,
        draw(st.none() | st.integers(0, 2**45)),
        draw(st.none() | st.sampled_from(["kWh", "°C"])),
        draw(st.booleans()),
    )


@given(st.lists(metrics(), max_size=6), st.none() | st.integers(0, 2**45), st.none() | st.integers(0, 255))
def test_payloads_round_trip(found, timestamp, seq):
    payload = Payload(tuple(found), timestamp, seq)
    assert payload_from_bytes(bytes_from_payload(payload)) == payload


@given(st.binary(max_size=80))
def test_any_bytes_give_a_payload_or_a_coded_error(data):
    try:
        payload_from_bytes(data)
    except ProtocolError as error:
        assert error.code.startswith(("protobuf.", "sparkplug."))  # noqa: PT017


def test_floats_that_are_no_numbers_are_null_with_a_reason():
    (metric,) = payload_from_bytes(bytes.fromhex("120b200a69000000000000f87f")).metrics
    assert (metric.value, metric.problem) == (None, "value.not_finite")
