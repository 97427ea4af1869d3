"""A worker reads meters of every polled protocol over real sockets into the store."""

import asyncio

from ingest.clock import SystemClock
from ingest.supervisor import run_ingest
from protocols.catalogue import catalogue
from protocols.telegram import MeterId
from simulators.counting import CountingCjt188, CountingDlt645, CountingMbus, CountingModbus
from simulators.mbus_server import MbusServer, MbusSlave
from simulators.modbus_server import ModbusServer
from simulators.serial_server import SerialServer

FAST = 2_400_000


async def test_a_worker_reads_every_protocol_and_stores_what_the_displays_showed(
    book, ingest_settings, eventually
) -> None:
    heat = [CountingMbus(MeterId(f"1000000{number}", "KAM", 0x34, "heat")) for number in range(1, 4)]
    chinese = CountingCjt188(MeterId("11110000000001", "1111", None, "heat"))
    power = CountingDlt645(MeterId("000000000001", "", None, "electricity"))
    modbus = CountingModbus(catalogue().get("itron-cf-echo2-modbus"))
    slaves = [MbusSlave(meter, number) for number, meter in enumerate(heat, start=1)]
    async with (
        MbusServer(slaves, baud_rate=FAST) as mbus_gateway,
        SerialServer("cjt188", {"11110000000001": chinese}, baud_rate=FAST) as dtu,
        SerialServer("dlt645", {"000000000001": power}, baud_rate=FAST) as power_dtu,
        ModbusServer({7: modbus}) as modbus_tcp,
        ModbusServer({8: modbus}, framing="rtu") as modbus_rtu,
    ):
        bus = await book.gateway("MB", "mbus_tcp", mbus_gateway.address, baud_rate=FAST)
        for number, meter in enumerate(heat[:2], start=1):
            await book.meter(meter.identity, bus, str(number))
        await book.meter(heat[2].identity, bus, "10000003.2C2D.34.04")
        bus = await book.gateway("CJ", "cjt188_tcp", dtu.address, baud_rate=FAST)
        await book.meter(chinese.identity, bus, "11110000000001")
        bus = await book.gateway("EL", "dlt645_tcp", power_dtu.address, baud_rate=FAST)
        await book.meter(power.identity, bus, "000000000001")
        bus = await book.gateway("MT", "modbus_tcp", modbus_tcp.address)
        await book.meter(MeterId("T7", "ACW", None, "heat"), bus, "7", profile="itron-cf-echo2-modbus")
        bus = await book.gateway("MR", "modbus_rtu_tcp", modbus_rtu.address)
        await book.meter(MeterId("R8", "ACW", None, "heat"), bus, "8", profile="itron-cf-echo2-modbus")
        stop = asyncio.Event()
        worker = asyncio.create_task(run_ingest(ingest_settings, stop, SystemClock()))

        async def all_are_read() -> bool:
            return await book.value("SELECT count(DISTINCT meter_id) FROM delivery") == 7

        await eventually(all_are_read)
        stop.set()
        await worker
    shown = await book.rows(
        "SELECT m.serial, r.value, d.arrived_at FROM reading r JOIN register g USING (register_id)"
        " JOIN meter m USING (meter_id) JOIN delivery d USING (delivery_id) WHERE g.name = 'energy' AND r.flags = 0"
    )
    index_at = {meter.identity.serial: meter.index_at for meter in (*heat, chinese, power)}
    index_at |= {"T7": modbus.index_at, "R8": modbus.index_at}
    assert {serial for serial, _, _ in shown} == set(index_at)
    for serial, value, arrived_at in shown:
        assert abs(value - index_at[serial](arrived_at)) <= 1
    balance = await book.balance()
    assert balance["quarantined"] == 0
    assert balance["deliveries"] == balance["keys"]
    successes = await book.value("SELECT sum(successes) FROM gateway_health")
    assert successes >= 7
    assert await book.value("SELECT count(*) FROM meter_health WHERE clock_drift_s IS NOT NULL") == 1
