"""A simulated wire takes the time that a real one takes."""

import asyncio
import time
from datetime import UTC, datetime

import pytest

from protocols.mbus.frame import REQ_UD2, SND_NKE, ShortFrame
from protocols.telegram import MeterId
from simulators.counting import CountingMbus
from simulators.line import LineBehaviour
from simulators.mbus_server import MbusServer, MbusSlave
from simulators.proxy import FaultyProxy

METER = CountingMbus(MeterId("10000001", "KAM", 0x34, "heat"))
QUESTION = ShortFrame(REQ_UD2 | 0x20, 1).to_bytes()


async def answer_of(address: str, *requests: bytes) -> tuple[bytes, float]:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    began = time.perf_counter()
    answer = b""
    for request in requests:
        writer.write(request)
        answer = await reader.read(512)
    took = time.perf_counter() - began
    writer.close()
    return answer, took


@pytest.mark.parametrize(("baud_rate", "speed_up"), [(300, 20), (2400, 2), (9600, 1)])
async def test_a_telegram_takes_eleven_bits_a_character(baud_rate, speed_up) -> None:
    async with MbusServer([MbusSlave(METER, 1)], baud_rate=baud_rate, speed_up=speed_up) as server:
        answer, took = await answer_of(server.address, QUESTION)
    wire_s = (len(QUESTION) + len(answer)) * 11 / baud_rate / speed_up
    thinking_s = 60 / baud_rate / speed_up
    assert wire_s <= took + 0.002
    # The upper end is the machine's business, not the wire's; a stalled test machine must not fail it.
    assert took <= wire_s + thinking_s + 2.0


async def test_one_question_at_a_time_is_on_the_wire() -> None:
    slaves = [MbusSlave(METER, 1)]
    async with MbusServer(slaves, baud_rate=2400, connections=4) as server:
        began = time.perf_counter()
        await asyncio.gather(*(answer_of(server.address, QUESTION) for _ in range(3)))
        took = time.perf_counter() - began
    wire_s = (len(QUESTION) + len(METER.telegram_bytes(server.clock.now()))) * 11 / 2400
    assert took >= 3 * wire_s - 0.01


class StoppedClock:
    """One instant for ever: the access number and the index move with time."""

    def now(self) -> datetime:
        return datetime(2026, 1, 15, 12, tzinfo=UTC)


async def test_reset_and_count_bit_decide_what_a_slave_says_next() -> None:
    meter = CountingMbus(MeterId("10000001", "KAM", 0x34, "heat"), telegrams=2)
    async with MbusServer([MbusSlave(meter, 1)], baud_rate=2_400_000, connections=2, clock=StoppedClock()) as server:
        reset, first, second = (ShortFrame(code, 1).to_bytes() for code in (SND_NKE, REQ_UD2 | 0x20, REQ_UD2))
        one, _ = await answer_of(server.address, reset, first)
        again, _ = await answer_of(server.address, first)
        two, _ = await answer_of(server.address, second)
        after_reset, _ = await answer_of(server.address, reset, first)
    assert one == again
    assert two != one
    assert after_reset == one


async def test_a_proxy_cuts_in_the_middle_of_a_frame_and_mends() -> None:
    async with (
        MbusServer([MbusSlave(METER, 1)], baud_rate=2_400_000, connections=4) as server,
        FaultyProxy("127.0.0.1", server.port) as proxy,
    ):
        proxy.cut_after(10)
        cut, _ = await answer_of(proxy.address, QUESTION)
        whole, _ = await answer_of(proxy.address, QUESTION)
        await proxy.refuse()
        host, port = proxy.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            refused = await reader.read(10)
        except ConnectionError:
            refused = b""
        writer.close()
        proxy.mend()
        mended, _ = await answer_of(proxy.address, QUESTION)
    assert len(cut) == 10
    assert len(whole) == len(mended) > 40
    assert refused == b""


async def test_the_same_seed_makes_the_same_trouble() -> None:
    heard = []
    for _ in range(2):
        behaviour = LineBehaviour(corrupt=0.5, noise=0.3)
        slaves = [MbusSlave(CountingMbus(MeterId("10000001", "KAM", 0x34, "heat"), per_hour=0), 1)]
        async with MbusServer(slaves, baud_rate=2_400_000, behaviour=behaviour, seed=5) as server:
            answers, _ = await answer_of(server.address, *[QUESTION] * 3)
        heard.append(len(answers))
    assert heard[0] == heard[1]
