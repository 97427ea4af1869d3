"""Heat against water and temperatures, in plain Python: sensors, sums of the meter, cooling.

Rules: one function a rule, read beside its sentence in the catalogue; imported by tests only. Of the kernels only the
water's formula is shared, which is checked against IAPWS.
"""

from collections.abc import Sequence

from compute.anomalies.sensor_fault import SensorFault
from compute.anomalies.swapped_sensors import SwappedSensors
from compute.anomalies.undercooling import Undercooling
from compute.days import FLOW, SENSOR
from compute.kernels.thermal import heat_coefficient
from compute.reference.town import (
    NAN,
    Flat,
    Marks,
    Told,
    Town,
    has_seen,
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
from compute.validation.heat_sums import HeatSums
from compute.validation.siblings import Siblings

KWH_PER_M3K = 1.15
MAD_TO_SIGMA = 1.4826


def _lost(flat: Flat, first: int, end: int) -> float:
    """What was expected and not counted."""
    lacks = [flat.expected_kwh[d] - flat.energy_kwh[d] for d in range(first, end)]
    return total([max(value, 0.0) if known(value) else NAN for value in lacks])


def swapped_sensors(town: Town, limits: SwappedSensors) -> list[Told]:
    """H6: the return warmer than the supply with flow, not in summer standby."""
    found = []
    for at, flat in enumerate(town.flats):
        reverse = [back - supply for supply, back in zip(flat.supply_c, flat.return_c, strict=True)]
        marks = []
        for d in town.days:
            # Without hourly volumes, the day's volume says whether water flowed.
            drawn = not known(flat.idle_h[d]) and flat.usable[d]
            flows = flat.reversed_h[d] >= 1 or (drawn and flat.volume_m3[d] > limits.flow_steps * flat.volume_step_m3)
            marks.append(flows and reverse[d] > limits.difference_k and flat.active[d] and flat.in_season[d])
        hours = [marks[d] and flat.reversed_h[d] >= limits.hours for d in town.days]
        often = lasting(hours, limits.days, limits.days)
        sparse = lasting(marks, limits.sparse_days, limits.sparse_days)
        for first, end in stretches([often[d] or sparse[d] for d in town.days], 2):
            begin = max(0, first - (limits.days if often[first] else limits.sparse_days) + 1)
            seen = (median(reverse[begin:end]), -100.0, 0.5)
            stake = _lost(flat, begin, end)
            found.append(town.told(at, ("H6", "critical"), (begin, end), first + 1, seen, stake))
    return found


def sensor_fault(town: Town, limits: SensorFault) -> list[Told]:
    """H7 end of scale, V16 the device's own bits, H8 drift against the branch, H4 flow without energy."""
    supply = town.each(lambda flat, d: flat.supply_c[d] if flat.volume_m3[d] > 0 else NAN)
    area = town.median(supply, "area", 5)
    drift = [[flat.supply_c[d] - area[at][d] for d in town.days] for at, flat in enumerate(town.flats)]
    width = town.median([[abs(value) for value in row] for row in drift], "area", 5)
    found: dict[str, list[Told]] = {"H7": [], "V16": [], "H8": [], "H4": []}
    for at, flat in enumerate(town.flats):
        calls = [bool(bits & (SENSOR | FLOW)) and flat.active[d] for d, bits in enumerate(flat.device)]
        drifts = [
            _drifts(flat, drift[at], d, MAD_TO_SIGMA * width[at][d], limits) and flat.active[d] and flat.in_season[d]
            for d in town.days
        ]
        dry = [own and flat.active[d] and flat.in_season[d] for d, own in enumerate(_dry(town, flat, limits))]
        once = [1.0] * len(calls)
        cases: tuple[tuple[str, Marks, int, Sequence[float], float], ...] = (
            ("H7", _ends_of_scale(town, flat, limits), 1, flat.broken_h, limits.broken_h),
            ("V16", lasting(calls, limits.device_days, limits.device_days), limits.device_days, once, 0.0),
            ("H8", lasting(drifts, limits.drift_days, limits.drift_days), limits.drift_days, drift[at], limits.drift_k),
            ("H4", lasting(dry, limits.flow_days, limits.flow_days), limits.flow_days, flat.volume_m3, 0.0),
        )
        for rule, marks, days, observed, limit in cases:
            for first, end in stretches(marks, 3):
                begin = max(0, first - days + 1)
                seen = (median(observed[begin:end]), -limit, limit)
                severity = "critical" if rule == "H7" else "warning"
                stake = _lost(flat, begin, end)
                found[rule].append(town.told(at, (rule, severity), (begin, end), first + 1, seen, stake))
    return [item for items in found.values() for item in items]


def _ends_of_scale(town: Town, flat: Flat, limits: SensorFault) -> Marks:
    nothing_else = [flat.broken_h[d] >= 1 and not known(flat.supply_c[d]) for d in town.days]
    whole = lasting(nothing_else, limits.broken_days, limits.broken_days)
    return [(flat.broken_h[d] >= limits.broken_h or whole[d]) and flat.active[d] for d in town.days]


def _drifts(flat: Flat, drift: list[float], d: int, spread: float, limits: SensorFault) -> bool:
    """Apart from the neighbours on the branch by more than their spread, and not as it always was."""
    if not (known(spread) and flat.volume_m3[d] > 0):
        return False
    moved = drift[d] - or_zero(weeks_before(drift, d))
    return abs(drift[d]) > max(limits.drift_k, limits.robust_z * spread) and abs(moved) > limits.drift_k


def _dry(town: Town, flat: Flat, limits: SensorFault) -> Marks:
    """Days of warm water without energy, whose heat the display would have shown."""
    seen = [
        flat.energy_kwh[d] == 0
        and flat.volume_m3[d] > limits.flow_steps * flat.volume_step_m3
        and flat.supply_c[d] - flat.return_c[d] > 3.0
        and flat.reversed_h[d] < 3
        for d in town.days
    ]
    worth = [KWH_PER_M3K * flat.volume_m3[d] * flat.area_drop_k[d] if seen[d] else 0.0 for d in town.days]
    return [
        seen[d] and total(last(worth, d, limits.flow_days)) > limits.energy_steps * flat.energy_step_kwh
        for d in town.days
    ]


def siblings(town: Town, limits: Siblings) -> list[Told]:
    """V18, H5: energy advances and the volume does not."""
    found = []
    for at, flat in enumerate(town.flats):
        dry = []
        for d in town.days:
            energy = flat.energy_kwh[d]
            used = energy > limits.energy_steps * flat.energy_step_kwh
            least_m3 = energy / (KWH_PER_M3K * limits.difference_max_k)
            seen = least_m3 > limits.volume_steps * flat.volume_step_m3 > 0
            dry.append(used and seen and flat.volume_m3[d] == 0.0 and flat.complete[d] and flat.active[d])
        for first, end in stretches(lasting(dry, limits.days, limits.days), 2):
            begin = max(0, first - limits.days + 1)
            energy = total(flat.energy_kwh[begin:end])
            seen_m3 = (0.0, energy / (KWH_PER_M3K * limits.difference_max_k), energy / KWH_PER_M3K)
            found.append(town.told(at, ("H5", "critical"), (begin, end), first + 1, seen_m3, energy))
    return found


def heat_sums(town: Town, limits: HeatSums) -> list[Told]:
    """H1: energy against k times what the meter itself summed of volume times temperature, beyond display steps."""
    found = []
    for at, flat in enumerate(town.flats):
        given = [flat.difference_m3k[d] * _k(flat, d) if known(flat.difference_m3k[d]) else NAN for d in town.days]
        counted = [known(given[d]) and known(flat.energy_kwh[d]) and flat.usable[d] for d in town.days]
        apart, wrong = [], []
        for d in town.days:
            days = [e for e in last(town.days, d, limits.days) if counted[e]]
            energy, sums = total([flat.energy_kwh[e] for e in days]), total([given[e] for e in days])
            volume = total([flat.volume_m3[e] for e in days])
            apart.append(100.0 * (over(energy, sums) - 1.0))
            blur = over(limits.steps * (flat.energy_step_kwh + 2.0 * KWH_PER_M3K) * 100.0, energy)
            wrong.append(
                abs(apart[d]) > limits.percent + blur
                and energy > limits.min_kwh
                and len(days) >= limits.days - 4
                and sums > 0.1 * energy
                and volume > 0
                and flat.active[d]
                and counted[d]
            )
        for first, end in stretches(lasting(wrong, limits.lasting_days, limits.lasting_days), 7):
            begin = max(0, first - limits.days - limits.lasting_days + 2)
            seen = median(apart[first:end])
            stake = abs(seen) / 100.0 * total(flat.energy_kwh[begin:end])
            severity = "critical" if abs(seen) > limits.fail_percent else "warning"
            band = (seen, -limits.percent, limits.percent)
            found.append(town.told(at, ("H1", severity), (begin, end), first + 1, band, stake))
    return found


def _k(flat: Flat, d: int) -> float:
    """k at the day's own temperatures; at 70/40 °C where they are not known or make no sense."""
    warm, cold = flat.supply_c[d], flat.return_c[d]
    if not 5.0 < cold < warm - 1.0 < 180.0:
        warm, cold = 70.0, 40.0
    return float(heat_coefficient(warm, cold, flat.supply_mounted))


def undercooling(town: Town, limits: Undercooling) -> list[Told]:
    """H9: the water goes back nearly as warm as it came, against its own past, the area and the house."""
    share = town.each(lambda flat, d: over(flat.drop_k[d], flat.area_drop_k[d]))

    def change(flat: Flat, d: int) -> float:
        usual = flat.usual_drop[d]
        return over(share[flat.number][d], usual) if known(usual) else share[flat.number][d]

    changed = town.each(change)
    house = town.median(changed, "building", 4)
    found = []
    for at, flat in enumerate(town.flats):
        marks = []
        for d in town.days:
            own, usual = share[at][d], flat.usual_drop[d]
            if known(usual):
                warm = own < limits.own_percent / 100.0 * usual and own < limits.area_percent / 100.0
                # In a cold that it never saw, a heating at its limit cools less.
                seen = has_seen(flat, d, 0.01 * limits.cold_percent, 7)
                warm = warm and (seen or own < limits.colder_percent / 100.0)
            else:
                warm = own < limits.alone_percent / 100.0
            shared = changed[at][d] > limits.house_percent / 100.0 * house[at][d]
            marks.append(warm and not shared and flat.in_season[d])
        for first, end in stretches(lasting(marks, limits.days, limits.days), 3):
            begin = max(0, first - limits.days + 1)
            seen_k, norm = median(flat.drop_k[begin:end]), median(flat.area_drop_k[begin:end])
            stake = 0.02 * total(flat.volume_m3[begin:end]) * max(norm - seen_k, 0.0)
            severity = "critical" if seen_k < limits.fail_percent / 100.0 * norm else "warning"
            band = (seen_k, 0.7 * norm, 1.5 * norm)
            found.append(town.told(at, ("H9", severity), (begin, end), first + 1, band, stake))
    return found
