"""One gateway's poller: who is asked when, and what the dead cost the living."""

import asyncio
from datetime import UTC, datetime

import pytest

from ingest.clock import SystemClock
from ingest.model import Delivery, Outcome
from ingest.schedule import Grid
from ingest.sources.asking import Target
from ingest.sources.backoff import Backoff
from ingest.sources.errors import LineClosedError, SilenceError
from ingest.sources.health import Tally
from ingest.sources.polling import GatewayPoller
from simulators.mbus_server import MbusServer, MbusSlave


class Collected:
    """Takes deliveries as a pipeline does, at once."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.arrived = asyncio.Event()

    async def offer(self, delivery: Delivery) -> "asyncio.Future[Outcome]":
        self.deliveries.append(delivery)
        self.arrived.set()
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        future.set_result(Outcome("stored", len(self.deliveries), 4))
        return future


@pytest.fixture
async def running():
    """Starts pollers and stops them after the test."""
    tasks = []

    def start(master, targets, sink, **options) -> GatewayPoller:
        poller = GatewayPoller(1, "GW", master, targets, sink, SystemClock(), Tally(), **options)
        tasks.append(asyncio.create_task(poller.run()))
        return poller

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def target(number: int, fast: int, *, period_s: float = 3600.0, address: str | None = None) -> Target:
    return Target(number, address or str(number), Grid(period_s), baud_rate=fast)


async def test_every_meter_is_read_once_a_round(mbus_master_for, counting, fast, running, eventually) -> None:
    slaves = [MbusSlave(counting(f"1000000{number}"), number) for number in range(1, 6)]
    async with MbusServer(slaves, baud_rate=fast) as gateway:
        sink = Collected()
        running(mbus_master_for(gateway.address), [target(number, fast) for number in range(1, 6)], sink)
        await eventually(lambda: len(sink.deliveries) >= 5)
        done, _ = await asyncio.wait([asyncio.create_task(asyncio.Event().wait())], timeout=0.3)
        assert not done
    assert sorted(delivery.meter_id for delivery in sink.deliveries) == [1, 2, 3, 4, 5]
    assert {delivery.channel for delivery in sink.deliveries} == {f"GW/{number}" for number in range(1, 6)}


async def test_a_dead_slave_costs_its_bus_a_bounded_share(mbus_master_for, counting, fast, running, eventually) -> None:
    slaves = [MbusSlave(counting(f"1000000{number}"), number) for number in range(1, 5)]
    async with MbusServer(slaves, baud_rate=fast) as gateway:
        sink = Collected()
        # Rounds of 10 ms: everybody is always due, so the bus is shared by need.
        meters = [target(number, fast, period_s=0.01) for number in (1, 2, 3, 4, 9)]
        poller = running(mbus_master_for(gateway.address, network_s=0.1), meters, sink, silent_share=0.1)
        await eventually(lambda: len(sink.deliveries) >= 50)
        asked_before = poller.tally.meters[9].attempts
        began = asyncio.get_running_loop().time()
        await eventually(lambda: len(sink.deliveries) >= 400)
        took = asyncio.get_running_loop().time() - began
        # Each question to the dead one costs its first-byte patience.
        spent = (poller.tally.meters[9].attempts - asked_before) * 0.15
    assert spent <= 0.1 * took + 2 * 0.15
    assert poller.tally.meters[9].timeouts >= 1


async def test_an_urgent_read_goes_before_the_schedule(mbus_master_for, counting, fast, running) -> None:
    slaves = [MbusSlave(counting(f"100000{number:02d}"), number) for number in range(1, 31)]
    async with MbusServer(slaves, baud_rate=9600) as gateway:
        sink = Collected()
        meters = [target(number, 9600) for number in range(1, 31)]
        poller = running(mbus_master_for(gateway.address), meters, sink)
        await sink.arrived.wait()
        answer = await poller.read_now(poller.targets[30])
        order = [delivery.meter_id for delivery in sink.deliveries]
    assert answer.meter_id == 30
    assert answer.outcomes[0].state == "stored"
    # Only the question that was in flight came before.
    assert order.index(30) <= 3
    assert sink.deliveries[order.index(30)].details == {"on_demand": True}


async def test_an_urgent_read_of_a_silent_meter_says_so(mbus_master_for, counting, fast, running) -> None:
    async with MbusServer([MbusSlave(counting("10000001"), 1)], baud_rate=fast) as gateway:
        poller = running(mbus_master_for(gateway.address, network_s=0.02), [target(1, fast)], Collected())
        with pytest.raises(SilenceError):
            await poller.read_now(target(9, fast))


async def test_a_gateway_that_comes_back_is_read_again(mbus_master_for, counting, fast, running, eventually) -> None:
    async with MbusServer([MbusSlave(counting("10000001"), 1)], baud_rate=fast) as gateway:
        sink = Collected()
        meters = [target(1, fast, period_s=0.02)]
        poller = running(mbus_master_for(gateway.address), meters, sink, backoff=Backoff(0.02, 0.05))
        await eventually(lambda: len(sink.deliveries) >= 2)
        await gateway.stop_listening()
        await eventually(lambda: poller.tally.gateways[1].refusals >= 2)
        with pytest.raises(LineClosedError):
            await poller.read_now(poller.targets[1])
        before = len(sink.deliveries)
        await gateway.listen_again()
        await eventually(lambda: len(sink.deliveries) >= before + 2)


async def test_a_meter_that_leaves_the_registry_is_asked_no_more(
    mbus_master_for, counting, fast, running, eventually
) -> None:
    slaves = [MbusSlave(counting(f"1000000{number}"), number) for number in (1, 2)]
    async with MbusServer(slaves, baud_rate=fast) as gateway:
        sink = Collected()
        poller = running(
            mbus_master_for(gateway.address), [target(number, fast, period_s=0.01) for number in (1, 2)], sink
        )
        await eventually(lambda: {delivery.meter_id for delivery in sink.deliveries} == {1, 2})
        poller.retarget([target(1, fast, period_s=0.01)])
        mark = len(sink.deliveries)
        await eventually(lambda: len(sink.deliveries) >= mark + 10)
        assert {delivery.meter_id for delivery in sink.deliveries[mark + 1 :]} == {1}


def test_rounds_lie_on_a_grid_and_are_not_made_up() -> None:
    grid = Grid(3600, 120)
    at = datetime(2026, 1, 5, 10, 30, tzinfo=UTC)
    assert grid.round_start(at) == datetime(2026, 1, 5, 10, 2, tzinfo=UTC)
    assert grid.next_round(at) == datetime(2026, 1, 5, 11, 2, tzinfo=UTC)
    assert grid.first_due(at, None) == at
    assert grid.first_due(at, datetime(2026, 1, 5, 9, 50, tzinfo=UTC)) == at
    assert grid.first_due(at, datetime(2026, 1, 5, 10, 3, tzinfo=UTC)) == grid.next_round(at)
