"""Plots how true the virtual town is: use, cooling, zero hours and noise beside the facts of real meters.

``python -m tests.speed.simulators_report [picture] [seed]`` prints Markdown tables and writes the picture
(docs/pictures/simulators-distributions.png by default). Faulty meters and look-alikes are left out: this is about
healthy ones. The exactness of the physics is measured on the same houses without a calculator's noise.
"""

import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from simulators import water
from simulators.catalogue import fleet_of
from simulators.fleet import Fleet
from simulators.network import GROUND_C, smoothed
from simulators.trace import trace_of

mpl.use("Agg")
import matplotlib.pyplot as plt

Floats = NDArray[np.float64]
METERS = 1500
PERIODS_H = {"month": 720, "week": 168, "day": 24}


def longest_run(flags: NDArray[np.bool_]) -> int:
    """Length of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.r_[0, flags.astype(np.int8), 0]))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def collect(fleet: Fleet) -> dict[str, dict[str, list[float]]]:
    """Figures of every healthy dwelling by climate, and of the error of k over all."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    labelled = {label.serial for label in fleet.labels}
    points = {point.code: point for point in fleet.points}
    phase = np.random.default_rng(1)
    for meter in sorted(fleet.meters, key=lambda item: item.block):
        point = points[meter.point]
        if meter.id.serial in labelled or point.kind != "dwelling":
            continue
        weather, supply = fleet.surroundings(meter.area)
        trace, row, climate = fleet.trace(meter.block), meter.row, weather.climate.name
        outside = smoothed(weather.temperature_c, 24.0)
        # Heating hours: water flows in the network and the day is below 12 °C.
        season = supply.flowing & (outside < 12.0)
        energy, volume = np.diff(trace.energy_kwh[row]), np.diff(trace.volume_m3[row])
        shown = np.diff(np.floor(trace.energy_kwh[row] + phase.random()))
        figures = found[climate]
        figures["zero share"].append(float((shown[season] == 0).mean()))
        figures["longest zero run"].append(float(longest_run((shown == 0) & season)))
        flowing = season & (volume > 1e-6)
        figures["cooling"].append(
            float(np.average((trace.supply_c - trace.return_c)[row][flowing], weights=volume[flowing]))
        )
        figures["yearly use"].append(float(energy.sum() / point.heated_area_m2))
        daily = energy[: len(energy) // 24 * 24].reshape(-1, 24).sum(1)
        degree_days = np.maximum(17.0 - weather.temperature_c[: len(daily) * 24].reshape(-1, 24).mean(1), 0.0)
        cold = (degree_days > 3) & supply.flowing[: len(daily) * 24].reshape(-1, 24).all(1)
        figures["daily use"].extend((daily[cold] / point.heated_area_m2).tolist())
        if cold.sum() > 30:
            figures["r of use and degree days"].append(float(np.corrcoef(daily[cold], degree_days[cold])[0, 1]))
        _errors(trace.supply_c[row], trace.return_c[row], energy, volume, season, found["k"])
    return found


def _errors(
    supply: Floats,
    back: Floats,
    energy: Floats,
    volume: Floats,
    season: NDArray[np.bool_],
    figures: dict[str, list[float]],
) -> None:
    expected = water.density(back) * volume * (water.enthalpy(supply) - water.enthalpy(back)) / 3600.0
    for name, hours in PERIODS_H.items():
        count = len(energy) // hours
        parts = [values[: count * hours].reshape(count, hours).sum(1) for values in (energy, expected)]
        enough = (parts[1] > {"month": 300, "week": 150, "day": 50}[name]) & season[: count * hours : hours]
        figures[name].extend((parts[0][enough] / parts[1][enough] - 1.0).tolist())


def exactness(fleet: Fleet) -> tuple[float, int, float]:
    """Worst deviation of an hour's E from k·V·ΔT, buildings with a master, worst step of a display off their balance.

    The balance is that of the displays over the whole span: master - flats - loss of the risers, where the loss follows
    the supply temperature alone; each display may hide less than one step of 1 kWh.
    """
    worst, buildings, steps = 0.0, 0, 0.0
    phase = np.random.default_rng(2)
    for plan in fleet.blocks:
        weather, supply = fleet.surroundings(plan.area)
        trace = trace_of(replace(plan, noise=0.0, faults=()), weather, supply, fleet.seed)
        energy, volume = np.diff(trace.energy_kwh), np.diff(trace.volume_m3)
        sent, back = (values.astype(np.float64) for values in (trace.supply_c, trace.return_c))
        at_sensor = np.where(plan.supply_mounted[:, None], sent, back)
        expected = water.density(at_sensor) * volume * (water.enthalpy(sent) - water.enthalpy(back)) / 3600.0
        flowing = (volume > 1e-3) & (sent - back > 2.0)
        worst = max(worst, float(np.abs(energy[flowing] / expected[flowing] - 1.0).max(initial=0.0)))
        counters = np.floor(trace.energy_kwh[:, [0, -1]] + phase.random((plan.rows, 1)))
        shown, dwellings = counters[:, 1] - counters[:, 0], len(plan.dwellings)
        for place, (house, share) in enumerate(zip(plan.masters, plan.loss_share, strict=True)):
            flats = np.flatnonzero(plan.dwellings.house == house)
            design_kw = float(plan.dwellings.radiator_kw[flats].sum()) / 1.4
            warm = np.where(supply.flowing, supply.temperature_c + 0.6 - GROUND_C, 0.0)
            loss = float(share * design_kw * warm.sum() / 45.0)
            off = abs(shown[dwellings + place] - shown[flats].sum() - loss)
            steps, buildings = max(steps, off / (len(flats) + 1)), buildings + 1
    return worst, buildings, steps


def table(found: dict[str, dict[str, list[float]]]) -> None:
    """Print the comparison."""
    places = [name for name in found if name != "k"]
    print("| figure | a real meter | " + " | ".join(places) + " |")
    print("|---|---|" + "---|" * len(places))

    def line(title: str, fact: str, figure: str, form: str) -> None:
        cells = []
        for place in places:
            low, middle, high = np.percentile(found[place][figure], [5, 50, 95])
            cells.append(f"{middle:{form}} ({low:{form}} to {high:{form}})")
        print(f"| {title} | {fact} | " + " | ".join(cells) + " |")

    line("heating hours without an advance of 1 kWh", "9.6 %", "zero share", ".1%")
    line("longest run of them, h", "9", "longest zero run", ".0f")
    line("cooling, volume-weighted, K", "", "cooling", ".1f")
    line("yearly use, kWh/m²", "", "yearly use", ".0f")
    line("use of a heating day, kWh/m²", "", "daily use", ".2f")
    line("correlation of daily use and degree days", "", "r of use and degree days", ".2f")
    month, week, day = (np.array(found["k"][name]) for name in ("month", "week", "day"))
    print()
    print("| error of k | a real meter | virtual meters |")
    print("|---|---|---|")
    print(f"| monthly mean, sd | -0.05 %, 0.16 % | {month.mean():.2%}, {month.std():.2%} |")
    for title, fact, values in (
        ("weekly (150 kWh and more)", "±0.7 %", week),
        ("daily (50 kWh and more)", "±2.5 %", day),
    ):
        low, high = np.percentile(values, [1, 99])
        print(f"| {title}, p1 to p99 | {fact} | {low:.1%} to {high:.1%} |")


def exact_lines(fleet: Fleet) -> None:
    """Print how exact the physics are."""
    worst, buildings, steps = exactness(fleet)
    print()
    print(f"worst hour of any meter without noise: E = k·V·ΔT within {worst:.1e}")
    print(f"{buildings} buildings over the span: master = flats + loss within {steps:.2f} display steps a meter")


def plot(found: dict[str, dict[str, list[float]]], picture: Path) -> None:
    """Eight panels."""
    figure, axes = plt.subplots(2, 4, figsize=(17, 7.2), layout="constrained")
    panels = (
        ("zero share", "share of heating hours without 1 kWh", 0.096),
        ("longest zero run", "longest zero run, h", 9.0),
        ("cooling", "volume-weighted cooling, K", None),
        ("yearly use", "yearly use, kWh/m²", None),
        ("r of use and degree days", "correlation with degree days", None),
        ("daily use", "use of a heating day, kWh/m²", None),
    )
    for axis, (name, title, fact) in zip(axes.flat, panels, strict=False):
        for place in (place for place in found if place != "k"):
            bins = np.arange(31) - 0.5 if name == "longest zero run" else 30
            axis.hist(found[place][name], bins=bins, histtype="step", linewidth=1.6, label=place, density=True)
        if fact is not None:
            axis.axvline(fact, color="black", linestyle="--", linewidth=1, label="a real meter")
        axis.set_title(title, fontsize=10)
        axis.legend(fontsize=8)
    axis = axes.flat[6]
    for name in PERIODS_H:
        axis.hist(
            np.array(found["k"][name]) * 100, bins=np.linspace(-4, 4, 81), histtype="step", density=True, label=name
        )
    axis.set_title("error of k by period, %", fontsize=10)
    axis.legend(fontsize=8)
    axis = axes.flat[7]
    months = np.array(found["k"]["month"]) * 100
    axis.hist(months, bins=60, density=True, alpha=0.5, label=f"virtual, sd {months.std():.2f} %")
    fact = np.linspace(months.min(), months.max(), 200)
    axis.plot(fact, np.exp(-(((fact + 0.05) / 0.16) ** 2) / 2) / 0.16 / np.sqrt(2 * np.pi), "k--", label="a real meter")
    axis.set_title("monthly error of k, %", fontsize=10)
    axis.legend(fontsize=8)
    figure.savefig(picture, dpi=90, metadata={"Software": None})


def main() -> None:
    """Collect, print, plot."""
    picture = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/pictures/simulators-distributions.png")
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    fleet = fleet_of("season", meters=METERS, seed=seed)
    found = collect(fleet)
    table(found)
    exact_lines(fleet)
    plot(found, picture)


if __name__ == "__main__":
    main()
