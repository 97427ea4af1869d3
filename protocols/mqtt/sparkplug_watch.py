"""Whether a Sparkplug node must be asked for a new birth: the watch that a host keeps over message numbers.

Asked for once a gap or an unborn node shows, and not again before `PATIENCE` has passed or the birth has come.
"""

from datetime import datetime, timedelta

from protocols.errors import ProtocolError
from protocols.mqtt.message import remember
from protocols.mqtt.sparkplug import NAMESPACE, rebirth_command
from protocols.mqtt.sparkplug_payload import payload_from_bytes

PATIENCE = timedelta(seconds=60)
_MAX_NODES = 10_000


class SparkplugWatch:
    """Sequence numbers of the nodes of one connection."""

    def __init__(self) -> None:
        self._last: dict[str, int | None] = {}
        self._asked: dict[str, datetime] = {}

    def observe(self, topic: str, payload: bytes, at: datetime) -> tuple[str, bytes] | None:
        """Topic and payload of the command to publish, or None. `at`: now, aware UTC."""
        levels = topic.split("/")
        if (
            len(levels) < 4
            or levels[0] != NAMESPACE
            or levels[2] not in ("NBIRTH", "NDATA", "DBIRTH", "DDATA", "DDEATH")
        ):
            return None
        try:
            seq = payload_from_bytes(payload).seq
        except ProtocolError:
            return None
        node = f"{levels[1]}/{levels[3]}"
        last, known = self._last.get(node), node in self._last
        remember(self._last, node, seq, _MAX_NODES)
        if levels[2] == "NBIRTH":
            self._asked.pop(node, None)
            return None
        if known and (last is None or seq is None or seq == (last + 1) % 256):
            return None
        asked = self._asked.get(node)
        if asked is not None and at - asked < PATIENCE:
            return None
        remember(self._asked, node, at, _MAX_NODES)
        return rebirth_command(levels[1], levels[3], int(at.timestamp() * 1000))
