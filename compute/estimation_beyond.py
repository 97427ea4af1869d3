"""What an index cannot tell because it has no end: steps 2, 6 and 7 of the estimation ladder, day by day.

A meter died, or was exchanged without a final index, or somebody has switched extrapolation on: no difference of
indexes holds the total, so the estimate stands beside the conserved sum and never inside it. In order: the balance of
the building, the same days of last year by degree days, the neighbours in kWh/m2, the contract's profile. What none of
them knows stays missing. Every estimate tells its method, what it was made of, and how far off it may be.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from compute.days import Days
from compute.kernels.compiled import Float64, Int8, Int64
from compute.quality import Method

MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True, slots=True)
class BeyondLimits:
    """`least_h`: shorter holes stay missing. Balance: known over at least `fit_least_days` of the `fit_days` before,
    used while its spread is below `balance_percent` of the estimate. Last year: `year_percent` of its days known.
    Neighbours: at least `neighbours` of them. Contract: design load at `design_hdd_k` degree days.
    `year_doubt_percent`, `contract_doubt_percent`: how far off the two may be.
    """

    least_h: int = 24
    fit_days: int = 56
    fit_least_days: int = 10
    balance_percent: float = 35.0
    year_percent: float = 80.0
    year_doubt_percent: float = 25.0
    neighbours: int = 3
    design_hdd_k: float = 27.0
    contract_doubt_percent: float = 60.0


@dataclass(frozen=True, slots=True)
class YearAgo:
    """The same weekdays 52 weeks before, (d,) each like the days of the view; NaN where unknown."""

    energy_kwh: Float64
    hdd_k: Float64


@dataclass(frozen=True, slots=True)
class Beyond:
    """Estimates of days `first` to `first + n`, (n,) each; NaN and method 0 where nothing is known.

    `energy_kwh`: of a whole day; `doubt_kwh`: standard uncertainty. `inputs`: what each method was made of.
    """

    first: int
    energy_kwh: Float64
    doubt_kwh: Float64
    method: Int8
    inputs: dict[str, dict[str, float]] = field(default_factory=dict)


def estimate_beyond(
    days: Days, row: int, span: tuple[int, int], year: YearAgo | None, limits: BeyondLimits | None = None
) -> Beyond:
    """The ladder over the days `span[0]` to `span[1]` of point `row`.

    Parameters
    ----------
    days
        The view of all points; what is learned comes from the days before the span, what is compared from the same
        days of others.
    year
        The point's own last year, None where there is none.
    """
    asked, (first, last) = limits or BeyondLimits(), span
    found = Beyond(first, np.full(last - first, np.nan), np.full(last - first, np.nan), np.zeros(last - first, np.int8))
    for method, step in LADDER:
        if (found.method > 0).all():
            break
        energy, doubt, inputs = step(days, row, span, year, asked)
        fresh = (found.method == 0) & np.isfinite(energy)
        if fresh.any():
            found.energy_kwh[fresh] = np.maximum(energy[fresh], 0.0)
            found.doubt_kwh[fresh] = np.maximum(doubt[fresh], 0.0)
            found.method[fresh] = int(method)
            found.inputs[method.name.lower()] = inputs | {"days": float(fresh.sum())}
    return found


_Step = tuple[Float64, Float64, dict[str, float]]


def _nothing(span: tuple[int, int]) -> _Step:
    empty = np.full(span[1] - span[0], np.nan)
    return empty, empty, {}


def _known(days: Days, rows: Int64) -> Float64:
    """(n, d) use of points where it was measured, NaN elsewhere."""
    return np.where(days.usable[rows], days.energy_kwh[rows], np.nan)


def _balance(days: Days, row: int, span: tuple[int, int], year: YearAgo | None, limits: BeyondLimits) -> _Step:
    """A master less the other flats, or a master from all its flats; the usual loss is learned before the span."""
    parents = days.points.parent
    master = int(parents[row])
    flats = np.flatnonzero(parents == (master if master >= 0 else row))
    if len(flats) == 0:
        return _nothing(span)
    head = master if master >= 0 else row
    whole = _known(days, np.array([head]))[0]
    others = _known(days, flats[flats != row]).sum(axis=0) if len(flats[flats != row]) else np.zeros(len(whole))
    own = _known(days, np.array([row]))[0]
    learn = slice(max(0, span[0] - limits.fit_days), span[0])
    counted = others + own if master >= 0 else others
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(whole[learn] > 0, counted[learn] / whole[learn], np.nan)
    share = share[np.isfinite(share)]
    if len(share) < limits.fit_least_days:
        return _nothing(span)
    usual = float(np.median(share))
    if usual <= 0:
        return _nothing(span)
    told = slice(*span)
    expected = usual * whole - others if master >= 0 else others / usual
    off = own[learn] - expected[learn]
    off = np.abs(off[np.isfinite(off)])
    spread = MAD_TO_SIGMA * float(np.median(off)) if len(off) else np.inf
    energy = expected[told]
    with np.errstate(invalid="ignore"):
        sharp = spread <= limits.balance_percent / 100.0 * energy
    return (
        np.where(sharp, energy, np.nan),
        np.full(len(energy), spread),
        {"counted_share": usual, "spread_kwh": spread, "flats": float(len(flats)), "learned_days": float(len(share))},
    )


def _last_year(days: Days, row: int, span: tuple[int, int], year: YearAgo | None, limits: BeyondLimits) -> _Step:
    if year is None:
        return _nothing(span)
    told = slice(*span)
    used, cold, now = year.energy_kwh[told], year.hdd_k[told], days.hdd_k[row, told]
    known = np.isfinite(used)
    if known.mean() * 100.0 < limits.year_percent:
        return _nothing(span)
    total = float(used[known].sum())
    inputs = {"last_year_kwh": total}
    weather = bool(np.isfinite(cold[known]).all() and np.isfinite(now).all() and np.nansum(cold[known]) > 0)
    if weather:
        before, present = float(cold[known].sum()), float(now.sum())
        inputs |= {"hdd_last_year_k": before, "hdd_k": present}
        energy = total / before * now
    else:
        energy = np.where(known, used, total / known.sum())
    return energy, limits.year_doubt_percent / 100.0 * energy, inputs


def _neighbours(days: Days, row: int, span: tuple[int, int], year: YearAgo | None, limits: BeyondLimits) -> _Step:
    """Median of the house's intensities, of the area's where the house is small; degree days are the same for all."""
    size, told = days.points.heated_area_m2, slice(*span)
    if not size[row] > 0:
        return _nothing(span)
    head = np.isin(np.arange(len(size)), days.points.parent)
    near = (size > 0) & ~head
    near[row] = False
    for group in (days.points.building, days.points.area):
        rows = np.flatnonzero(near & (group == group[row])) if group[row] >= 0 else np.empty(0, np.int64)
        rows = rows[days.active[rows][:, told].any(axis=1)] if len(rows) else rows
        if len(rows) < limits.neighbours:
            continue
        intensity = np.where(days.active[rows][:, told], _known(days, rows)[:, told], np.nan) / size[rows, None]
        counted = np.isfinite(intensity).sum(axis=0)
        middle, spread = np.full(intensity.shape[1], np.nan), np.full(intensity.shape[1], np.nan)
        for d in np.flatnonzero(counted >= limits.neighbours):
            own = intensity[np.isfinite(intensity[:, d]), d]
            middle[d] = np.median(own)
            spread[d] = MAD_TO_SIGMA * np.median(np.abs(own - middle[d]))
        if np.isfinite(middle).any():
            inputs = {
                "neighbours": float(len(rows)),
                "kwh_per_m2": float(np.nansum(middle)),
                "area_m2": float(size[row]),
            }
            hdd = days.hdd_k[row, told]
            if np.isfinite(hdd).all() and hdd.sum() > 0:
                inputs["kwh_per_m2_hdd"] = float(np.nansum(middle) / hdd.sum())
            return middle * size[row], spread * size[row], inputs
    return _nothing(span)


def _contract(days: Days, row: int, span: tuple[int, int], year: YearAgo | None, limits: BeyondLimits) -> _Step:
    load, hdd = float(days.points.design_load_kw[row]), days.hdd_k[row, slice(*span)]
    if not load > 0:
        return _nothing(span)
    energy = 24.0 * load * np.clip(hdd / limits.design_hdd_k, 0.0, 1.0)
    inputs = {"design_load_kw": load, "hdd_k": float(np.nansum(hdd))}
    return energy, limits.contract_doubt_percent / 100.0 * energy, inputs


# The steps in the catalogue's order.
LADDER: tuple[tuple[Method, Callable[[Days, int, tuple[int, int], YearAgo | None, BeyondLimits], _Step]], ...] = (
    (Method.BALANCE, _balance),
    (Method.LAST_YEAR, _last_year),
    (Method.NEIGHBOURS, _neighbours),
    (Method.CONTRACT, _contract),
)
