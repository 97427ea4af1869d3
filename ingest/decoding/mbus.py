"""Wired and wireless M-Bus with keys found by the meter's address and with the state that spans telegrams.

A telegram is read without a key first: its header says whose it is and whether a key is needed at all. A key that is
missing leaves the header and the flag ``key.missing``; a wrong one is an error.
"""

from collections.abc import Callable

from ingest.decoding.state import DecodingState
from protocols.mbus import telegram_from_frame
from protocols.telegram import MeterId, Telegram

KEY_MISSING = "key.missing"
_MAX_COUNTERS = 1_000_000


def telegram_from_mbus(
    payload: bytes, key: bytes | Callable[[MeterId], bytes | None] | None, state: DecodingState
) -> tuple[Telegram, tuple[str, ...]]:
    """The telegram of one frame and its flags. Raises ProtocolError."""
    if isinstance(key, bytes):
        telegram = telegram_from_frame(payload, key, layouts=state.layouts, fragments=state.fragments)
        _check_counter(payload, telegram, key, state)
    else:
        telegram = telegram_from_frame(payload, layouts=state.layouts, fragments=state.fragments)
        if _is_protected(telegram) and key is not None:
            found = key(telegram.meter)
            if found is not None:
                telegram = telegram_from_frame(payload, found, layouts=state.layouts, fragments=state.fragments)
                _check_counter(payload, telegram, found, state)
    closed = any(note.startswith(KEY_MISSING) for note in telegram.diagnostics)
    return telegram, (KEY_MISSING,) if closed else ()


def _is_protected(telegram: Telegram) -> bool:
    details = telegram.details
    return details.get("payload") == "encrypted" or details.get("authentication", "none") != "none"


def _check_counter(payload: bytes, telegram: Telegram, key: bytes, state: DecodingState) -> None:
    """Modes 7 and 10: the counter of an authenticated message must rise, else it is a replay."""
    counter = telegram.details.get("counter")
    if counter is None or telegram.details.get("authentication", "none") == "none":
        return
    meter = telegram.meter
    address = f"{meter.manufacturer}/{meter.serial}"
    last = state.counters.get(address)
    if last is not None and int(counter) <= last:
        # The codec words the refusal; counters are known only after the header told whose message it is.
        telegram_from_frame(payload, key, layouts=state.layouts, fragments=state.fragments, last_counter=last)
    if address not in state.counters and len(state.counters) >= _MAX_COUNTERS:
        del state.counters[next(iter(state.counters))]
    state.counters[address] = int(counter)
