"""What the days of a town have in common, in plain Python: season, load, neighbours' use, temperature drop.

Rules: imported by tests only; each function says of one flat and day what `compute.season`, `compute.signature` and
`compute.view` say of all.
"""

from compute.days import Days
from compute.reference.town import NAN, Flat, Town, known, last, median, over, total, weeks_before

KWH_PER_M3K = 1.15
BASE_C, HEATING_HDD_K = 18.0, 3.0
MIN_POINTS, MIN_STEPS = 5, 5.0


def degree_days(outdoor_c: float) -> float:
    """How far a day's mean is below the heating limit."""
    return max(0.0, BASE_C - outdoor_c) if known(outdoor_c) else NAN


def area_day(flats: list[Flat], d: int, hdd_k: float) -> tuple[bool, float]:
    """Whether the network of an area heats, and its median use: it is cold, and half of the points use heat."""
    uses = [flat.energy_kwh[d] for flat in flats if flat.active[d] and flat.complete[d] and known(flat.energy_kwh[d])]
    cold = hdd_k > HEATING_HDD_K or not known(hdd_k)
    heats = len(uses) < MIN_POINTS or 2 * sum(use > 0 for use in uses) >= len(uses)
    return cold and heats, median([use for use in uses if use > 0])


def peer_kwh(flats: list[Flat], flat: Flat, d: int) -> float:
    """What the neighbours' median means for a flat: per square metre where areas are known, else as it is."""
    own = [f for f in flats if f.active[d] and f.complete[d] and known(f.energy_kwh[d])]
    if len(own) < MIN_POINTS:
        return NAN
    if not known(flat.heated_area_m2):
        return median([f.energy_kwh[d] for f in own if f.energy_kwh[d] > 0])
    if sum(known(f.heated_area_m2) for f in flats) < MIN_POINTS:
        return NAN
    per_m2 = [over(f.energy_kwh[d], f.heated_area_m2) for f in own]
    return median([value for value in per_m2 if value > 0]) * float(flat.heated_area_m2)


def drop_k(flat: Flat, d: int) -> float:
    """Temperature drop from energy over volume, of the day or of as many days as the displays need."""

    def counts(e: int) -> bool:
        both = known(flat.energy_kwh[e]) and known(flat.volume_m3[e])
        return bool(both and flat.active[e] and flat.complete[e])

    for n in (1, 3, 7):
        days = [e for e in last(range(d + 1), d, n) if counts(e)]
        energy, volume = total([flat.energy_kwh[e] for e in days]), total([flat.volume_m3[e] for e in days])
        sharp = volume > max(MIN_STEPS * flat.volume_step_m3, 1e-3) and energy > MIN_STEPS * flat.energy_step_kwh
        if counts(d) and sharp:
            return energy / (KWH_PER_M3K * volume)
    return NAN


def differing(town: Town, days: Days) -> list[str]:
    """Names and places of figures in the view that are not what they should be."""
    wrong = []

    def check(name: str, at: int, d: int, expected: float) -> None:
        seen = float(getattr(days, name)[at, d])
        same = (seen != seen and expected != expected) or abs(seen - expected) <= 1e-9 * max(1.0, abs(expected))
        if not same:
            wrong.append(f"{name}[{at}, {d}]: {seen} is not {expected}")

    drops = town.each(drop_k)
    area_drop = town.median(drops, "area", 5)
    common = town.median(town.each(lambda flat, d: over(flat.energy_kwh[d], flat.expected_kwh[d])), "area", 8)
    for at, flat in enumerate(town.flats):
        mates = [other for other in town.flats if other.area == flat.area]
        share = [over(drops[at][d], area_drop[at][d]) for d in town.days]
        for d in town.days:
            heats, load = area_day(mates, d, flat.hdd_k[d])
            for name, expected in (
                ("in_season", float(heats)), ("load_kwh", load), ("peer_kwh", peer_kwh(mates, flat, d)),
                ("drop_k", drops[at][d]), ("area_drop_k", area_drop[at][d]), ("common", common[at][d]),
                ("usual_drop", weeks_before(share, d)),
            ):  # fmt: skip
                check(name, at, d, expected)
    return wrong
