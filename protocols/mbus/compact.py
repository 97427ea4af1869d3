"""Compact frames: data without their DIF/VIF bytes, which a layout known from elsewhere gives back.

The layout is found by the CRC of its DIF/VIF bytes (the format signature). Layouts are learnt from full telegrams and
from format frames, and kept per meter type by whoever owns the LayoutStore. A compact frame also carries the CRC of
the full frame: what was put together is checked against it, so a wrong layout never yields data.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from protocols.errors import ContentError, UnsupportedError
from protocols.mbus.head import Reading
from protocols.mbus.records import FILLER, head_at, variable_size
from protocols.mbus.wireless import crc
from protocols.telegram import MeterId

_TAILS: Final = (0x0F, 0x1F)
# Layouts of Kamstrup's water meters, so that the first compact frame reads before a full one came.
_WELL_KNOWN: Final = (
    bytes.fromhex("02ff2004134413615b6167"),
    bytes.fromhex("02ff2004134413a1015b8101e7ff0f"),
    bytes.fromhex("02ff20041392013ba1015b8101e7ff0f"),
)


@lru_cache(maxsize=4096)
def signature_of(layout: bytes) -> int:
    """Format signature: the CRC of the DIF/VIF bytes."""
    return crc(layout)


def meter_type(meter: MeterId) -> str:
    """Key under which a meter's layouts are kept: ``"KAM-1B-cold_water"``."""
    return f"{meter.manufacturer}-{meter.version or 0:02X}-{meter.medium}"


def split(data: bytes) -> tuple[bytes, bytes]:
    """DIF/VIF bytes and data bytes of a full variable data structure; fillers belong to neither.

    Raises
    ------
    ContentError, IndexError
        The records cannot be delimited.
    """
    layout, values = bytearray(), bytearray()
    at = 0
    while at < len(data):
        if data[at] == FILLER:
            at += 1
            continue
        if data[at] in _TAILS:
            layout.append(data[at])
            values += data[at + 1 :]
            break
        head, start = head_at(data, at)
        layout += data[at:start]
        stop = start + _size(head.reading, head.size, data, start)
        if stop > len(data):
            raise IndexError
        values += data[start:stop]
        at = stop
    return bytes(layout), bytes(values)


def _size(reading: Reading, size: int, data: bytes, at: int) -> int:
    if reading is not Reading.VARIABLE:
        return size
    variable = variable_size(data[at])
    if variable is None:
        raise ContentError("record.lvar", f"reserved LVAR {data[at]:02X}", at)
    return 1 + variable


def joined(layout: bytes, values: bytes) -> bytes:
    """The full structure of a layout and its data. Raises as `split`."""
    full = bytearray()
    at = used = 0
    while at < len(layout):
        if layout[at] in _TAILS:
            full.append(layout[at])
            full += values[used:]
            return bytes(full)
        head, end = head_at(layout, at)
        stop = used + _size(head.reading, head.size, values, used)
        if stop > len(values):
            raise IndexError
        full += layout[at:end] + values[used:stop]
        at, used = end, stop
    if used != len(values):
        raise IndexError
    return bytes(full)


@dataclass(slots=True)
class LayoutStore:
    """Layouts by meter type and signature; a plain mapping that can be dumped and loaded.

    `limit` bounds the layouts kept a meter type: the oldest leaves, so a hostile sender cannot fill the memory.
    """

    layouts: dict[str, dict[int, bytes]] = field(default_factory=dict)
    limit: int = 32
    type_limit: int = 4096

    def learn(self, meter: MeterId, layout: bytes) -> int:
        """Keep a layout (DIF/VIF bytes); returns its signature."""
        signature = signature_of(layout)
        kind = meter_type(meter)
        if kind not in self.layouts and len(self.layouts) >= self.type_limit:
            del self.layouts[next(iter(self.layouts))]
        known = self.layouts.setdefault(kind, {})
        if signature not in known and len(known) >= self.limit:
            del known[next(iter(known))]
        known[signature] = layout
        return signature

    def learn_full(self, meter: MeterId, data: bytes) -> None:
        """Learn from the data of a full telegram; data that cannot be split teach nothing."""
        try:
            layout, _ = split(data)
        except (ContentError, IndexError):
            return
        if layout:
            self.learn(meter, layout)

    def find(self, meter: MeterId, signature: int) -> bytes | None:
        """Layout of a signature for this type of meter."""
        return self.layouts.get(meter_type(meter), {}).get(signature)

    def dump(self) -> dict[str, dict[str, str]]:
        """Everything as JSON-able text: meter type -> signature (hex) -> layout (hex)."""
        return {kind: {f"{key:04x}": one.hex() for key, one in known.items()} for kind, known in self.layouts.items()}

    def load(self, dumped: dict[str, dict[str, str]]) -> None:
        """Add what `dump` gave. Raises ValueError where a signature is not that of its layout."""
        for kind, known in dumped.items():
            for signature, text in known.items():
                layout = bytes.fromhex(text)
                if crc(layout) != int(signature, 16):
                    raise ValueError(f"layout {signature} of {kind} has signature {crc(layout):04x}")
                self.layouts.setdefault(kind, {})[crc(layout)] = layout


def full_from_compact(data: bytes, meter: MeterId, layouts: LayoutStore | None, base: int) -> bytes:
    """Full variable data structure of the data of a compact frame.

    Raises
    ------
    UnsupportedError
        ``layout.unknown``: no full telegram or format frame of this type was seen yet.
    ContentError
        ``compact.truncated``, ``compact.length`` (data do not fit the layout), ``compact.crc``.
    """
    if len(data) < 4:
        raise ContentError("compact.truncated", f"compact frame of {len(data)} bytes, byte {base}", base)
    signature = int.from_bytes(data[:2], "little")
    layout = None if layouts is None else layouts.find(meter, signature)
    if layout is None and meter.manufacturer == "KAM":
        layout = {signature_of(one): one for one in _WELL_KNOWN}.get(signature)
    if layout is None:
        raise UnsupportedError("layout.unknown", f"no layout with signature {signature:04X} known, byte {base}", base)
    values = data[4:]
    try:
        full = joined(layout, values)
    except (ContentError, IndexError) as cause:
        message = f"{len(values)} data bytes do not fit layout {signature:04X}, byte {base + 4}"
        raise ContentError("compact.length", message, base + 4) from cause
    expected = int.from_bytes(data[2:4], "little")
    if crc(full) != expected:
        message = f"CRC of the full frame 0x{expected:04X} where 0x{crc(full):04X} was computed, byte {base + 2}"
        raise ContentError("compact.crc", message, base + 2)
    return full


def compact_from_full(data: bytes) -> bytes:
    """Data of the compact frame for the data of a full one, fillers dropped. Raises as `split`."""
    layout, values = split(data)
    full = joined(layout, values)
    return crc(layout).to_bytes(2, "little") + crc(full).to_bytes(2, "little") + values


def layout_from_format(data: bytes, base: int) -> bytes:
    """DIF/VIF bytes of a format frame: length, signature, blocks.

    Raises
    ------
    ContentError
        ``compact.truncated``, ``compact.signature``.
    """
    if len(data) < 3:
        raise ContentError("compact.truncated", f"format frame of {len(data)} bytes, byte {base}", base)
    signature = int.from_bytes(data[1:3], "little")
    # The length byte counts the blocks or the blocks with their signature, by maker: the signature decides.
    for size in (data[0], data[0] - 2):
        layout = data[3 : 3 + max(0, size)]
        if len(layout) == size and crc(layout) == signature:
            return layout
    message = f"signature 0x{signature:04X} is not that of the blocks, byte {base + 1}"
    raise ContentError("compact.signature", message, base + 1)


def format_from_full(data: bytes) -> bytes:
    """Data of the format frame for the data of a full one. Raises as `split`."""
    layout, _ = split(data)
    return bytes((len(layout),)) + crc(layout).to_bytes(2, "little") + layout
