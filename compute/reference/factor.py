"""Energy that does not fit volume and temperatures, in plain Python: pulse value, factor, mounting side.

Rules: read beside the sentences of H1 to H3 in the catalogue; imported by tests only.
"""

import math

from compute.anomalies.factor_error import FactorError
from compute.reference.town import (
    NAN,
    Flat,
    Told,
    Town,
    known,
    last,
    lasting,
    median,
    over,
    stretches,
    total,
    weeks_before,
)

KWH_PER_M3K = 1.15


def factor_error(town: Town, limits: FactorError) -> list[Told]:
    """H1 by the hour, H1 by whole days where nothing is read by the hour, H2: the sensor's other side."""
    return [*_by_hour(town, limits), *_by_day(town, limits), *_other_side(town, limits)]


def _window(values: list[float], d: int, days: int) -> float:
    return total(last(values, d, days))


def _by_hour(town: Town, limits: FactorError) -> list[Told]:
    """A week whose energy is more than 10 % off the balance of its hours."""
    n = limits.days

    def residual(flat: Flat, d: int) -> float:
        measured, balance = _window(flat.measured_kwh, d, n), _window(flat.balance_kwh, d, n)
        steps = limits.min_steps * max(flat.energy_step_kwh, 1e-6)
        enough = balance > max(limits.min_kwh, steps) and measured > steps
        water = _window(flat.volume_m3, d, n) > limits.min_steps * flat.volume_step_m3
        return 100.0 * (measured / balance - 1.0) if enough and water else NAN

    apart = town.each(residual)
    common = town.median(apart, "area", 5)
    found = []
    for at, flat in enumerate(town.flats):
        wrong = []
        for d in town.days:
            resting_h = max(_window(flat.idle_h, d, n) / n - limits.idle_h, 0.0)
            limit = (
                limits.percent + limits.idle_percent * resting_h + _blur(flat, _window(flat.measured_kwh, d, n), limits)
            )
            own, shared = apart[at][d], common[at][d] if known(common[at][d]) else 0.0
            far = abs(own) > limit and abs(own - shared) > limit
            if resting_h > 0.0:
                # Flow that comes and goes within the hour shifts a balance: only a move tells.
                far = far and _sharp(flat, d, limits) and abs(own - weeks_before(apart[at], d)) > limit
            wrong.append(far and flat.active[d] and flat.in_season[d])
        for first, end in stretches(lasting(wrong, 3, 3), 7):
            begin = max(0, first - n + 1)
            seen = median([_raw(flat, d, n) for d in range(first, end)])
            stake = total([abs(flat.measured_kwh[d] - flat.balance_kwh[d]) for d in range(begin, end)])
            severity = "critical" if abs(seen) > limits.fail_percent else "warning"
            band = (seen, -limits.percent, limits.percent)
            found.append(town.told(at, ("H1", severity), (begin, end), first + 1, band, stake))
    return found


def _blur(flat: Flat, energy_kwh: float, limits: FactorError) -> float:
    """Percent of an energy that its display hides."""
    return 100.0 * limits.blur_steps * float(flat.energy_step_kwh) / max(energy_kwh, 1e-9)


def _sharp(flat: Flat, d: int, limits: FactorError) -> bool:
    """Whether a flowing hour of the week was many counts of the volume."""
    flowing_h = max(24.0 * limits.days - _window(flat.idle_h, d, limits.days), 1.0)
    return bool(_window(flat.volume_m3, d, limits.days) > limits.flow_steps * flat.volume_step_m3 * flowing_h)


def _raw(flat: Flat, d: int, n: int) -> float:
    return 100.0 * (over(_window(flat.measured_kwh, d, n), _window(flat.balance_kwh, d, n)) - 1.0)


def _by_day(town: Town, limits: FactorError) -> list[Told]:
    """Where nothing is read by the hour: energy
    against k·V·ΔT of whole days, moved from the point's usual by what
    its use moved.
    """
    n = limits.days

    def counts(flat: Flat, d: int) -> bool:
        given = KWH_PER_M3K * flat.volume_m3[d] * (flat.supply_c[d] - flat.return_c[d])
        able = flat.active[d] and flat.in_season[d] and flat.usable[d]
        blunt = not flat.balance_kwh[d] > 0 or not _sharp(flat, d, limits)
        return bool(able and blunt and flat.drop_k[d] > 0 and given > 0)

    def residual(flat: Flat, d: int) -> float:
        days = [e for e in last(town.days, d, n) if counts(flat, e)]
        measured = total([flat.energy_kwh[e] for e in days])
        balance = total([KWH_PER_M3K * flat.volume_m3[e] * (flat.supply_c[e] - flat.return_c[e]) for e in days])
        enough = measured > max(limits.min_kwh, limits.min_steps * max(flat.energy_step_kwh, 1e-6))
        return 100.0 * (measured / balance - 1.0) if counts(flat, d) and len(days) >= n - 2 and enough else NAN

    own = town.each(residual)
    common = town.median(own, "area", 5)
    found = []
    for at, flat in enumerate(town.flats):
        apart = [own[at][d] - common[at][d] for d in town.days]
        moved = [apart[d] - weeks_before(apart, d) for d in town.days]
        weeks = [[e for e in last(town.days, d, n) if counts(flat, e)] for d in town.days]
        base = [limits.blunt_percent if flat.balance_kwh[d] > 0 else limits.daily_percent for d in town.days]
        percent = [base[d] + _blur(flat, total([flat.energy_kwh[e] for e in weeks[d]]), limits) for d in town.days]
        wrong = [_is_factor(flat, weeks[d], (apart[d], moved[d], percent[d]), limits) for d in town.days]
        needed = limits.daily_in_a_row
        for first, end in stretches(lasting(wrong, needed, needed), 7):
            begin = max(0, first - needed + 1 - n // 2)
            seen = median(moved[first:end])
            stake = abs(seen) / max(100.0 + seen, 1.0) * total(flat.energy_kwh[begin:end])
            band = (seen, -percent[first], percent[first])
            found.append(town.told(at, ("H1", "warning"), (begin, end), first + 1, band, stake))
    return found


def _is_factor(flat: Flat, week: list[int], seen: tuple[float, float, float], limits: FactorError) -> bool:
    """Away from the area and from the point's usual alike, by what its use moved from the expectation."""
    apart, moved, percent = seen
    if not min(abs(moved), abs(apart)) > percent or moved * apart < 0:
        return False
    due, measured = total([flat.expected_kwh[e] for e in week]), total([flat.energy_kwh[e] for e in week])
    if not (due > 0 and moved > -100.0):
        return False
    use, factor = math.log(measured / due), math.log1p(moved / 100.0)
    return abs(use - factor) < limits.daily_fit * abs(factor)


def _other_side(town: Town, limits: FactorError) -> list[Told]:
    """H2: a month whose balance moved by what the flow sensor on the other side would move it, told by the meter's
    own sums, else by the temperatures where the water never rests.
    """
    n = limits.side_days
    sums = town.each(lambda flat, d: KWH_PER_M3K * flat.difference_m3k[d])
    by_meter = _moved(town, limits, [flat.energy_kwh for flat in town.flats], sums, running=False)
    balances = [flat.balance_kwh for flat in town.flats]
    by_hours = _moved(town, limits, [flat.measured_kwh for flat in town.flats], balances, running=True)
    found = []
    for told, needed in ((by_meter, limits.side_told_days), (by_hours, limits.side_days_in_a_row)):
        for at, flat in enumerate(town.flats):
            side = [
                100.0 * (_window(flat.other_kwh, d, n) / _window(flat.balance_kwh, d, n) - 1.0)
                if _window(flat.balance_kwh, d, n) > 0
                else NAN
                for d in town.days
            ]
            moved = [NAN if told is by_hours and known(by_meter[at][d]) else told[at][d] for d in town.days]
            fits = [
                abs(moved[d] - side[d]) < limits.side_fit * abs(side[d]) and abs(side[d]) > limits.side_percent
                for d in town.days
            ]
            for first, end in stretches(lasting(fits, needed, needed), 14):
                begin = max(0, first - n - needed // 2)
                seen = median(moved[first:end])
                stake = abs(seen) / 100.0 * total(flat.measured_kwh[begin:end])
                band = (seen, -limits.side_percent, limits.side_percent)
                found.append(town.told(at, ("H2", "warning"), (begin, end), first + 1, band, stake))
    return found


def _moved(
    town: Town, limits: FactorError, measured: list[list[float]], balance: list[list[float]], *, running: bool
) -> list[list[float]]:
    """Percent by which energy over balance moved from the weeks before, the area's own move taken out."""
    n = limits.side_days

    def residual(flat: Flat, d: int) -> float:
        at = flat.number
        able = (
            flat.active[d]
            and flat.in_season[d]
            and _window(flat.hdd_k, d, n) >= limits.side_hdd_k * n
            and _window([a - b for a, b in zip(flat.supply_c, flat.return_c, strict=True)], d, n)
            >= limits.side_difference_k * n
            and _window(flat.measured_kwh, d, n) > limits.side_steps * flat.energy_step_kwh
        )
        if running:
            able = able and _window(flat.idle_h, d, n) <= limits.side_idle_h * n
        days = [e for e in last(town.days, d, n) if known(measured[at][e]) and known(balance[at][e])]
        if not able or len(days) < n - 4:
            return NAN
        return 100.0 * (over(total([measured[at][e] for e in days]), total([balance[at][e] for e in days])) - 1.0)

    own = town.each(residual)
    common = town.median(own, "area", 5)
    result = []
    for at in range(len(town.flats)):
        apart = [own[at][d] - common[at][d] for d in town.days]
        result.append([apart[d] - weeks_before(apart, d, n + 35, n, 7) for d in town.days])
    return result
