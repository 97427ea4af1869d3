"""The evidence picture: thinned without losing a peak, in the reader's time, bounded in size."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from api.console.charts import instant_of, kept, milliseconds
from api.console.evidence_chart import evidence_options
from api.console.evidence_parts import ESTIMATED, MOST, Evidence, Expected, Mark
from api.console.texts import Texts
from ingest.store.evidence import Series

TEXTS = Texts("en", "Asia/Shanghai")
START = datetime(2026, 1, 1, tzinfo=UTC)


def _evidence(hours: int) -> Evidence:
    times = [START + timedelta(hours=number) for number in range(hours)]
    energy: list[float | None] = [2.0 + number % 5 for number in range(hours)]
    energy[hours // 2] = 99.0
    nothing = Series("", "", [], [])
    return Evidence(
        START,
        times[-1],
        timedelta(hours=1),
        {"start_at": times, "energy_kwh": energy, "flags": [ESTIMATED if n % 9 == 0 else 0 for n in range(hours)]},
        [Series("energy (1)", "kWh", times, [float(number) for number in range(hours)])],
        [Series("supply_temperature (1)", "°C", times, [60.0] * hours)],
        nothing,
        spans=[{"flags": ["battery_low"], "info_code": 4, "from_ts": START, "to_ts": START}],
        marks=[Mark(START, times[-1], "Sudden change")],
        expected=[Expected(START, times[-1], 24.0, 96.0)],
    )


@pytest.mark.parametrize("count", [10, 700, 701, 8_760])
def test_thinning_keeps_the_highest_and_the_lowest(count: int) -> None:
    values: list[float | None] = list(np.random.default_rng(3).normal(size=count))
    chosen = kept(values, MOST)
    assert len(chosen) <= MOST + 2
    assert chosen == sorted(set(chosen))
    numbers = [value for value in values if value is not None]
    assert {max(numbers), min(numbers)} <= {values[at] for at in chosen}


def test_a_gap_stays_a_gap() -> None:
    values: list[float | None] = [1.0] * 5_000
    values[2_000:2_500] = [None] * 500
    assert any(values[at] is None for at in kept(values, MOST))


def test_a_year_of_hours_leaves_the_server_small_and_with_its_peak() -> None:
    options = evidence_options(TEXTS, _evidence(8_760))
    assert len(json.dumps(options)) < 200_000
    shown = [value for one in options["series"] for _, value in one["data"] if one["name"] == "measured"]
    assert 99.0 in shown


def test_a_fortnight_of_hours_is_drawn_as_bars_with_what_was_expected() -> None:
    options = evidence_options(TEXTS, _evidence(24 * 14))
    bars = [one for one in options["series"] if one["type"] == "bar"]
    assert {one["name"] for one in bars} == {"measured", "estimated"}
    assert sum(len(one["data"]) for one in bars) == 24 * 14
    low, high = (corner["coord"][1] for corner in bars[0]["markArea"]["data"][1])
    assert (low, high) == (1.0, 4.0)  # 24 and 96 kWh a day
    assert options["yAxis"][0]["name"] == "kWh per hour"


def test_what_the_meter_says_has_its_own_lane() -> None:
    options = evidence_options(TEXTS, _evidence(48))
    assert [one["name"] for one in options["series"] if one["id"].startswith("flag:0")] == ["battery low"]


def test_a_position_on_the_axis_leads_back_to_its_instant() -> None:
    noon = datetime(2026, 1, 1, 4, tzinfo=UTC)
    shown = milliseconds(TEXTS, noon)
    assert datetime.fromtimestamp(shown / 1000, UTC).hour == 12
    assert instant_of(TEXTS, shown) == noon
