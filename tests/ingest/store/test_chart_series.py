"""Lines of a chart keep what a reader must see: the last index of a bucket, the peak of a momentary value."""

import numpy as np
import pytest

from ingest.store.chart_series import thinned

HOUR_US = 3_600_000_000


@pytest.mark.parametrize("counter", [True, False])
def test_few_samples_are_all_kept(counter):
    times = np.arange(10) * HOUR_US
    assert thinned(times, times, 0, 10 * HOUR_US, 10, counter=counter).tolist() == list(range(10))


def test_a_counter_keeps_the_last_reading_of_each_bucket():
    times = np.arange(100) * HOUR_US
    assert thinned(times, times, 0, 100 * HOUR_US, 10, counter=True).tolist() == list(range(9, 100, 10))


def test_no_peak_of_a_momentary_value_is_lost():
    random = np.random.default_rng(3)
    times = np.sort(random.choice(np.arange(1_000_000), 5_000, replace=False)) * 1_000_000
    values = random.integers(0, 50, 5_000)
    values[[17, 4_321]] = 9_000, -9_000
    kept = thinned(times, values, int(times[0]), int(times[-1]) + 1, 200, counter=False)
    assert {17, 4_321} <= set(kept.tolist())
    assert len(kept) <= 200
    assert (np.diff(kept) > 0).all()
    # Every bucket of the plain twin shows its own lowest and highest value.
    width = -(-(int(times[-1]) + 1 - int(times[0])) // 100)
    for bucket in np.unique((times - times[0]) // width):
        own = np.flatnonzero((times - times[0]) // width == bucket)
        shown = values[np.intersect1d(own, kept)]
        assert (shown.min(), shown.max()) == (values[own].min(), values[own].max())


def test_gaps_make_no_samples_up():
    times = np.array([0, 1, 2, 3, 1_000, 1_001, 1_002]) * HOUR_US
    assert thinned(times, times, 0, 1_003 * HOUR_US, 4, counter=True).tolist() == [3, 6]
