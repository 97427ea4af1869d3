"""The HTTP service, wired by hand: rooms, errors, limits, health, metrics.

`create_app` starts nothing: database, pipeline and directory come in running and are stopped by whoever started them.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import psycopg
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from psycopg_pool import PoolTimeout
from starlette.responses import JSONResponse, Response

from api import metrics
from api.alerts.audit_endpoints import router as samples
from api.alerts.endpoints import router as alerts
from api.billing.endpoints import router as billing
from api.context import Context
from api.deliveries.endpoints import router as deliveries
from api.field.endpoints import router as field
from api.limits import BodyLimit, SecurityHeaders
from api.openapi import document
from api.people.endpoints import router as people
from api.people.notification_endpoints import router as notifications
from api.people.oidc import provider_from_settings
from api.people.oidc_endpoints import router as openid
from api.problems import register_problem_handlers
from api.readings.endpoints import router as readings
from api.registry.endpoints import router as registry_room
from api.reports.endpoints import router as reports
from api.rules.endpoints import router as rules
from ingest.clock import Clock, SystemClock
from ingest.config import Settings
from ingest.store import people as people_store
from ingest.store.database import Pool

if TYPE_CHECKING:
    from ingest.directory import Directory
    from ingest.pipeline.intake import Pipeline

PREFIX: Final = "/api/v1"
_ROOMS: Final = (
    deliveries,
    readings,
    registry_room,
    alerts,
    samples,
    field,
    reports,
    rules,
    billing,
    people,
    openid,
    notifications,
)
_SMALL_BODY: Final = 1024 * 1024
DESCRIPTION: Final = """
From the bytes on the wire to consumption that can be billed and defended. Energy is exact: integers are joules, volumes
millilitres; decimals are strings, rounded once. Missing is null, never zero. Errors are RFC 9457 problems with a stable
`code`.
"""


def create_app(
    *,
    settings: Settings,
    pool: Pool,
    pipeline: "Pipeline",
    directory: "Directory",
    clock: Clock | None = None,
    registry: CollectorRegistry | None = None,
) -> FastAPI:
    """The service over parts that are running.

    Parameters
    ----------
    registry : where metrics are counted; give the pipeline's to show both.
    """
    provider_from_settings(settings)  # half a configuration is told at the start, not at the first login
    parts = Context(settings, pool, pipeline, directory, clock or SystemClock())

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        await load_secrets(parts)
        yield

    app = FastAPI(
        title="Heatbook",
        version="0.1.0",
        description=DESCRIPTION,
        lifespan=life,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    app.state.heatbook = parts
    counts = metrics.Metrics(registry)
    for room in _ROOMS:
        app.include_router(room, prefix=PREFIX)
    register_problem_handlers(app)
    _add_operations(app, parts, counts)
    larger = {
        f"{PREFIX}/deliveries": settings.max_body_bytes,
        f"{PREFIX}/billing/acknowledgements": 4 * _SMALL_BODY,
        f"{PREFIX}/field/photos": 7 * _SMALL_BODY,
    }
    app.add_middleware(BodyLimit, limit_bytes=min(_SMALL_BODY, settings.max_body_bytes), larger=larger)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(metrics.CountRequests, metrics=counts, prefix=PREFIX)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    return app


async def load_secrets(parts: Context) -> None:
    """Read the secrets that all workers share; the app's start-up does this, a mounted app's owner must."""
    async with parts.pool.connection() as connection, connection.transaction():
        parts.secrets["cursor"] = await people_store.shared_secret(connection, "cursor", secrets.token_bytes(32))


def _add_operations(app: FastAPI, parts: Context, counts: metrics.Metrics) -> None:
    async def live() -> Response:
        return JSONResponse({"status": "live"})

    async def ready() -> Response:
        try:
            async with parts.pool.connection(timeout=2.0) as connection:
                await connection.execute("SELECT 1")
        except (psycopg.Error, PoolTimeout):
            return JSONResponse({"status": "not ready", "database": "away"}, 503)
        if "cursor" not in parts.secrets:
            return JSONResponse({"status": "not ready", "database": "here"}, 503)
        return JSONResponse({"status": "ready", "database": "here"})

    async def exposition() -> Response:
        return Response(counts.text(parts.pool), media_type=metrics.CONTENT_TYPE)

    app.add_api_route("/health/live", live, include_in_schema=False)
    app.add_api_route("/health/ready", ready, include_in_schema=False)
    app.add_api_route("/metrics", exposition, include_in_schema=False)
