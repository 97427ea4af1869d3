"""Finding the meters of a bus that nobody listed: by primary address, or by narrowing secondary addresses down.

Rules: one probe at a time, so that urgent reads go in between; which probe comes next and what its answer proves,
`protocols.mbus.SecondarySearch` knows.
"""

from collections.abc import AsyncIterator

import msgspec

from ingest.sources.asking import Master
from ingest.sources.errors import LineClosedError, SilenceError, SourceError
from ingest.sources.mbus import MbusMaster
from protocols.mbus import SecondarySearch, Selection, selection_from_text
from protocols.mbus.addressing import LAST_PRIMARY, selection_from_bytes
from protocols.mbus.frame import LongFrame, frame_from_bytes
from protocols.mbus.master import identity_of


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


async def primary_search(master: Master, baud_rate: int, pattern: str = "") -> AsyncIterator[SearchStep]:
    """Ask every primary address; `pattern` "5-20" narrows it. Yields a step an address. Raises LineClosedError."""
    bus = _bus(master)
    first, _, last = pattern.partition("-")
    numbers = range(int(first or 0), int(last or first or LAST_PRIMARY) + 1)
    for number in numbers:
        progress = (number - numbers.start + 1) / len(numbers)
        try:
            readout = await bus.readout(number, baud_rate, limit=1)
        except LineClosedError:
            raise
        except SilenceError:
            yield SearchStep(str(number), "none", progress)
        except SourceError:
            yield SearchStep(str(number), "several", progress)
        else:
            raw = readout.frames[0]
            yield SearchStep(str(number), "one", progress, _address_in(raw) or str(number), raw.hex())


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
    search = SecondarySearch(selection_from_text(pattern) if pattern else Selection())
    while await bus.converse(search, baud_rate):
        for probed in search.results():
            if probed.found is None:
                yield SearchStep(str(probed.mask), probed.result, probed.progress)
            else:
                address = str(probed.found.selection)
                yield SearchStep(str(probed.mask), "one", probed.progress, address, probed.found.frame.hex())


def _address_in(raw: bytes) -> str:
    """ "12345678.2C2D.34.04"; only the number of a fixed structure; empty where a telegram does not say whose it is."""
    frame = frame_from_bytes(raw)
    identity = identity_of(frame) if isinstance(frame, LongFrame) else None
    if identity is None:
        return ""
    return str(selection_from_bytes(identity)) if len(identity) == 8 else identity[::-1].hex().upper()


def _bus(master: Master) -> MbusMaster:
    if not isinstance(master, MbusMaster):
        raise SourceError("only an M-Bus can be searched")
    return master
