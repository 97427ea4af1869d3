"""Twenty thousand live meters on a thousand gateways in one process: its memory, and whether every meter answers.

``python -m tests.speed.live_town [meters] [gateways]`` serves M-Bus, CJ/T 188 and Modbus houses with their physics in a
process of its own and asks every meter once from another, over all gateways at a time. The rate is also given as a
share of what the same sockets echo when nothing is computed, so that two machines can be compared.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from protocols import cjt188
from protocols.catalogue import catalogue
from protocols.errors import ProtocolError
from protocols.mbus.frame import REQ_UD2, ShortFrame
from protocols.mbus.telegram import telegram_from_frame
from protocols.modbus import read_plan
from protocols.serial_frame import frame_in
from simulators.fleet import Fleet
from simulators.fleet_builder import FleetBuilder
from simulators.live import LiveFleet, RunningClock
from simulators.scenarios import CJT_MODELS, MBUS_MODELS
from simulators.town import House

AT = datetime(2025, 1, 15, tzinfo=UTC)
LEAD, SPAN = timedelta(days=10), timedelta(days=30)
LINES = (
    ("mbus_tcp", MBUS_MODELS),
    ("cjt188_tcp", CJT_MODELS),
    ("mbus_tcp", MBUS_MODELS),
    ("modbus_tcp", ("tuf-2000",)),
)
HOUSES_A_BLOCK = 8
MEGABYTE = 1024 * 1024
AT_ONCE = 200


def town(meters: int, gateways: int) -> Fleet:
    """Houses of one size, each behind its own gateway."""
    size = -(-meters // gateways)
    builder = FleetBuilder("live", 1, AT, AT - LEAD, AT - LEAD + SPAN)
    builder.area("town", "Town", "Team", "harbin")
    for first in range(0, gateways, HOUSES_A_BLOCK):
        numbers = range(first, min(first + HOUSES_A_BLOCK, gateways))
        houses = tuple(House(f"H{n}", "flats", min(size, meters - n * size), master=False) for n in numbers)
        for number, codes in zip(numbers, builder.houses("town", houses), strict=True):
            kind, models = LINES[number % len(LINES)]
            gateway = builder.gateway(f"G{number}", kind, "town")
            for place, point in enumerate(codes, start=1):
                address = "" if kind == "cjt188_tcp" else str(place)
                builder.meter(point, models[place % len(models)], gateway, address, settings={"primary_address": place})
    return builder.build()


async def serve(meters: int, gateways: int, told: Path) -> None:
    """Serve until the parent closes standard input."""
    began = time.perf_counter()
    fleet = town(meters, gateways)
    for block in fleet.blocks:
        fleet.trace(block.number)
    links: dict[str, list[str]] = {}
    for meter in fleet.meters:
        links.setdefault(meter.link.gateway, []).append(meter.link.address)
    async with LiveFleet(fleet, RunningClock(AT), None, speed_up=1e6) as running:
        kinds = {gateway.code: gateway.kind for gateway in fleet.gateways}
        lines = [(kinds[code], address, links[code]) for code, address in running.addresses.items()]
        told.with_suffix(".new").write_text(json.dumps({"ready_s": time.perf_counter() - began, "lines": lines}))
        told.with_suffix(".new").replace(told)
        await asyncio.to_thread(sys.stdin.read)


async def ask_line(kind: str, address: str, meters: list[str], gate: asyncio.Semaphore) -> int:
    """How many meters of a gateway answer a question with a telegram that decodes."""
    host, port = address.split(":")
    async with gate:
        reader, writer = await asyncio.open_connection(host, int(port))
        answered = 0
        for meter in meters:
            answered += await _ask(kind, meter, reader, writer)
        writer.close()
    return answered


async def _ask(kind: str, meter: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    if kind == "modbus_tcp":
        plan = read_plan(catalogue().get("tuf-2000"))
        request = plan[0]
        head = (1).to_bytes(2, "big") + b"\0\0\0\x06" + bytes((int(meter), request.function))
        writer.write(head + request.address.to_bytes(2, "big") + request.count.to_bytes(2, "big"))
        async with asyncio.timeout(60):
            answer = await reader.readexactly(9 + 2 * request.count)
        return answer[6] == int(meter) and answer[7] == request.function
    question = ShortFrame(REQ_UD2 | 0x20, int(meter)).to_bytes() if kind == "mbus_tcp" else cjt188.read_request(meter)
    writer.write(question)
    heard = b""
    async with asyncio.timeout(60):
        while True:
            heard += await reader.read(4096)
            try:
                if kind == "mbus_tcp":
                    return bool(telegram_from_frame(heard).records)
                # In which order a maker sends an address, its profile tells; here either will do.
                address = frame_in(heard, "cjt188").address
            except ProtocolError:
                continue
            return bytes.fromhex(meter) in (address, address[::-1])


async def ask_all(lines: list[tuple[str, str, list[str]]]) -> tuple[int, float]:
    """Meters that answered, and the seconds it took."""
    gate = asyncio.Semaphore(AT_ONCE)
    began = time.perf_counter()
    found = await asyncio.gather(*(ask_line(kind, address, meters, gate) for kind, address, meters in lines))
    return sum(found), time.perf_counter() - began


def main() -> None:
    """Print memory and answers."""
    meters = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    gateways = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "lines.json"
        command = [sys.executable, __file__, "serve", str(meters), str(gateways), str(told)]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
            while not told.exists():
                if child.poll() is not None:
                    sys.exit("the serving process ended")
                time.sleep(0.2)
            served = json.loads(told.read_text())
            process = psutil.Process(child.pid)
            before = process.memory_info().rss
            answered, took = asyncio.run(ask_all(served["lines"]))
            spent = process.cpu_times()
            after = process.memory_info().rss
            if child.stdin is not None:
                child.stdin.close()
    print("  meters gateways  ready s  answered      s  answers/s  RSS MiB ready  RSS MiB after  cpu s of the server")
    print(
        f"{meters:>8} {gateways:>8} {served['ready_s']:>8.1f} {answered:>9} {took:>6.1f} {answered / took:>10.0f} "
        f"{before / MEGABYTE:>14.0f} {after / MEGABYTE:>14.0f} {spent.user + spent.system:>20.1f}"
    )


if __name__ == "__main__":
    if len(sys.argv) > 4:
        asyncio.run(serve(int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])))
    else:
        main()
