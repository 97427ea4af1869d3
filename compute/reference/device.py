"""What meters and lines say of themselves, in plain Python: index, silence, clock, frozen values, size, distances.

Rules: one function a rule, read beside its sentence in the catalogue; imported by tests only.
"""

from collections.abc import Sequence

from compute.anomalies.behind import Behind
from compute.anomalies.clock import Clock
from compute.anomalies.comms_loss import CommsLoss
from compute.anomalies.sequence import Sequence as SequenceLimits
from compute.anomalies.static import Static
from compute.quality import Quality
from compute.reference.town import (
    DAY_US,
    HOUR_US,
    NAN,
    Flat,
    Told,
    Town,
    known,
    last,
    lasting,
    or_zero,
    stretches,
    total,
)
from compute.validation.interval_size import IntervalSize
from compute.validation.long_estimation import LongEstimation
from compute.validation.size import Size

ABSENT = 4


def _marked(flat: Flat, d: int, bit: Quality) -> bool:
    return bool((flat.energy_bits[d] | flat.volume_bits[d]) & bit)


def _index(town: Town, marks: dict[int, list[bool]], rule: tuple[str, str], bridge: int = 0) -> list[Told]:
    """Stretches of days on which the index said something; at stake is what should have been counted."""
    found = []
    for at, days in marks.items():
        for first, end in stretches(days, bridge):
            due = [value for value in town.flats[at].expected_kwh[first:end] if known(value)]
            stake = total([max(value, 0.0) for value in due])
            found.append(town.told(at, rule, (first, end), first + 1, (float(end - first), 0.0, 0.0), stake))
    return found


def unit_error(town: Town, limits: SequenceLimits) -> list[Told]:
    """V6: unit or decimal place differs."""
    changed = Quality.UNIT | Quality.RESCALED
    marks = {at: [_marked(flat, d, changed) for d in town.days] for at, flat in enumerate(town.flats)}
    return _index(town, marks, ("V6", "critical"))


def decrease(town: Town, limits: SequenceLimits) -> list[Told]:
    """V7 e: the index fell and nothing explains it; a volume's fall counts where no heat is counted at all."""
    marks = {}
    for at, flat in enumerate(town.flats):
        heat = any(known(value) for value in flat.energy_kwh)
        fell = [flat.energy_bits[d] if heat else flat.energy_bits[d] | flat.volume_bits[d] for d in town.days]
        marks[at] = [bool(fell[d] & Quality.RESET) and not _marked(flat, d, Quality.UNIT) for d in town.days]
    return _index(town, marks, ("V7", "critical"))


def garbage(town: Town, limits: SequenceLimits) -> list[Told]:
    """V7 b, V17: impossible values for a while, or answers that nobody can read."""
    marks = {
        at: [_marked(flat, d, Quality.GARBAGE) or flat.rejected[d] >= limits.rejected for d in town.days]
        for at, flat in enumerate(town.flats)
    }
    return _index(town, marks, ("V7", "warning"), bridge=2)


def clock(town: Town, limits: Clock) -> list[Told]:
    """V2: the meter's time against the arrival."""
    found = []
    for at, flat in enumerate(town.flats):
        off = [abs(or_zero(seconds)) for seconds in flat.clock_s]
        for first, end in stretches([seconds > limits.warn_s for seconds in off], 2):
            severity = "critical" if max(off[first:end]) > limits.fail_s else "warning"
            seen = (flat.clock_s[end - 1], -limits.warn_s, limits.warn_s)
            found.append(town.told(at, ("V2", severity), (first, end), first + 1, seen))
    return found


def behind(town: Town, limits: Behind) -> list[Told]:
    """H14: operating hours against the wall clock."""
    found = []
    for at, flat in enumerate(town.flats):
        hours = [town.hours_of(d) if known(flat.operating_h[d]) else NAN for d in town.days]
        lacks = [hours[d] - flat.operating_h[d] for d in town.days]
        share, marks = [], []
        for d in town.days:
            lost, clock_h = total(last(lacks, d, limits.days)), total(last(hours, d, limits.days))
            counted = sum(known(value) for value in last(hours, d, limits.days))
            share.append(lost / max(clock_h, 1.0))
            falls = counted >= limits.days - 2 and share[d] > 1.0 - limits.percent / 100.0 and lost >= limits.hours
            marks.append(falls and flat.active[d] and known(hours[d]))
        for first, end in stretches(marks, 7):
            begin = max(0, first - limits.days + 1)
            stake = total(flat.expected_kwh[begin:end]) * total(lacks[begin:end]) / (24.0 * (end - begin))
            seen = (100.0 * (1.0 - max(share[first:end])), limits.percent, 100.0)
            found.append(town.told(at, ("H14", "warning"), (begin, end), first + 1, seen, stake))
    return found


def static(town: Town, limits: Static) -> list[Told]:
    """V15: identical momentary values while the network is hot; of daily readings, the same pair again and again."""
    found = []
    for at, flat in enumerate(town.flats):
        supply, back = flat.supply_c, flat.return_c
        able = [supply[d] > limits.hot_c and flat.active[d] and flat.in_season[d] for d in town.days]
        frozen = [able[d] and flat.static_h[d] >= limits.hours for d in town.days]
        again = [able[d] and d > 0 and (supply[d], back[d]) == (supply[d - 1], back[d - 1]) for d in town.days]
        repeated = lasting(again, limits.repeats, limits.repeats)
        for first, end in stretches([frozen[d] or repeated[d] for d in town.days], 1):
            hours, start = or_zero(flat.static_h[end - 1]) + 1.0, first
            if not frozen[first]:
                start = first - limits.repeats
                hours = max(hours, (town.midnights[end] - town.midnights[start]) / HOUR_US)
            since = min(int(town.midnights[end] - hours * HOUR_US), town.midnights[start])
            found.append(
                Told(at, "V15", "warning", since, town.midnights[end], town.midnights[first + 1], hours, 0.0,
                     limits.hours, total(flat.expected_kwh[start:end]))
            )  # fmt: skip
    return found


def comms_loss(town: Town, limits: CommsLoss) -> list[Told]:
    """V4: no reading for longer than a gap that mends itself: gaps that ended, and the silence that has not."""
    found = []
    present = min(town.now_us, max(flat.last_us for flat in town.flats))
    for at, flat in enumerate(town.flats):
        usual_h, heard = _usual_h(town, flat)
        enough = max(limits.warn_h, limits.cadences * usual_h)
        estimated = [bool(bits & Quality.ESTIMATED) for bits in flat.energy_bits]
        missing = [int(town.hours_of(d)) - flat.shaped_h[d] for d in town.days]
        for first, end in stretches([estimated[d] and missing[d] > 0 for d in town.days]):
            hours = sum(missing[first:end]) - _touched_h(town, flat, usual_h)
            # Nobody was listening before the first reading.
            if any(heard[: first + 1]) and hours >= enough:
                start = town.midnights[first + 1] - missing[first] * HOUR_US
                stop = town.midnights[end - 1] + missing[end - 1] * HOUR_US if end - first > 1 else town.midnights[end]
                found.append(_silence(town, at, start, stop, hours, limits))
        if flat.last_us > 0 and flat.state[-1] != ABSENT and (present - flat.last_us) / HOUR_US >= enough:
            stop = max(_midnight(town, present), flat.last_us + HOUR_US)
            found.append(_silence(town, at, flat.last_us, stop, (stop - flat.last_us) / HOUR_US, limits))
    return found


def _midnight(town: Town, instant: int) -> int:
    return max((midnight for midnight in town.midnights if midnight <= instant), default=0)


def _usual_h(town: Town, flat: Flat) -> tuple[float, Sequence[bool]]:
    """Hours between readings: as scheduled, else an hour or a day by what most days look like; and the days heard."""
    heard = [
        flat.shaped_h[d] > 0 or (flat.complete[d] and not flat.energy_bits[d] & Quality.ESTIMATED) for d in town.days
    ]
    if flat.cadence_us > 0:
        return flat.cadence_us / HOUR_US, heard
    apart = sum(flat.shaped_h[d] for d in town.days if heard[d]) / max(sum(heard), 1)
    return 24.0 if apart < 12 else 1.0, heard


def _touched_h(town: Town, flat: Flat, usual_h: float) -> float:
    """Hours of a gap's days in which a daily reading was not missing."""
    if usual_h < 24.0:
        return 0.0
    day = max((d for d in town.days if town.midnights[d] <= flat.last_us), default=0)
    after = (flat.last_us - town.midnights[day]) % DAY_US
    within = min(after, DAY_US - after) > HOUR_US
    return float(usual_h + 24.0 * within)


def _silence(town: Town, at: int, start: int, stop: int, hours: float, limits: CommsLoss) -> Told:
    inside = [d for d in town.days if town.midnights[d] >= start and town.midnights[d + 1] <= stop]
    stake = total([town.flats[at].expected_kwh[d] for d in inside])
    severity = "critical" if hours >= limits.fail_h else "warning"
    noticed = start + int(limits.warn_h) * HOUR_US
    return Told(at, "V4", severity, start, stop, noticed, hours, 0.0, limits.warn_h, stake)


def long_estimation(town: Town, limits: LongEstimation) -> list[Told]:
    """V19: more than two periods in a row without a reading: somebody must go there."""
    found = []
    present = min(town.now_us, max(flat.last_us for flat in town.flats))
    least = limits.periods * limits.period_days * DAY_US
    for at, flat in enumerate(town.flats):
        if flat.last_us > 0 and present - flat.last_us > least and flat.state[-1] != ABSENT:
            stop = max(_midnight(town, present), flat.last_us + least)
            inside = [d for d in town.days if town.midnights[d] >= flat.last_us and town.midnights[d + 1] <= stop]
            periods = (stop - flat.last_us) / DAY_US / limits.period_days
            stake = total([flat.expected_kwh[d] for d in inside])
            found.append(
                Told(at, "V19", "critical", flat.last_us, stop, flat.last_us + least, periods, 0.0,
                     float(limits.periods), stake)
            )  # fmt: skip
    return found


def size(town: Town, limits: Size) -> list[Told]:
    """H11: above qs within an hour on days of a week, or hardly ever above 2 % of qp."""
    small: list[Told] = []
    large: list[Told] = []
    for at, flat in enumerate(town.flats):
        highest, most, least = (
            flat.highest_m3, limits.qs_percent / 100.0 * flat.qs_m3h, limits.qp_percent / 100.0 * flat.qp_m3h
        )  # fmt: skip
        beyond = [highest[d] > most and flat.active[d] for d in town.days]
        counted = [known(highest[d]) and flat.active[d] and flat.in_season[d] and flat.complete[d] for d in town.days]
        low = [counted[d] and 0 < highest[d] < least for d in town.days]
        rarely = [
            low[d]
            and sum(last(counted, d, limits.days)) >= limits.days - 2
            and sum(last(low, d, limits.days)) >= limits.low_days_percent / 100.0 * sum(last(counted, d, limits.days))
            for d in town.days
        ]
        for marks, lead, into, band in (
            (lasting(beyond, 7, limits.overload_days), 7, small, (0.0, most)),
            (rarely, limits.days, large, (least, flat.qs_m3h)),
        ):
            for first, end in stretches(marks, 7):
                begin = max(0, first - lead + 1)
                seen = max(value for value in highest[begin:end] if known(value))
                into.append(town.told(at, ("H11", "info"), (begin, end), first + 1, (seen, *band)))
    return small + large


def interval_size(town: Town, limits: IntervalSize) -> list[Told]:
    """V5: readings off the grid, on days in a row."""
    found = []
    for at, flat in enumerate(town.flats):
        share = [
            100.0 * flat.off_grid[d] * flat.cadence_us / (town.midnights[d + 1] - town.midnights[d])
            if flat.cadence_us > 0
            else NAN
            for d in town.days
        ]
        odd = [share[d] > limits.percent and flat.off_grid[d] >= limits.readings for d in town.days]
        for first, end in stretches(lasting(odd, limits.days, limits.days), 2):
            begin = max(0, first - limits.days + 1)
            seen = (total(share[begin:end]) / (end - begin), 0.0, limits.percent)
            found.append(town.told(at, ("V5", "info"), (begin, end), first + 1, seen))
    return found
