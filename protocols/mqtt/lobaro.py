"""The Lobaro bridge sends a wireless M-Bus telegram in parts: the port's tens are the part, its units how many there
are.

Part n+1 follows part n in the frame counter; whatever breaks that order (a lost part, a restart) drops what was held.
The last part yields the whole telegram; a part whose predecessor is missing is an error, because its bytes say nothing.
"""

from typing import Any

from protocols.errors import ContentError
from protocols.mqtt.message import FamilyState, remember

FAMILY = "lobaro"
_MAX_DEVICES = 10_000


def is_part(port: int | None, data: bytes) -> bool:
    """Whether port and bytes are those of a part: 11, 12, 22, 13 ...; a first part starts like a telegram."""
    if port is None or not 11 <= port <= 99:
        return False
    part, total = divmod(port, 10)
    if not 1 <= part <= total:
        return False
    return part > 1 or (len(data) > 2 and data[1] in (0x44, 0x46, 0x08) and data[0] >= 10)


def joined(device: str, port: int, counter: int, data: bytes, state: FamilyState) -> bytes | None:
    """The whole telegram if this part completes it, else None.

    Raises
    ------
    ContentError
        ``lobaro.part_missing``: an earlier part did not come.
    """
    part, total = divmod(port, 10)
    slot = state.slot(FAMILY)
    held: Any = slot.pop(device, None)
    if part == 1:
        if total == 1:
            return data
        remember(slot, device, [counter, 1, total, bytes(data)], _MAX_DEVICES)
        return None
    expected = None if held is None else (held[0] + 1, held[1] + 1, held[2])
    if expected != (counter, part, total):
        message = f"part {part} of {total} with frame counter {counter}: part {part - 1} with {counter - 1} is missing"
        raise ContentError("lobaro.part_missing", message, 0)
    whole = bytes(held[3]) + data
    if part == total:
        return whole
    remember(slot, device, [counter, part, total, whole], _MAX_DEVICES)
    return None


def parts_from_telegram(telegram: bytes, largest: int = 51) -> list[tuple[int, bytes]]:
    """(port, bytes) of the parts of a telegram. Raises ValueError if it takes more than nine."""
    total = -(-len(telegram) // largest)
    if not 1 <= total <= 9:
        raise ValueError(f"{len(telegram)} bytes take {total} parts of {largest}")
    return [((number + 1) * 10 + total, telegram[number * largest : (number + 1) * largest]) for number in range(total)]
