"""The registry: one meter at one point at one time, exchanges whole, refusals in the words of the domain."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ingest.errors import ConflictError, InvalidInputError, NotFoundError
from ingest.model import Delivery, Rejected
from ingest.store import discovered, registry
from ingest.store.writes import write_batch
from protocols.telegram import MeterId

T0 = datetime(2026, 1, 5, tzinfo=UTC)
DAY = timedelta(days=1)


async def test_a_second_meter_of_the_same_service_is_refused(store: Any, place: Any) -> None:
    other = await registry.create_meter(store.connection, serial="777")
    with pytest.raises(ConflictError) as refused:
        await registry.install(store.connection, point_id=place.point_id, meter_id=other, start=T0, actor="ann")
    assert refused.value.code == "installation.point_overlap"
    await registry.install(store.connection, point_id=place.point_id, meter_id=other, start=T0, actor="ann", service=3)


async def test_a_meter_cannot_be_at_two_points(store: Any, place: Any) -> None:
    point = await registry.create_point(store.connection, code="P2", area_id=place.area_id)
    with pytest.raises(ConflictError) as refused:
        await registry.install(store.connection, point_id=point, meter_id=place.meter_id, start=T0, actor="ann")
    assert refused.value.code == "installation.meter_overlap"


async def test_an_exchange_leaves_no_gap_and_keeps_both_indexes(store: Any, place: Any) -> None:
    new = await registry.create_meter(store.connection, serial="777", manufacturer="KAM")
    await registry.exchange(
        store.connection,
        installation_id=place.installation_id,
        new_meter_id=new,
        at=T0,
        final=registry.Indexes(900, 12),
        initial=registry.Indexes(3, 0),
        actor="ann",
    )
    old, fresh = await registry.installations(store.connection, point_id=place.point_id)
    assert (old.end, old.final_index, old.final_volume) == (T0, 900, 12)
    assert (fresh.start, fresh.initial_index, fresh.meter_id, fresh.reason) == (T0, 3, new, "exchange")
    assert [
        item.meter_id for item in await registry.installations(store.connection, point_id=place.point_id, at=T0)
    ] == [new]


async def test_an_exchange_that_is_refused_leaves_the_old_meter_in(store: Any, place: Any) -> None:
    with pytest.raises(NotFoundError):
        await registry.exchange(
            store.connection,
            installation_id=place.installation_id,
            new_meter_id=99_999,
            at=T0,
            final=registry.Indexes(1),
            initial=registry.Indexes(0),
            actor="ann",
        )
    assert (await registry.installations(store.connection, point_id=place.point_id))[0].end is None


async def test_a_meter_cannot_go_before_it_came_nor_twice(store: Any, place: Any) -> None:
    with pytest.raises(InvalidInputError):
        await registry.remove(store.connection, place.installation_id, end=T0 - 400 * DAY)
    await registry.remove(store.connection, place.installation_id, end=T0)
    with pytest.raises(ConflictError):
        await registry.remove(store.connection, place.installation_id, end=T0 + DAY)


async def test_states_follow_each_other_without_overlap(store: Any, place: Any) -> None:
    await registry.set_state(store.connection, place.point_id, "suspended", T0)
    await registry.set_state(store.connection, place.point_id, "vacant", T0 + 9 * DAY)
    await registry.set_state(store.connection, place.point_id, "active", T0 + 5 * DAY)
    found = await registry.states(store.connection, place.point_id)
    assert [(item.state, item.start, item.end) for item in found] == [
        ("active", None, T0),
        ("suspended", T0, T0 + 5 * DAY),
        ("active", T0 + 5 * DAY, None),
    ]


async def test_refusals_leave_the_transaction_usable(store: Any, place: Any) -> None:
    async with store.connection.transaction():
        with pytest.raises(ConflictError) as refused:
            await registry.create_point(store.connection, code="P1", area_id=place.area_id)
        with pytest.raises(InvalidInputError):
            await registry.create_point(store.connection, code="P9", area_id=place.area_id, kind="castle")
        with pytest.raises(NotFoundError):
            await registry.create_point(store.connection, code="P9", area_id=12_345)
        await registry.create_point(store.connection, code="P9", area_id=place.area_id, heated_area_m2=Decimal("80.5"))
    assert refused.value.code == "point.exists"
    assert (await registry.get_point(store.connection, code="P9")).heated_area_m2 == Decimal("80.50")


async def test_lists_page_by_key_and_search_takes_text_as_it_is(store: Any, place: Any) -> None:
    for number in range(5):
        await registry.create_point(
            store.connection, code=f"Q{number}", area_id=place.area_id, address="100%_'\"; DROP"
        )
    first = await registry.points(store.connection, limit=3)
    second = await registry.points(store.connection, after=first[-1].code, limit=3)
    assert [item.code for item in first + second] == ["P1", "Q0", "Q1", "Q2", "Q3", "Q4"]
    assert len(await registry.points(store.connection, search="%_'\"; drop")) == 5
    assert await registry.points(store.connection, area_ids=[]) == []


async def test_adopting_a_heard_meter_registers_links_and_installs_it(store: Any, place: Any) -> None:
    delivery = Delivery("wmbus", b"x", T0, T0, "air")
    unknown = Rejected("meter.unknown", "?", meter=MeterId("555", "LUG", 7, "heat"), profile="lug-t550")
    async with store.connection.transaction():
        await write_batch(store.connection, [(delivery, unknown)], copy=store.copy)
    heard = (await discovered.discovered(store.connection))[0]
    point = await registry.create_point(store.connection, code="P5", area_id=place.area_id)
    meter_id = await discovered.adopt(store.connection, heard.discovered_id, actor="ann", point_id=point)
    meter = await registry.get_meter(store.connection, serial="555")
    assert (meter.meter_id, meter.point, meter.profile, meter.version) == (meter_id, "P5", "lug-t550", 7)
    with pytest.raises(ConflictError):
        await discovered.dismiss(store.connection, heard.discovered_id)
