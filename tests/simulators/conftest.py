"""Small virtual fleets that the simulator tests share: an estate with a healthy twin, the demo, a tiny season."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from simulators.fleet import Fleet
from simulators.fleet_builder import FleetBuilder
from simulators.scenarios import demo
from simulators.season import season
from simulators.town import House

START = datetime(2025, 1, 6, tzinfo=UTC)
MIDWINTER = 15
ESTATE_MODELS = ("kamstrup-603", "sensostar", "cjt188-tiangang", "kamstrup-603", "kamstrup-603", "diehl-sharky")
Prepare = Callable[[FleetBuilder], None]


def build_estate(
    prepare: Prepare | None = None,
    *,
    days: int = 24,
    noise: float = 0.0,
    climate: str = "copenhagen",
    held_day: int | None = MIDWINTER,
    start: datetime = START,
    models: tuple[str, ...] = ESTATE_MODELS,
) -> Fleet:
    """One house of flats E-101 ... with a master E-00, meters on one gateway; `prepare` adds what should happen."""
    builder = FleetBuilder(
        "estate", 5, start + timedelta(days=days), start, start + timedelta(days=days), held_day, noise
    )
    builder.area("estate", "Estate", "Team", climate)
    builder.gateway("G", "mbus_tcp", "estate")
    codes = builder.houses("estate", (House("E", "flats", len(models)),))[0]
    for number, point in enumerate(codes):
        model = "kamstrup-603" if point == codes[-1] else models[number]
        builder.meter(point, model, "G", str(number + 1), settings={"primary_address": number + 1}, installed_at=start)
    if prepare is not None:
        prepare(builder)
    return builder.build()


@pytest.fixture(scope="session")
def estate_of() -> Callable[..., Fleet]:
    """Maker of a small estate; see `build_estate`."""
    return build_estate


@pytest.fixture(scope="session")
def healthy_estate() -> Fleet:
    """The estate without any fault."""
    return build_estate()


@pytest.fixture(scope="session")
def demo_fleet() -> Fleet:
    """The demo, at a fixed origin."""
    return demo(seed=1, origin=datetime(2026, 7, 3, 10, tzinfo=UTC))


@pytest.fixture(scope="session")
def small_season() -> Fleet:
    """Three hundred meters over the winter and into the off-season."""
    return season(seed=3, meters=300)
