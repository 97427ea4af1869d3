"""The engine's rules written in pandas, as somebody would who knows pandas well: the peer of `engine_year.py`."""

import time
from typing import Any

import numpy as np
import pandas as pd

from compute.kernels.thermal import water_table
from compute.scene import Inputs


def run_pandas(inputs: Inputs, weather: Any) -> float:
    """Processor seconds that the same rules take in pandas for these meters; `weather`: (h,) °C."""
    meters = len(inputs.points)
    index = pd.to_datetime(inputs.grid.hours, unit="us")
    outdoor = pd.Series(weather, index[:-1]).resample("1D").mean()
    rows = len(index)
    table, daily = water_table(), {}
    began = time.process_time()
    for meter in range(meters):
        own = slice(meter * rows, (meter + 1) * rows)
        energy = _pandas_index(inputs.energy.counts[own], index, 60.0) * 0.01
        volume = _pandas_index(inputs.volume.counts[own], index, 400.0) * 0.001
        supply = pd.Series(inputs.supply_c.values[own], index).resample("1h").mean()
        back = pd.Series(inputs.return_c.values[own], index).resample("1h").mean()
        daily[meter] = _pandas_day(energy, volume, supply, back, table)
    frame = pd.concat(daily, names=["meter"])
    _pandas_rules(frame, outdoor)
    return time.process_time() - began


def _pandas_index(counts: Any, index: Any, rate: float) -> Any:
    """Validated hourly advances of one register: V3, V7, V8, V17, resampling by interpolation."""
    shown = pd.Series(counts, index)
    shown = shown[~shown.index.duplicated(keep="last")]
    shown = shown[(shown >= 0) & (shown < 10**8)]
    step, elapsed = shown.diff(), shown.index.to_series().diff().dt.total_seconds()
    wrapped = (step < 0) & (shown.shift() > 0.95 * 10**8) & (step + 10**8 <= rate * elapsed + 2)
    step = step.where(~wrapped, step + 10**8)
    recovering = (step < 0) & (shown[::-1].rolling(4).max()[::-1] >= shown.shift())
    garbage = recovering | ((step > rate * elapsed + 2) & (shown.shift(-1) < shown))
    total = step.where(step > 0, 0).where(~garbage, 0).cumsum()[~garbage]
    bounds = total.reindex(total.index.union(index)).interpolate("time").reindex(index)
    return np.floor(bounds).diff().shift(-1).iloc[:-1]


def _pandas_day(energy: Any, volume: Any, supply: Any, back: Any, table: Any) -> Any:
    """Daily figures of one meter: sums, runs, spikes (V9), steps (V10), windows, heat balance (H1, H2), H6, V15."""
    days = energy.resample("1D")
    zero = (energy == 0).astype(int)
    run = zero.groupby((zero == 0).cumsum()).cumsum().resample("1D").last()
    highest = days.max()
    third = days.apply(lambda hours: hours.nlargest(3).iloc[-1])
    spikes = ((highest - third) / third.clip(lower=0.01) > 1.8) & (highest > 6)
    steps = ((energy.diff() > 2 * energy.shift()) & (energy.diff() > 7.2)).resample("1D").sum()
    grades = np.arange(table.shape[1]) * 0.5
    heat = volume * (np.interp(supply[:-1], grades, table[1]) - np.interp(back[:-1], grades, table[1])) / 3600
    balance = (heat * np.interp(back[:-1], grades, table[0])).resample("1D").sum()
    other = (heat * np.interp(supply[:-1], grades, table[0])).resample("1D").sum()
    same = ((supply.diff() == 0) & (back.diff() == 0)).astype(int)
    static = same.groupby((same == 0).cumsum()).cumsum().resample("1D").last()
    weights = volume.resample("1D").sum()
    return pd.DataFrame(
        {
            "energy": days.sum(), "volume": weights, "run": run, "spikes": spikes, "steps": steps, "balance": balance,
            "other": other, "static": static, "idle": (volume == 0).resample("1D").sum(),
            "lowest": volume.resample("1D").min(), "window": energy.rolling(6).sum().resample("1D").max(),
            "supply": (volume * supply[:-1]).resample("1D").sum() / weights,
            "return": (volume * back[:-1]).resample("1D").sum() / weights,
            "reversed": ((back > supply + 0.5)[:-1] & (volume > 0)).resample("1D").sum(),
            "broken": ((supply <= 0) | (supply >= 180) | (back <= 0) | (back >= 180)).resample("1D").sum(),
        }
    )  # fmt: skip


def _pandas_rules(frame: Any, outdoor: Any) -> Any:
    """Signature, area and neighbours, then the detectors, on the table of all days."""
    wide = {name: frame[name].unstack("meter") for name in frame}
    energy, hdd = wide["energy"], (18 - outdoor.reindex(wide["energy"].index)).clip(lower=0)
    expected, sigma = energy * np.nan, energy * np.nan
    for at in range(14, len(energy), 7):
        past = slice(max(0, at - 56), at)
        x = np.column_stack((np.ones(past.stop - past.start), hdd.iloc[past]))
        for meter in energy:
            y, w = energy[meter].iloc[past].to_numpy(), np.ones(len(x))
            for _ in range(6):
                line = np.linalg.lstsq(x * w[:, None], y * w, rcond=None)[0]
                w = 1 / np.sqrt(np.maximum(np.abs(y - x @ line), 0.01))
            rows = energy.index[at : at + 7]
            expected.loc[rows, meter] = line[0] + line[1] * hdd.loc[rows]
            sigma.loc[rows, meter] = 1.4826 * np.median(np.abs(y - x @ line))
    common = (energy / expected).median(axis=1)
    drop = energy / (1.15 * wide["volume"])
    share = drop.div(drop.median(axis=1), axis=0)
    usual = share.shift(7).rolling(35, min_periods=10).median()
    residual = energy.rolling(7).sum() / wide["balance"].rolling(7).sum() - 1
    moved = energy.rolling(28).sum() / wide["balance"].rolling(28).sum() - 1
    houses = energy.rolling(28).mean().T.groupby(np.arange(energy.shape[1]) // 40).transform("median").T
    drift = wide["supply"].sub(wide["supply"].median(axis=1), axis=0)
    excess = energy - expected.mul(common.clip(lower=1), axis=0)
    return [
        (wide["run"] >= 24) & (expected > 0.04),
        (energy < 0.4 * expected).rolling(8).sum() >= 8,
        (excess > 5 * sigma) & (excess > 0.6 * expected)
        | ((excess > 4 * sigma).rolling(3).sum() >= 3) & (share < 0.85 * usual),
        (share < 0.52 * usual).rolling(5).sum() >= 5,
        (residual.abs() > 0.1).rolling(3).sum() >= 3,
        (moved - moved.shift(28).rolling(35).median()).abs() > 0.006,
        energy.rolling(28).mean() < 0.38 * houses,
        drift.abs() > 6,
        (wide["lowest"] > 0.003).rolling(3).sum() >= 3,
        wide["static"] >= 24,
        wide["reversed"] >= 6,
        wide["broken"] >= 12,
    ]
