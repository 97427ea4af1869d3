"""What happens by itself: sleeping alerts wake, overdue ones go to the lead, frozen periods are adjusted, webhooks and
notifications go out.

procrastinate runs each job once, whichever worker of the installation is free, and remembers what ran when.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import structlog
from procrastinate import App

from api import notify
from api.alerts import service as alerts
from api.billing import service as billing
from api.billing import webhooks
from api.rules import service as rules
from ingest.clock import Clock, SystemClock
from ingest.housekeeping import clear_old
from ingest.sealing import Sealer
from ingest.store.database import Pool
from ingest.store.jobs import job_app

_log = structlog.get_logger(__name__)

QUEUE: Final = "service"


def service_jobs(url: str, pool: Pool, sealer: Sealer | None = None, clock: Clock | None = None) -> App:
    """The job application with the service's periodic jobs; `pool` is what they work on.

    `clock` tells what is due and over, the one that pages show (None: the wall's); calls of webhooks and workers that
    were lost go by the wall. Without a `sealer` no notification address and no webhook's secret can be opened: nobody
    is told of anything.
    """
    app = job_app(url, connections=3)
    present = (clock or SystemClock()).now

    @app.periodic(cron="* * * * *")
    @app.task(name="deliver webhooks", queue=QUEUE, queueing_lock="deliver webhooks", pass_context=False)
    async def deliver_webhooks(timestamp: int) -> int:
        if sealer is None:
            return 0
        async with httpx.AsyncClient() as client:
            return await webhooks.deliver_due(pool, client, sealer, now=datetime.now(UTC))

    @app.periodic(cron="*/5 * * * *")
    @app.task(name="wake alerts", queue=QUEUE, queueing_lock="wake alerts")
    async def wake_alerts(timestamp: int) -> int:
        async with pool.connection() as connection, connection.transaction():
            now = present()
            return await alerts.wake(connection, now=now) + await alerts.escalate(connection, now=now)

    @app.periodic(cron="*/5 * * * *")
    @app.task(name="notify", queue=QUEUE, queueing_lock="notify")
    async def tell(timestamp: int) -> int:
        return 0 if sealer is None else await notify.tell(pool, sealer, now=present())

    @app.periodic(cron="7 * * * *")
    @app.task(name="adjust frozen periods", queue=QUEUE, queueing_lock="adjust frozen periods")
    async def adjust(timestamp: int) -> int:
        return await adjust_frozen(pool, now=present())

    @app.task(name=rules.TRIAL_TASK, queue=QUEUE, pass_context=False)
    async def try_rules(trial_id: int) -> bool:
        return await rules.run_trial(pool, url, trial_id, now=present())

    @app.periodic(cron="*/10 * * * *")
    @app.task(name="resume trials", queue=QUEUE, queueing_lock="resume trials")
    async def resume_trials(timestamp: int) -> int:
        return await rules.resume_lost(pool, now=datetime.now(UTC))

    @app.periodic(cron="23 * * * *")
    @app.task(name="clear old data", queue=QUEUE, queueing_lock="clear old data")
    async def clear_old_data(timestamp: int) -> dict[str, int]:
        return await clear_old(pool, present())

    return app


async def adjust_frozen(pool: Pool, *, now: datetime) -> int:
    """Bring every frozen period up to the newest assessment; how many periods were looked at."""
    async with pool.connection() as connection:
        codes = [row["code"] for row in await billing.all_periods(connection) if row["state"] == "frozen"]
    for code in codes:
        async with pool.connection() as connection, connection.transaction():
            await billing.refresh(connection, code, now=now)
    return len(codes)


async def run_jobs(url: str, pool: Pool, sealer: Sealer | None = None, clock: Clock | None = None) -> None:
    """Run the service's jobs until cancelled."""
    app = service_jobs(url, pool, sealer, clock)
    async with app.open_async():
        options: dict[str, Any] = {"queues": [QUEUE], "install_signal_handlers": False, "delete_jobs": "successful"}
        try:
            await app.run_worker_async(**options)
        except asyncio.CancelledError:
            _log.info("jobs end")
            raise
