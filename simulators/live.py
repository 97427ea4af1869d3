"""A whole fleet live: one server a gateway, MQTT messages at their times, all at the clock passed in.

Rules: listens on loopback and at ports of the system's choice unless told otherwise; addresses are known once
everything listens; wire times are divided by `speed_up`, so that a fast clock does not make buses late; a gateway's
own misbehaviour (`Gateway.behaviour`) begins with the fleet.
"""

from collections import defaultdict
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from simulators.fleet import Fleet, Gateway
from simulators.line import Clock, LineBehaviour, LineServer
from simulators.mbus_server import MbusServer, MbusSlave
from simulators.meter import VirtualMeter
from simulators.modbus_server import ModbusServer
from simulators.mqtt_fleet import producers_of
from simulators.mqtt_publisher import MqttPublisher
from simulators.serial_server import SerialServer


class RunningClock:
    """Begins at an instant (aware) and goes `speed` times as fast as the wall clock."""

    def __init__(self, start: datetime, speed: float = 1.0) -> None:
        self.start, self.speed = start.astimezone(UTC), speed
        self._began = datetime.now(UTC)

    def now(self) -> datetime:
        """Aware UTC."""
        return self.start + timedelta(seconds=(datetime.now(UTC) - self._began).total_seconds() * self.speed)


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
    host, port : str, int
        Where gateways listen: at ports from `port` on in their order, or at any with 0.
    """

    def __init__(
        self,
        fleet: Fleet,
        clock: Clock,
        broker_url: str | None,
        *,
        speed_up: float = 1.0,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.fleet, self.clock, self.broker_url, self.speed_up = fleet, clock, broker_url, speed_up
        self.host, self.port = host, port
        self.addresses: dict[str, str] = {}
        self.servers: dict[str, LineServer] = {}
        self.publisher: MqttPublisher | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        behind: dict[str, list[VirtualMeter]] = defaultdict(list)
        for meter in self.fleet.meters:
            behind[meter.link.gateway].append(meter)
        try:
            await self._listen(behind)
            await self._publish(behind)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _listen(self, behind: dict[str, list[VirtualMeter]]) -> None:
        wired = [gateway for gateway in self.fleet.gateways if gateway.kind != "mqtt"]
        for number, gateway in enumerate(wired):
            port = self.port + number if self.port else 0
            server = await self._stack.enter_async_context(self._server(gateway, behind[gateway.code], port))
            self.servers[gateway.code] = server
            self.addresses[gateway.code] = server.address

    async def _publish(self, behind: dict[str, list[VirtualMeter]]) -> None:
        radio = [gateway.code for gateway in self.fleet.gateways if gateway.kind == "mqtt"]
        if self.broker_url is None or not radio:
            return
        self.addresses |= dict.fromkeys(radio, self.broker_url)
        producers = producers_of([meter for code in radio for meter in behind[code]])
        name = f"virtual-{self.fleet.scenario}-{self.fleet.seed}"
        publisher = MqttPublisher(self.broker_url, producers, self.clock, name=name)
        self.publisher = await self._stack.enter_async_context(publisher)

    def _server(self, gateway: Gateway, meters: list[VirtualMeter], port: int) -> LineServer:
        line: dict[str, Any] = {
            "clock": self.clock,
            "speed_up": self.speed_up,
            "seed": self.fleet.seed,
            "behaviour": LineBehaviour(**gateway.behaviour),
            "host": self.host,
            "port": port,
        }
        units = {int(meter.link.address): meter for meter in meters if gateway.kind.startswith("modbus")}
        if gateway.kind == "modbus_tcp":
            return ModbusServer(units, **line)
        line["baud_rate"] = gateway.buses[0].baud_rate
        if gateway.kind == "modbus_rtu_tcp":
            return ModbusServer(units, framing="rtu", **line)
        if gateway.kind in ("cjt188_tcp", "dlt645_tcp"):
            speakers = {meter.link.address: meter for meter in meters}
            return SerialServer("cjt188" if gateway.kind == "cjt188_tcp" else "dlt645", speakers, **line)
        if gateway.kind == "mbus_tcp":
            return MbusServer([MbusSlave.from_link(meter.link.address, meter) for meter in meters], **line)
        raise ValueError(f"gateway {gateway.code}: no virtual hardware for {gateway.kind}")
