"""What `heatbook ingest` shows to Prometheus: its gateways, its pipeline, its spool; nothing unless it is asked for."""

import asyncio
import urllib.error
import urllib.request

from api.embedded import free_port
from protocols.telegram import MeterId
from simulators.counting import CountingMbus
from simulators.mbus_server import MbusServer, MbusSlave


def scraped(port: int) -> dict[str, float]:
    """Sample name with labels -> value; empty while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
    except urllib.error.URLError:
        return {}
    samples = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, value in samples}


async def test_a_worker_shows_gateways_pipeline_and_spool(book, database_url, tmp_path, heatbook) -> None:
    baud, port = 2_400_000, free_port()
    meter = CountingMbus(MeterId("10000001", "KAM", 0x34, "heat"))
    async with MbusServer([MbusSlave(meter, 1)], baud_rate=baud, connections=2) as server:
        bus = await book.gateway("G1", "mbus_tcp", server.address, baud_rate=baud, schedule_s=1)
        await book.meter(meter.identity, bus, "1")
        await book.meter(MeterId("10000002", "KAM", 0x34, "heat"), bus, "2")
        environment = {"HEATBOOK_DATABASE_URL": database_url, "HEATBOOK_DATA": str(tmp_path / "one")}
        worker = heatbook("ingest", **environment, HEATBOOK_METRICS_PORT=str(port))
        shown: dict[str, float] = {}
        async with asyncio.timeout(90):
            while not (
                shown.get('heatbook_gateway_successes_total{gateway="G1"}', 0) >= 3
                and shown.get('heatbook_gateway_timeouts_total{gateway="G1"}', 0) >= 1
                and shown.get('heatbook_outcomes_total{state="stored"}', 0) >= 2
            ):
                await asyncio.sleep(0.1)
                shown = await asyncio.to_thread(scraped, port)
        worker.terminate()
        assert await asyncio.to_thread(worker.wait, 30) == 0
    asked = shown['heatbook_gateway_attempts_total{gateway="G1"}']
    answered = shown['heatbook_gateway_successes_total{gateway="G1"}']
    assert asked == answered + shown['heatbook_gateway_timeouts_total{gateway="G1"}']
    assert shown['heatbook_gateway_connected{gateway="G1"}'] == 1
    assert shown["heatbook_gateways"] == 1
    assert shown["heatbook_spool_bytes"] == 0
    assert shown['heatbook_deliveries_total{protocol="mbus"}'] >= shown['heatbook_outcomes_total{state="stored"}']
    assert {"heatbook_pipeline_depth", "heatbook_commit_seconds_count", "heatbook_database_away"} <= shown.keys()
