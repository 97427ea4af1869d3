"""A question to a meter: whom to ask, what came back, what can ask; and asking again where that may help."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from ingest.schedule import Grid
from ingest.sources.errors import SourceError


@dataclass(frozen=True, slots=True)
class Target:
    """A meter as its bus knows it. `grid` is the schedule of its bus; `settings` those of its link."""

    meter_id: int
    address: str
    grid: Grid
    profile: str | None = None
    baud_rate: int = 2400
    settings: dict[str, Any] = field(default_factory=dict)
    last_read: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a meter answered: each payload is a delivery. `latency_s` is from the question to the last answer."""

    payloads: tuple[bytes, ...]
    latency_s: float


class Master(Protocol):
    """Asks meters over one line; opens the line when it must, closes it when it can't be trusted."""

    protocol: str

    async def read(self, target: Target, tries: int) -> Reply:
        """The meter's present telegram(s). Raises SourceError."""
        ...

    async def close(self) -> None:
        """Hang up."""
        ...


async def retried(question: Callable[[int], Awaitable[Reply]], tries: int, pause_s: float = 0.0) -> Reply:
    """Ask up to `tries` times while the error says that asking again can help; `question` gets the try's number."""
    for attempt in range(tries):
        try:
            return await question(attempt)
        except SourceError as error:
            if not error.retryable or error.line_lost or attempt + 1 == tries:
                raise
            await asyncio.sleep(pause_s)
    raise ValueError(f"{tries} tries are none at all")
