"""CJ/T 188, the Chinese heat and water meter protocol: frames into telegrams and back, requests and their matching
replies.
"""

from protocols.cjt188.decoding import telegram_from_frame, telegram_from_serial_frame
from protocols.cjt188.dialects import DIALECTS, Dialect, dialect_named
from protocols.cjt188.encoding import frame_from_telegram
from protocols.cjt188.requests import (
    clock_request,
    is_reply_to,
    read_address_request,
    read_request,
    readdress_request,
    valve_request,
)

__all__ = [
    "DIALECTS",
    "Dialect",
    "clock_request",
    "dialect_named",
    "frame_from_telegram",
    "is_reply_to",
    "read_address_request",
    "read_request",
    "readdress_request",
    "telegram_from_frame",
    "telegram_from_serial_frame",
    "valve_request",
]
