"""A decoding worker puts radio messages together that come in several telegrams, also over a restart."""

import msgspec
import pytest

from ingest.decoding.mbus import telegram_from_mbus
from ingest.decoding.state import DecodingState
from protocols.errors import SecurityError
from protocols.mbus import wireless_mode7_telegrams
from protocols.telegram import MeterId

KEY = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
METER = MeterId("12345678", "KAM", 52, "heat")
RECORDS = bytes.fromhex("0C1310130000026C1F15") * 20


def test_a_decoding_worker_keeps_fragments_over_a_restart_and_looks_keys_up() -> None:
    state = DecodingState()
    first, second, last = wireless_mode7_telegrams(METER, RECORDS, key=KEY, counter=7, largest=100)
    for part in (first, second):
        telegram, flags = telegram_from_mbus(part, lambda _: KEY, state)
        assert (telegram.records, flags) == ((), ())
        state = DecodingState.restore(state.dump())
    telegram, flags = telegram_from_mbus(last, lambda _: KEY, state)
    assert (len(telegram.records), flags) == (40, ())
    with pytest.raises(SecurityError) as caught:
        telegram_from_mbus(last, lambda _: KEY, state)
    assert caught.value.code == "counter.replayed"
    assert msgspec.msgpack.decode(state.dump())["fragments"]["held"]
