"""Mutated publishes of every family and mutated LoRaWAN uplinks: only coded errors, no hang, flat memory.

Run: ``python -m tests.speed.fuzz_mqtt [count] [seed]``. Prints a table: family, messages, telegrams, errors by code;
exits 1 on any other
exception. `fuzz(count, seed)` is what the test suite calls with a small count.
"""

import random
import sys
import time
import tracemalloc
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from ingest.decoding.state import DecodingState
from ingest.decoding.table import decode
from protocols.errors import ProtocolError
from protocols.lorawan_axioma import LAYOUTS
from protocols.lorawan_elvaco import payload_from_json
from protocols.mbus import record_bytes, wireless_telegram
from protocols.serial_frame import SerialFrame, encoded
from protocols.telegram import MeterId
from simulators.mqtt_senders import (
    Dtu,
    GenericJson,
    LobaroBridge,
    NetworkServer,
    RawBridge,
    SparkplugNode,
    ThingsBoardDevice,
    ThingsBoardGateway,
    Wmbusmeters,
)

AT = datetime(2026, 1, 15, 9, tzinfo=UTC)
RECORDS = record_bytes("energy", Decimal("1234E+3"), "Wh") + record_bytes("volume", Decimal("56.78"), "m3")
TELEGRAM = wireless_telegram(MeterId("68001122", "KAM", 0x1B, "heat"), RECORDS * 3)
FRAME = encoded(SerialFrame("cjt188", bytes.fromhex("11223344001111"), 0x81, b"\x90\x1f\x01" + bytes(43), 0x20))
VALUES = {"energy": Decimal("1234.5"), "volume": Decimal("56.78"), "supply_temperature": Decimal("61.5")}
DEVICE = "94193a0103000001"


@dataclass
class Tally:
    """What became of one family's messages."""

    messages: int = 0
    telegrams: int = 0
    errors: Counter[str] = field(default_factory=Counter)


def seeds() -> dict[str, list[tuple[str, bytes]]]:
    """Valid publishes of every family."""
    uplink = b"\x15" + RECORDS
    senders = {
        "wmbus_raw": [
            (RawBridge(), TELEGRAM),
            (RawBridge(form="base64"), TELEGRAM),
            (RawBridge(form="binary"), TELEGRAM),
        ],
        "wmbusmeters": [(Wmbusmeters("68001122"), b"")],
        "thingsboard": [(ThingsBoardDevice(), b""), (ThingsBoardGateway("Heat meter 68001122"), b"")],
        "json": [
            (GenericJson("68001122", "plant/x"), b""),
            (GenericJson("68001122", "heatbook/68001122/reading"), b""),
        ],
        "chirpstack": [(NetworkServer("chirpstack", DEVICE), uplink)],
        "things_stack": [
            (NetworkServer("things_stack", DEVICE), uplink),
            (LobaroBridge(NetworkServer("things_stack", DEVICE), 30), TELEGRAM),
        ],
        "loriot": [(NetworkServer("loriot", DEVICE), uplink)],
        "dtu": [(Dtu("860000000000001", [15, 40]), FRAME)],
        "sparkplug": [(SparkplugNode("heat", "gw1", "68001122"), b"")],
    }
    found = {name: [] for name in senders}
    for name, several in senders.items():
        for sender, data in several:
            for _ in range(3):
                found[name].extend(sender(data, VALUES, AT))
    return found


def uplinks() -> list[tuple[bytes, int]]:
    """Valid LoRaWAN payloads with their ports."""
    elvaco = [(bytes((first,)) + RECORDS, 2) for first in (0x00, 0x05, 0x0F, 0x1E, 0x01, 0x03, 0x04, 0x41)]
    return [
        *elvaco,
        (payload_from_json(2, Decimal("12.5"), "kWh", "68001122"), 2),
        *[(bytes(size), 100) for size in LAYOUTS],
    ]


_WORDS = (
    b'"',
    b"{",
    b"}",
    b"[",
    b":",
    b",",
    b"null",
    b"NaN",
    b"1e999",
    b"-",
    b"\\u0000",
    b"\xff",
    b"\x00",
    b"\x68",
    b"\x16",
    b"0",
)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """One to four small harms: flips, cuts, repeats, inserted words."""
    out = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(out) + 1)
        match chance.randrange(6):
            case 0 if out:
                out[at % len(out)] ^= 1 << chance.randrange(8)
            case 1:
                del out[at:]
            case 2:
                out[at:at] = out[max(0, at - chance.randrange(40)) : at]
            case 3:
                out[at:at] = chance.choice(_WORDS) * chance.choice((1, 1, 1, 50))
            case 4:
                del out[at : at + chance.randrange(8)]
            case _ if out:
                out[at % len(out)] = chance.randrange(256)
    return bytes(out)


def fuzz(count: int, seed: int) -> dict[str, Tally]:
    """`count` mutated messages, spread over the families. Raises whatever is not a ProtocolError."""
    chance = random.Random(seed)
    families = seeds()
    names = [*families, "lorawan"]
    radio = uplinks()
    state = DecodingState()
    tallies = {name: Tally() for name in names}
    for number in range(count):
        name = names[number % len(names)]
        tally = tallies[name]
        tally.messages += 1
        if name == "lorawan":
            payload, port = chance.choice(radio)
            arguments = {"protocol": "lorawan", "payload": mutated(payload, chance), "port": port}
        else:
            topic, payload = chance.choice(families[name])
            arguments = {"protocol": "mqtt", "payload": mutated(payload, chance), "topic": topic}
        try:
            tally.telegrams += len(decode(**arguments, state=state, at=AT))  # type: ignore[arg-type]
        except ProtocolError as error:
            tally.errors[error.code] += 1
        except Exception:
            print(f"seed {seed}, message {number}: {arguments!r}", file=sys.stderr)
            raise
    return tallies


def main() -> None:
    """Print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(10**6)
    fuzz(2_000, seed)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    started = time.perf_counter()
    tallies = fuzz(count, seed)
    seconds = time.perf_counter() - started
    grown = tracemalloc.get_traced_memory()[0] - before
    print(f"seed {seed}: {count} messages in {seconds:.0f} s, memory kept {grown / 1e6:.1f} MB")
    for name, tally in tallies.items():
        shown = ", ".join(f"{code} {number}" for code, number in tally.errors.most_common(6))
        counts = f"{tally.messages:>8} messages {tally.telegrams:>8} telegrams {tally.errors.total():>8} errors"
        print(f"{name:<14} {counts}: {shown}")


if __name__ == "__main__":
    main()
