"""The demo that `heatbook run` starts: a seeded virtual fleet, its history, its people, its clock.

What must survive a restart (seed, origin, whether the history is in) lies in `demo.json` of the data folder; the meters
are a pure function of it, so the same meter goes on counting where it stopped.
"""

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import httpx

from api import demo_steps
from api.processes import Family
from ingest.clock import CatchUpClock, wall_now
from ingest.config import Settings
from ingest.errors import UnavailableError
from simulators.fleet import Fleet

# The demo begins two days ago and an hour takes a minute, until it has caught up with the wall.
HEAD_START = timedelta(days=2)
SPEED = 60.0
MOST_SPEED = 240.0
CATCH_UP_WITHIN = timedelta(minutes=45)
PEOPLE = (
    ("tina", "Tina Technician", "technician"),
    ("rui", "Rui Reviewer", "reviewer"),
    ("anna", "Anna Approver", "approver"),
    ("lei", "Lei Lead", "lead"),
    ("bo", "Bo Billing", "billing"),
    ("ada", "Ada Admin", "admin"),
)
KEY_ROLES = ("billing", "technician", "reviewer", "admin")


@dataclass(frozen=True, slots=True)
class DemoState:
    """What is remembered of the demo between two runs; `clock_*` are the origins and the speed of this run's clock."""

    seed: int
    meters: int
    origin: str
    registered: bool = False
    history_done: bool = False
    clock_wall: str = ""
    clock_virtual: str = ""
    clock_speed: float = SPEED

    @classmethod
    def load_or_new(cls, settings: Settings) -> Self:
        """The state in the data folder, or that of a new demo beginning now."""
        path = settings.data / "demo.json"
        if path.exists():
            return cls(**json.loads(path.read_text()))
        hour = wall_now().replace(minute=0, second=0, microsecond=0)
        state = cls(settings.demo_seed, settings.demo_meters, (hour - HEAD_START).isoformat())
        state.save(settings)
        return state

    def save(self, settings: Settings) -> None:
        """Write it down, whole or not at all."""
        path = settings.data / "demo.json"
        new = path.with_suffix(".new")
        new.write_text(json.dumps(asdict(self), indent=1))
        new.replace(path)

    @property
    def origin_at(self) -> datetime:
        """The demo's first live instant."""
        return datetime.fromisoformat(self.origin)

    def with_clock(self, last_reading: datetime | None) -> Self:
        """The state with a clock that goes on where the readings stopped."""
        wall = wall_now()
        begin = min(last_reading or self.origin_at, wall)
        needed = (wall - begin) / CATCH_UP_WITHIN
        return replace(
            self,
            clock_wall=wall.isoformat(),
            clock_virtual=begin.isoformat(),
            clock_speed=min(max(SPEED, needed), MOST_SPEED),
        )

    def clock(self) -> CatchUpClock:
        """This run's clock."""
        return CatchUpClock(
            datetime.fromisoformat(self.clock_wall), datetime.fromisoformat(self.clock_virtual), self.clock_speed
        )


class Demo:
    """One run of the demo. `start` brings everything up, `wait_until_ready` waits for the first consumption."""

    def __init__(
        self, settings: Settings, state: DemoState, urls: tuple[str, str], family: Family, stop: threading.Event
    ) -> None:
        self.settings, self.state, self.family, self._stop = settings, state, family, stop
        self.database_url, self.mqtt_url = urls
        self._keys: dict[str, str] = {}
        self._people: list[dict[str, str]] = []

    @property
    def _base_url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"

    @property
    def _logins(self) -> Path:
        return self.settings.data / "demo-logins.json"

    def start(self, say: Callable[[str], None]) -> None:
        """Meters, API, registry and ingest; the first time also two weeks of history."""
        addresses = self.settings.data / "demo-addresses.json"
        addresses.unlink(missing_ok=True)
        self.family.start("api", ["api"])
        self.family.start("meters", ["live", "--addresses", str(addresses), "--origin", self.state.origin])
        if not self.state.registered:
            say(f"registering a fleet of {self.state.meters} virtual meters")
            asyncio.run(demo_steps.register(self.settings, self.database_url, self._fleet()))
            self._remember(registered=True)
        known = json.loads(self._logins.read_text()) if self._logins.exists() else {}
        people = demo_steps.let_people_in(self.database_url, PEOPLE, KEY_ROLES, known)
        self._people, self._keys = asyncio.run(people)
        if not self.state.history_done:
            with self.family.errand("warm", ["warm"]):
                steps = demo_steps.read_history(self.settings, self.database_url, self._fleet(), self._span, say)
                count = asyncio.run(steps)
            self._remember(history_done=True)
            say(f"history of {self._span.days} days read: {count} telegrams")
        # Not before: half a history looks like silence and like meters that fell behind.
        self.family.start("assess", ["assess", "--watch"])
        self._wait_for(addresses.exists, 60.0, "the virtual meters did not start")
        asyncio.run(demo_steps.tell_addresses(self.database_url, json.loads(addresses.read_text())))
        say("virtual meters listen on loopback")
        self.family.start("ingest", ["ingest"])
        asyncio.run(demo_steps.open_periods(self.database_url, self.state.origin_at, self._span))

    def wait_until_ready(self, deadline_s: float) -> None:
        """Until the billing pull answers with at least one quantity that has energy."""
        self._wait_for(self._something_to_pull, deadline_s, "no validated consumption could be pulled")

    def write_logins(self) -> dict[str, Any]:
        """`demo-logins.json`, readable by its owner only."""
        content = {"console": self._base_url + "/", "users": self._people, "api_keys": self._keys}
        new = self._logins.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
        new.replace(self._logins)
        return content

    @property
    def _span(self) -> timedelta:
        return timedelta(days=self.settings.demo_days)

    def _fleet(self) -> Fleet:
        return demo_steps.fleet_of(self.state.seed, self.state.meters, self.state.origin_at)

    def _remember(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)
        self.state.save(self.settings)

    def _wait_for(self, met: Callable[[], bool], deadline_s: float, complaint: str) -> None:
        deadline = time.monotonic() + deadline_s
        while not met():
            if self._stop.is_set():
                raise KeyboardInterrupt
            ended = self.family.first_ended()
            if ended is not None:
                complaint = f"{ended.name} ended with code {ended.ended}; its last words:\n{ended.last_words()}"
                raise UnavailableError(complaint, code="run.part_ended")
            if time.monotonic() > deadline:
                raise UnavailableError(f"{complaint} within {deadline_s:.0f} s; see {self.family.log_folder}")
            self._stop.wait(0.2)

    def _something_to_pull(self) -> bool:
        try:
            answer = httpx.get(
                f"{self._base_url}/api/v1/billing/quantities",
                params={"period": "demo", "limit": 50},
                headers={"Authorization": f"Bearer {self._keys['billing']}"},
                timeout=20,
                trust_env=False,
            )
        except httpx.HTTPError:
            return False
        return answer.status_code == 200 and any(
            float(item.get("energy_kwh") or 0) > 0 for item in answer.json().get("items", [])
        )
