"""Readings as lines of a chart: as many samples as a screen can show, each of them a real reading.

Rules: a span is cut into equal buckets; a counter keeps the last reading of each, a momentary value its lowest and
highest, so that no peak is lost; nothing is averaged. Values are in display units: kWh, m3, kW, m3/h, °C, K, h.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from psycopg import AsyncConnection

from ingest.store.packing import POSTGRES_EPOCH_US, instant_of, microseconds

# A binary array without NULLs is a 20-byte header and (length, value) pairs of one width.
_ARRAY_HEADER: Final = 20
_PAIRS: Final = np.dtype([("length", ">i4"), ("value", ">i8")])
_UNIT_FACTOR: Final = """
    CASE r.unit WHEN 'Wh' THEN 0.001 WHEN 'MWh' THEN 1000 WHEN 'GWh' THEN 1000000
         WHEN 'J' THEN 1/3600000.0 WHEN 'kJ' THEN 1/3600.0 WHEN 'MJ' THEN 1/3.6 WHEN 'GJ' THEN 1000/3.6
         WHEN 'mL' THEN 0.000001 WHEN 'L' THEN 0.001 WHEN 'L/h' THEN 0.001 WHEN 'L/min' THEN 0.06
         WHEN 'W' THEN 0.001 WHEN 'MW' THEN 1000 WHEN 's' THEN 1/3600.0 WHEN 'min' THEN 1/60.0 WHEN 'd' THEN 24
         ELSE 1 END
"""
_DISPLAY_UNIT: Final = {
    "heat_energy": "kWh",
    "cooling_energy": "kWh",
    "electric_energy": "kWh",
    "volume": "m3",
    "power": "kW",
    "flow": "m3/h",
    "supply_temperature": "°C",
    "return_temperature": "°C",
    "temperature_difference": "K",
    "operating_time": "h",
}
_COUNTERS: Final = frozenset({"heat_energy", "cooling_energy", "electric_energy", "volume", "operating_time"})
# The key of readings gives them in order of time and version: the arrays need no sort.
_READINGS: Final = f"""
SELECT m.serial, r.name, r.quantity, r.scale::int4, ({_UNIT_FACTOR})::float8 AS factor, d.times, d.counts
FROM installation i JOIN meter m USING (meter_id) JOIN register r USING (meter_id)
CROSS JOIN LATERAL (
    SELECT array_send(array_agg(ts)) AS times, array_send(array_agg(value)) AS counts
    FROM (SELECT ts, value FROM readings_of(r.meter_id, r.slot)
          WHERE ts >= greatest(%(start)s::timestamptz, lower(i.period))
            AND ts < least(%(end)s::timestamptz, upper(i.period))
          ORDER BY ts, version) AS ordered
) AS d
WHERE i.point_id = %(point)s AND i.period && tstzrange(%(start)s, %(end)s)
  AND r.quantity = ANY(%(quantities)s::text[]) AND r.tariff = 0 AND d.times IS NOT NULL
ORDER BY array_position(%(quantities)s::text[], r.quantity), lower(i.period), r.name
"""

Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart: `name`, `unit`, times and values (None where missing)."""

    name: str
    unit: str
    times: list[datetime]
    values: list[float | None]


async def register_series(
    connection: AsyncConnection[Any],
    *,
    point_id: int,
    quantities: Sequence[str],
    start: datetime,
    end: datetime,
    points: int = 2_000,
) -> list[Series]:
    """Readings of the point's meters, one series a register and meter, within their installation periods.

    Parameters
    ----------
    points : about how many samples a series has at most.
    """
    values = {"start": start, "end": end, "point": point_id, "quantities": list(quantities)}
    cursor = await connection.cursor(binary=True).execute(_READINGS, values)
    result = []
    for serial, name, quantity, scale, factor, times, counts in await cursor.fetchall():
        when, what = _newest_versions(_array(times) + POSTGRES_EPOCH_US, _array(counts))
        chosen = thinned(when, what, microseconds(start), microseconds(end), points, counter=quantity in _COUNTERS)
        shown = (what[chosen] * (10.0**scale * factor)).tolist()
        instants = [instant_of(us) for us in when[chosen]]
        result.append(Series(f"{name} ({serial})", _DISPLAY_UNIT.get(quantity, ""), instants, shown))
    return result


def thinned(times: Int64, values: Int64, start: int, end: int, points: int, *, counter: bool) -> Int64:
    """Positions of the samples to draw, in order.

    Parameters
    ----------
    times, values : (n,) int64, epoch microseconds in rising order, and counts.
    start, end : the span that the buckets cut, epoch microseconds.
    points : about how many positions at most; fewer samples are all kept.
    counter : keep the last of each bucket, else its lowest and highest.
    """
    if len(times) <= points:
        return np.arange(len(times))
    buckets = max(1, points if counter else points // 2)
    bucket = (times - start) // max(1, -(-(end - start) // buckets))
    lasts = np.append(np.flatnonzero(np.diff(bucket)), len(times) - 1)
    if counter:
        return lasts
    # Within a bucket by value: the first is its lowest, the last its highest.
    order = np.lexsort((values, bucket))
    firsts = np.append(0, lasts[:-1] + 1)
    return np.unique(np.concatenate((order[firsts], order[lasts])))


def _newest_versions(times: Int64, values: Int64) -> tuple[Int64, Int64]:
    newest = np.append(np.diff(times) > 0, True)
    return times[newest], values[newest]


def _array(data: bytes) -> Int64:
    return np.frombuffer(data, _PAIRS, offset=_ARRAY_HEADER)["value"].astype(np.int64)
