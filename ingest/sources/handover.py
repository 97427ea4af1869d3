"""From an answer of a meter to the pipeline: deliveries made and offered, and never more of them waiting than agreed.

Rules: answers go into the pipeline before the next question; when too many wait for their commit, handing over waits,
and so the gateway is asked nothing meanwhile.
"""

import asyncio
from collections import deque
from datetime import datetime
from typing import Protocol

from ingest.clock import wall_now
from ingest.model import Delivery, Outcome
from ingest.sources.asking import Reply, Target

# Deliveries of one gateway that may wait for their commit before it stops asking.
MAX_IN_PIPELINE = 16


class Sink(Protocol):
    """Where deliveries go: the pipeline."""

    async def offer(self, delivery: Delivery) -> "asyncio.Future[Outcome]":
        """Admitted; the future resolves after the commit."""
        ...


class Handover:
    """The way of one gateway's answers into a sink. `code` begins the channel of its deliveries."""

    __slots__ = ("_code", "_gateway_id", "_protocol", "_sink", "_waiting")

    def __init__(self, gateway_id: int, code: str, protocol: str, sink: Sink) -> None:
        self._gateway_id, self._code, self._protocol, self._sink = gateway_id, code, protocol, sink
        self._waiting: deque[asyncio.Future[Outcome]] = deque()

    async def submit(
        self, target: Target, reply: Reply, read_at: datetime, *, on_demand: bool = False
    ) -> list["asyncio.Future[Outcome]"]:
        """Offer every payload of a reply; returns their outcomes to come once few enough deliveries wait."""
        arrived_at = wall_now()
        outcomes = []
        for payload in reply.payloads:
            delivery = Delivery(
                protocol=self._protocol,
                payload=payload,
                arrived_at=arrived_at,
                read_at=read_at,
                channel=f"{self._code}/{target.address}",
                gateway_id=self._gateway_id,
                meter_id=target.meter_id,
                profile=target.profile,
                details={"on_demand": True} if on_demand else {},
            )
            outcomes.append(await self._sink.offer(delivery))
        self._waiting.extend(outcomes)
        while self._waiting and (self._waiting[0].done() or len(self._waiting) > MAX_IN_PIPELINE):
            oldest = self._waiting.popleft()
            if not oldest.done():
                await asyncio.wait([oldest])
        return outcomes
