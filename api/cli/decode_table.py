"""A telegram as tables for people, and an error explained at its byte in a hex dump.

Colours only where the output is a terminal; rich finds that out.
"""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ingest.model import Decoded
from protocols.errors import ProtocolError
from protocols.telegram import DataRecord, value_text

_ROW = 16
# Rows shown around an error in a long input.
_AROUND = 6


def print_telegrams(found: list[Decoded], console: Console | None = None) -> None:
    """Header, records and registers of every telegram."""
    out = console or Console(highlight=False)
    if not found:
        out.print("A valid message without meter values (heartbeat, birth, or a part of something larger).")
    for number, decoded in enumerate(found):
        if number:
            out.rule()
        _print_head(decoded, out)
        out.print(_records_table(decoded))
        if decoded.readings:
            out.print(_registers_table(decoded))


def _print_head(decoded: Decoded, out: Console) -> None:
    telegram = decoded.telegram
    meter = telegram.meter
    facts: list[tuple[str, Any]] = [
        ("protocol", telegram.protocol),
        ("meter", meter.serial or "(none)"),
        ("manufacturer", meter.manufacturer),
        ("version", meter.version),
        ("medium", meter.medium),
        ("access number", telegram.access_number),
        ("status", None if telegram.status is None else f"0x{telegram.status:02X}"),
        ("profile", decoded.profile),
        ("meter clock", decoded.meter_time),
        ("info code", None if decoded.info_code is None else f"0x{decoded.info_code:X}"),
        ("flags", ", ".join(decoded.flags)),
        *telegram.details.items(),
    ]
    for name, value in facts:
        if value not in (None, ""):
            out.print(Text.assemble((f"{name:>14}  ", "cyan"), str(value)))
    for note in telegram.diagnostics:
        out.print(Text.assemble((f"{'note':>14}  ", "yellow"), note))


def _qualifier(record: DataRecord) -> str:
    parts = [] if record.function == "instantaneous" else [str(record.function)]
    parts += [f"{name} {value}" for name, value in (("storage", record.storage), ("tariff", record.tariff)) if value]
    if record.subunit:
        parts.append(f"unit {record.subunit}")
    return ", ".join([*parts, *record.modifiers])


def _records_table(decoded: Decoded) -> Table:
    table = Table(title="Records", title_justify="left", header_style="bold")
    table.add_column("quantity", style="green")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("which")
    table.add_column("code", style="dim")
    table.add_column("raw", style="dim", overflow="fold")
    for record in decoded.telegram.records:
        value = Text(value_text(record.value) or "–")
        if record.error:
            value = Text.assemble(value, (f" {record.error}", "red"))
        table.add_row(
            Text(record.quantity), value, record.unit, _qualifier(record), Text(record.code), Text(record.raw)
        )
    return table


def _registers_table(decoded: Decoded) -> Table:
    table = Table(title=f"Registers ({decoded.profile})", title_justify="left", header_style="bold")
    for name in ("register", "value", "unit", "display count", "time"):
        table.add_column(name, justify="right" if name in ("value", "display count") else "left")
    for reading in decoded.readings:
        shape = reading.as_json()
        value = Text(shape["value"] or "–") if reading.error is None else Text(reading.error, "red")
        count = (
            "" if reading.count is None else f"{reading.count} × 10^{reading.register.scale} {reading.register.unit}"
        )
        table.add_row(shape["register"], value, shape["unit"], count, shape["time"] or "")
    return table


def print_error(error: ProtocolError, payload: bytes, console: Console | None = None) -> None:
    """The error and the bytes around it, the byte marked."""
    out = console or Console(highlight=False)
    out.print(Text.assemble((error.code, "bold red"), f"  {error.message}"))
    for line in dump_lines(payload, error.offset):
        out.print(line)


def dump_lines(payload: bytes, offset: int | None) -> list[Text]:
    """A hex dump of 16 bytes a row; the byte at `offset` stands out, a caret below names it."""
    rows = range(0, max(len(payload), 1), _ROW)
    if offset is not None:
        # An offset behind the last byte says that something is missing there.
        offset = min(max(offset, 0), len(payload))
        marked = min(offset, max(len(payload) - 1, 0)) // _ROW * _ROW
        rows = range(max(0, marked - _AROUND * _ROW), min(len(payload) or 1, marked + (_AROUND + 1) * _ROW), _ROW)
    elif len(rows) > 2 * _AROUND:
        rows = rows[: 2 * _AROUND]
    lines: list[Text] = []
    for start in rows:
        chunk = payload[start : start + _ROW]
        line = Text(f"{start:06X}  ", style="dim")
        for place, byte in enumerate(chunk, start):
            line.append(f"{byte:02X} ", "bold white on red" if place == offset else "none")
        line.append("   " * (_ROW - len(chunk)))
        line.append(" " + "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in chunk), "none")
        lines.append(line)
        if offset is not None and (
            start <= offset < start + len(chunk) or offset == start + len(chunk) == len(payload)
        ):
            caret = " " * (8 + 3 * (offset - start)) + "^^"
            lines.append(Text(f"{caret} byte {offset}", style="red"))
    return lines
