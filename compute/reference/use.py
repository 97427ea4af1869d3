"""Zero, low, jumping and forbidden use, in plain Python.

Rules: one function a rule, read beside its sentence in the catalogue; imported by tests only.
"""

import math

from compute.anomalies.inactive import Inactive
from compute.anomalies.jump import Jump
from compute.anomalies.low_use import LowUse
from compute.anomalies.zero import ZeroUse
from compute.quality import Quality
from compute.reference.town import (
    HOUR_US,
    Flat,
    Marks,
    Told,
    Town,
    cold_enough,
    has_seen,
    known,
    last,
    lasting,
    or_zero,
    over,
    stretches,
    total,
)  # fmt: skip

SHUT = (1, 2, 3)  # suspended, vacant, closed


def zero_use(town: Town, limits: ZeroUse) -> list[Told]:
    """V13: nothing on an active point in the season for so long that its display must have moved."""
    marks = [[_is_zero(town, flat, d, limits) for d in town.days] for flat in town.flats]
    found = []
    for at, flat in enumerate(town.flats):
        mates = [other for other, mate in enumerate(town.flats) if mate.area == flat.area]
        mine = []
        for d in town.days:
            proven = sum(marks[other][d] for other in mates) / max(sum(town.flats[o].active[d] for o in mates), 1)
            # The whole area low, though few can prove zero: the network.
            network = flat.common[d] < limits.area_percent / 100.0 and proven < 0.5
            mine.append(marks[at][d] and not network)
        for first, end in stretches(mine, 1):
            habits = [_habit(flat, d) for d in range(first, end)]
            expected = next((habit for habit in reversed(habits) if known(habit)), 0.0)
            hours = flat.zero_run_h[end - 1]
            stake = expected * hours / town.hours_of(end - 1)
            since = int(town.midnights[first + 1] - flat.zero_run_h[first] * HOUR_US)
            severity = "critical" if hours >= limits.fail_h else "warning"
            found.append(
                Told(at, "V13", severity, since, town.midnights[end], town.midnights[first + 1], 0.0,
                     expected * 0.25, expected * 2.0, stake)
            )  # fmt: skip
    return found


def _habit(flat: Flat, d: int) -> float:
    """What the point would use that day: by its own signature, else as its neighbours do."""
    return float(flat.expected_kwh[d] if known(flat.expected_kwh[d]) else flat.peer_kwh[d])


def _is_zero(town: Town, flat: Flat, d: int, limits: ZeroUse) -> bool:
    run_h, hours = flat.zero_run_h[d], town.hours_of(d)
    own, habit = known(flat.expected_kwh[d]), _habit(flat, d)
    if run_h < (limits.warn_h if own else limits.peer_h if known(habit) else limits.fail_h):
        return False
    if flat.known_h[d] * 2 < hours:  # silence, not zero
        return False
    if known(habit):
        due = habit * run_h / hours
        sure = due * (limits.low_percent if own else limits.peer_percent) / 100.0
        if not sure > limits.min_steps * max(flat.energy_step_kwh, 1e-9):
            return False
        if not due > limits.robust_z * or_zero(flat.sigma_kwh[d]) * max(run_h / hours, 1.0):
            return False

    def heated(e: int) -> bool:
        return bool(flat.active[e] and flat.in_season[e] and cold_enough(flat, e, limits.hdd_k))

    touched = min(math.ceil(run_h / 24.0), d + 1)
    heated_days = sum(heated(e) for e in range(d + 1 - touched, d + 1))
    return heated(d) and heated_days >= min(touched, 3)


def low_use(town: Town, limits: LowUse) -> list[Told]:
    """V12: under 25 % of the expectation for days, or under a third for longer than a holiday."""
    found = []
    for at, flat in enumerate(town.flats):
        shared = [min(max(common, 0.0), 1.0) if known(common) else 1.0 for common in flat.common]
        expected = [flat.expected_kwh[d] * shared[d] for d in town.days]
        judged = [
            flat.active[d]
            and flat.in_season[d]
            and cold_enough(flat, d, limits.hdd_k)
            and flat.usable[d]
            and expected[d] > 0
            and known(flat.sigma_kwh[d])
            for d in town.days
        ]
        few = min(limits.fail_percent, limits.warn_percent)
        short = _is_low(flat, limits, expected, judged, (limits.window_days, limits.days, few))
        long = (limits.long_window_days, limits.long_days, limits.warn_percent)
        lengthy = _is_low(flat, limits, expected, judged, long)
        each = [judged[d] and flat.energy_kwh[d] < limits.warn_percent / 100.0 * expected[d] for d in town.days]
        for first, end in stretches([each[d] and (short[d] or lengthy[d]) for d in town.days], 5):
            begin = _beginning([each[d] or not judged[d] for d in town.days], first, limits.long_window_days)
            days = [d for d in range(begin, end) if judged[d]]
            had, meant = total([flat.energy_kwh[d] for d in days]), total([expected[d] for d in days])
            severity = "critical" if 100.0 * had / max(meant, 1e-9) < limits.fail_percent else "warning"
            seen = (had, 0.5 * meant, 1.5 * meant)
            found.append(town.told(at, ("V12", severity), (begin, end), first + 1, seen, max(meant - had, 0.0)))
    return found


def _is_low(flat: Flat, limits: LowUse, expected: list[float], judged: Marks, ask: tuple[int, int, float]) -> Marks:
    window, needed, percent = ask
    result = []
    for d in range(len(expected)):
        days = [e for e in last(range(len(expected)), d, window) if judged[e]]
        used, due = total([flat.energy_kwh[e] for e in days]), total([expected[e] for e in days])
        spread = total([flat.sigma_kwh[e] for e in days])
        low = 0 < used < percent / 100.0 * due and due - used > limits.robust_z * spread
        shown = due > limits.min_steps * needed * max(flat.energy_step_kwh, 1e-6)
        result.append(judged[d] and len(days) >= needed and low and shown)
    return result


def _beginning(low: Marks, told: int, window: int) -> int:
    """The first day of a low stretch that was told at a day: three better days in a row end it."""
    begin = told
    while begin > max(0, told - window + 1) and any(low[max(0, begin - 3) : begin]):
        begin -= 1
    return next(d for d in range(begin, told + 1) if low[d])


def jump(town: Town, limits: Jump) -> list[Told]:
    """H17, V10, V12: use far above the band of the signature, for a day, for days, or in sum over days."""
    share = town.each(lambda flat, d: over(flat.energy_kwh[d], flat.expected_kwh[d]))
    house = town.median(share, "building", 4)
    found = []
    for at, flat in enumerate(town.flats):
        common = [value if known(value) else 1.0 for value in flat.common]
        shared = [max(common[d], house[at][d] if not math.isnan(house[at][d]) else common[d]) for d in town.days]
        expected = [flat.expected_kwh[d] * min(max(shared[d], 1.0), 3.0) for d in town.days]
        excess = [flat.energy_kwh[d] - expected[d] for d in town.days]
        ways = _ways(town, at, limits, expected, excess)
        lead = {"days": limits.days - 1, "lasting": limits.lasting_days - 1}
        lead |= {"warm": limits.warm_days - 1, "shift": limits.shift_days - 1}
        rise = [value if known(value) else or_zero(flat.energy_kwh[d]) for d, value in enumerate(excess)]
        due = [or_zero(value) for value in expected]
        for first, end in stretches([any(way[d] for way in ways.values()) for d in town.days], 1):
            alone = ways["day"][first] or ways["impossible"][first]
            back = 0 if alone else max(lead.get(name, 0) for name, way in ways.items() if way[first])
            begin = max(0, first - back)
            peak = max(range(begin, end), key=lambda d: rise[d])
            band = limits.robust_z * flat.sigma_kwh[peak] if known(flat.sigma_kwh[peak]) else 0.0
            severity = "critical" if 100.0 * rise[peak] / max(due[peak], 1e-9) > limits.fail_percent else "warning"
            seen = (flat.energy_kwh[peak], max(0.0, due[peak] - band), due[peak] + band)
            stake = total([max(value, 0.0) for value in rise[begin:end]])
            found.append(town.told(at, ("H17", severity), (begin, end), first + 1, seen, stake))
    return found


def _ways(town: Town, at: int, limits: Jump, expected: list[float], excess: list[float]) -> dict[str, Marks]:
    """The ways in which each day stands out."""
    flat, days, sigma = town.flats[at], town.days, town.flats[at].sigma_kwh
    steps, sized = limits.min_steps * flat.energy_step_kwh, known(flat.design_load_kw)
    designs = [_design(flat, d) for d in days]
    seen = [_learned(flat, d, limits) for d in days]
    learned = [seen[d] or not flat.in_season[d] for d in days]
    able = [
        flat.active[d]
        and not town.children(at)
        and flat.complete[d]
        and not flat.energy_bits[d] & Quality.ESTIMATED
        and excess[d] > steps
        for d in days
    ]

    def beyond(d: int, z: float, percent: float) -> bool:
        return able[d] and excess[d] > z * sigma[d] and excess[d] > percent / 100.0 * expected[d]

    loads = [limits.day_load_percent / 100.0 if flat.in_season[d] else limits.off_season_loads for d in days]
    day = [
        beyond(d, limits.day_z, limits.day_percent) and excess[d] > loads[d] * designs[d] and (learned[d] or sized)
        for d in days
    ]
    high = [
        beyond(d, limits.robust_z, limits.min_percent)
        and learned[d]
        and excess[d] > limits.load_percent / 100.0 * designs[d]
        for d in days
    ]
    again = lasting(high, limits.days, limits.days)
    cools = [over(over(flat.drop_k[d], flat.area_drop_k[d]), flat.usual_drop[d]) for d in days]
    warm = [
        beyond(d, limits.lasting_z, limits.lasting_percent) and seen[d] and cools[d] < limits.drop_percent / 100.0
        for d in days
    ]
    back = [able[d] and seen[d] and cools[d] < limits.warm_percent / 100.0 for d in days]
    needed = [limits.days if flat.in_season[d] else limits.days + 1 for d in days]
    counted = [able[d] and learned[d] and flat.in_season[d] for d in days]
    return {
        "day": day,
        "days": [again[d] and sum(last(high, d, limits.days + 1)) >= needed[d] for d in days],
        "lasting": lasting(warm, limits.lasting_days, limits.lasting_days),
        "warm": [_comes_back_warm(flat, d, limits, (expected, excess), back) for d in days],
        "shift": [_shifted(flat, d, limits, (expected, excess), counted, designs[d]) for d in days],
        "impossible": [bool(flat.energy_bits[d] & Quality.RANGE) and flat.energy_kwh[d] > steps for d in days],
    }


def _comes_back_warm(flat: Flat, d: int, limits: Jump, use: tuple[list[float], list[float]], back: Marks) -> bool:
    """Days in a row of warm return whose excess together is beyond chance."""
    days = last(range(len(back)), d, limits.warm_days)
    if len(days) < limits.warm_days or not all(back[e] for e in days):
        return False
    expected, excess = use
    more = total([min(excess[e], limits.robust_z * flat.sigma_kwh[e]) for e in days])
    chance = math.sqrt(total([flat.sigma_kwh[e] ** 2 for e in days]))
    return (
        more > limits.warm_share_percent / 100.0 * total([expected[e] for e in days]) and more > limits.warm_z * chance
    )


def _shifted(
    flat: Flat, d: int, limits: Jump, use: tuple[list[float], list[float]], counted: Marks, design: float
) -> bool:
    """A level shift, as CUSUM sees it: what was too much adds up over days."""
    expected, excess = use
    days = [e for e in last(range(len(counted)), d, limits.shift_days) if counted[e]]
    more, due = total([excess[e] for e in days]), total([expected[e] for e in days])
    return (
        counted[d]
        and len(days) >= limits.shift_days - 1
        and more > limits.shift_percent / 100.0 * due
        and more > limits.shift_z * total([flat.sigma_kwh[e] for e in days])
        and more > limits.load_percent / 100.0 * limits.shift_days * design
    )


def _design(flat: Flat, d: int) -> float:
    """A day of design load; where nobody knows it, the largest day so far."""
    if known(flat.design_load_kw):
        return float(flat.design_load_kw * 24.0)
    return max([or_zero(flat.expected_kwh[d]), 0.0, *(or_zero(value) for value in flat.energy_kwh[:d])])


def _learned(flat: Flat, d: int, limits: Jump) -> bool:
    """Whether the signature has seen enough days before this one, and enough of such cold."""
    days = range(max(0, d - 55), d)
    seen = sum(flat.in_season[e] and flat.usable[e] and known(flat.energy_kwh[e]) for e in days)
    return seen >= limits.learned_days and has_seen(flat, d, limits.cold_percent / 100.0, limits.cold_days)


def use_while_inactive(town: Town, limits: Inactive) -> list[Told]:
    """V14: more than two display steps a day on a suspended, vacant or closed point."""
    found = []
    for at, flat in enumerate(town.flats):
        least = max(limits.min_steps * flat.energy_step_kwh, limits.min_kwh)
        used = [
            flat.state[d] in SHUT and flat.energy_kwh[d] > least and not flat.energy_bits[d] & Quality.ESTIMATED
            for d in town.days
        ]
        for first, end in stretches(lasting(used, limits.days, limits.days), 5):
            begin = max(0, first - limits.days + 1)
            whole = total(flat.energy_kwh[begin:end])
            severity = "critical" if end - begin >= limits.fail_days else "warning"
            seen = (whole, 0.0, least * (end - begin))
            found.append(town.told(at, ("V14", severity), (begin, end), first + 1, seen, whole))
    return found
