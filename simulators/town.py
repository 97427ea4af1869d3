"""Houses and flats drawn from a seed: similar within a house, different between houses.

Figures are those of ordinary stock: 30-55 W/m² at design temperature, time constants of 60-130 h, radiators 35-80 %
too large, 19-24 °C wanted, every third household sets back at night.
"""

from dataclasses import dataclass

import numpy as np

from simulators.building import OPEN_VALVE_K, RADIATOR_EXCESS_K, Dwellings
from simulators.network import CURVES
from simulators.randomness import stream
from simulators.weather import CLIMATES

WANTED_C = 20.5
TRICKLE_SHARE = (0.013, 0.044)


@dataclass(frozen=True, slots=True)
class House:
    """A house to draw: `kind` "flats", "shops", "enterprise" or "villas" (single houses), `units` spaces."""

    name: str
    kind: str
    units: int
    master: bool = True


@dataclass(frozen=True, slots=True)
class _Stock:
    area_m2: tuple[float, float]
    loss_w_m2: tuple[float, float]
    setback_share: float
    setback_k: tuple[float, float]
    setback_from: tuple[int, int]
    setback_to: tuple[int, int]
    working_week: bool
    gains_w_m2: float


_STOCK: dict[str, _Stock] = {
    "flats": _Stock((48, 135), (30, 48), 0.28, (0.8, 2.4), (21, 24), (5, 8), False, 2.6),
    "villas": _Stock((95, 190), (38, 55), 0.55, (0.8, 2.6), (21, 24), (5, 7), False, 1.8),
    "shops": _Stock((40, 260), (38, 60), 0.8, (2.0, 5.0), (20, 23), (6, 9), False, 4.0),
    "enterprise": _Stock((900, 5200), (32, 50), 0.9, (2.0, 5.0), (18, 20), (5, 7), True, 4.5),
}
TAPPED_CLIMATES = frozenset({"copenhagen"})  # hot water is heated through the same meter there


def dwellings_of(houses: tuple[House, ...], climate_name: str, seed: int, block: int) -> Dwellings:
    """Draw the spaces of a block's houses, in house order; (n,) columns."""
    climate, curve = CLIMATES[climate_name], CURVES[climate_name]
    columns: dict[str, list[np.ndarray]] = {}
    for number, house in enumerate(houses):
        rng, stock, count = stream(seed, "house", block, number), _STOCK[house.kind], house.units
        # Flats come in a few sizes a house; corner and top flats lose more.
        sizes = rng.uniform(*stock.area_m2, size=min(4, count))
        area = sizes[rng.integers(0, len(sizes), count)] * rng.uniform(0.97, 1.03, count)
        envelope = rng.uniform(*stock.loss_w_m2)
        place = 1.0 + 0.28 * (rng.random(count) < 0.28) + 0.04 * rng.standard_normal(count)
        design_kw = envelope * place * area / 1000.0
        loss = design_kw / (20.0 - climate.design_c)
        # A radiator is sized at the curve's top; its nominal power is the one at 30 K excess of the supply.
        reach = (curve.highest_c - OPEN_VALVE_K / 2.0 - 20.0) / RADIATOR_EXCESS_K
        radiator = design_kw * rng.uniform(1.35, 1.8, count) / reach
        setback = np.where(rng.random(count) < stock.setback_share, rng.uniform(*stock.setback_k, size=count), 0.0)
        tapped = climate_name in TAPPED_CLIMATES and house.kind in ("flats", "villas")
        drawn: dict[str, np.ndarray] = {
            "house": np.full(count, number, dtype=np.int64),
            "area_m2": area,
            "loss_kw_k": loss,
            "exchange_kw_k": loss * (1.8 if house.kind in ("flats", "shops") else 0.0),
            "capacity_kwh_k": loss * rng.uniform(60.0, 130.0) * rng.uniform(0.9, 1.1, count),
            "setpoint_c": WANTED_C + rng.normal(0.8, 1.0, count),
            "setback_k": setback,
            "setback_from": rng.integers(*stock.setback_from, size=count) % 24,
            "setback_to": rng.integers(*stock.setback_to, size=count),
            "working_week": np.full(count, stock.working_week),
            "band_k": rng.uniform(1.0, 2.2, count),
            "radiator_kw": radiator,
            "trickle_kw": radiator * rng.uniform(*TRICKLE_SHARE, count),
            "gains_kw": area * stock.gains_w_m2 * rng.uniform(0.5, 1.6, count) / 1000.0,
            "glass_m2": area * 0.11 * rng.uniform(0.2, 1.2, count),
            "hot_water_l_day": rng.uniform(60.0, 220.0, count) if tapped else np.zeros(count),
            "supply_offset_k": rng.uniform(-1.6, -0.2) + 0.25 * rng.standard_normal(count),
            "return_best_c": rng.uniform(3.0, 6.0, count),
        }
        for name, values in drawn.items():
            columns.setdefault(name, []).append(values)
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    return Dwellings(**joined)


QP_SERIES_M3H = (0.6, 1.0, 1.5, 2.5, 3.5, 6.0, 10.0, 15.0, 25.0, 40.0, 60.0, 100.0)


def qp_for(design_kw: float, difference_k: float = 12.0) -> float:
    """The usual permanent flow of a meter for a design load: the next size up."""
    needed = design_kw / (1.15 * difference_k)
    return next((size for size in QP_SERIES_M3H if size >= needed), QP_SERIES_M3H[-1])
