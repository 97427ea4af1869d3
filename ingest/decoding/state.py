"""What decoding remembers between messages, as plain data that a worker stores and restores.

Holds compact-frame layouts, message counters, fragments, Sparkplug aliases, DTU buffers and split telegrams; no keys.
"""

import msgspec

from protocols.mbus import FragmentStore, LayoutStore
from protocols.mqtt.message import FamilyState


class DecodingState(msgspec.Struct):
    """Memory of one decoding worker; bounded by its users.

    layouts: of compact frames, by meter type. counters: meter -> last counter of security modes 7 and 10, which must
    rise. fragments: of radio messages that come in several telegrams.
    families: the MQTT families' slots.
    """

    layouts: LayoutStore = msgspec.field(default_factory=LayoutStore)
    counters: dict[str, int] = {}
    families: FamilyState = msgspec.field(default_factory=FamilyState)
    fragments: FragmentStore = msgspec.field(default_factory=FragmentStore)

    def dump(self) -> bytes:
        """The state as bytes (MessagePack), for a file or a table."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def restore(cls, data: bytes) -> "DecodingState":
        """The state from `dump`. Raises msgspec.DecodeError if the bytes are not one."""
        return msgspec.msgpack.decode(data, type=cls)
