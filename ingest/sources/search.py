"""Finding the meters of a bus that nobody listed: by primary address, or by narrowing secondary addresses down.

Rules: one probe at a time, so that urgent reads go in between; a clean acknowledgement alone proves nothing (several
can sound like one): only a valid telegram does. Identifications are hexadecimal, so every digit has sixteen branches.
Meters with equal identifications are told apart by fabrication number, medium, version and manufacturer, in that order.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace

import msgspec

from ingest.sources.asking import Master
from ingest.sources.errors import CollisionError, GarbledError, LineClosedError, SilenceError, SourceError
from ingest.sources.mbus import MbusMaster
from ingest.sources.mbus_link import ANY, Selection, identity_of
from protocols.mbus.frame import ADDRESS_SELECTED, FCB
from protocols.mbus.header import MEDIUM_CODES, code_from_manufacturer

DIGITS = "0123456789ABCDE"
# F is the wildcard itself: an identification with a digit F can only be found among those that are left over.
LAST_PRIMARY = 250
# Makers on district-heating buses; a meter of another one that collides to the end is reported as unresolved.
MANUFACTURERS = (
    "KAM", "LUG", "HYD", "DME", "EFE", "SEN", "ZRI", "ITW", "ACW", "SON", "QDS", "ELS", "ABB", "DAN", "AXI", "APT",
    "BMT", "TCH", "SIE", "NZR", "SPX", "INV", "REL", "WEP", "PAD", "GWF", "MIN", "VTK", "HYG", "SBC",
)  # fmt: skip


class SearchStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """One probe of a search: what was asked, what it showed, how far the search is (0 to 1).

    result: "none", "one", "several" or "unresolved" (meters that no selection tells apart). address: of the meter
    found. frame: its telegram, hex.
    """

    probe: str
    result: str
    progress: float
    address: str = ""
    frame: str = ""


@dataclass(frozen=True, slots=True)
class _Branch:
    """A pattern to probe and the part of the whole search that it is."""

    selection: Selection
    start: float
    share: float


async def primary_search(master: Master, baud_rate: int, pattern: str = "") -> AsyncIterator[SearchStep]:
    """Ask every primary address; `pattern` "5-20" narrows it. Yields a step an address. Raises LineClosedError."""
    bus = _bus(master)
    first, _, last = pattern.partition("-")
    numbers = range(int(first or 0), int(last or first or LAST_PRIMARY) + 1)
    for number in numbers:
        progress = (number - numbers.start + 1) / len(numbers)
        try:
            await bus.reset(number, baud_rate)
            frame, raw = await bus.request(number, number, FCB, baud_rate)
        except LineClosedError:
            raise
        except SilenceError:
            yield SearchStep(str(number), "none", progress)
        except SourceError:
            yield SearchStep(str(number), "several", progress)
        else:
            yield SearchStep(str(number), "one", progress, _address_of(identity_of(frame)) or str(number), raw.hex())


async def secondary_search(master: Master, baud_rate: int, pattern: str = "") -> AsyncIterator[SearchStep]:
    """Find every meter that can be selected; `pattern` is a selection to stay within.

    Yields
    ------
    SearchStep
        One a probe; each meter once, with its address.

    Raises
    ------
    LineClosedError
        The gateway went away.
    """
    bus = _bus(master)
    whole = _selection(pattern)
    stack = [_Branch(whole, 0.0, 1.0)]
    found: set[str] = set()
    while stack:
        branch = stack.pop()
        result, address, raw = await _probe(bus, branch.selection, baud_rate)
        if result == "one" and address != str(branch.selection):
            # Two answers on top of each other can look like a third meter: only who answers to its own name is there.
            result = await _confirmed(bus, address, baud_rate)
        end = branch.start + branch.share
        if result == "several":
            parts = _parts(branch.selection)
            if not parts:
                yield SearchStep(str(branch.selection), "unresolved", end)
                continue
            share = branch.share / len(parts)
            stack += [_Branch(part, branch.start + number * share, share) for number, part in enumerate(parts)][::-1]
            yield SearchStep(str(branch.selection), result, branch.start)
        elif result == "one" and address not in found:
            found.add(address)
            yield SearchStep(str(branch.selection), result, end, address, raw.hex())
        else:
            yield SearchStep(str(branch.selection), "none", end)


async def _probe(bus: MbusMaster, selection: Selection, baud_rate: int) -> tuple[str, str, bytes]:
    """What a selection shows: ("none" | "one" | "several", address, telegram). Silence is believed the second time."""
    for last in (False, True):
        try:
            await bus.select(selection, baud_rate)
            break
        except LineClosedError:
            raise
        except SilenceError:
            if last:
                return "none", "", b""
        except SourceError:
            return "several", "", b""
    for last in (False, True):
        try:
            frame, raw = await bus.request(ADDRESS_SELECTED, selection, FCB, baud_rate)
        except LineClosedError:
            raise
        except (CollisionError, GarbledError):
            return "several", "", b""
        except SourceError:
            if last:
                return "several", "", b""
            continue
        address = _address_of(identity_of(frame)) or str(selection)
        return "one", f"{address}.{selection.fabrication}" if _needs_fabrication(selection) else address, raw
    return "none", "", b""


async def _confirmed(bus: MbusMaster, address: str, baud_rate: int) -> str:
    """ "one" where the meter of this full address answers alone, else "several"."""
    result, again, _ = await _probe(bus, _selection(address), baud_rate)
    return "one" if (result, again) == ("one", address) else "several"


def _needs_fabrication(selection: Selection) -> bool:
    return bool(selection.fabrication) and "F" not in selection.identification


def _parts(selection: Selection) -> list[Selection]:
    """Narrower patterns that together cover a pattern; empty where nothing is left to tell meters apart by."""
    if (place := selection.identification.find("F")) >= 0:
        head, tail = selection.identification[:place], selection.identification[place + 1 :]
        return [replace(selection, identification=head + digit + tail) for digit in DIGITS]
    return list(_told_apart(selection))


def _told_apart(selection: Selection) -> Iterable[Selection]:
    if not selection.fabrication and selection.medium == "FF":
        # Slaves without the enhanced selection don't answer to a fabrication number: the media find those.
        yield replace(selection, fabrication=ANY)
        for code in sorted(set(MEDIUM_CODES.values())):
            yield replace(selection, medium=f"{code:02X}")
    elif (place := selection.fabrication.find("F")) >= 0:
        head, tail = selection.fabrication[:place], selection.fabrication[place + 1 :]
        for digit in DIGITS:
            yield replace(selection, fabrication=head + digit + tail)
    elif not selection.fabrication and selection.version == "FF":
        for version in range(0xFF):
            yield replace(selection, version=f"{version:02X}")
    elif not selection.fabrication and selection.manufacturer == "FFFF":
        for letters in MANUFACTURERS:
            yield replace(selection, manufacturer=f"{code_from_manufacturer(letters):04X}")
    elif not selection.fabrication:
        yield replace(selection, fabrication=ANY)


def _address_of(identity: bytes | None) -> str:
    """ "12345678.2C2D.34.04"; empty where the telegram does not say who it is of."""
    if identity is None:
        return ""
    serial = identity[3::-1].hex().upper()
    if len(identity) < 8:
        return serial
    return f"{serial}.{identity[5:3:-1].hex().upper()}.{identity[6]:02X}.{identity[7]:02X}"


def _selection(pattern: str) -> Selection:
    if not pattern:
        return Selection()
    parts = pattern.strip().upper().split(".")
    names = ("identification", "manufacturer", "version", "medium", "fabrication")
    return Selection(**dict(zip(names, parts, strict=False)))


def _bus(master: Master) -> MbusMaster:
    if not isinstance(master, MbusMaster):
        raise SourceError("only an M-Bus can be searched")
    return master
