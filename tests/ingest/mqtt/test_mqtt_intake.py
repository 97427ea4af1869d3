"""Messages as deliveries: keys, joined frames, heartbeats, rebirth commands; settings from URLs."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ingest.decoding.table import decode
from ingest.errors import SettingsError
from ingest.sources.mqtt_intake import MqttIntake
from ingest.sources.mqtt_settings import MqttSettings, settings_from_url
from protocols.mbus import record_bytes, wireless_telegram
from protocols.mqtt import lobaro, things_stack
from protocols.mqtt.sparkplug import topic_of
from protocols.mqtt.sparkplug_payload import Payload, bytes_from_payload
from protocols.serial_frame import SerialFrame, encoded
from protocols.telegram import MeterId

AT = datetime(2026, 1, 15, 9, 34, 15, tzinfo=UTC)
READ_AT = datetime(2026, 1, 1, tzinfo=UTC)
FRAME = encoded(SerialFrame("cjt188", bytes.fromhex("11223344001111"), 0x81, bytes.fromhex("901F01") + bytes(43), 0x20))
TELEGRAM = wireless_telegram(MeterId("68001122", "KAM", 1, "heat"), record_bytes("energy", Decimal("5E+3"), "Wh") * 8)


@pytest.fixture
def take():
    intake = MqttIntake(MqttSettings("broker"), 7)

    def taken(topic, payload, at=AT):
        return intake.deliveries(topic, payload, at, READ_AT)

    return taken


def test_a_message_keeps_topic_gateway_and_both_times(take):
    (delivery,) = take("plant/1", b'{"energy": 1}').deliveries
    assert (delivery.protocol, delivery.topic, delivery.channel, delivery.gateway_id) == (
        "mqtt",
        "plant/1",
        "plant/1",
        7,
    )
    assert (delivery.arrived_at, delivery.read_at) == (AT, READ_AT)
    assert delivery.idempotency


def test_a_whole_frame_is_one_delivery(take):
    (delivery,) = take("dtu/1/up", b"\xfe\xfe" + FRAME).deliveries
    assert (delivery.protocol, delivery.payload) == ("mqtt", b"\xfe\xfe" + FRAME)
    assert len(decode(delivery.protocol, delivery.payload, topic=delivery.topic)) == 1


def test_halves_are_kept_and_the_whole_frame_stands_for_itself(take):
    first, second = take("dtu/1/up", FRAME[:20]).deliveries, take("dtu/1/up", FRAME[20:]).deliveries
    assert [delivery.protocol for delivery in (*first, *second)] == ["fragment", "fragment", "cjt188"]
    assert second[1].payload == FRAME
    assert b"".join(delivery.payload for delivery in (*first, second[0])) == FRAME


def test_heartbeats_are_no_deliveries(take):
    assert take("dtu/1/up", b"www.usr.cn").deliveries == ()


def test_rubbish_of_a_dtu_goes_to_quarantine_as_it_came(take):
    (delivery,) = take("dtu/1/up", b"\x01\x02\x80\x81").deliveries
    assert (delivery.protocol, delivery.payload) == ("mqtt", b"\x01\x02\x80\x81")


def test_split_uplinks_become_the_telegram(take):
    found = []
    for counter, (port, data) in enumerate(lobaro.parts_from_telegram(TELEGRAM, 30)):
        publish = things_stack.encode("94193a0103000001", data, port=port, counter=counter, time="2026-01-15T09:34:15Z")
        found += take(*publish).deliveries
    assert {delivery.protocol for delivery in found[:-1]} == {"fragment"}
    assert (found[-1].protocol, found[-1].payload) == ("wmbus", TELEGRAM)


def test_a_lost_part_goes_to_quarantine(take):
    (_, _), (port, data), *_ = lobaro.parts_from_telegram(TELEGRAM, 30)
    publish = things_stack.encode("94193a0103000001", data, port=port, counter=9, time="2026-01-15T09:34:15Z")
    (delivery,) = take(*publish).deliveries
    assert delivery.protocol == "mqtt"


def test_an_unborn_sparkplug_node_is_asked_for_its_birth_once(take):
    topic, payload = topic_of("heat", "DDATA", "gw1", "m"), bytes_from_payload(Payload((), None, 7))
    assert take(topic, payload).command[0] == "spBv1.0/heat/NCMD/gw1"
    assert take(topic, bytes_from_payload(Payload((), None, 9))).command is None
    assert take(topic, bytes_from_payload(Payload((), None, 20)), AT + timedelta(minutes=2)).command is not None


def test_the_registrys_links_name_the_meter_of_a_topic():
    intake = MqttIntake(MqttSettings("broker"), 7, {"plant/boiler": 11, "94193a0103000001": 12, "5": 13})

    def meter_at(topic):
        return intake.deliveries(topic, b'{"energy": 1}', AT, READ_AT).deliveries[0].meter_id

    assert meter_at("plant/boiler") == 11
    assert meter_at("application/a/device/94193a0103000001/event/up") == 12
    assert meter_at("plant/5") is None


def test_a_url_and_a_gateways_settings_make_a_subscription():
    settings = settings_from_url(
        "mqtts://meter:p%40ss@broker.example:8884/?version=5",
        {"topics": ["a/#", "b/+"], "family": None, "group": "workers"},
        client_id="heatbook-7",
    )  # fmt: skip
    assert (settings.host, settings.port, settings.tls, settings.version) == ("broker.example", 8884, True, 5)
    assert (settings.username, settings.password) == ("meter", "p@ss")
    assert settings.subscriptions == (("$share/workers/a/#", 1), ("$share/workers/b/+", 1))
    assert "p@ss" not in repr(settings)


@pytest.mark.parametrize(
    ("url", "settings", "key"),
    [
        ("http://x", {}, "http"),
        ("mqtt://", {}, "address"),
        ("mqtt://x:port", {}, "port"),
        ("mqtt://x", {"topics": []}, "topics"),
        ("mqtt://x", {"qos": 3}, "qos"),
        ("mqtt://x", {"version": 3}, "version"),
        ("mqtt://x", {"queue": 0}, "queue"),
        ("mqtt://x", {"queue": "many"}, "queue"),
        ("mqtt://x", {"colour": "red"}, "colour"),
        ("mqtt://x", {"receive_maximum": 70000}, "receive_maximum"),
    ],
)
def test_wrong_settings_are_named(url, settings, key):
    with pytest.raises(SettingsError, match=key):
        settings_from_url(url, settings)
