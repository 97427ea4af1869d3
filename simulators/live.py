"""A whole fleet live on loopback: one server a gateway, MQTT messages at their times, all at the clock passed in.

Rules: addresses are known once everything listens; wire times are divided by `speed_up`, so that a fast clock does not
make buses late.
"""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from simulators.fleet import Fleet, Gateway
from simulators.line import Clock, LineServer
from simulators.mbus_server import MbusServer, MbusSlave
from simulators.meter import VirtualMeter
from simulators.modbus_server import ModbusServer
from simulators.mqtt_fleet import FleetPublisher
from simulators.serial_server import SerialServer


class LiveFleet:
    """`async with LiveFleet(fleet, clock, broker) as live:` serves every gateway; `live.addresses` by gateway code.

    Parameters
    ----------
    fleet : Fleet
        Who answers.
    clock : Clock
        The instant the meters live in.
    broker_url : str or None
        Where the MQTT meters publish; None leaves them silent.
    speed_up : float
        Wire times are divided by this.
    """

    def __init__(self, fleet: Fleet, clock: Clock, broker_url: str | None, *, speed_up: float = 1.0) -> None:
        self.fleet, self.clock, self.broker_url, self.speed_up = fleet, clock, broker_url, speed_up
        self.addresses: dict[str, str] = {}
        self.servers: dict[str, LineServer] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for gateway in self.fleet.gateways:
            meters = [meter for meter in self.fleet.meters if meter.link.gateway == gateway.code]
            if gateway.kind == "mqtt":
                await self._publish(gateway, meters)
                continue
            server = await self._stack.enter_async_context(self._server(gateway, meters))
            self.servers[gateway.code] = server
            self.addresses[gateway.code] = server.address
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _publish(self, gateway: Gateway, meters: list[VirtualMeter]) -> None:
        if self.broker_url is None:
            return
        self.addresses[gateway.code] = self.broker_url
        await self._stack.enter_async_context(FleetPublisher(self.broker_url, gateway.code, meters, self.clock))

    def _server(self, gateway: Gateway, meters: list[VirtualMeter]) -> LineServer:
        line: dict[str, Any] = {
            "clock": self.clock,
            "baud_rate": gateway.buses[0].baud_rate,
            "speed_up": self.speed_up,
            "seed": self.fleet.seed,
        }
        if gateway.kind == "modbus_tcp":
            return ModbusServer({int(meter.link.address): meter for meter in meters}, clock=self.clock)
        if gateway.kind in ("cjt188_tcp", "dlt645_tcp"):
            speakers = {meter.link.address: meter for meter in meters}
            return SerialServer("cjt188" if gateway.kind == "cjt188_tcp" else "dlt645", speakers, **line)
        if gateway.kind == "mbus_tcp":
            return MbusServer([MbusSlave.from_link(meter.link.address, meter) for meter in meters], **line)
        raise ValueError(f"gateway {gateway.code}: no virtual hardware for {gateway.kind}")
