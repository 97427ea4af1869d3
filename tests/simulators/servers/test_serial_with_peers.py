"""Serial servers as peers see them: the PyPI package `dlt645` decodes, a bare socket asks CJ/T 188."""

import asyncio

import pytest
from dlt645 import DLT645Protocol

from protocols import cjt188, dlt645
from protocols.serial_frame import frame_in
from protocols.telegram import MeterId
from simulators.counting import CountingCjt188, CountingDlt645
from simulators.line import LineBehaviour
from simulators.serial_server import SerialServer


async def asked(address: str, *requests: bytes, wait_s: float = 2.0) -> list[bytes]:
    """Answers to requests on one connection; empty for silence."""
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    answers = []
    for request in requests:
        writer.write(request)
        try:
            async with asyncio.timeout(wait_s):
                answers.append(await reader.read(512))
        except TimeoutError:
            answers.append(b"")
    writer.close()
    await writer.wait_closed()
    return answers


async def test_the_peer_decodes_our_electricity_meter() -> None:
    meter = CountingDlt645(MeterId("123456789012", "", None, "electricity"), per_hour=0, start=4_242)
    async with SerialServer("dlt645", {"123456789012": meter}, speed_up=50) as server:
        (answer,) = await asked(server.address, dlt645.read_request("123456789012", fill=4))
    frame = DLT645Protocol.deserialize(answer)
    assert bytes(frame.addr) == bytes.fromhex("123456789012")[::-1]
    # The peer removes the 33h shift; what follows the identifier are the digits, low byte first.
    assert bytes(frame.data)[-4:] == bytes.fromhex("00004242")[::-1]


@pytest.mark.parametrize("dialect", ["standard", "tiangang", "huizhong", "lichuang", "wanhua"])
async def test_a_heat_meter_answers_in_its_dialect(dialect) -> None:
    meter = CountingCjt188(MeterId("11110000000001", "1111", None, "heat"), dialect=dialect)
    async with SerialServer("cjt188", {"11110000000001": meter}, speed_up=50) as server:
        request = cjt188.read_request("11110000000001", ser=9, dialect=dialect, fill=3)
        (answer,) = await asked(server.address, request)
    telegram = cjt188.telegram_from_frame(answer, dialect)
    energy = next(record.value for record in telegram.records if record.quantity == "energy" and record.storage == 0)
    assert telegram.meter.serial == "11110000000001"
    assert abs(energy * 100 - meter.index_at(server.clock.now())) <= 1


async def test_others_addresses_bad_sums_and_unknown_identifiers() -> None:
    meter = CountingCjt188(MeterId("11110000000001", "1111", None, "heat"))
    async with SerialServer("cjt188", {"11110000000001": meter}, speed_up=50) as server:
        good = cjt188.read_request("11110000000001", ser=5)
        spoiled = good[:-2] + bytes(((good[-2] + 1) & 0xFF, good[-1]))
        stranger = cjt188.read_request("99990000000009")
        unknown = cjt188.read_request("11110000000001", 0xD120, ser=7)
        silent = await asked(server.address, stranger, spoiled, wait_s=0.2)
        answered = await asked(server.address, good, unknown)
    assert silent == [b"", b""]
    assert cjt188.is_reply_to(frame_in(good, "cjt188"), frame_in(answered[0], "cjt188"))
    refusal = frame_in(answered[1], "cjt188")
    assert (refusal.control, refusal.data[0], len(refusal.data)) == (0xC1, 7, 3)


async def test_fragments_and_echo_are_as_on_a_cheap_converter() -> None:
    meter = CountingCjt188(MeterId("11110000000001", "1111", None, "heat"))
    behaviour = LineBehaviour(echo=True, fragment=5)
    async with SerialServer("cjt188", {"11110000000001": meter}, speed_up=50, behaviour=behaviour) as server:
        request = cjt188.read_request("11110000000001", ser=5)
        (first,) = await asked(server.address, request)
    assert first.startswith(request[:5])
