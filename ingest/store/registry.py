"""The registry's door: areas, points, meters, installations and gateways under one name.

Each kind of thing has its own file beside this one; callers outside the store import from here.
"""

from ingest.store.areas import Area, Route, areas, create_area, create_route, routes, update_area
from ingest.store.gateways import Bus, Gateway, buses, create_bus, create_gateway, gateways, update_gateway
from ingest.store.installations import (
    Indexes,
    Installation,
    add_photos,
    correct_factor,
    exchange,
    install,
    installations,
    remove,
)
from ingest.store.meters import (
    Meter,
    StoredRegister,
    create_meter,
    create_register,
    get_meter,
    link_meter,
    meters,
    registers,
    set_key,
    update_meter,
)
from ingest.store.points import (
    Point,
    PointState,
    create_point,
    get_point,
    points,
    set_state,
    states,
    update_point,
)

__all__ = [
    "Area",
    "Bus",
    "Gateway",
    "Indexes",
    "Installation",
    "Meter",
    "Point",
    "PointState",
    "Route",
    "StoredRegister",
    "add_photos",
    "areas",
    "buses",
    "correct_factor",
    "create_area",
    "create_bus",
    "create_gateway",
    "create_meter",
    "create_point",
    "create_register",
    "create_route",
    "exchange",
    "gateways",
    "get_meter",
    "get_point",
    "install",
    "installations",
    "link_meter",
    "meters",
    "points",
    "registers",
    "remove",
    "routes",
    "set_key",
    "set_state",
    "states",
    "update_area",
    "update_gateway",
    "update_meter",
    "update_point",
]
