"""M-Bus decoding beside its peers: one process, one core, the same frames, ratios to pyMeterBus.

``python -m tests.speed.mbus_decode [rounds]`` prints the table. Frames come from the project's own encoder and, where
HEATBOOK_CORPUS names the corpus, from it too. Every decoder gives its full result: pyMeterBus loads and interprets
every record, pymbusparser builds its dict, ours builds records with quantity, unit, Decimal value, function, storage.
CPU time of interleaved rounds, medians of the ratios a round: neighbours on the machine disturb all alike.
"""

import json
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import meterbus
import pymbusparser

from protocols.mbus import Coding, record_bytes, telegram_from_frame, wired_frame
from protocols.telegram import Function, MeterId, Telegram

Decoder = Callable[[bytes], object]


def _history(months: int) -> bytes:
    data = b""
    for storage in range(1, months + 1):
        data += record_bytes(
            "energy", Decimal(storage).scaleb(6), "Wh", exponent=3, storage=storage, coding=Coding.BCD8
        )
        data += record_bytes("date", f"2025-{storage % 12 + 1:02d}-01", storage=storage)
    return data


def own_frames() -> list[bytes]:
    """Typical heat meters as the project's encoder writes them: integers, BCD, dates, history, a maker's tail."""
    momentary = b"".join(
        (
            record_bytes("energy", 81_234_000, "Wh", exponent=3),
            record_bytes("volume", Decimal("1234.56"), "m3"),
            record_bytes("power", 45_600, "W", exponent=2, coding=Coding.INT24),
            record_bytes("flow", Decimal("1.234"), "m3/h"),
            record_bytes("supply_temperature", Decimal("78.12"), "°C", coding=Coding.INT16),
            record_bytes("return_temperature", Decimal("45.67"), "°C", coding=Coding.INT16),
            record_bytes("temperature_difference", Decimal("32.45"), "K", coding=Coding.INT16),
            record_bytes("datetime", "2026-01-17T12:34:00"),
            record_bytes("operating_time", 3600, "s", coding=Coding.INT24),
            record_bytes("error_flags", 0, coding=Coding.INT16),
        )
    )
    decimal = b"".join(
        (
            record_bytes("fabrication_number", 12345678, coding=Coding.BCD8),
            record_bytes("energy", 81_234_000, "Wh", exponent=3, coding=Coding.BCD8),
            record_bytes("volume", Decimal("1234.56"), "m3", coding=Coding.BCD8),
            record_bytes("power", 45_600, "W", exponent=2, coding=Coding.BCD6),
            record_bytes("flow", Decimal("1.234"), "m3/h", coding=Coding.BCD6),
            record_bytes("supply_temperature", Decimal("78.1"), "°C", coding=Coding.BCD4),
            record_bytes("return_temperature", Decimal("45.6"), "°C", coding=Coding.BCD4),
            record_bytes("temperature_difference", Decimal("32.5"), "K", coding=Coding.BCD4),
            record_bytes("power", 99_900, "W", exponent=2, coding=Coding.BCD6, function=Function.MAXIMUM),
            record_bytes("date", "2025-12-31", storage=1),
            record_bytes("energy", 70_000_000, "Wh", exponent=3, coding=Coding.BCD8, storage=1),
        )
    )
    tail = record_bytes("manufacturer_specific", "0102030405060708")
    meter = MeterId("12345678", "KAM", 52, "heat")
    contents = (momentary, decimal, momentary + _history(12), decimal + tail, decimal + _history(12))
    return [wired_frame(meter, records, address=5, access_number=n) for n, records in enumerate(contents)]


def corpus_frames() -> list[bytes]:
    """Wired frames of the corpus with expected records; none where HEATBOOK_CORPUS is not set."""
    folder = os.environ.get("HEATBOOK_CORPUS")
    if not folder:
        return []
    lines = (Path(folder) / "mbus_wired.jsonl").read_text("utf-8").splitlines()
    return [bytes.fromhex(entry["hex"]) for entry in map(json.loads, lines) if entry["expected"]]


def by_pymeterbus(frame: bytes) -> object:
    """Load and interpret every record."""
    return [record.interpreted for record in meterbus.load(frame).records]


def by_pymbusparser(frame: bytes) -> object:
    """Its dict."""
    return pymbusparser.parse(frame)


def by_full_decoder(frame: bytes) -> Telegram:
    """Ours without layout plans."""
    return telegram_from_frame(frame, plans=None)


def by_layout_plan(frame: bytes) -> Telegram:
    """Ours as it runs."""
    return telegram_from_frame(frame)


DECODERS: tuple[tuple[str, Decoder], ...] = (
    ("pyMeterBus", by_pymeterbus),
    ("pymbusparser", by_pymbusparser),
    ("heatbook, full decoder", by_full_decoder),
    ("heatbook, layout plans", by_layout_plan),
)


def _accepted(frame: bytes) -> bool:
    try:
        for _, decoder in DECODERS:
            decoder(frame)
    except Exception:  # whatever a peer refuses, by whatever exception, is not compared
        return False
    return True


def seconds(decoder: Decoder, frames: list[bytes], loops: int) -> float:
    """CPU seconds a frame."""
    start = time.process_time()
    for _ in range(loops):
        for frame in frames:
            decoder(frame)
    return (time.process_time() - start) / loops / len(frames)


def main(rounds: int = 15) -> None:
    """Measure and print."""
    warnings.simplefilter("ignore")
    for title, candidates in (("own encoder", own_frames()), ("corpus", corpus_frames())):
        frames = [frame for frame in candidates if _accepted(frame)]
        if not frames:
            print(f"{title}: no frames")
            continue
        loops = max(1, 200 // len(frames))
        times: dict[str, list[float]] = {name: [] for name, _ in DECODERS}
        for _ in range(rounds):
            for name, decoder in DECODERS:
                times[name].append(seconds(decoder, frames, loops if decoder is by_pymeterbus else 5 * loops))
        values = sum(len(by_full_decoder(frame).records) for frame in frames)
        print(f"{title}: {len(frames)} of {len(candidates)} frames, {values / len(frames):.1f} records a frame")
        print("| decoder | µs/frame | frames/s | x pyMeterBus | x pymbusparser |")
        print("|---|---|---|---|---|")
        for name, _ in DECODERS:
            median = statistics.median(times[name])
            ratios = [
                statistics.median(peer / own for peer, own in zip(times[peer_name], times[name], strict=True))
                for peer_name in ("pyMeterBus", "pymbusparser")
            ]
            print(f"| {name} | {median * 1e6:.1f} | {1 / median:,.0f} | {ratios[0]:.1f} | {ratios[1]:.1f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
