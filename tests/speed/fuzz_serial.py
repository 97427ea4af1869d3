"""Mutated frames against the CJ/T 188, DL/T 645 and Modbus codecs: a bounded count, only the package's own errors.

``python -m tests.speed.fuzz_serial [count] [seed]`` mutates `count` messages a protocol (1,000,000 by default) and
prints what became of them, the slowest one and the growth of memory. Half of the mutations get a valid checksum, or the
decoders behind it would never be reached. Any other exception ends the run with the bytes that caused it.
"""

import gc
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from decimal import Decimal

from protocols import cjt188, dlt645
from protocols.catalogue import catalogue
from protocols.errors import ProtocolError
from protocols.modbus import answer_frame, crc16, telegram_from_image, words_from_answer
from protocols.serial_frame import FrameScanner
from protocols.telegram import DataRecord, MeterId, Telegram

_PROFILES = catalogue()


def _seeds_cjt188() -> list[bytes]:
    samples = [profile.samples for profile in _PROFILES.profiles() if profile.protocol == "cjt188"]
    requests = [cjt188.read_request("11110012345678"), cjt188.read_address_request()]
    return [sample.payload for group in samples for sample in group] + requests


def _seeds_dlt645() -> list[bytes]:
    meter = MeterId("202611220001", "", None, "electricity")
    seeds = [sample.payload for sample in _PROFILES.get("dlt645").samples]
    for edition, di in (("2007", "0001FF00"), ("2007", "0201FF00"), ("1997", "9010"), ("1997", "901F")):
        records = tuple(DataRecord("energy", "kWh", Decimal("1.00"), raw="00010000") for _ in range(3))
        records = records[:1] if di == "9010" else records
        if di == "0201FF00":
            records = tuple(DataRecord("voltage", "V", Decimal("220.0"), raw="0022") for _ in range(3))
        telegram = Telegram("dlt645", meter, records, details={"edition": edition, "di": di})
        seeds.append(dlt645.frame_from_telegram(telegram))
    return seeds


def _seeds_modbus() -> list[bytes]:
    return [sample.payload for profile in _PROFILES.profiles() if profile.modbus for sample in profile.samples]


def _decode_cjt188(data: bytes, choice: int) -> None:
    dialect = (None, None, "tiangang", "danfoss", "lichuang", "wanhua", "maituo", "special")[choice & 7]
    telegram = cjt188.telegram_from_frame(data, dialect)
    _PROFILES.find(telegram).interpret(telegram)


def _decode_dlt645(data: bytes, choice: int) -> None:
    telegram = dlt645.telegram_from_frame(data)
    _PROFILES.find(telegram).interpret(telegram)


_MAPS = [profile for profile in _PROFILES.profiles() if profile.modbus]


def _decode_modbus(data: bytes, choice: int) -> None:
    if choice & 1:
        words_from_answer(data)
        return
    profile = _MAPS[choice % len(_MAPS)]
    profile.interpret(telegram_from_image(data, profile, ""))


def _resum_serial(data: bytearray) -> None:
    """Length and checksum that fit, where there is room for them."""
    start = data.find(0x68)
    if start < 0 or len(data) - start < 13:
        return
    long = data[start + 7] == 0x68
    data[start + (9 if long else 10)] = min(len(data) - start - (12 if long else 13), 200 if long else 100)
    data[-2] = sum(data[start:-2]) & 0xFF
    data[-1] = 0x16


def _resum_modbus(data: bytearray) -> None:
    """An RTU answer around the bytes, or the image as it is."""
    if len(data) > 4 and data[0] & 1:
        data[1], data[2] = 3, (len(data) - 5) & 0xFF
        data[-2:] = crc16(bytes(data[:-2])).to_bytes(2, "little")


Task = tuple[str, Callable[[], list[bytes]], Callable[[bytes, int], None], Callable[[bytearray], None]]
TASKS: tuple[Task, ...] = (
    ("cjt188", _seeds_cjt188, _decode_cjt188, _resum_serial),
    ("dlt645", _seeds_dlt645, _decode_dlt645, _resum_serial),
    ("modbus", _seeds_modbus, _decode_modbus, _resum_modbus),
)


def mutated(dice: random.Random, seeds: list[bytes]) -> bytearray:
    """A seed with some bytes changed, cut, doubled or put together with another one."""
    data = bytearray(seeds[int(dice.random() * len(seeds))])
    for _ in range(1 + int(dice.random() * 4)):
        at = int(dice.random() * (len(data) + 1))
        kind = int(dice.random() * 6)
        if kind < 3 and at < len(data):
            data[at] = int(dice.random() * 256) if kind else data[at] ^ 1 << int(dice.random() * 8)
        elif kind == 3:
            del data[at : at + int(dice.random() * 8)]
        elif kind == 4:
            data[at:at] = data[: int(dice.random() * 12)]
        elif at % 7 == 0:
            data += seeds[int(dice.random() * len(seeds))]
    return data


def fuzz(task: Task, count: int, seed: int) -> tuple[Counter[str], float]:
    """Outcomes by error code, and the longest CPU time one message took in seconds."""
    name, seeds_of, decode, resum = task
    dice = random.Random(f"{name} {seed}")
    seeds = [*seeds_of(), answer_frame(1, 3, [1, 2, 3])] if name == "modbus" else seeds_of()
    scanner = FrameScanner()
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    for number in range(count):
        data = mutated(dice, seeds)
        if number & 1:
            resum(data)
        message = bytes(data)
        start = time.thread_time()
        try:
            decode(message, number >> 1)
            outcomes["decoded"] += 1
        except ProtocolError as error:
            outcomes[error.code] += 1
        except Exception as error:
            raise AssertionError(f"{name}: {error!r} from {message.hex()}, choice {number >> 1}") from error
        slowest = max(slowest, time.thread_time() - start)
        if name != "modbus" and number % 16 == 0:
            scanner.feed(message)
            if scanner.pending > 1000:
                raise AssertionError(f"the scanner keeps {scanner.pending} bytes")
    return outcomes, slowest


def main(count: int = 1_000_000, seed: int = 188) -> None:
    """Run and print."""
    for task in TASKS:
        fuzz(task, 1000, seed + 1)
        # What the imports left behind is not the decoders' to walk through.
        gc.collect()
        gc.freeze()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.process_time()
        outcomes, slowest = fuzz(task, count, seed)
        taken = time.process_time() - start
        growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        print(
            f"{task[0]}: {count:,} messages, {outcomes['decoded']:,} decoded, {count - outcomes['decoded']:,} refused, "
            f"0 foreign exceptions, slowest {slowest * 1e3:.1f} ms, memory +{growth} KiB, {taken:.0f} s"
        )
        print("   " + ", ".join(f"{code} {number:,}" for code, number in outcomes.most_common(12) if code != "decoded"))


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]))
