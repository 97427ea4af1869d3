"""The registry's profile reads a telegram again, and nothing that its sender said is lost by that."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ingest.model import Delivery
from ingest.pipeline.gathering import PipelineLimits
from ingest.pipeline.intake import Pipeline
from protocols.telegram import MeterId

T0 = datetime(2026, 1, 5, 12, tzinfo=UTC)
EARLIER = T0 - timedelta(hours=3)


@pytest.fixture
async def pipeline(book: Any, store_pool: Any, directory: Any) -> AsyncIterator[Pipeline]:
    """A pipeline that knows meter 555 with a profile of its own."""
    await book.meter(MeterId("555", "", None, "heat"), profile="standard-mbus")
    await directory.refresh()
    async with Pipeline(pool=store_pool, directory=directory, limits=PipelineLimits(batch_wait_s=0.05)) as running:
        yield running


@pytest.mark.parametrize(
    ("protocol", "topic", "body"),
    [
        (
            "reading",
            None,
            {
                "meter": {"serial": "555"},
                "readings": [{"register": "energy", "value": "5", "unit": "kWh", "time": EARLIER.isoformat()}],
            },
        ),
        ("mqtt", "plant/x", {"serial": "555", "time": EARLIER.isoformat(), "energy_kwh": 5}),
    ],
)
async def test_a_reading_keeps_the_time_its_sender_gave(
    book: Any, pipeline: Pipeline, protocol: str, topic: str | None, body: dict[str, Any]
) -> None:
    outcome = await pipeline.submit(Delivery(protocol, json.dumps(body).encode(), T0, T0, "test", topic=topic))
    assert outcome.readings == 1
    assert await book.value("SELECT ts FROM reading") == EARLIER
