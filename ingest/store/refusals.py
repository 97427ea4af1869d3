"""What the database refuses, said in the words of the domain.

Rules: one table from constraint to error; the refused statement alone is undone, the caller's transaction stays usable.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection

from ingest.errors import ConflictError, IngestError, InvalidInputError, NotFoundError

# constraint -> (code, message); the numbered ones are the exclusion constraints of `installation`.
_CONSTRAINTS: dict[str, tuple[str, str]] = {
    "installation_int4range_period_excl": (
        "installation.meter_overlap",
        "the meter is installed elsewhere during that time",
    ),
    "installation_int4range_period_excl1": (
        "installation.point_overlap",
        "the point has another meter of that service during that time",
    ),
    "point_state_int4range_period_excl": ("point_state.overlap", "the point has a state during that time already"),
    "meter_manufacturer_serial_medium_key": ("meter.exists", "a meter of that manufacturer, serial and medium exists"),
    "metering_point_code_key": ("point.exists", "a point of that code exists"),
    "metering_point_account_key": ("account.exists", "the account belongs to another point"),
    "area_code_key": ("area.exists", "an area of that code exists"),
    "route_area_id_code_key": ("route.exists", "the area has a route of that code"),
    "gateway_code_key": ("gateway.exists", "a gateway of that code exists"),
    "bus_gateway_id_code_key": ("bus.exists", "the gateway has a bus of that code"),
    "register_meter_id_name_key": ("register.exists", "the meter has a register of that name"),
}


def refusal_of(error: psycopg.Error) -> IngestError | None:
    """The domain error that a database error means, None where it means none."""
    name = error.diag.constraint_name or ""
    if isinstance(error, psycopg.errors.ExclusionViolation | psycopg.errors.UniqueViolation):
        code, message = _CONSTRAINTS.get(name, ("conflict", f"that is there already ({name})"))
        return ConflictError(message, code=code)
    if isinstance(error, psycopg.errors.ForeignKeyViolation):
        return NotFoundError(f"what is referred to does not exist ({name})")
    if isinstance(error, psycopg.errors.CheckViolation):
        return InvalidInputError(f"a value outside what is allowed ({name})", field=error.diag.column_name)
    if isinstance(error, psycopg.errors.DataError):
        return InvalidInputError(error.diag.message_primary or "a value that cannot be stored")
    return None


@asynccontextmanager
async def in_domain_words(connection: AsyncConnection[Any]) -> AsyncIterator[None]:
    """Around one or a few statements: what the database refuses is raised as a domain error, and undone."""
    try:
        async with connection.transaction():
            yield
    except psycopg.Error as error:
        refusal = refusal_of(error)
        if refusal is None:
            raise
        raise refusal from error
