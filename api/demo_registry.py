"""Puts a virtual fleet into the registry as a company would have it: areas, points, meters, gateways, keys, weather."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from psycopg import AsyncConnection

from ingest.sealing import Sealer
from ingest.store.areas import create_area
from ingest.store.gateways import create_bus, create_gateway, gateways, update_gateway
from ingest.store.installations import Indexes, install
from ingest.store.meters import create_meter, create_register, link_meter, set_key
from ingest.store.points import create_point, set_state
from ingest.store.weather import write_weather
from simulators.fleet import Fleet
from simulators.meter import VirtualMeter

SERVICES = {"heat": 1, "cooling": 2, "cold_water": 3, "water": 3, "hot_water": 4, "electricity": 5, "gas": 6}
# The building's own meters are read for the balance; the price is what an alert's stake is reckoned with.
PRICE_PER_KWH = Decimal("0.22")


async def register_fleet(connection: AsyncConnection[Any], fleet: Fleet, sealer: Sealer) -> None:
    """Everything but the gateways' addresses, which change with every start: see `set_addresses`."""
    area_ids = {
        area.code: await create_area(
            connection,
            code=area.code,
            name=area.name,
            team=area.team,
            time_zone=area.time_zone,
            price_per_kwh=PRICE_PER_KWH,
        )
        for area in fleet.areas
    }
    point_ids = await _points(connection, fleet, area_ids)
    bus_ids = await _gateways(connection, fleet, area_ids)
    for meter in fleet.meters:
        if meter.registered:
            await _meter(connection, meter, point_ids, bus_ids, sealer)
    await add_weather(connection, fleet, area_ids)


async def _points(connection: AsyncConnection[Any], fleet: Fleet, area_ids: Mapping[str, int]) -> dict[str, int]:
    ids: dict[str, int] = {}
    # Buildings come before their flats, which name them as parents.
    for point in sorted(fleet.points, key=lambda point: (point.parent != "", point.code)):
        first = point.spells[0]
        ids[point.code] = await create_point(
            connection,
            code=point.code,
            area_id=area_ids[point.area],
            state=first.state,
            since=None,
            kind=point.kind,
            address=point.address,
            building=point.building,
            account=point.account or None,
            parent_id=ids.get(point.parent),
            heated_area_m2=Decimal(str(round(point.heated_area_m2, 2))),
            design_load_kw=Decimal(str(round(point.design_load_kw, 3))),
            latitude=point.latitude,
            longitude=point.longitude,
        )
        for spell in point.spells[1:]:
            await set_state(connection, ids[point.code], spell.state, spell.start)
    return ids


async def _gateways(
    connection: AsyncConnection[Any], fleet: Fleet, area_ids: Mapping[str, int]
) -> dict[tuple[str, str], int]:
    ids: dict[tuple[str, str], int] = {}
    for gateway in fleet.gateways:
        gateway_id = await create_gateway(
            connection,
            code=gateway.code,
            kind=gateway.kind,
            address="",
            area_id=area_ids[gateway.area],
            settings=gateway.settings,
            latitude=gateway.latitude,
            longitude=gateway.longitude,
        )
        for bus in gateway.buses:
            ids[gateway.code, bus.code] = await create_bus(
                connection,
                gateway_id=gateway_id,
                code=bus.code,
                baud_rate=bus.baud_rate,
                schedule_s=bus.schedule_s,
                jitter_s=min(bus.schedule_s // 20, 60),
            )
    return ids


async def _meter(
    connection: AsyncConnection[Any],
    meter: VirtualMeter,
    point_ids: Mapping[str, int],
    bus_ids: Mapping[tuple[str, str], int],
    sealer: Sealer,
) -> None:
    meter_id = await create_meter(
        connection,
        serial=meter.id.serial,
        manufacturer=meter.id.manufacturer,
        medium=meter.id.medium,
        version=meter.id.version,
        model=meter.model.title,
        profile=meter.profile,
        qp_m3h=Decimal(str(meter.qp_m3h)),
        qs_m3h=Decimal(str(meter.qp_m3h * 2)),
        mounting_side=meter.model.mounting_side,
    )
    for register in meter.registers:
        await create_register(connection, meter_id, register)
    await link_meter(
        connection,
        meter_id,
        bus_id=bus_ids.get((meter.link.gateway, meter.link.bus)),
        address=meter.link.address,
        settings=meter.link.settings,
    )
    if meter.key is not None:
        await set_key(connection, meter_id, sealer.seal(meter.key, meter_id))
    await install(
        connection,
        point_id=point_ids[meter.point],
        meter_id=meter_id,
        start=meter.installed_at,
        end=meter.removed_at,
        actor="demo",
        service=SERVICES.get(meter.medium, 0),
        initial=_shown_at(meter, meter.installed_at),
    )


def _shown_at(meter: VirtualMeter, at: datetime) -> Indexes:
    """What the display showed at an instant inside the simulated time; before that nobody looked."""
    if at < meter.fleet.start:
        return Indexes()
    counts = meter.readout(at).counts
    return Indexes(energy=counts.get(meter.index.name), volume=counts.get("volume"))


async def set_addresses(connection: AsyncConnection[Any], addresses: Mapping[str, str]) -> None:
    """Where the gateways of the fleet listen now; `addresses`: "host:port" or a broker's URL by gateway code."""
    for gateway in await gateways(connection):
        address = addresses.get(gateway.code)
        if address is not None:
            await update_gateway(connection, gateway.gateway_id, address=address)


async def add_weather(
    connection: AsyncConnection[Any], fleet: Fleet, area_ids: Mapping[str, int], days: int = 30
) -> None:
    """Outside temperatures from the fleet's first hour to `days` after its origin, as a weather service would give."""
    fleet.reach(fleet.origin + timedelta(days=days))
    for area in fleet.areas:
        weather = fleet.weather[area.code]
        start = fleet.start.astimezone(UTC)
        rows = [
            (start + timedelta(hours=hour), float(value)) for hour, value in enumerate(weather.temperature_c.tolist())
        ]
        await write_weather(connection, area_ids[area.code], rows)
