"""The sequence rules say what their plain twin says, on registers with every fault of the field."""

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.breaks import pieces_of
from compute.consumption import hour_rows, intervals_of
from compute.kernels.differences import keep
from compute.kernels.verdicts import Limits, Readings, unit_ratio
from compute.quality import Quality
from compute.reference import readings as plain
from compute.series import MAX_COUNT, grid, index_series

HOUR = 3_600_000_000
START = 1_767_571_200_000_000

# What happens at a reading: a plain advance, or a fault of the field.
EVENTS = (
    "advance", "same", "jitter", "dip", "spike", "nines", "negative", "huge", "reset", "times", "divided", "stale",
    "twice", "conflict", "noted",
)  # fmt: skip
event = st.tuples(
    st.sampled_from(("advance",) * 12 + EVENTS),
    st.integers(0, 60),
    st.integers(1, 180),
    st.sampled_from([10, 100, 1000]),
)


def _register(events: list[tuple[str, int, int, int]], first: int, capacity: int) -> tuple[list[int], ...]:
    times, counts, flags = [START], [first], [0]
    index = first
    for kind, step, minutes, ratio in events:
        at, flag, shown = times[-1] + minutes * 60_000_000, 0, None
        if kind == "reset":
            index = step
        elif kind == "times":
            index *= ratio
        elif kind == "divided":
            index //= ratio
        elif kind != "same":
            index += step
        shown = {"jitter": index - 1, "dip": index // 3, "spike": index * 7 + 5000, "nines": capacity - 1,
                 "negative": -step, "huge": 10**18}.get(kind, index)  # fmt: skip
        flag = {"stale": int(Quality.STALE), "noted": int(Quality.EXCHANGE)}.get(kind, 0)
        if kind in ("twice", "conflict"):
            at, shown = times[-1], counts[-1] + (step if kind == "conflict" else 0)
        times.append(at)
        counts.append(shown % capacity if capacity and 0 <= shown < 3 * capacity and kind == "advance" else shown)
        flags.append(flag)
    return times, counts, flags


@settings(max_examples=600, deadline=None)
@given(
    st.lists(event, max_size=40),
    st.integers(0, 10**7),
    st.sampled_from([0, 10**7, 10**8]),
    st.sampled_from([0.0, 0.02, 1.0]),
)
def test_every_reading_is_taken_for_the_same(
    events: list[tuple[str, int, int, int]], first: int, capacity: int, rate: float
) -> None:
    times, counts, flags = _register(events, first, capacity)
    limit = capacity or MAX_COUNT
    told = plain.judged(times, counts, flags, capacity, limit, rate)
    n = len(times)
    kept, values, verdict = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int32)
    readings = Readings(np.array(times), np.array(counts), np.array(flags, np.int32))
    m = keep(readings, Limits(capacity, limit, rate), kept, values, verdict)
    assert list(zip(kept[:m].tolist(), values[:m].tolist(), strict=True)) == told.kept
    assert verdict.tolist() == [int(bits) for bits in told.verdict]


@settings(max_examples=200, deadline=None)
@given(st.lists(event, min_size=1, max_size=30), st.integers(0, 10**6), st.sampled_from([(1, 1), (36_000, 1), (7, 3)]))
def test_what_counts_adds_up_to_the_twins_total_and_to_the_pieces(
    events: list[tuple[str, int, int, int]], first: int, worth: tuple[int, int]
) -> None:
    times, counts, flags = _register(events, first, 0)
    days = (times[-1] - START) // (24 * HOUR) + 1
    whole = grid(START + HOUR * np.arange(24 * days + 1), START + 24 * HOUR * np.arange(days + 1))
    series = index_series(
        times, counts, [0, len(times)], flags=np.array(flags, np.int32), numerator=worth[0], denominator=worth[1]
    )
    told = plain.judged(times, counts, flags, 0, int(series.limit[0]), 0.0)
    assert hour_rows(intervals_of(series, whole)).values.sum() == plain.total_of(told, Fraction(*worth))
    pieces = pieces_of(series)
    assert [int(at) for piece in pieces for at in piece.at] == [at for at, _ in told.kept]
    assert all((np.diff(piece.counts) >= 0).all() for piece in pieces)


@given(st.integers(0, 10**9), st.integers(0, 10**9) | st.sampled_from([10, 100, 1000, 36]))
def test_a_changed_unit(before: int, after: int) -> None:
    for other in (after, before * after % 10**12):
        assert unit_ratio(before, other) == plain.changed_unit(before, other)
