"""Raw wireless telegrams in every clothing, and the keys that tell a repeat from a reading."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from protocols.errors import ProtocolError
from protocols.mbus import record_bytes, wireless_telegram
from protocols.mqtt import FAMILIES, chirpstack, loriot, messages_from_publish, raw_wmbus, things_stack
from protocols.mqtt.idempotency import idempotency_key
from protocols.telegram import MeterId

AT = datetime(2026, 1, 15, 9, 34, 15, tzinfo=UTC)


@pytest.fixture(scope="module", params=["a", "b", None])
def telegram(request):
    from protocols.mbus.wireless import format_a_from_frame, format_b_from_frame, wireless_frame_from_bytes

    plain = wireless_telegram(MeterId("12345678", "KAM", 1, "heat"), record_bytes("energy", Decimal("5E+3"), "Wh"))
    frame = wireless_frame_from_bytes(plain)
    return {"a": format_a_from_frame, "b": format_b_from_frame, None: lambda _: plain}[request.param](frame)


@pytest.mark.parametrize("form", ["hex", "base64", "binary"])
def test_a_telegram_in_any_clothing(telegram, form):
    (message,) = messages_from_publish("wmbus/raw", raw_wmbus.encode(telegram, form))
    assert (message.protocol, message.payload) == ("wmbus", telegram)


def test_receivers_write_other_words_around_the_hex(telegram):
    line = b"T1;1;1;2026-01-15 09:34:15.000;97;148;12345678;0x" + telegram.hex().encode()
    (message,) = messages_from_publish("wmbus/raw", line)
    assert message.payload == telegram


def test_several_lines_are_several_telegrams(telegram):
    text = telegram.hex().encode()
    assert len(messages_from_publish("wmbus/raw", text + b"\n" + text)) == 2


@pytest.mark.parametrize("payload", [b"hello", b"\x00" * 30, b"zz" * 20])
def test_other_bytes_are_of_no_family(payload):
    with pytest.raises(ProtocolError) as caught:
        messages_from_publish("some/topic", payload)
    assert caught.value.code == "mqtt.family"


@pytest.mark.parametrize("family", FAMILIES)
def test_an_empty_message_is_refused(family):
    with pytest.raises(ProtocolError) as caught:
        messages_from_publish("a/b", b"", family=family)
    assert caught.value.code == "payload.empty"


def test_equal_raw_telegrams_an_hour_apart_are_two_messages():
    assert idempotency_key("wmbus/raw", b"44", AT) == idempotency_key("wmbus/raw", b"44", AT + timedelta(seconds=20))
    assert idempotency_key("wmbus/raw", b"44", AT) != idempotency_key("wmbus/raw", b"44", AT + timedelta(hours=1))


def test_messages_with_their_own_time_are_the_same_whenever_they_come():
    payload = b'{"ts": 1763798400000, "values": {"energy": 1}}'
    assert idempotency_key("x", payload, AT) == idempotency_key("x", payload, AT + timedelta(days=1))


@pytest.mark.parametrize(
    "publish",
    [
        chirpstack.encode(
            "94193a0103000001", b"\x01", port=2, counter=7, deduplication_id="3ac7", time="2026-01-15T09:34:15Z"
        ),
        things_stack.encode("94193a0103000001", b"\x01", port=2, counter=7, time="2026-01-15T09:34:15Z"),
        ("loriot", loriot.encode("94193a0103000001", b"\x01", port=2, counter=7, ts_ms=1768469655000)),
    ],
)
def test_network_servers_bring_their_own_keys(publish):
    key = idempotency_key(*publish, AT)
    assert key == idempotency_key(*publish, AT + timedelta(days=1))
    assert "7" in key
