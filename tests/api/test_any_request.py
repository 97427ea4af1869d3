"""Whatever a caller sends that the OpenAPI document allows, and what it forbids: never a server error."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import requests
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from openapi_spec_validator import validate
from schemathesis import GenerationMode

from api.access import SYSTEM
from api.app import create_app
from api.people import service as people
from ingest.config import Settings
from ingest.directory import Directory
from ingest.pipeline.intake import Pipeline
from ingest.store import registry
from ingest.store.database import open_pool

EXAMPLES = 6
# What talks to a worker waits for one; its own tests have one.
WAITING = {
    ("post", "/api/v1/field/meters/{meter_id}/read"),
    ("get", "/api/v1/field/gateways/{gateway_id}/search"),
}


class Running:
    """The service in a thread of its own, over a socket."""

    def __init__(self, url: str, data: Path) -> None:
        self.url, self.data = url, data
        self.base = ""
        self.key = ""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="service")
        self._server: uvicorn.Server | None = None

    def __enter__(self) -> "Running":
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.should_exit = True
        self._thread.join(30)

    async def _serve(self) -> None:
        options = Settings(data=self.data, batch_wait_s=0.01)
        pool = await open_pool(self.url, maximum=6)
        directory = await Directory.load(pool)
        async with Pipeline(settings=options, pool=pool, directory=directory) as pipeline:
            async with pool.connection() as connection, connection.transaction():
                _, self.key = await people.add_key(connection, SYSTEM, "fuzz", "admin")
                area = await registry.create_area(connection, code="A1")
                await registry.create_point(connection, code="P-1", area_id=area)
                await registry.create_meter(connection, serial="12345678")
            app = create_app(settings=options, pool=pool, pipeline=pipeline, directory=directory)
            self._server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="on"))
            serving = asyncio.create_task(self._server.serve())
            while not self._server.started:  # noqa: ASYNC110 - uvicorn tells by a flag
                await asyncio.sleep(0.01)
            self.base = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"
            self._ready.set()
            await serving
        await pool.close()


@pytest.fixture(scope="module")
def running(postgres, template_database, tmp_path_factory) -> Iterator[Running]:
    import psycopg

    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE any_request TEMPLATE template_heatbook")
    with Running(postgres.url("any_request"), tmp_path_factory.mktemp("data")) as service:
        yield service


def test_the_document_is_valid_openapi_3_1(running):
    document = httpx.get(f"{running.base}/api/v1/openapi.json", timeout=60).json()
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_no_request_finds_a_server_error(running):
    schema = schemathesis.openapi.from_url(f"{running.base}/api/v1/openapi.json")
    options = settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    seen = 0
    session = requests.Session()  # one connection for thousands of requests
    session.headers["Authorization"] = f"Bearer {running.key}"
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        for found in schema.get_all_operations():
            operation = found.ok()
            if (operation.method, operation.path) in WAITING:
                continue
            strategy = operation.as_strategy(generation_mode=mode)

            @options
            @given(case=strategy)
            def survives(case):
                answer = case.call(session=session, timeout=60)
                assert answer.status_code < 500 or answer.status_code == 503, (case.method, case.path, answer.text)
                if answer.status_code >= 400:
                    assert answer.headers["content-type"][0] == "application/problem+json", answer.text
                    assert answer.json()["code"]

            try:
                survives()
            except Unsatisfiable:
                continue  # a request without any field has no wrong form
            seen += 1
    assert seen > 80
