"""MQTT QoS 1 → committed and acknowledged, against a paho subscriber that discards what it gets from the same broker.

Run: ``python tests/speed/mqtt_ingest.py [messages] [rounds]``. Prints messages/s of both and their ratio, medians of
the rounds.
Broker, publisher and database are processes of their own; each message is a wireless telegram of six values in hex.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from decimal import Decimal
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

import paho.mqtt.client as paho
import psycopg
from iotcore import Broker

from api.embedded import THROW_AWAY, EmbeddedPostgres, free_port
from ingest.directory import Directory
from ingest.model import Delivery, Outcome
from ingest.pipeline import Pipeline
from ingest.sources.mqtt import MqttSource
from ingest.sources.mqtt_settings import MqttSettings
from ingest.store.database import migrate, open_pool
from protocols.mbus import record_bytes, wireless_telegram
from protocols.telegram import MeterId

TOPIC = "speed/raw"
# Messages the broker sends ahead of acknowledgements; the embedded default is 100.
WINDOW = int(os.environ.get("SPEED_WINDOW", "1000"))


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
        meter = MeterId(f"{number % 1000 + 10_000_000}", "KAM", 0x1B, "heat")
        made.append(wireless_telegram(meter, records, access_number=number % 256).hex().encode())
    return made


def publish(port: int, payloads: list[bytes], gate: Barrier) -> None:
    """Publish all from a process of its own and wait until the broker has them."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(500)
    client.connect("127.0.0.1", port)
    client.loop_start()
    gate.wait()
    infos = [client.publish(TOPIC, payload, qos=1) for payload in payloads]
    for info in infos:
        info.wait_for_publish(120)
    client.disconnect()
    client.loop_stop()


def discarding(port: int, payloads: list[bytes]) -> float:
    """Messages/s of a paho subscriber that throws them away (its own acknowledgements)."""
    done = threading.Event()
    ready = threading.Event()
    seen: list[float] = []

    def on_message(client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        seen.append(time.perf_counter())
        if len(seen) == len(payloads):
            done.set()

    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="discard", clean_session=False)
    client.on_message = on_message
    client.on_subscribe = lambda *_: ready.set()
    client.on_connect = lambda c, *_: c.subscribe(TOPIC, qos=1)
    client.connect("127.0.0.1", port)
    client.loop_start()
    ready.wait(10)
    gate = get_context("spawn").Barrier(2)
    publisher = get_context("spawn").Process(target=publish, args=(port, payloads, gate))
    publisher.start()
    gate.wait()
    started = time.perf_counter()
    done.wait(300)
    publisher.join()
    client.disconnect()
    client.loop_stop()
    return len(payloads) / (seen[-1] - started)


class Discarding:
    """A pipeline that takes everything at once: what the source itself costs."""

    async def offer_all(self, deliveries: Sequence[Delivery]) -> "asyncio.Future[list[Outcome]]":
        """Safe at once."""
        future: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        future.set_result([Outcome("stored", 1)] * len(deliveries))
        return future


async def through_source(port: int, payloads: list[bytes], pipeline: object, name: str) -> float:
    """Messages/s from the broker to the last acknowledgement."""
    source = MqttSource(MqttSettings("127.0.0.1", port, topics=(TOPIC,), client_id=name), pipeline)  # type: ignore[arg-type]
    task = asyncio.create_task(source.run())
    await source.connected.wait()
    gate = get_context("spawn").Barrier(2)
    publisher = get_context("spawn").Process(target=publish, args=(port, payloads, gate))
    publisher.start()
    gate.wait()
    started = time.perf_counter()
    while source.counters.acknowledged < len(payloads):
        source.changed.clear()
        await source.changed.wait()
        await asyncio.sleep(0.002)
    rate = len(payloads) / (time.perf_counter() - started)
    publisher.join()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return rate


async def committed(port: int, payloads: list[bytes], url: str, name: str) -> float:
    """Messages/s through the real pipeline into PostgreSQL: decoded, committed, acknowledged."""
    pool = await open_pool(url)
    try:
        directory = await Directory.load(pool)
        async with Pipeline(pool=pool, directory=directory) as pipeline:
            rate = await through_source(port, payloads, pipeline, name)
            async with pool.connection() as connection:
                rows = await (await connection.execute("SELECT count(*) FROM reading")).fetchone()
            assert rows is not None
            print(f"  {name}: {rows[0]} readings in the store, {rate:,.0f} messages/s")
            return rate
    finally:
        await pool.close()


def register_meters(url: str, count: int) -> None:
    """The meters of `telegrams`, straight into the registry."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "INSERT INTO meter (serial, manufacturer, medium, version) "
            "SELECT (10000000 + n)::text, 'KAM', 'heat', 27 FROM generate_series(0, %s) n",
            [count],
        )


def main() -> None:
    """Print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    rates: dict[str, list[float]] = {
        name: [] for name in ("paho, discards", "source, pipeline discards", "source, committed")
    }
    broker_port = free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        Broker(port=broker_port, listen="127.0.0.1", max_inflight_count=WINDOW),
        EmbeddedPostgres(Path(folder) / "postgres", settings=THROW_AWAY) as server,
    ):
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE speed")
        url = server.url("speed")
        migrate(url)
        register_meters(url, 1000)
        for number in range(rounds):
            payloads = telegrams(count, number)
            rates["paho, discards"].append(discarding(broker_port, payloads))
            source = through_source(broker_port, payloads, Discarding(), f"source-{number}")
            rates["source, pipeline discards"].append(asyncio.run(source))
            stored = committed(broker_port, payloads, url, f"committed-{number}")
            rates["source, committed"].append(asyncio.run(stored))
    base = statistics.median(rates["paho, discards"])
    print(f"{count} messages of {len(payloads[0])} bytes, {rounds} rounds")
    for name, found in rates.items():
        rate = statistics.median(found)
        print(f"{name:<28} {rate:>9,.0f} messages/s  {rate / base:5.2f}")


if __name__ == "__main__":
    main()
