"""What only a full broker shows: MQTT 5 receive maximum, sessions over a broker's restart, shared subscriptions,
refusals.
"""

import asyncio
import json
import shutil
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from api.embedded import free_port
from ingest.pipeline.intake import Pipeline
from ingest.sources.backoff import Backoff
from ingest.sources.mqtt import MqttSource
from ingest.sources.mqtt_settings import MqttSettings
from protocols.telegram import MeterId

pytestmark = pytest.mark.broker
START, MINUTE = datetime(2026, 3, 1, tzinfo=UTC), timedelta(minutes=1)
MESSAGES = 3_000
EXECUTABLE = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


class Mosquitto:
    """A mosquitto process with its own folder; stopping keeps its sessions."""

    def __init__(self, folder: Path, extra: str = "allow_anonymous true") -> None:
        self.folder, self.port = folder, free_port()
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(exist_ok=True)
        text = f"listener {self.port} 127.0.0.1\n{extra}\nmax_queued_messages 0\nuser root\n"
        text += f"persistence true\npersistence_location {folder}/\nautosave_interval 1\nautosave_on_changes true\n"
        (folder / "mosquitto.conf").write_text(text)

    async def start(self) -> None:
        self._launch()
        async with asyncio.timeout(20):
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                        return
                await asyncio.sleep(0.01)

    def _launch(self) -> None:
        assert EXECUTABLE is not None
        command = [EXECUTABLE, "-c", str(self.folder / "mosquitto.conf")]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None


@pytest.fixture
async def mosquitto(tmp_path):
    if EXECUTABLE is None:
        pytest.skip("no mosquitto executable on this machine")
    server = Mosquitto(tmp_path / "mosquitto")
    await server.start()
    yield server
    server.stop()


async def test_the_broker_sends_no_more_than_the_receive_maximum(mosquitto, intake, publish, start_source, reached):
    intake.immediate = False
    source = await start_source(mosquitto.port, topics=("rm/#",), client_id="rm", version=5, receive_maximum=10)
    await asyncio.to_thread(publish, mosquitto.port, [("rm/a", str(number).encode()) for number in range(50)])
    await intake.reached(10)
    # The window is used up: the eleventh message comes only after an acknowledgement.
    assert source.counters.received == 10
    intake.immediate = True
    for future in list(intake.futures):
        future.set_result(None)
    await intake.reached(50)
    await reached(lambda: source.counters.acknowledged == 50)
    assert intake.payloads == [str(number).encode() for number in range(50)]


@pytest.mark.parametrize("version", [4, 5])
async def test_a_session_survives_the_brokers_restart(mosquitto, intake, publish, start_source, reached, version):
    source = await start_source(mosquitto.port, topics=("rs/#",), client_id="rs", version=version)
    source.task.cancel()
    await asyncio.gather(source.task, return_exceptions=True)
    await asyncio.to_thread(publish, mosquitto.port, [("rs/a", b"kept on disk")])
    mosquitto.stop()
    await mosquitto.start()
    second = await start_source(mosquitto.port, topics=("rs/#",), client_id="rs", version=version)
    await intake.reached(1)
    assert intake.payloads == [b"kept on disk"]
    await reached(lambda: second.counters.acknowledged == 1)


async def test_the_source_comes_back_when_the_broker_does(mosquitto, intake, publish, start_source, reached):
    source = await start_source(mosquitto.port, topics=("back/#",), client_id="back", version=5)
    mosquitto.stop()
    await reached(lambda: source.counters.losses == 1)
    await mosquitto.start()
    await reached(lambda: source.connected.is_set())
    await asyncio.to_thread(publish, mosquitto.port, [("back/a", b"again")])
    await intake.reached(1)


async def test_workers_of_a_group_share_the_stream(mosquitto, intake, publish, start_source, reached):
    one = await start_source(mosquitto.port, topics=("share/#",), client_id="one", version=5, group="workers")
    two = await start_source(mosquitto.port, topics=("share/#",), client_id="two", version=5, group="workers")
    await asyncio.to_thread(publish, mosquitto.port, [("share/a", str(number).encode()) for number in range(100)])
    await intake.reached(100)
    await reached(lambda: one.counters.acknowledged + two.counters.acknowledged == 100)
    assert sorted(intake.payloads) == sorted(str(number).encode() for number in range(100))
    assert one.counters.received
    assert two.counters.received


async def test_refused_credentials_are_reported(tmp_path, intake):
    if EXECUTABLE is None:
        pytest.skip("no mosquitto executable on this machine")
    from ingest.sources.errors import RefusedError
    from ingest.sources.mqtt_connection import MqttConnection
    from ingest.sources.mqtt_settings import MqttSettings

    server = Mosquitto(tmp_path / "closed", "allow_anonymous false")
    await server.start()
    try:
        for version in (4, 5):
            connection = MqttConnection(
                MqttSettings("127.0.0.1", server.port, username="x", password="wrong", version=version),
                lambda message: True,
            )
            with pytest.raises(RefusedError, match="refuses"):
                await connection.open()
            connection.close()
    finally:
        server.stop()


async def test_retained_messages_are_stale_and_skipped(mosquitto, intake, start_source, reached):
    import paho.mqtt.publish as single

    await asyncio.to_thread(single.single, "kept/a", b"old", 1, True, "127.0.0.1", mosquitto.port)
    source = await start_source(mosquitto.port, topics=("kept/#",), client_id="kept")
    await reached(lambda: source.counters.acknowledged == 1)
    assert source.counters.retained_skipped == 1
    assert intake.deliveries == []


def self_signed(folder):
    """Certificate and key of "localhost" as PEM files."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    paths[1].write_bytes(secret)
    return paths


async def test_messages_come_over_tls_and_a_stranger_is_not_trusted(tmp_path, intake, publish, sources, reached):
    if EXECUTABLE is None:
        pytest.skip("no mosquitto executable on this machine")
    from ingest.sources.errors import LineClosedError
    from ingest.sources.mqtt import MqttSource
    from ingest.sources.mqtt_connection import MqttConnection
    from ingest.sources.mqtt_settings import MqttSettings

    certificate, key = self_signed(tmp_path)
    plain = free_port()
    tls = f"certfile {certificate}\nkeyfile {key}\nlistener {plain} 127.0.0.1\nallow_anonymous true"
    server = Mosquitto(tmp_path / "tls", tls)
    await server.start()
    try:
        settings = MqttSettings("localhost", server.port, topics=("tls/#",), tls=True, tls_ca=str(certificate), queue=5)
        source = MqttSource(settings, intake)
        sources.append(source)
        task = asyncio.create_task(source.run())
        async with asyncio.timeout(20):
            await source.connected.wait()
        messages = [("tls/a", str(number).encode() * 50) for number in range(300)]
        await asyncio.to_thread(publish, plain, messages)
        await reached(lambda: source.counters.acknowledged == 300)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        stranger = MqttConnection(MqttSettings("localhost", server.port, tls=True), lambda message: True)
        with pytest.raises(LineClosedError, match="certificate"):
            await stranger.open()
        stranger.close()
    finally:
        server.stop()
    assert intake.payloads == [payload for _, payload in messages]


async def test_a_broker_that_restarts_in_mid_stream_loses_nothing_and_repeats_nothing(
    mosquitto, book, directory, store_pool, sources, reached
):
    for number in range(5):
        await book.meter(MeterId(f"{number:08d}", "", None, "heat"))
    await directory.refresh()
    # Every sixth message is of a meter that nobody registered.
    messages = [
        {
            "media": "heat",
            "id": f"{number % 6:08d}",
            "total_kwh": number,
            "timestamp": f"{START + number * MINUTE:%FT%TZ}",
        }
        for number in range(MESSAGES)
    ]
    sender = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="sender", clean_session=False)
    sender.reconnect_delay_set(1, 1)
    sender.connect("127.0.0.1", mosquitto.port)
    async with Pipeline(pool=store_pool, directory=directory) as pipeline:
        settings = MqttSettings("127.0.0.1", mosquitto.port, topics=("wmbusmeters/#",), client_id="cut")
        source = MqttSource(settings, pipeline, backoff=Backoff(0.05, 0.2))
        sources.append(source)
        task = asyncio.create_task(source.run())
        async with asyncio.timeout(20):
            await source.connected.wait()
        sender.loop_start()
        sent = [sender.publish("wmbusmeters/x", json.dumps(message).encode(), qos=1) for message in messages]
        await reached(lambda: source.counters.acknowledged >= MESSAGES // 8)
        mosquitto.stop()
        await reached(lambda: source.counters.losses == 1)
        await mosquitto.start()
        for one in sent:
            await asyncio.to_thread(one.wait_for_publish, 60)
        sender.disconnect()
        sender.loop_stop()
        # What the sender repeats comes twice, too: count what is there, not what was heard.
        async with asyncio.timeout(60):
            while (await book.balance())["deliveries"] < MESSAGES:
                source.changed.clear()
                await asyncio.wait([asyncio.ensure_future(source.changed.wait())], timeout=0.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    balance = await book.balance()
    assert (balance["deliveries"], balance["quarantined"], balance["twice"]) == (MESSAGES, MESSAGES // 6, 0)


async def test_messages_of_every_quality_and_size_come_through(mosquitto, intake, start_source, reached) -> None:
    source = await start_source(mosquitto.port, topics=("mix/#",), client_id="mix", qos=2, max_payload_bytes=1_000_000)
    payloads = [b"none", b"once", b"exactly", b"h" * 300_000]
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", mosquitto.port)
    client.loop_start()
    for qos, payload in zip((0, 1, 2, 1), payloads, strict=True):
        await asyncio.to_thread(client.publish("mix/x", payload, qos=qos).wait_for_publish, 20)
    client.disconnect()
    client.loop_stop()
    await intake.reached(4)
    assert sorted(intake.payloads) == sorted(payloads)
    await reached(lambda: source.counters.acknowledged == 3)
