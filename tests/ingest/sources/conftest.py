"""Lines and targets for the masters' tests: real sockets, fast buses, short patience."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from ingest.schedule import Grid
from ingest.sources.asking import Target
from ingest.sources.mbus import MbusMaster, MbusTiming
from ingest.sources.transport import Line, open_tcp
from protocols.telegram import MeterId
from simulators.counting import CountingMbus

FAST_BAUD = 2_400_000


@pytest.fixture
def fast() -> int:
    """A bus speed at which a telegram takes no noticeable time."""
    return FAST_BAUD


@pytest.fixture
def target_at() -> Callable[..., Target]:
    """Target at a bus address."""

    def make(address: str | int, meter_id: int = 1, **facts: Any) -> Target:
        return Target(meter_id, str(address), Grid(3600), **{"baud_rate": FAST_BAUD, **facts})

    return make


@pytest.fixture
async def mbus_master_for():
    """Masters with short patience, closed at the end."""
    masters = []

    def make(address: str, network_s: float = 0.15, gap_s: float = 0.05, answer_s: float = 0.05) -> MbusMaster:
        async def open_line(baud_rate: int) -> Line:
            return await open_tcp(address)

        masters.append(MbusMaster(open_line, MbusTiming(network_s, gap_s, answer_s)))
        return masters[-1]

    yield make
    for master in masters:
        await master.close()


@pytest.fixture
def counting() -> Callable[..., CountingMbus]:
    """Counting M-Bus meter of a serial."""

    def make(serial: str, **facts: Any) -> CountingMbus:
        maker, version, medium = facts.pop("maker", "KAM"), facts.pop("version", 0x34), facts.pop("medium", "heat")
        return CountingMbus(MeterId(serial, maker, version, medium), **facts)

    return make


@pytest.fixture
def open_line_to() -> Callable[[str], Any]:
    """Opens a line to an address, without a speed."""
    return lambda address: partial(open_tcp, address)
