"""DL/T 645, the Chinese electricity meter protocol, editions 2007 and 1997."""

from protocols.dlt645.codec import telegram_from_frame, telegram_from_serial_frame
from protocols.dlt645.encoding import frame_from_telegram
from protocols.dlt645.requests import (
    follow_up_request,
    following_request,
    is_reply_to,
    read_address_request,
    read_request,
)

__all__ = [
    "follow_up_request",
    "following_request",
    "frame_from_telegram",
    "is_reply_to",
    "read_address_request",
    "read_request",
    "telegram_from_frame",
    "telegram_from_serial_frame",
]
