"""Medians of many columns at once are those of each, whatever the number of rows, ties and unknown values."""

from typing import Any

import numpy as np
import pytest

from compute.findings import group_median
from compute.kernels.medians import LANES, SAMPLE_ROWS, SORTED_ROWS, sort_columns


def median_of(values: Any, least: int) -> float:
    known = values[~np.isnan(values)]
    with np.errstate(invalid="ignore"):
        return float(np.median(known)) if len(known) >= max(least, 1) else np.nan


def draws(rng: np.random.Generator, kind: str, shape: tuple[int, int]) -> Any:
    """Daily figures as they come: noise, ties, nothing but zeros, a few far off, an order that fools a sample."""
    values = rng.gamma(4, 5, shape)
    if kind == "ties":
        values = np.round(values / 20)
    elif kind == "zeros":
        values[:] = 0.0
    elif kind == "two levels":
        values = np.where(rng.random(shape) < 0.5, 0.0, values)
    elif kind == "far off":
        values[rng.random(shape) < 0.05] = np.inf
        values[rng.random(shape) < 0.05] = -np.inf
    elif kind == "in order":
        values = np.sort(values, axis=0)
    elif kind == "sample apart":
        values[np.arange(SAMPLE_ROWS) * len(values) // SAMPLE_ROWS] += 1e6
    if kind != "zeros":
        values[rng.random(shape) < rng.random(shape[1])] = np.nan
    return values


@pytest.mark.parametrize("kind", ["noise", "ties", "zeros", "two levels", "far off", "in order", "sample apart"])
@pytest.mark.parametrize("rows", [1, 2, 7, SORTED_ROWS, SORTED_ROWS + 1, 2 * SORTED_ROWS, 1500])
def test_the_median_of_a_group_of_any_size(rows: int, kind: str) -> None:
    rng = np.random.default_rng(rows)
    days = LANES + 9
    values = draws(rng, kind if rows >= SAMPLE_ROWS else "ties", (rows + 3, days))
    # The last three rows are another group's and nobody's.
    group = np.zeros(rows + 3, np.int64)
    group[-3:] = (1, 1, -1)
    for least in (1, 5):
        found = group_median(values, group, least=least)
        for day in range(days):
            np.testing.assert_array_equal(found[:rows, day], median_of(values[:rows, day], least))
            np.testing.assert_array_equal(found[rows : rows + 2, day], median_of(values[rows : rows + 2, day], least))
        assert np.isnan(found[-1]).all()


@pytest.mark.parametrize("rows", range(1, 70))
def test_a_network_sorts_every_column(rows: int) -> None:
    values = np.random.default_rng(rows).integers(0, 9, (rows, LANES)).astype(np.float64)
    expected = np.sort(values, axis=0)
    sort_columns(values, rows)
    np.testing.assert_array_equal(values, expected)
