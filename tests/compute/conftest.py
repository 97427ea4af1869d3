"""Series and grids for engine tests."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from compute.series import Grid, grid, index_series

HOUR = 3_600_000_000
DAY = 24 * HOUR
START = 1_767_571_200_000_000  # 2026-01-05 00:00 UTC, a Monday


@pytest.fixture
def hours() -> Callable[[int], Grid]:
    """A grid of so many days from a Monday's midnight."""
    return lambda days: grid(START + HOUR * np.arange(24 * days + 1), START + DAY * np.arange(days + 1))


@pytest.fixture
def meter() -> Callable[..., Any]:
    """Index series of one point from counts at hours after the start."""

    def make(at_hours: Any, counts: Any, **more: Any) -> Any:
        times = START + np.rint(np.asarray(at_hours, np.float64) * HOUR).astype(np.int64)
        return index_series(times, np.asarray(counts, np.int64), [0, len(times)], **more)

    return make
