"""MQTT QoS 1 → committed and acknowledged by one worker, against a paho subscriber that discards what it gets.

Run: ``python -m tests.speed.mqtt_ingest [messages] [rounds] [version]`` (version: 4 is MQTT 3.1.1, 5 is MQTT 5).
Mosquitto is the broker where its executable is found, the embedded one otherwise. Two cases, each round on a fresh
broker: a session that holds all messages is drained (the subscriber is the limit), and a publisher sends while the
subscriber listens. Printed: messages/s with the ratio to the discarding subscriber, and CPU microseconds a message of
the subscriber's process with their ratio, which holds on a busy machine where that of the rates does not.
"""

import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import psycopg
from iotcore import Broker

from api.cli.serve import fast_event_loop
from api.embedded import EmbeddedPostgres, free_port
from ingest.collecting import collecting_seldom
from ingest.directory import Directory
from ingest.model import Delivery, Outcome
from ingest.pipeline.intake import Pipeline
from ingest.sources.mqtt import MqttSource
from ingest.sources.mqtt_settings import MqttSettings
from ingest.store.database import migrate, open_pool
from protocols.mbus import record_bytes, wireless_telegram
from protocols.telegram import MeterId

TOPIC = "speed/raw"
METERS = 1_000
# Messages the broker sends ahead of acknowledgements; deploy/mosquitto/mosquitto.conf says the same.
WINDOW = int(os.environ.get("SPEED_WINDOW", "1000"))
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
Measured = tuple[float, float]


def telegrams(count: int, batch: int) -> list[bytes]:
    """Different hex telegrams of a thousand meters, six values each."""
    made = []
    for number in range(batch * count, (batch + 1) * count):
        records = b"".join(
            [
                record_bytes("energy", Decimal(number).scaleb(3), "Wh"),
                record_bytes("volume", Decimal(number).scaleb(-2), "m3"),
                record_bytes("power", Decimal(120).scaleb(2), "W"),
                record_bytes("flow", Decimal(650).scaleb(-3), "m3/h"),
                record_bytes("supply_temperature", Decimal(715).scaleb(-1), "°C"),
                record_bytes("return_temperature", Decimal(402).scaleb(-1), "°C"),
            ]
        )
        meter = MeterId(f"{number % METERS + 10_000_000}", "KAM", 0x1B, "heat")
        made.append(wireless_telegram(meter, records, access_number=number % 256).hex().encode())
    return made


class Mosquitto:
    """A broker process that keeps sessions in memory, as long as they want."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        folder.mkdir()
        text = f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser root\n"
        (folder / "conf").write_text(f"{text}max_queued_messages 0\nmax_inflight_messages {WINDOW}\n")
        self.process = subprocess.Popen([MOSQUITTO or "", "-c", str(folder / "conf")], stderr=subprocess.DEVNULL)
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(20)


class Embedded:
    """The broker of one-command use."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._broker = Broker(port=self.port, listen="127.0.0.1", max_inflight_count=WINDOW)
        self._broker.__enter__()

    def stop(self) -> None:
        """End it."""
        self._broker.__exit__(None, None, None)


def subscriber(port: int, name: str) -> paho.Client:
    """A client whose session outlives it."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)
    client.on_connect = lambda c, *_: c.subscribe(TOPIC, qos=1)
    client.connect("127.0.0.1", port)
    return client


def register(port: int, name: str) -> None:
    """Leave a session behind that collects messages."""
    done = threading.Event()
    client = subscriber(port, name)
    client.on_subscribe = lambda *_: done.set()
    client.loop_start()
    done.wait(10)
    client.disconnect()
    client.loop_stop()


def forget(port: int, name: str) -> None:
    """End a session, so that it collects nothing more."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=name, clean_session=True)
    ended = threading.Event()
    client.on_connect = lambda c, *_: c.disconnect()
    client.on_disconnect = lambda *_: ended.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    ended.wait(10)
    client.loop_stop()


def publish(port: int, payloads: list[bytes]) -> None:
    """Publish all and wait until the broker has them."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(500)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for info in [client.publish(TOPIC, payload, qos=1) for payload in payloads]:
        info.wait_for_publish(120)
    client.disconnect()
    client.loop_stop()


def discarding(port: int, count: int) -> Measured:
    """Messages/s and CPU seconds a message of a paho subscriber that throws them away (its own acknowledgements)."""
    done = threading.Event()
    seen: list[float] = []

    def on_message(client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        seen.append(time.perf_counter())
        if len(seen) == count:
            done.set()

    client = subscriber(port, "discard")
    client.on_message = on_message
    began, cpu = time.perf_counter(), time.process_time()
    client.loop_start()
    done.wait(300)
    used = time.process_time() - cpu
    client.disconnect()
    client.loop_stop()
    return count / (seen[-1] - began), used / count


class Discarding:
    """A pipeline that takes everything at once: what the source itself costs."""

    async def offer_all(self, deliveries: Sequence[Delivery]) -> "asyncio.Future[list[Outcome]]":
        """Safe at once."""
        future: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        future.set_result([Outcome("stored", 1)] * len(deliveries))
        return future


async def through_source(port: int, count: int, pipeline: object, name: str, version: int) -> Measured:
    """Messages/s to the last acknowledgement, and CPU seconds a message."""
    settings = MqttSettings("127.0.0.1", port, topics=(TOPIC,), client_id=name, version=version)
    source = MqttSource(settings, pipeline)  # type: ignore[arg-type]
    began, cpu = time.perf_counter(), time.process_time()
    task = asyncio.create_task(source.run())
    while source.counters.acknowledged < count:
        source.changed.clear()
        await source.changed.wait()
    measured = count / (time.perf_counter() - began), (time.process_time() - cpu) / count
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return measured


async def committed(port: int, count: int, url: str, version: int) -> Measured:
    """The same through the real pipeline into PostgreSQL."""
    pool = await open_pool(url)
    try:
        directory = await Directory.load(pool)
        async with Pipeline(pool=pool, directory=directory) as pipeline:
            with collecting_seldom():
                return await through_source(port, count, pipeline, "committed", version)
    finally:
        await pool.close()


def worker(measure: Coroutine[Any, Any, Measured]) -> Measured:
    """On the event loop that a worker in production runs on."""
    with asyncio.Runner(loop_factory=fast_event_loop()) as runner:
        return runner.run(measure)


def register_meters(url: str, count: int) -> None:
    """The meters of `telegrams`, straight into the registry."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO meter (serial, manufacturer, medium, version) "
            "SELECT (10000000 + n)::text, 'KAM', 'heat', 27 FROM generate_series(0, %s) n",
            [count],
        )


def stored(url: str) -> tuple[int, int, int]:
    """Deliveries, readings and quarantine entries in the store."""
    with psycopg.connect(url) as connection:
        counts = (
            "SELECT (SELECT count(*) FROM delivery), (SELECT count(*) FROM reading), (SELECT count(*) FROM quarantine)"
        )
        row = connection.execute(counts).fetchone()
    assert row is not None
    return row


def one(port: int, payloads: list[bytes], case: str, name: str, measure: Callable[[int], Measured]) -> Measured:
    """One subscriber in one case, with a session of its own."""
    register(port, name)
    publisher = get_context("spawn").Process(target=publish, args=(port, payloads))
    publisher.start()
    if case == "drained":
        publisher.join()
    measured = measure(port)
    publisher.join()
    forget(port, name)
    return measured


def main() -> None:
    """Print the table."""
    arguments = [int(text) for text in sys.argv[1:]]
    count, rounds, version = (*arguments, *(40_000, 3, 4)[len(arguments) :])
    ratios: dict[str, list[float]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder) / "postgres") as server,
    ):
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE speed")
        url = server.url("speed")
        migrate(url)
        register_meters(url, METERS)
        subscribers: dict[str, Callable[[int], Measured]] = {
            "discard": lambda port: discarding(port, count),
            "source": lambda port: worker(through_source(port, count, Discarding(), "source", version)),
            "committed": lambda port: worker(committed(port, count, url, version)),
        }
        for number in range(rounds):
            broker = (Mosquitto if MOSQUITTO else Embedded)(Path(folder) / f"broker-{number}")
            for case in ("drained", "live"):
                payloads = telegrams(count, 2 * number + (case == "live"))
                found = {name: one(broker.port, payloads, case, name, measure) for name, measure in subscribers.items()}
                for name, (rate, cpu) in found.items():
                    share, cost = rate / found["discard"][0], found["discard"][1] / cpu
                    ratios.setdefault(f"{case} {name}", []).append(share)
                    ratios.setdefault(f"{case} {name}, by CPU", []).append(cost)
                    figures = f"{rate:>9,.0f} messages/s {share:6.2f}   {cpu * 1e6:6.1f} µs CPU {cost:6.2f}"
                    print(f"{case:<8} {name:<10} {figures}", flush=True)
            broker.stop()
        print(f"{2 * rounds * count} messages of {METERS} meters; deliveries, readings, quarantine: {stored(url)}")
    for name, found in ratios.items():
        print(f"{name:<24} {statistics.median(found):6.2f} of the discarding subscriber")


if __name__ == "__main__":
    main()
