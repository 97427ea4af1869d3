"""Writes the health that the sources counted to the tables of the comms board, in one transaction a report."""

from collections.abc import Iterable, Mapping

from ingest.sources.health import HealthChange, Tally
from ingest.store.database import Pool
from ingest.store.health import GatewayNews, MeterNews, report_gateways, report_meters


async def report_health(pool: Pool, worker: str, tally: Tally, drifts_s: Mapping[int, float]) -> None:
    """Write what changed since the last report; what can't be written is kept for the next.

    Parameters
    ----------
    worker : str
        Who reads the gateways.
    drifts_s : mapping
        Meter -> seconds its clock was ahead.

    Raises
    ------
    psycopg.Error
        The database is away.
    """
    for meter_id, drift_s in drifts_s.items():
        tally.meter(meter_id).clock_drift_s = drift_s
    gateways, meters = tally.take()
    if not gateways and not meters:
        return
    try:
        async with pool.connection(5.0) as connection, connection.transaction():
            await report_gateways(connection, _gateway_news(worker, gateways))
            await report_meters(connection, _meter_news(meters))
    except BaseException:
        tally.put_back(gateways, meters)
        raise


def _gateway_news(worker: str, changes: Iterable[HealthChange]) -> list[GatewayNews]:
    return [
        GatewayNews(
            change.key,
            worker,
            bool(change.connected),
            change.last_attempt_at,
            change.last_success_at,
            change.attempts,
            change.successes,
            change.timeouts,
            change.checksum_errors,
            change.collisions,
            change.refusals,
            change.latency_ms,
            change.last_error,
        )
        for change in changes
    ]


def _meter_news(changes: Iterable[HealthChange]) -> list[MeterNews]:
    return [
        MeterNews(
            change.key,
            change.last_attempt_at,
            change.last_success_at,
            change.attempts,
            change.successes,
            change.failures,
            change.timeouts,
            change.checksum_errors,
            change.collisions,
            change.latency_ms,
            change.last_error,
            change.clock_drift_s,
        )
        for change in changes
    ]
