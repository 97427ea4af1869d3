"""The M-Bus master on lines that behave as lines do."""

import asyncio

import pytest

from ingest.sources.errors import CollisionError, GarbledError, LineClosedError, SilenceError, SourceError
from protocols.mbus import telegram_from_frame
from simulators.line import LineBehaviour
from simulators.mbus_server import MbusServer, MbusSlave


def serial_in(payload: bytes) -> str:
    return telegram_from_frame(payload).meter.serial


async def test_primary_and_secondary_addresses_reach_the_same_meter(mbus_master_for, target_at, counting, fast) -> None:
    slaves = [MbusSlave(counting(f"1000000{number}"), number) for number in (1, 2, 3)]
    async with MbusServer(slaves, baud_rate=fast) as gateway:
        master = mbus_master_for(gateway.address)
        by_primary = await master.read(target_at(2), 1)
        by_secondary = await master.read(target_at("10000002.2C2D.34.04"), 1)
        by_wildcard = await master.read(target_at("1000FFF2"), 1)
    assert [serial_in(reply.payloads[0]) for reply in (by_primary, by_secondary, by_wildcard)] == ["10000002"] * 3


async def test_all_telegrams_of_a_readout_come_in_order_every_time(mbus_master_for, target_at, counting, fast) -> None:
    async with MbusServer([MbusSlave(counting("10000001", telegrams=3), 1)], baud_rate=fast) as gateway:
        master = mbus_master_for(gateway.address)
        for _ in range(3):
            reply = await master.read(target_at(1), 1)
            assert [telegram_from_frame(frame).more_follows for frame in reply.payloads] == [True, True, False]


async def test_a_single_telegram_costs_one_question_after_the_first_reset(
    mbus_master_for, target_at, counting, fast
) -> None:
    async with MbusServer([MbusSlave(counting("10000001"), 1)], baud_rate=fast) as gateway:
        master = mbus_master_for(gateway.address)
        for _ in range(5):
            await master.read(target_at(1), 1)
        assert gateway.counters.requests == 1 + 5


@pytest.mark.parametrize(
    "behaviour",
    [
        LineBehaviour(echo=True),
        LineBehaviour(fragment=3),
        LineBehaviour(noise=1.0),
        LineBehaviour(echo=True, fragment=5),
    ],
    ids=["echo", "fragments", "noise", "echo-and-fragments"],
)
async def test_a_noisy_gateway_is_read_all_the_same(mbus_master_for, target_at, counting, fast, behaviour) -> None:
    slaves = [MbusSlave(counting(f"1000000{number}", telegrams=2), number) for number in (1, 2)]
    async with MbusServer(slaves, baud_rate=fast, behaviour=behaviour) as gateway:
        master = mbus_master_for(gateway.address)
        for number in (1, 2, 1, 2):
            reply = await master.read(target_at(number), 3)
            assert [serial_in(frame) for frame in reply.payloads] == [f"1000000{number}"] * 2


async def test_a_bus_one_answer_behind_never_books_on_another_meter(mbus_master_for, target_at, counting, fast) -> None:
    slaves = [MbusSlave(counting(f"1000000{number}"), number) for number in range(1, 6)]
    async with MbusServer(slaves, baud_rate=fast) as gateway:
        master = mbus_master_for(gateway.address, network_s=0.05)
        await asyncio.gather(*[master.read(target_at(1), 1)])
        gateway.behaviour.one_behind = True
        for number in (2, 3, 4, 5, 1):
            try:
                reply = await master.read(target_at(number), 2)
            except SourceError:
                continue
            assert serial_in(reply.payloads[0]) == f"1000000{number}"


async def test_a_late_answer_is_not_taken_for_that_of_the_next_meter(
    mbus_master_for, target_at, counting, fast
) -> None:
    slaves = [MbusSlave(counting(f"1000000{number}"), number) for number in (1, 2)]
    async with MbusServer(slaves, baud_rate=fast) as gateway:
        master = mbus_master_for(gateway.address, network_s=0.05, gap_s=0.02)
        for number in (1, 2):
            await master.read(target_at(number), 1)
        # Longer than the master waits: every answer comes while the next question is already out.
        gateway.behaviour.delay_s = 0.2
        for number in (1, 2, 1, 2):
            with pytest.raises(SourceError):
                await master.read(target_at(number), 1)
        gateway.behaviour.delay_s = 0.0
        read = set()
        for _ in range(4):
            for number in (1, 2):
                try:
                    reply = await master.read(target_at(number), 3)
                except SourceError:
                    continue
                assert serial_in(reply.payloads[0]) == f"1000000{number}"
                read.add(number)
        assert read == {1, 2}


async def test_two_meters_at_one_address_are_a_collision_not_a_reading(
    mbus_master_for, target_at, counting, fast
) -> None:
    slaves = [MbusSlave(counting("10000001"), 1), MbusSlave(counting("20000002"), 1)]
    async with MbusServer(slaves, baud_rate=fast) as gateway:
        with pytest.raises((CollisionError, GarbledError)):
            await mbus_master_for(gateway.address).read(target_at(1), 3)


async def test_garbled_answers_are_asked_for_again(mbus_master_for, target_at, counting, fast) -> None:
    behaviour = LineBehaviour(corrupt=0.4)
    async with MbusServer([MbusSlave(counting("10000001"), 1)], baud_rate=fast, behaviour=behaviour, seed=3) as gateway:
        master = mbus_master_for(gateway.address, network_s=0.05, gap_s=0.02)
        read = 0
        for _ in range(10):
            try:
                read += serial_in((await master.read(target_at(1), 3)).payloads[0]) == "10000001"
            except SourceError:
                continue
        assert read >= 5


async def test_silence_and_a_closed_line_are_told_apart(mbus_master_for, target_at, counting, fast) -> None:
    async with MbusServer([MbusSlave(counting("10000001"), 1)], baud_rate=fast) as gateway:
        master = mbus_master_for(gateway.address, network_s=0.05)
        with pytest.raises(SilenceError):
            await master.read(target_at(9), 2)
        await master.read(target_at(1), 1)
        await gateway.stop_listening()
        with pytest.raises(LineClosedError):
            await master.read(target_at(1), 2)
        await gateway.listen_again()
        assert serial_in((await master.read(target_at(1), 1)).payloads[0]) == "10000001"


async def test_a_line_cut_in_the_middle_of_a_frame_gives_no_reading(mbus_master_for, target_at, counting, fast) -> None:
    async with MbusServer([MbusSlave(counting("10000001"), 1)], baud_rate=fast) as gateway:
        master = mbus_master_for(gateway.address)
        await master.read(target_at(1), 1)
        gateway.behaviour.cut = 1
        with pytest.raises(LineClosedError):
            await master.read(target_at(1), 1)
        assert serial_in((await master.read(target_at(1), 1)).payloads[0]) == "10000001"


async def test_a_second_master_is_refused(mbus_master_for, target_at, counting, fast) -> None:
    async with MbusServer([MbusSlave(counting("10000001"), 1)], baud_rate=fast) as gateway:
        await mbus_master_for(gateway.address).read(target_at(1), 1)
        with pytest.raises(LineClosedError):
            await mbus_master_for(gateway.address).read(target_at(1), 1)
        assert gateway.counters.refused == 1


def test_patience_follows_the_speed_of_the_bus() -> None:
    from ingest.sources.mbus import MbusTiming

    timing = MbusTiming(network_s=0.0, gap_s=0.0)
    slow, usual = timing.patience(5, 300), timing.patience(5, 2400)
    # EN 13757-2: 1.15 s and 188 ms after the question; the longest frame takes 9.6 s and 1.2 s.
    assert slow.first_s == pytest.approx(1.15 + 5 * 11 / 300, abs=0.01)
    assert usual.first_s == pytest.approx(0.188 + 5 * 11 / 2400, abs=0.01)
    assert slow.total_s - slow.first_s == pytest.approx(9.6 + 2 * 33 / 300, abs=0.1)
    assert usual.total_s - usual.first_s == pytest.approx(1.2 + 2 * 33 / 2400, abs=0.05)


async def test_a_gateway_that_hands_on_whole_frames_only_is_given_their_time(
    mbus_master_for, target_at, counting
) -> None:
    # The telegram lasts half a second, the first byte is waited for half as long.
    async with MbusServer([MbusSlave(counting("10000001", tail=60), 1)], baud_rate=2400) as gateway:
        master = mbus_master_for(gateway.address, network_s=0.05)
        target = target_at(1, baud_rate=2400)
        with pytest.raises(SourceError):
            await master.read(target, 1)
        await master.read(target, 3)
        before = gateway.counters.requests
        await master.read(target, 1)
    assert gateway.counters.requests == before + 1
