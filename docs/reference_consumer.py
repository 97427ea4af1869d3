"""A billing system's side of the change feed, small enough to copy: pull, store, acknowledge, take adjustments.

Rules: the cursor is stored together with the quantities it follows, so a crash between two pulls repeats a page and
loses
none; quantities are keyed by their number, so a repeated page changes nothing; an adjustment replaces what it names.
"""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

SCHEMA = """
CREATE TABLE IF NOT EXISTS cursor (id INTEGER PRIMARY KEY CHECK (id = 1), text TEXT);
CREATE TABLE IF NOT EXISTS quantity (
    quantity_id INTEGER PRIMARY KEY, period TEXT, point TEXT, service INTEGER, version INTEGER, state TEXT,
    energy_j INTEGER, energy_kwh TEXT, previous_id INTEGER, acknowledged INTEGER NOT NULL DEFAULT 0, body TEXT
);
"""


@dataclass
class Consumer:
    """Pulls from `base` (https://host/api/v1) with a billing key into a local database."""

    client: httpx.Client
    base: str
    store: sqlite3.Connection

    def __post_init__(self) -> None:
        self.store.executescript(SCHEMA)

    def pull(self, page: int = 1_000) -> int:
        """Take everything that is new; how many quantities came."""
        taken = 0
        while True:
            row = self.store.execute("SELECT text FROM cursor").fetchone()
            params: dict[str, Any] = {"limit": page, **({"cursor": row[0]} if row else {})}
            answer = self.client.get(f"{self.base}/billing/changes", params=params).raise_for_status().json()
            with self.store:
                for item in answer["items"]:
                    self._keep(item)
                self.store.execute("INSERT OR REPLACE INTO cursor VALUES (1, ?)", (answer["next"],))
            taken += len(answer["items"])
            if len(answer["items"]) < page:
                return taken

    def _keep(self, item: dict[str, Any]) -> None:
        names = (
            "quantity_id",
            "period",
            "point",
            "service",
            "version",
            "state",
            "energy_j",
            "energy_kwh",
            "previous_id",
        )
        values = [item[name] for name in names]
        columns = ", ".join((*names, "body"))
        marks = ", ".join("?" * (len(names) + 1))
        self.store.execute(
            f"INSERT INTO quantity ({columns}) VALUES ({marks}) ON CONFLICT DO NOTHING",  # noqa: S608 - names are constants
            (*values, json.dumps(item)),
        )

    def acknowledge(self) -> int:
        """Tell the service what is stored; how many."""
        rows = self.store.execute("SELECT quantity_id FROM quantity WHERE NOT acknowledged").fetchall()
        numbers = [number for (number,) in rows]
        for start in range(0, len(numbers), 10_000):
            part = numbers[start : start + 10_000]
            self.client.post(f"{self.base}/billing/acknowledgements", json={"quantity_ids": part}).raise_for_status()
            with self.store:
                self.store.executemany(
                    "UPDATE quantity SET acknowledged = 1 WHERE quantity_id = ?", [(n,) for n in part]
                )
        return len(numbers)

    def current(self, period: str) -> Iterator[dict[str, Any]]:
        """The newest version of every quantity of a period: what is to be billed or corrected."""
        rows = self.store.execute(
            "SELECT body FROM quantity q WHERE period = ? AND NOT EXISTS ("
            " SELECT 1 FROM quantity n WHERE n.period = q.period"
            " AND n.point = q.point AND n.service = q.service AND n.version > q.version) ORDER BY point, service",
            (period,),
        )
        for (body,) in rows:
            yield json.loads(body)
