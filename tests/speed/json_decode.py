"""JSON message → typed values, against `json.loads` of the same bytes in the same run.

Run: ``python -m tests.speed.json_decode``. "typed": msgspec into the fields we need, what the network-server
families do; "checked": any
JSON with depth, duplicate and number checks, what flat families do; "telegram": all of it, to the finished telegram.
"""

import json
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ingest.decoding.reading import _decode_one
from ingest.decoding.table import decode
from protocols.mbus import record_bytes
from protocols.mqtt import messages_from_publish
from protocols.mqtt.chirpstack import _decode as chirpstack_decode
from protocols.mqtt.json_text import value_from_json
from simulators.mqtt_senders import GenericJson, NetworkServer, ThingsBoardGateway, Wmbusmeters

ROUNDS, LOOPS = 7, 3_000
AT = datetime(2026, 1, 15, 9, tzinfo=UTC)
UPLINK = b"\x15" + record_bytes("energy", Decimal("1234E+3"), "Wh") + record_bytes("volume", Decimal("56.78"), "m3")
VALUES = {
    "energy": Decimal("1234.5"),
    "volume": Decimal("56.78"),
    "power": Decimal("12.1"),
    "flow": Decimal("0.65"),
    "supply_temperature": Decimal("71.5"),
    "return_temperature": Decimal("40.2"),
}


def microseconds(call: Callable[[bytes], Any], payload: bytes) -> float:
    """Median time of a call."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(LOOPS):
            call(payload)
        times.append((time.perf_counter() - started) / LOOPS * 1e6)
    return statistics.median(times)


def main() -> None:
    """Print the table: µs a message, and how many times faster (> 1) or slower than json.loads."""
    reading = json.dumps(
        {
            "meter": {"serial": "68001122"},
            "time": "2026-01-15T09:00:00Z",
            "readings": [{"register": name, "value": str(value)} for name, value in VALUES.items()],
        }
    ).encode()
    server = NetworkServer("chirpstack", "94193a0103000001")
    cases: list[tuple[str, tuple[str, bytes], Callable[[bytes], Any] | None]] = [
        ("chirpstack", next(iter(server(UPLINK, VALUES, AT))), chirpstack_decode),
        ("reading", ("", reading), _decode_one),
        ("wmbusmeters", next(iter(Wmbusmeters("68001122")(b"", VALUES, AT))), None),
        ("thingsboard", next(iter(ThingsBoardGateway("Heat meter 68001122")(b"", VALUES, AT))), None),
        ("json", next(iter(GenericJson("68001122", "plant/x")(b"", VALUES, AT))), None),
    ]
    heads = "".join(f" {head:>15}" for head in ("typed", "checked", "telegram", "registers"))
    print(f"{'family':<12} {'bytes':>6} {'json.loads':>11}{heads}")
    for name, (topic, payload), typed in cases:
        base = microseconds(json.loads, payload)

        def cell(call: Callable[[bytes], Any] | None, payload: bytes = payload, base: float = base) -> str:
            if call is None:
                return f"{'–':>15}"
            found = microseconds(call, payload)
            return f"{found:>7.2f} ({base / found:4.1f}x)"

        def telegram(data: bytes, topic: str = topic) -> Any:
            return messages_from_publish(topic, data)

        def registers(data: bytes, topic: str = topic) -> Any:
            return decode("mqtt" if topic else "reading", data, topic=topic)

        cells = (typed, value_from_json, telegram if topic else None, registers)
        print(f"{name:<12} {len(payload):>6} {base:>8.2f} µs", *(cell(call) for call in cells))


if __name__ == "__main__":
    main()
