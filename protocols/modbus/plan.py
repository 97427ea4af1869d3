"""The fewest read requests that fetch every point of a map.

Rules: a request never reads an address that no point covers and nobody declared readable (devices answer exception 2);
a value is never split over two requests; no request is longer than the device allows. Within a run of readable
addresses filling each request as far as whole points allow is optimal, because a request that ends earlier never lets a
later one start later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from protocols.errors import ProfileError
from protocols.modbus.map import ModbusMap, Point

if TYPE_CHECKING:
    from protocols.profile import MeterProfile


@dataclass(frozen=True, slots=True, order=True)
class ReadRequest:
    """One Modbus read: function 3 or 4, wire address, number of registers."""

    function: int
    address: int
    count: int


def read_plan(profile: "MeterProfile") -> tuple[ReadRequest, ...]:
    """Requests that fetch every point of the profile's map, in order of function and address.

    Raises
    ------
    ProfileError
        The profile has no register map.
    """
    if profile.modbus is None:
        raise ProfileError("profile.modbus", f"profile {profile.name} has no register map")
    return plan_of_map(profile.modbus)


def plan_of_map(map_: ModbusMap, points: Sequence[Point] | None = None) -> tuple[ReadRequest, ...]:
    """As `read_plan`, for some points of a map."""
    wanted = sorted(points or map_.points, key=lambda point: (point.function, point.address, -point.length))
    requests: list[ReadRequest] = []
    for function in sorted({point.function for point in wanted}):
        run: list[Point] = []
        for point in wanted:
            if point.function != function:
                continue
            if run and not _reachable(max(item.last for item in run) + 1, point.address, map_):
                requests += _cut(run, map_.max_registers)
                run = []
            run.append(point)
        requests += _cut(run, map_.max_registers)
    return tuple(requests)


def _reachable(free: int, address: int, map_: ModbusMap) -> bool:
    """Whether every address from `free` up to `address` may be read."""
    while free < address:
        ends = [last for first, last in map_.readable if first <= free <= last]
        if not ends:
            return False
        free = max(ends) + 1
    return True


def _cut(run: list[Point], largest: int) -> list[ReadRequest]:
    """Greedy cover of a run: each request starts at a point and takes all that fit whole."""
    requests: list[ReadRequest] = []
    rest = run
    while rest:
        first = rest[0].address
        taken = [point for point in rest if point.last - first < largest]
        count = max(point.last for point in taken) - first + 1
        requests.append(ReadRequest(rest[0].function, first, count))
        rest = [point for point in rest if point.last - first >= largest]
    return requests
