"""At which instant a stored value was taken: dates in the telegram, or a rule of the profile where it carries none.

Rules: a bare date that is the last day of a month means the end of that day, any other its start (makers use 31
December and 1 January for the same due date); a profile can say otherwise. Times are naive local times of the meter. A
storage whose instant cannot be told gets none, and its value is kept as a register of its own rather than booked at the
wrong instant.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from protocols.telegram import Function, Telegram

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class HistoryRule:
    """Dates of a run of storages.

    `first`-`last` are storage numbers. With `monthly`, storage `first` is the latest `day` of a month at midnight
    before the clock of the telegram, less `back` months, and every further storage one month earlier; where the first
    storage carries a date of its own, the months count back from that one. `date_is` says what a bare date means:
    "auto", "start" or "end" of its day.
    """

    first: int
    last: int
    monthly: bool = False
    day: int = 1
    back: int = 0
    date_is: str = "auto"


def instant_of(text: str, date_is: str = "auto") -> datetime | None:
    """Instant of an ISO date or datetime text; None where it is neither."""
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None
    if len(text) > 10:
        return moment
    ends_month = (moment + _DAY).day == 1
    return moment + _DAY if date_is == "end" or (date_is == "auto" and ends_month) else moment


def months_before(moment: datetime, months: int) -> datetime:
    """The same day `months` earlier; days after the 28th fall back to the month's last day."""
    index = moment.year * 12 + moment.month - 1 - months
    year, month = divmod(index, 12)
    for day in (moment.day, 30, 29, 28):
        if day <= moment.day:
            try:
                return moment.replace(year=year, month=month + 1, day=day)
            except ValueError:
                continue
    return moment.replace(year=year, month=month + 1, day=28)


def storage_times(
    telegram: Telegram, rules: tuple[HistoryRule, ...], reference: datetime | None
) -> dict[int, datetime]:
    """Instant of every storage number of a telegram that can be told.

    Parameters
    ----------
    reference : datetime, optional
        The meter's clock, or the local time of the read: where months are counted back from.
    """
    times: dict[int, datetime] = {}
    storages: set[int] = set()
    for record in telegram.records:
        storage = record.storage
        if not storage:
            continue
        storages.add(storage)
        if (
            record.quantity in ("date", "datetime")
            and isinstance(record.value, str)
            and record.function is Function.INSTANTANEOUS
            and storage not in times
        ):
            date_is = next((rule.date_is for rule in rules if rule.first <= storage <= rule.last), "auto")
            moment = instant_of(record.value, date_is)
            if moment is not None:
                times[storage] = moment
    for rule in rules:
        if rule.monthly:
            _fill(times, storages, rule, reference)
    return times


def _fill(times: dict[int, datetime], storages: set[int], rule: HistoryRule, reference: datetime | None) -> None:
    missing = [storage for storage in storages if rule.first <= storage <= rule.last and storage not in times]
    if not missing:
        return
    anchor = times.get(rule.first)
    if anchor is None:
        if reference is None or not 2000 < reference.year < 2100:
            return
        anchor = reference.replace(day=rule.day, hour=0, minute=0, second=0, microsecond=0)
        anchor = months_before(anchor, rule.back + (1 if anchor > reference else 0))
    for storage in missing:
        times[storage] = months_before(anchor, storage - rule.first)
