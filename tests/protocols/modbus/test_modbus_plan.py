"""The read plan asks for every point in the fewest requests and never for an address nobody mapped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.catalogue import catalogue
from protocols.errors import ProfileError
from protocols.modbus import ModbusMap, Point, ReadRequest, read_plan
from protocols.modbus.plan import plan_of_map


def point(name: str, address: int, length: int = 1, function: int = 3) -> Point:
    return Point(name, address, {1: "u16", 2: "u32", 4: "u64"}[length], function, length=length)


def test_neighbours_share_a_request_and_gaps_are_not_crossed() -> None:
    map_ = ModbusMap((point("a", 0, 2), point("b", 2, 2), point("c", 5)))
    assert plan_of_map(map_) == (ReadRequest(3, 0, 4), ReadRequest(3, 5, 1))


def test_a_gap_that_the_maker_declares_readable_is_crossed() -> None:
    map_ = ModbusMap((point("a", 0, 2), point("c", 5)), readable=((2, 4),))
    assert plan_of_map(map_) == (ReadRequest(3, 0, 6),)


def test_a_value_is_never_split_over_two_requests() -> None:
    map_ = ModbusMap(tuple(point(f"p{n}", 2 * n, 2) for n in range(12)), max_registers=5)
    plan = plan_of_map(map_)
    assert [(request.address, request.count) for request in plan] == [(n * 4, 4) for n in range(6)]


def test_function_codes_are_asked_apart() -> None:
    map_ = ModbusMap((point("a", 0), point("b", 1, function=4)))
    assert plan_of_map(map_) == (ReadRequest(3, 0, 1), ReadRequest(4, 1, 1))


def test_a_profile_without_map_has_no_plan() -> None:
    with pytest.raises(ProfileError, match="no register map"):
        read_plan(catalogue().get("standard"))


@st.composite
def maps(draw: st.DrawFn) -> ModbusMap:
    points, at = [], draw(st.integers(0, 5))
    for number in range(draw(st.integers(1, 8))):
        length = draw(st.sampled_from([1, 2, 4]))
        points.append(point(f"p{number}", at, length))
        at += length + draw(st.integers(0, 2))
    return ModbusMap(tuple(points), max_registers=draw(st.integers(4, 10)))


def fewest(map_: ModbusMap) -> int:
    """Fewest requests by trying every way to group the points in order."""
    points = sorted(map_.points, key=lambda item: item.address)
    covered = {address for item in points for address in range(item.address, item.last + 1)}
    best = [0] + [99] * len(points)
    for end in range(1, len(points) + 1):
        for start in range(end):
            span = range(points[start].address, points[end - 1].last + 1)
            if len(span) <= map_.max_registers and covered.issuperset(span):
                best[end] = min(best[end], best[start] + 1)
    return best[-1]


@given(maps())
def test_the_plan_is_complete_lawful_and_minimal(map_: ModbusMap) -> None:
    plan = plan_of_map(map_)
    mapped = {address for item in map_.points for address in range(item.address, item.last + 1)}
    asked = [range(request.address, request.address + request.count) for request in plan]
    assert all(len(span) <= map_.max_registers for span in asked)
    assert set().union(*asked) == mapped
    for item in map_.points:
        assert any(item.address in span and item.last in span for span in asked)
    assert len(plan) == fewest(map_)
