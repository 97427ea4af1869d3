"""Messages that come in several telegrams (authentication and fragmentation layer, EN 13757-7) put together.

Rules: sans-IO and no clock; whoever owns the store decides how long it lives. Fragments of a sender count from 1
without a gap; the same fragment again (a repeater's copy, a second look with a key) changes nothing. Senders, fragments
and bytes are bounded, the oldest sender leaves first. A message is whole when its last fragment came and its length is
the one its first fragment announced.
"""

from dataclasses import dataclass, field
from typing import Final

import msgspec

from protocols.errors import ContentError
from protocols.mbus.authentication import Authentication

LONGEST_MESSAGE: Final = 0x4000


class Held(msgspec.Struct):
    """What came of one message: its fragments in order, each with its layer, and whether the last is among them."""

    layers: list[Authentication]
    parts: list[bytes]
    whole: bool = False

    def has(self, number: int, layer: Authentication, data: bytes) -> bool:
        """Whether exactly this fragment came before."""
        return 1 <= number <= len(self.parts) and (self.layers[number - 1], self.parts[number - 1]) == (layer, data)


@dataclass(slots=True)
class FragmentStore:
    """Unfinished messages by sender; plain data that can be kept between runs."""

    held: dict[str, Held] = field(default_factory=dict)
    limit: int = 1024

    def take(self, sender: str, layer: Authentication, data: bytes, base: int) -> tuple[Authentication, bytes] | None:
        """Add one fragment; the message and its layer once it is whole, else None.

        Parameters
        ----------
        sender : str
            Whose message it is: only fragments of one sender belong together.
        layer : Authentication
            Of this fragment; the result has the fields of all of them.
        data : bytes
            The fragment, from the byte after its layer on, which is at offset `base` of its telegram.

        Raises
        ------
        ContentError
            ``afl.fragment_missing``: an earlier fragment did not come. ``afl.fragment_duplicate``: another fragment of
            this number came before. ``afl.fragment_late``: the message was whole already. ``afl.length``: the message
            is not as long as announced, or longer than any may be.
        """
        held = self.held.get(sender)
        number = layer.fragment
        if held is not None and held.has(number, layer, data):
            return self._joined(held, base) if held.whole and number == len(held.parts) else None
        if number == 1:
            held = self._begun(sender)
        elif held is None or number > len(held.parts) + 1:
            if held is not None and not held.whole:
                del self.held[sender]
            came = 0 if held is None else len(held.parts)
            text = f"fragment {number} after {came}: an earlier one is missing, byte {base}"
            raise ContentError("afl.fragment_missing", text, base)
        elif number <= len(held.parts):
            raise ContentError("afl.fragment_duplicate", f"another fragment {number} came before, byte {base}", base)
        elif held.whole:
            text = f"fragment {number} of a message that ended with {len(held.parts)}, byte {base}"
            raise ContentError("afl.fragment_late", text, base)
        held.layers.append(layer)
        held.parts.append(data)
        held.whole = not layer.more
        if sum(map(len, held.parts)) > min(LONGEST_MESSAGE, held.layers[0].length_value or LONGEST_MESSAGE):
            del self.held[sender]
            raise ContentError("afl.length", f"fragment {number} exceeds the message's length, byte {base}", base)
        return self._joined(held, base) if held.whole else None

    def _begun(self, sender: str) -> Held:
        self.held.pop(sender, None)
        while len(self.held) >= self.limit:
            del self.held[next(iter(self.held))]
        return self.held.setdefault(sender, Held([], []))

    def _joined(self, held: Held, base: int) -> tuple[Authentication, bytes]:
        first = held.layers[0]
        message = b"".join(held.parts)
        if first.length_value not in (None, len(message)):
            text = f"{len(message)} bytes of a message of {first.length_value}, byte {base}"
            raise ContentError("afl.length", text, base)
        mac = next((layer.mac for layer in reversed(held.layers) if layer.mac is not None), None)
        layer = Authentication(0, first.control, first.key_information, first.counter, mac, first.length)
        return layer, message
