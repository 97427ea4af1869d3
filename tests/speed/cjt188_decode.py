"""CJ/T 188 decoding beside pyMeterBus' M-Bus decoding: one process, one core, interleaved rounds, the ratio of rates.

``python tests/speed/cjt188_decode.py [rounds]`` prints the table. There is no other CJ/T 188 decoder in Python to run
beside ours, so its rate is stated as a multiple of pyMeterBus' rate on typical heat-meter telegrams. Ours gives its
full result: units, Decimals, clock, raw bytes, reasons; with the dialect named, and with the layout found by
plausibility. Medians of the ratios a round.
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
from typing import Any

import meterbus

from protocols.catalogue import catalogue
from protocols.cjt188 import DIALECTS, frame_from_telegram, telegram_from_frame
from protocols.mbus import Coding, record_bytes, wired_frame
from protocols.telegram import DataRecord, MeterId, Telegram

Frame = tuple[bytes, str]


def own_frames() -> list[Frame]:
    """Answers to 901F in the layouts of the field, with the dialect that wrote them."""
    frames = []
    for number, dialect in enumerate(("tiangang", "runa", "huizhong", "danfoss", "lichuang", "standard", "haiweici")):
        records = [
            DataRecord("energy", "kWh", Decimal(1_234_567 + number).scaleb(-2)),
            DataRecord("power", "kW", Decimal("4.75")),
            DataRecord("flow", "m3/h", Decimal("0.9310")),
            DataRecord("volume", "m3", Decimal(71_082 + number).scaleb(-2)),
            DataRecord("supply_temperature", "°C", Decimal("71.25")),
            DataRecord("return_temperature", "°C", Decimal("46.50")),
            DataRecord("operating_time", "h", Decimal(28_390)),
            DataRecord("datetime", "", "2026-11-22T10:30:00"),
        ]
        if DIALECTS[dialect].settlement == "heat":
            records.append(DataRecord("energy", "kWh", Decimal("11000.00"), storage=1))
        meter = MeterId(f"4259{number:010d}", "4259", None, "heat")
        said = Telegram("cjt188", meter, tuple(records), details={"ser": str(number)})
        frames.append((frame_from_telegram(said, dialect), dialect))
    return frames


def corpus_frames() -> list[Frame]:
    """Answers of the corpus with expected values; none where HEATBOOK_CORPUS is not set."""
    folder = os.environ.get("HEATBOOK_CORPUS")
    if not folder:
        return []
    lines = (Path(folder) / "cjt188.jsonl").read_text("utf-8").splitlines()
    cases = [json.loads(line) for line in lines]
    return [(bytes.fromhex(case["hex"]), case["dialect"]) for case in cases if "current_heat" in case["expected"]]


def mbus_frames() -> list[bytes]:
    """What pyMeterBus decodes beside: heat meters with nine to ten records, integers and BCD."""
    contents = [
        b"".join(
            (
                record_bytes("energy", 81_234_000, "Wh", exponent=3, coding=coding),
                record_bytes("energy", 70_000_000, "Wh", exponent=3, coding=coding, storage=1),
                record_bytes("volume", Decimal("1234.56"), "m3", coding=coding),
                record_bytes("power", 45_600, "W", exponent=2, coding=coding),
                record_bytes("flow", Decimal("1.234"), "m3/h", coding=coding),
                record_bytes("supply_temperature", Decimal("78.1"), "°C", coding=Coding.BCD4),
                record_bytes("return_temperature", Decimal("45.6"), "°C", coding=Coding.BCD4),
                record_bytes("operating_time", 7200, "s", coding=Coding.BCD6),
                record_bytes("datetime", "2026-01-17T12:34:00"),
            )
        )
        for coding in (Coding.INT32, Coding.BCD8)
    ]
    return [wired_frame(MeterId("12345678", "KAM", 52, "heat"), records, address=5) for records in contents]


def corpus_mbus_frames() -> list[bytes]:
    """Wired M-Bus frames of the corpus that pyMeterBus reads."""
    accepted = []
    for line in (Path(os.environ["HEATBOOK_CORPUS"]) / "mbus_wired.jsonl").read_text("utf-8").splitlines():
        case = json.loads(line)
        if not case["expected"]:
            continue
        try:
            by_pymeterbus([bytes.fromhex(case["hex"])])
        except Exception:  # whatever it refuses, by whatever exception, is not compared
            continue
        accepted.append(bytes.fromhex(case["hex"]))
    return accepted


def by_pymeterbus(frames: list[bytes]) -> None:
    """Load and interpret every record."""
    for frame in frames:
        for record in meterbus.load(frame).records:
            _ = record.interpreted


def by_name(frames: list[Frame]) -> None:
    """Ours, with the dialect named."""
    for frame, dialect in frames:
        telegram_from_frame(frame, dialect)


def by_plausibility(frames: list[Frame]) -> None:
    """Ours, with nothing known."""
    for frame, _ in frames:
        telegram_from_frame(frame)


def to_readings(frames: list[Frame]) -> None:
    """Ours, nothing known, on to register readings by the catalogue."""
    profiles = catalogue()
    for frame, _ in frames:
        telegram = telegram_from_frame(frame)
        profiles.find(telegram).interpret(telegram)


def seconds(decoder: Callable[[list[Any]], None], frames: list[Any], loops: int) -> float:
    """CPU seconds a frame."""
    start = time.process_time()
    for _ in range(loops):
        decoder(frames)
    return (time.process_time() - start) / loops / len(frames)


def main(rounds: int = 15) -> None:
    """Measure and print."""
    warnings.simplefilter("ignore")
    corpus = corpus_frames()
    for title, frames, peers in (
        ("own encoder", own_frames(), mbus_frames()),
        ("corpus", corpus, corpus_mbus_frames() if corpus else []),
    ):
        if not frames:
            print(f"{title}: no frames")
            continue
        times: dict[str, list[float]] = {}
        for _ in range(rounds):
            times.setdefault("pyMeterBus, M-Bus", []).append(seconds(by_pymeterbus, peers, max(1, 80 // len(peers))))
            for name, decoder in (
                ("heatbook, dialect named", by_name),
                ("heatbook, layout found", by_plausibility),
                ("heatbook, to register readings", to_readings),
            ):
                times.setdefault(name, []).append(seconds(decoder, frames, 100))
        print(f"{title}: {len(frames)} CJ/T 188 frames of 9 records, {len(peers)} M-Bus frames beside")
        print("| decoder | µs/frame | frames/s | x pyMeterBus |")
        print("|---|---|---|---|")
        for name, taken in times.items():
            median = statistics.median(taken)
            pairs = zip(times["pyMeterBus, M-Bus"], taken, strict=True)
            ratio = statistics.median(peer / own for peer, own in pairs)
            print(f"| {name} | {median * 1e6:.1f} | {1 / median:,.0f} | {ratio:.1f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
