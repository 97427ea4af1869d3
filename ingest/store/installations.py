"""Which meter was at which point when, with the indexes it came and went with.

Rules: the database forbids overlaps; an exchange is one transaction, old meter out and new meter in at the same
instant; every change marks the meters for assessment from that instant on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row, dict_row

from ingest.errors import ConflictError, InvalidInputError, NotFoundError
from ingest.store.packing import microseconds
from ingest.store.refusals import in_domain_words
from ingest.store.touched import touch

_COLUMNS = (
    "i.installation_id, i.point_id, p.code AS point, i.meter_id, m.serial, m.manufacturer, m.medium, i.service,"
    " lower(i.period) AS start, upper(i.period) AS end, i.factor, i.initial_index, i.final_index, i.initial_volume,"
    " i.final_volume, i.reason, i.created_by,"
    " (SELECT coalesce(jsonb_agg(jsonb_build_object('shows', f.shows, 'reference', f.reference) ORDER BY f.place),"
    "   '[]') FROM installation_photo f WHERE f.installation_id = i.installation_id) AS photos"
)


@dataclass(frozen=True, slots=True)
class Installation:
    """A meter at a point during [start, end); indexes are counts of its energy and volume registers."""

    installation_id: int
    point_id: int
    point: str
    meter_id: int
    serial: str
    manufacturer: str
    medium: str
    service: int
    start: datetime
    end: datetime | None
    factor: Decimal
    initial_index: int | None
    final_index: int | None
    initial_volume: int | None
    final_volume: int | None
    reason: str
    created_by: str
    photos: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Indexes:
    """What the display showed at an instant: counts of the energy and the volume register."""

    energy: int | None = None
    volume: int | None = None


async def install(
    connection: AsyncConnection[Any],
    *,
    point_id: int,
    meter_id: int,
    start: datetime,
    actor: str,
    end: datetime | None = None,
    service: int = 1,
    factor: Decimal = Decimal(1),
    initial: Indexes | None = None,
    reason: str = "new",
) -> int:
    """Put a meter at a point from `start` on; the installation's id.

    Raises
    ------
    ConflictError
        The meter is elsewhere, or the point has a meter of that service, during that time.
    NotFoundError
        No such point or meter.
    """
    shown = initial or Indexes()
    async with in_domain_words(connection):
        cursor = await connection.execute(
            "INSERT INTO installation (point_id, meter_id, service, period, factor, initial_index,"
            " initial_volume, reason,"
            " created_by) VALUES (%s, %s, %s, tstzrange(%s, %s), %s, %s, %s, %s, %s)"
            " RETURNING installation_id",
            (
                point_id,
                meter_id,
                service,
                start,
                end,
                factor,
                shown.energy,
                shown.volume,
                reason,
                actor,
            ),
        )
        number = int((await cursor.fetchone() or (0,))[0])
        await touch(connection, {meter_id: microseconds(start)})
    return number


async def remove(
    connection: AsyncConnection[Any], installation_id: int, *, end: datetime, final: Indexes | None = None
) -> Installation:
    """Take a meter out at `end`; the installation as it was.

    Raises
    ------
    NotFoundError
        No such installation.
    ConflictError
        It has ended already.
    InvalidInputError
        `end` is not after its start.
    """
    shown = final or Indexes()
    found = await _locked(connection, installation_id)
    if found.end is not None:
        raise ConflictError(f"meter {found.serial} was taken out on {found.end:%Y-%m-%d}", code="installation.ended")
    if end <= found.start:
        raise InvalidInputError(f"the meter came on {found.start.isoformat()}, it can't go before", field="end")
    await connection.execute(
        "UPDATE installation SET period = tstzrange(lower(period), %s), final_index = %s, final_volume = %s"
        " WHERE installation_id = %s",
        (end, shown.energy, shown.volume, installation_id),
    )
    await touch(connection, {found.meter_id: microseconds(end)})
    return found


async def add_photos(connection: AsyncConnection[Any], installation_id: int, photos: Sequence[tuple[str, str]]) -> None:
    """Keep the photos of an exchange with the installation that it began: (what it shows, reference) each."""
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO installation_photo (installation_id, place, shows, reference) VALUES (%s, %s, %s, %s)",
            [(installation_id, place, *photo) for place, photo in enumerate(photos)],
        )


async def photos_of_point(
    connection: AsyncConnection[Any], point_id: int, start: datetime, end: datetime
) -> list[dict[str, Any]]:
    """Photos of exchanges in [start, end]: serial of the new meter, its start, what each shows, reference."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            "SELECT m.serial, lower(i.period) AS start, f.shows, f.reference FROM installation_photo f"
            " JOIN installation i USING (installation_id) JOIN meter m USING (meter_id)"
            " WHERE i.point_id = %s AND lower(i.period) BETWEEN %s AND %s ORDER BY 2, f.place",
            (point_id, start, end),
        )
        return await cursor.fetchall()


async def correct_factor(connection: AsyncConnection[Any], installation_id: int, factor: Decimal) -> Installation:
    """Give an installation another factor for all of its time; the installation as it was.

    Raises NotFoundError where there is no such installation.
    """
    found = await _locked(connection, installation_id)
    await connection.execute(
        "UPDATE installation SET factor = %s WHERE installation_id = %s", (factor, installation_id)
    )
    await touch(connection, {found.meter_id: microseconds(found.start)})
    return found


async def exchange(
    connection: AsyncConnection[Any],
    *,
    installation_id: int,
    new_meter_id: int,
    at: datetime,
    final: Indexes,
    initial: Indexes,
    actor: str,
    reason: str = "exchange",
    factor: Decimal | None = None,
) -> int:
    """Old meter out and new meter in at one instant, at the same point and for the same service; the new
    installation's id.

    Raises as `remove` and `install`; then neither has happened.
    """
    async with connection.transaction():
        old = await remove(connection, installation_id, end=at, final=final)
        return await install(
            connection, point_id=old.point_id, meter_id=new_meter_id, start=at, actor=actor, service=old.service,
            factor=old.factor if factor is None else factor, initial=initial, reason=reason,
        )  # fmt: skip


async def _locked(connection: AsyncConnection[Any], installation_id: int) -> Installation:
    async with connection.cursor(row_factory=class_row(Installation)) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} FROM installation i JOIN metering_point p USING (point_id) JOIN meter m USING"
            " (meter_id)"
            " WHERE i.installation_id = %s FOR UPDATE OF i",
            (installation_id,),
        )
        found = await cursor.fetchone()
    if found is None:
        raise NotFoundError(f"installation {installation_id} does not exist")
    return found


async def installations(
    connection: AsyncConnection[Any],
    *,
    point_id: int | None = None,
    meter_id: int | None = None,
    at: datetime | None = None,
) -> list[Installation]:
    """History of a point or of a meter in the order of time; with `at` only what was there at that instant."""
    async with connection.cursor(row_factory=class_row(Installation)) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} FROM installation i JOIN metering_point p USING (point_id) JOIN meter m USING"
            " (meter_id)"
            " WHERE (%(point)s::int IS NULL OR i.point_id = %(point)s) AND (%(meter)s::int IS NULL OR"
            " i.meter_id = %(meter)s)"
            " AND (%(at)s::timestamptz IS NULL OR i.period @> %(at)s::timestamptz) ORDER BY i.service, lower(i.period)",
            {"point": point_id, "meter": meter_id, "at": at},
        )
        return await cursor.fetchall()
