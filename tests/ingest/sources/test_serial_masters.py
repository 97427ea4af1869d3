"""CJ/T 188 and DL/T 645 masters: the right answer out of everything that a shared line delivers."""

from decimal import Decimal
from types import SimpleNamespace

import pytest

from ingest.sources.errors import GarbledError, RefusedError, SilenceError, SourceError
from ingest.sources.serial_masters import QUESTIONS, SerialMaster
from protocols.cjt188 import telegram_from_frame
from protocols.dlt645 import frame_from_telegram
from protocols.dlt645 import telegram_from_frame as electricity_from_frame
from protocols.telegram import DataRecord, MeterId, Telegram
from simulators.counting import CountingCjt188, CountingDlt645
from simulators.line import LineBehaviour
from simulators.serial_server import SerialServer

ADDRESSES = ("11110000000001", "30020000000002", "42590000000003")
DIALECTS = ("tiangang", "huizhong", "lichuang")


@pytest.fixture
def meters():
    return {
        address: CountingCjt188(MeterId(address, address[:4], None, "heat"), dialect=dialect)
        for address, dialect in zip(ADDRESSES, DIALECTS, strict=True)
    }


@pytest.fixture
async def master_for(open_line_to):
    masters = []

    def make(protocol: str, address: str, network_s: float = 0.1) -> SerialMaster:
        masters.append(SerialMaster(protocol, open_line_to(address), QUESTIONS[protocol], network_s=network_s))
        return masters[-1]

    yield make
    for master in masters:
        await master.close()


@pytest.mark.parametrize(
    "behaviour",
    [LineBehaviour(), LineBehaviour(echo=True), LineBehaviour(fragment=4), LineBehaviour(noise=1.0)],
    ids=["clean", "echo", "fragments", "noise"],
)
async def test_dialects_on_one_line_are_each_read_in_their_own_way(
    master_for, target_at, meters, fast, behaviour
) -> None:
    async with SerialServer("cjt188", meters, baud_rate=fast, speed_up=10, behaviour=behaviour) as dtu:
        master = master_for("cjt188", dtu.address)
        for address, dialect in zip(ADDRESSES, DIALECTS, strict=True):
            reply = await master.read(target_at(address, settings={"dialect": dialect}), 2)
            assert telegram_from_frame(reply.payloads[0], dialect).meter.serial == address


async def test_a_late_answer_of_another_meter_is_passed_over(master_for, target_at, meters, fast) -> None:
    async with SerialServer("cjt188", meters, baud_rate=fast, speed_up=10) as dtu:
        master = master_for("cjt188", dtu.address, 0.0)
        targets = [
            target_at(address, settings={"dialect": dialect})
            for address, dialect in zip(ADDRESSES, DIALECTS, strict=True)
        ]
        dtu.behaviour.one_behind = True
        for target in targets * 2:
            with pytest.raises(SourceError):
                await master.read(target, 1)
        dtu.behaviour.one_behind = False
        for target in targets:
            reply = await master.read(target, 2)
            assert telegram_from_frame(reply.payloads[0], target.settings["dialect"]).meter.serial == target.address


async def test_an_identifier_that_the_meter_does_not_know_is_its_refusal(master_for, target_at, meters, fast) -> None:
    async with SerialServer("cjt188", meters, baud_rate=fast, speed_up=10) as dtu:
        target = target_at(ADDRESSES[0], settings={"dialect": "tiangang", "identifiers": ["D120"]})
        with pytest.raises(RefusedError, match="C1"):
            await master_for("cjt188", dtu.address).read(target, 3)
        assert dtu.counters.requests == 1


async def test_silence_garbage_and_bad_addresses_have_their_own_names(master_for, target_at, meters, fast) -> None:
    async with SerialServer("cjt188", meters, baud_rate=fast, speed_up=10) as dtu:
        master = master_for("cjt188", dtu.address, 0.0)
        with pytest.raises(SilenceError):
            await master.read(target_at("99990000000009"), 1)
        with pytest.raises(RefusedError, match="14 digits"):
            await master.read(target_at("12"), 1)
        dtu.behaviour.corrupt = 1.0
        with pytest.raises((GarbledError, SilenceError)):
            await master.read(target_at(ADDRESSES[0], settings={"dialect": "tiangang"}), 1)


async def test_electricity_meters_are_read_by_identifier(master_for, target_at, fast) -> None:
    meter = CountingDlt645(MeterId("000000000001", "", None, "electricity"))
    async with SerialServer("dlt645", {"000000000001": meter}, baud_rate=fast, speed_up=10) as dtu:
        master = master_for("dlt645", dtu.address)
        assert (await master.read(target_at("000000000001"), 1)).payloads == (meter.telegram_bytes(dtu.clock.now()),)
        with pytest.raises(RefusedError):
            await master.read(target_at("000000000001", settings={"identifiers": ["02010100"]}), 1)


@pytest.mark.parametrize(("edition", "identifier"), [("2007", "0001FF00"), ("1997", "901F")])
async def test_an_answer_in_several_frames_is_read_to_its_end_and_is_one_delivery(
    master_for, target_at, fast, edition: str, identifier: str
) -> None:
    identity = MeterId("000000000001", "", None, "electricity")
    indexes = [Decimal(f"{tariff}23.4{tariff}") for tariff in range(5)]
    records = tuple(DataRecord("energy", "kWh", value, tariff=n, code=identifier) for n, value in enumerate(indexes))
    meter = SimpleNamespace(
        telegram_bytes=lambda at: frame_from_telegram(
            Telegram("dlt645", identity, records, details={"edition": edition, "di": identifier})
        )
    )
    async with SerialServer("dlt645", {identity.serial: meter}, longest_data=7, baud_rate=fast, speed_up=10) as dtu:
        target = target_at(identity.serial, settings={"identifiers": [identifier], "edition": edition})
        (payload,) = (await master_for("dlt645", dtu.address).read(target, 3)).payloads
        assert dtu.counters.requests == 3
    telegram = electricity_from_frame(payload)
    assert [record.value for record in telegram.records] == indexes
    assert not telegram.more_follows
    assert not telegram.diagnostics
