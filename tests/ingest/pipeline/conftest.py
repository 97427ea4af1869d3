"""Deliveries for the pipeline's tests."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from ingest.model import Delivery
from protocols.telegram import MeterId
from simulators.counting import CountingMbus

START = datetime(2026, 1, 5, tzinfo=UTC)


def _identity(number: int) -> MeterId:
    return MeterId(f"{number:08d}", "KAM", 0x34, "heat")


@pytest.fixture
def identity() -> Callable[[int], MeterId]:
    """Identity of the n-th meter."""
    return _identity


@pytest.fixture
def delivery_of() -> Callable[..., Delivery]:
    """The telegram of the n-th meter at an hour, as a source hands it in."""

    def make(number: int, hour: float = 0, **facts: object) -> Delivery:
        at = START + timedelta(hours=hour)
        payload = CountingMbus(_identity(number)).telegram_bytes(at)
        given = {"protocol": "mbus", "payload": payload, "arrived_at": at, "read_at": at, "channel": f"test/{number}"}
        return Delivery(**{**given, **facts})  # type: ignore[arg-type]

    return make
