"""`heatbook ingest` reads the broker that HEATBOOK_MQTT_URL names, without a line in the registry and only once."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.publish import single

from api.embedded import EmbeddedBroker
from ingest.config import Settings
from ingest.store.board import gateways as board_gateways
from ingest.store.database import Pool
from ingest.store.gateways import create_gateway, gateways
from ingest.supervisor import know_broker
from protocols.mbus import record_bytes, wired_frame
from protocols.telegram import MeterId

SINCE = datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_telegram_of_an_unknown_meter_reaches_quarantine(
    store_pool: Pool,
    database_url: str,
    tmp_path: Path,
    broker: EmbeddedBroker,
    heatbook: Callable[..., subprocess.Popen[str]],
    eventually: Callable[..., object],
) -> None:
    worker = heatbook(
        "ingest", HEATBOOK_DATABASE_URL=database_url, HEATBOOK_DATA=str(tmp_path), HEATBOOK_MQTT_URL=broker.url
    )
    frame = wired_frame(MeterId("12345678", "KAM", 1, "heat"), record_bytes("energy", Decimal("5E+3"), "Wh"))

    async def connected() -> bool:
        async with store_pool.connection() as connection:
            cursor = await connection.execute("SELECT count(*) FROM gateway_health WHERE connected")
            return (await cursor.fetchone()) == (1,)

    async def waits() -> bool:
        async with store_pool.connection() as connection:
            cursor = await connection.execute("SELECT code FROM quarantine")
            return [code for (code,) in await cursor.fetchall()] == ["meter.unknown"]

    await eventually(connected)  # type: ignore[misc]
    single("dtu/7/up", frame, 1, hostname="127.0.0.1", port=broker.port, protocol=paho.MQTTv311)
    await eventually(waits)  # type: ignore[misc]
    worker.terminate()
    assert worker.wait(30) == 0


@pytest.mark.parametrize("known", [None, "mqtt://elsewhere:1883", "mqtt://somebody:secret@elsewhere:1883"])
async def test_a_broker_is_registered_only_where_none_is(store_pool: Pool, tmp_path: Path, known: str | None) -> None:
    settings = Settings(tmp_path, mqtt_url="mqtt://broker:1883")
    async with store_pool.connection() as connection:
        if known is not None:
            await create_gateway(connection, code="own", kind="mqtt", address=known)
    await know_broker(store_pool, Settings(tmp_path))
    for _ in range(2):
        await know_broker(store_pool, settings)
    async with store_pool.connection() as connection:
        told = [(one.code, one.address) for one in await gateways(connection)]
        shown = await board_gateways(connection, since=SINCE, areas=None)
    assert told == ([("broker", "default")] if known is None else [("own", known)])
    assert "secret" not in str(shown)
