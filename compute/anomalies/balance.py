"""Balance: the building's master meter against the sum of its flats (H15).

What risers lose hardly depends on the weather, so its share grows when the house uses little: a change counts only
where the lost heat itself has changed by as much of the house's usual use.
"""

from dataclasses import dataclass

import numpy as np

from compute.days import Days
from compute.findings import Finding, Kind, Severity, runs, trailing_sum
from compute.kernels.compiled import Float64, Int64


@dataclass(frozen=True, slots=True)
class Balance:
    """Share of the master's heat that no flat counted, over `days` days: outside the band, or changed by
    `change_points`.
    """

    low_percent: float = -3.0
    high_percent: float = 20.0
    change_points: float = 8.0
    days: int = 7
    min_children: int = 3
    hdd_k: float = 6.0
    fit_days: int = 21
    known_percent: float = 85.0
    first_percent: float = 30.0
    first_low_percent: float = -10.0
    first_hdd_k: float = 8.0


def detect(days: Days, limits: Balance) -> list[Finding]:
    """One finding a master and run of days."""
    found: list[Finding] = []
    parents = days.points.parent
    for master in np.unique(parents[parents >= 0]):
        flats = np.flatnonzero(parents == master)
        if len(flats) >= limits.min_children:
            found.extend(_of_master(days, int(master), flats, limits))
    return found


def _of_master(days: Days, master: int, flats: Int64, limits: Balance) -> list[Finding]:
    # A flat that was not read is taken at its expectation, as long as they are few.
    known = days.usable[flats] & np.isfinite(days.energy_kwh[flats])
    stand_in = np.where(known, days.energy_kwh[flats], days.expected_kwh[flats])
    counted = np.isfinite(stand_in).mean(axis=0) >= limits.known_percent / 100.0
    whole = counted & (known.mean(axis=0) >= limits.known_percent / 100.0) & days.usable[master]
    use = np.where(whole, np.nan_to_num(stand_in).sum(axis=0), 0.0)[None, :]
    given = np.where(whole, np.nan_to_num(days.energy_kwh[master]), 0.0)[None, :]
    flats_kwh, master_kwh = trailing_sum(use, limits.days)[0], trailing_sum(given, limits.days)[0]
    n = trailing_sum(whole[None, :].astype(np.float64), limits.days)[0]
    steps = 50.0 * max(days.points.energy_step_kwh[master], days.points.energy_step_kwh[flats].max())
    with np.errstate(invalid="ignore", divide="ignore"):
        cold = np.where(np.isfinite(days.hdd_k[master]), days.hdd_k[master] > limits.hdd_k, True)
        ready = whole & (n >= limits.days - 2) & (master_kwh > steps) & days.in_season[master] & cold
        lost = np.where(ready, 100.0 * (1.0 - flats_kwh / master_kwh), np.nan)
    count = np.maximum(n, 1.0)
    usual, loss = _usual(lost, limits.fit_days), np.where(np.isfinite(lost), (master_kwh - flats_kwh) / count, np.nan)
    usual_loss = _usual(loss, limits.fit_days)
    usual_use = _usual(np.where(np.isfinite(lost), master_kwh / count, np.nan), limits.fit_days)
    with np.errstate(invalid="ignore"):
        outside = (lost < limits.low_percent) | (lost > limits.high_percent)
        # Before anything is usual, the losses of a mild autumn must not alarm.
        degrees = trailing_sum(days.hdd_k[master][None, :], limits.days)[0] / limits.days
        deep = np.where(np.isfinite(days.hdd_k[master]), degrees > limits.first_hdd_k, True)
        first = ((lost < limits.first_low_percent) | (lost > limits.first_percent)) & deep
        more = np.abs(loss - usual_loss) > limits.change_points / 100.0 * usual_use
        changed = (np.abs(lost - usual) > limits.change_points) & more
    mask = (
        (first & ~np.isfinite(usual))
        | (changed & np.isfinite(usual) & outside)
        | ((lost - usual > 2 * limits.change_points) & more)
    )
    found = []
    for _, start, end in runs(mask[None, :], bridge=3):
        begin = max(0, start - limits.days + 1)
        seen = float(np.nanmedian(lost[start:end]))
        stake = float(np.nansum(np.where(whole, given[0] - use[0], 0.0)[begin:end]))
        found.append(
            Finding(
                master, Kind.BALANCE, "H15", Severity.WARNING, int(days.bounds[begin]), int(days.bounds[end]), seen,
                limits.low_percent, limits.high_percent, "%", max(stake, 0.0), 0.8, {"flats": float(len(flats))},
                int(days.bounds[start + 1]),
            )
        )  # fmt: skip
    return found


def _usual(lost: Float64, window: int) -> Float64:
    """Median of the weeks before, by weeks; NaN where fewer than ten days are known."""
    result = np.full(lost.shape, np.nan)
    for at in range(0, len(lost), 7):
        past = lost[max(0, at - window - 7) : max(0, at - 7)]
        past = past[np.isfinite(past)]
        if len(past) >= 10:
            result[at : at + 7] = np.median(past)
    return result
