"""What the house and the area say of a point, in plain Python: neighbours, balance, leakage.

Rules: one function a rule, read beside its sentence in the catalogue; imported by tests only.
"""

import math

from compute.anomalies.balance import Balance
from compute.anomalies.leakage import Leakage
from compute.anomalies.neighbours import Neighbours
from compute.reference.town import (
    NAN,
    Flat,
    Marks,
    Told,
    Town,
    cold_enough,
    known,
    last,
    lasting,
    median,
    or_zero,
    over,
    stretches,
    total,
    weeks_before,
)  # fmt: skip

MAD_TO_SIGMA = 1.4826


def _counts(flat: Flat, d: int, limits: Neighbours) -> bool:
    cold = cold_enough(flat, d, limits.hdd_k)
    return bool(flat.active[d] and flat.in_season[d] and cold and flat.usable[d] and known(flat.energy_kwh[d]))


def _size(flat: Flat) -> float:
    return float(flat.heated_area_m2) if known(flat.heated_area_m2) else 1.0


def _intensity(town: Town, limits: Neighbours) -> list[list[float]]:
    """Use per square metre and heating day of the last weeks."""

    def intensity(flat: Flat, d: int) -> float:
        days = [e for e in last(town.days, d, limits.days) if _counts(flat, e, limits)]
        enough = len(days) >= 0.75 * limits.days
        return over(total([flat.energy_kwh[e] / _size(flat) for e in days]), len(days)) if enough else NAN

    return town.each(intensity)


def neighbours(town: Town, limits: Neighbours) -> list[Told]:
    """H17: far less heat per square metre than the house for weeks; than the area, where the house is small."""
    used = _intensity(town, limits)
    measured = [
        [NAN] * len(row) if not known(f.heated_area_m2) else row for f, row in zip(town.flats, used, strict=True)
    ]
    house, area = town.median(used, "building", limits.least), town.median(measured, "area", limits.area_least)
    usual = [
        [house[at][d] if known(house[at][d]) else area[at][d] if known(measured[at][d]) else NAN for d in town.days]
        for at in range(len(used))
    ]
    away = [
        [_logarithm(max(own, 1e-9), norm) for own, norm in zip(*rows, strict=True)]
        for rows in zip(used, usual, strict=True)
    ]
    width = [[abs(value) for value in row] for row in away]
    wide = town.median(width, "building", limits.least), town.median(width, "area", limits.area_least)
    found = []
    for at, flat in enumerate(town.flats):
        marks, percent = [], []
        for d in town.days:
            own, norm, alone = used[at][d], usual[at][d], not known(house[at][d])
            percent.append(limits.area_percent if alone else limits.percent)
            spread = MAD_TO_SIGMA * wide[alone][at][d]
            habit = weeks_before(away[at], d, limits.days + 56, limits.days)
            far = known(spread) and away[at][d] < -limits.robust_z * max(spread, 0.1)
            little = 0.02 * norm < own < percent[d] / 100.0 * norm
            used_to = habit > math.log(limits.usual_percent / 100.0)
            marks.append(_counts(flat, d, limits) and little and far and not used_to)
        for first, end in stretches(lasting(marks, limits.lasting_days, limits.lasting_days), 14):
            begin = max(0, first - limits.days - limits.lasting_days + 2)
            seen, norm = used[at][end - 1], usual[at][end - 1]
            stake = max(norm - seen, 0.0) * _size(flat) * (end - begin)
            band = (seen, percent[end - 1] / 100.0 * norm, 3.0 * norm)
            found.append(town.told(at, ("H17", "warning"), (begin, end), first + 1, band, stake))
    return found


def _logarithm(own: float, norm: float) -> float:
    return math.log(own / norm) if own > 0 and norm > 0 else NAN


def balance(town: Town, limits: Balance) -> list[Told]:
    """H15: what the master gave and no flat counted, outside 0-20 % or changed."""
    found = []
    for at in range(len(town.flats)):
        flats = town.children(at)
        if len(flats) >= limits.min_children:
            found.extend(_of_house(town, at, [town.flats[other] for other in flats], limits))
    return found


def _of_house(town: Town, at: int, flats: list[Flat], limits: Balance) -> list[Told]:
    master, share = town.flats[at], limits.known_percent / 100.0

    def read(flat: Flat, d: int) -> bool:
        return bool(flat.usable[d] and known(flat.energy_kwh[d]))

    def stand_in(flat: Flat, d: int) -> float:
        return float(flat.energy_kwh[d] if read(flat, d) else flat.expected_kwh[d])

    whole = [
        master.usable[d]
        and sum(read(flat, d) for flat in flats) / len(flats) >= share
        and sum(known(stand_in(flat, d)) for flat in flats) / len(flats) >= share
        for d in town.days
    ]
    use = [total([stand_in(flat, d) for flat in flats]) if whole[d] else 0.0 for d in town.days]
    given = [or_zero(master.energy_kwh[d]) if whole[d] else 0.0 for d in town.days]
    steps = 50.0 * max(master.energy_step_kwh, *(flat.energy_step_kwh for flat in flats))

    lost, loss, level = [], [], []
    for d in town.days:
        n, heat = sum(last(whole, d, limits.days)), total(last(given, d, limits.days))
        ready = (
            whole[d]
            and n >= limits.days - 2
            and heat > steps
            and master.in_season[d]
            and cold_enough(master, d, limits.hdd_k)
        )
        counted = total(last(use, d, limits.days))
        lost.append(100.0 * (1.0 - counted / heat) if ready else NAN)
        loss.append((heat - counted) / n if ready else NAN)
        level.append(heat / n if ready else NAN)

    def wrong(d: int) -> bool:
        usual, more = (_weeks(lost, d, limits), _weeks(level, d, limits))
        if not known(usual):
            degrees = total(last(master.hdd_k, d, limits.days)) / limits.days
            deep = degrees > limits.first_hdd_k or not known(master.hdd_k[d])
            return deep and (lost[d] < limits.first_low_percent or lost[d] > limits.first_percent)
        real = abs(loss[d] - _weeks(loss, d, limits)) > limits.change_points / 100.0 * more
        outside = lost[d] < limits.low_percent or lost[d] > limits.high_percent
        changed = abs(lost[d] - usual) > limits.change_points and outside
        return real and (changed or lost[d] - usual > 2 * limits.change_points)

    found = []
    for first, end in stretches([wrong(d) for d in town.days], 3):
        begin = max(0, first - limits.days + 1)
        stake = max(total([given[d] - use[d] for d in range(begin, end)]), 0.0)
        seen = (median(lost[first:end]), limits.low_percent, limits.high_percent)
        found.append(town.told(at, ("H15", "warning"), (begin, end), first + 1, seen, stake))
    return found


def _weeks(values: list[float], d: int, limits: Balance) -> float:
    return weeks_before(values, d, limits.fit_days + 7, 7, 10)


def leakage(town: Town, limits: Leakage) -> list[Told]:
    """H10: water in every hour of the day off season, on three nights."""
    volumes = town.median(town.each(lambda flat, d: flat.volume_m3[d]), "area", 5)
    found = []
    for at, flat in enumerate(town.flats):
        qp = or_zero(flat.qp_m3h)
        least = max(limits.min_steps * flat.volume_step_m3, limits.qp_percent / 100.0 * qp)
        by_day = limits.daily_qp_percent / 100.0 * qp
        coarse = limits.min_steps * flat.volume_step_m3 > limits.qp_percent / 100.0 * flat.qp_m3h
        able = _rests(town, at, limits, volumes[at], least)
        hourly = lasting([able[d] and flat.lowest_m3[d] > least for d in town.days], limits.days, limits.days)
        drips = [
            able[d]
            and (coarse or not known(flat.lowest_m3[d]))
            and flat.usable[d]
            and volumes[at][d] / 24.0 < limits.rest_percent / 100.0 * by_day
            and flat.volume_m3[d] / 24.0 > by_day > 0
            for d in town.days
        ]
        daily = lasting(drips, limits.daily_days, limits.daily_days)
        flow = [low if known(low) else flat.volume_m3[d] / 24.0 for d, low in enumerate(flat.lowest_m3)]
        for first, end in stretches([hourly[d] or daily[d] for d in town.days], 2):
            begin = max(0, first - (limits.days if hourly[first] else limits.daily_days) + 1)
            lowest = min(value for value in flow[begin:end] if known(value))
            stake = 40.0 * total(flat.volume_m3[begin:end])
            found.append(town.told(at, ("H10", "critical"), (begin, end), first + 1, (lowest, 0.0, least), stake))
    return found


def _rests(town: Town, at: int, limits: Leakage, usual: list[float], least: float) -> Marks:
    """Days on which nobody should draw water through this meter."""
    flat, rested, result = town.flats[at], False, []
    for d in town.days:
        gives_heat = flat.drop_k[d] > limits.circulation_k
        mild = not known(flat.hdd_k[d]) or flat.hdd_k[d] <= limits.mild_hdd_k
        quiet = not flat.in_season[d] and (mild or (usual[d] == 0 and not gives_heat))
        rested = rested or (quiet and flat.lowest_m3[d] <= least)
        even = flat.lowest_m3[d] * 24.0 >= limits.even_percent / 100.0 * flat.volume_m3[d]
        circulates = gives_heat and not (rested and even)
        result.append(quiet and least > 0 and not town.children(at) and flat.active[d] and not circulates)
    return result
