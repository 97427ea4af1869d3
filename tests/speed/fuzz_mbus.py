"""Mutated M-Bus frames without end of surprises: nothing but the package's own errors may come out, fast, memory flat.

``python -m tests.speed.fuzz_mbus [count] [seed]`` mutates frames of every kind the project's encoder writes (check sums
repaired half of the time, so that the mutation gets through to the inner layers), decodes them with and without plans,
feeds them to the stream receiver, and prints a table. Exit code 1 and the frame on the first foreign exception.
"""

import random
import resource
import sys
import time
from collections import Counter
from decimal import Decimal

from protocols.errors import ProtocolError
from protocols.mbus import (
    Coding,
    FragmentStore,
    LayoutStore,
    application_error_frame,
    fixed_frame,
    record_bytes,
    telegram_from_frame,
    wired_frame,
    wireless_compact_telegram,
    wireless_ctr_telegram,
    wireless_format_telegram,
    wireless_mode7_telegram,
    wireless_mode7_telegrams,
    wireless_mode10_telegram,
    wireless_telegram,
)
from protocols.mbus.extended import ExtendedLink
from protocols.mbus.frame import RSP_UD, LongFrame, check_sum
from protocols.mbus.receiver import FrameReceiver
from protocols.telegram import MeterId, telegram_as_json

KEY = bytes(range(16))
METER = MeterId("12345678", "KAM", 52, "heat")


def seeds() -> list[bytes]:
    """One frame of every kind."""
    records = b"".join(
        (
            record_bytes("energy", 81_234_000, "Wh", exponent=3, coding=Coding.BCD8),
            record_bytes("volume", Decimal("1234.56"), "m3", storage=3, tariff=2, subunit=1),
            record_bytes("datetime", "2026-01-17T12:34:00"),
            record_bytes("date", "2025-12-31", storage=1),
            record_bytes("customer", "text of variable length", vib=b"\xfd\x11"),
            record_bytes("flow", Decimal("1.5"), "m3/h", coding=Coding.REAL32, exponent=0, vib=b"\x3e"),
            record_bytes("manufacturer_specific", "00112233"),
        )
    )
    short = record_bytes("energy", 1000, "Wh", exponent=0)
    # A load profile with its base: four months back.
    profile = bytes.fromhex("0C1313100000026C1F150D93130A7AFE5802320314024401")
    high = wired_frame(METER, records)[7:-2]
    radio = MeterId("00000001", "ABC", 1, "other")
    return [
        wired_frame(METER, records, address=5),
        wired_frame(METER, short, address=5),
        wired_frame(METER, records[:60], key=KEY),
        fixed_frame(METER, (5, 0x29), (6531, 69)),
        application_error_frame("application_busy"),
        wireless_telegram(METER, records),
        wireless_telegram(METER, records, form="A"),
        wireless_telegram(METER, records, form="B", key=KEY),
        wireless_telegram(METER, records, key=KEY, radio=radio),
        wireless_telegram(METER, short, extended=ExtendedLink(0x20, 3)),
        wireless_ctr_telegram(METER, records, key=KEY),
        wireless_ctr_telegram(METER, short, key=KEY, compact=True),
        wireless_mode7_telegram(METER, records, key=KEY, counter=7),
        wireless_compact_telegram(METER, records),
        wireless_format_telegram(METER, records),
        wireless_mode10_telegram(METER, records, key=KEY, counter=7),
        *wireless_mode7_telegrams(METER, records, key=KEY, counter=7, largest=40),
        wired_frame(METER, profile + short),
        wireless_telegram(METER, short + profile, key=KEY),
        LongFrame(RSP_UD, 1, 0x76, high).to_bytes(),
        LongFrame(RSP_UD, 1, 0x77, fixed_frame(METER, (5, 0x29), (6531, 69))[7:-2]).to_bytes(),
    ]


def mutated(frame: bytes, dice: random.Random) -> bytes:
    """A frame with some bytes changed, cut, repeated or inserted."""
    data = bytearray(frame)
    for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
        if not data:
            break
        at, kind = dice.randrange(len(data)), dice.randrange(8)
        if kind < 4:
            data[at] = dice.choice(
                (dice.randrange(256), 0xFF, 0x00, 0x80, 0x0F, 0x2F, 0x7C, 0xFC, 0x0D, data[at] ^ 0x80)
            )
        elif kind == 4:
            del data[at:]
        elif kind == 5:
            del data[at : at + dice.randrange(1, 5)]
        elif kind == 6:
            data[at:at] = dice.randbytes(dice.randrange(1, 12))
        else:
            data[at:at] = data[max(0, at - 6) : at]
    if dice.random() < 0.6:
        repair(data)
    return bytes(data)


def repair(data: bytearray) -> None:
    """Lengths and check sum as they should be, so the content is looked at."""
    if len(data) > 8 and data[0] == 0x68 and data[3] == 0x68 and len(data) <= 261:
        data[1] = data[2] = len(data) - 6
        data[-1] = 0x16
        data[-2] = check_sum(bytes(data[4:-2]))
    elif 11 <= len(data) <= 256 and data[0] != 0x68:
        data[0] = len(data) - 1


def attempt(frame: bytes, layouts: LayoutStore, fragments: FragmentStore, receiver: FrameReceiver) -> str:
    """Outcome of one frame by every way in: the code of the error, or "telegram"."""
    for event in receiver.feed(frame):
        assert event
    outcome = "telegram"
    for key in (None, KEY):
        try:
            telegram = telegram_from_frame(frame, key, layouts=layouts, fragments=fragments)
            telegram_as_json(telegram)
        except ProtocolError as error:
            outcome = error.code
            continue
        if len(telegram.records) > 256:
            raise AssertionError("more records than bytes")
    return outcome


def main(count: int = 1_000_000, seed: int = 1) -> int:
    """Run and print; 0 if nothing foreign was raised."""
    dice = random.Random(seed)
    frames, layouts, fragments, receiver = seeds(), LayoutStore(), FragmentStore(), FrameReceiver()
    outcomes: Counter[str] = Counter()
    slowest, start = 0.0, time.perf_counter()
    memory = 0
    for number in range(count):
        frame = mutated(dice.choice(frames), dice)
        began = time.process_time()
        try:
            outcomes[attempt(frame, layouts, fragments, receiver)] += 1
        except Exception as error:  # the very thing looked for
            print(f"foreign {type(error).__name__}: {error}\nseed {seed}, number {number}: {frame.hex()}")
            return 1
        slowest = max(slowest, time.process_time() - began)
        if number == count // 10:
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    print(f"{count} frames, seed {seed}: {time.perf_counter() - start:.0f} s, slowest {slowest * 1e3:.1f} ms CPU,")
    print(f"memory grew by {grown} KiB after the first tenth, {receiver.pending} bytes pending in the receiver")
    for code, times in outcomes.most_common():
        print(f"{times:9d} {code}")
    return 0


if __name__ == "__main__":
    arguments = [int(one) for one in sys.argv[1:]]
    sys.exit(main(*arguments))
