"""Requests to CJ/T 188 meters: what can be asked, what never is, and which answer belongs to which request."""

from datetime import datetime

import pytest

from protocols.cjt188 import (
    clock_request,
    is_reply_to,
    read_address_request,
    read_request,
    readdress_request,
    telegram_from_frame,
    valve_request,
)
from protocols.cjt188.requests import FORBIDDEN_IDENTIFIERS
from protocols.serial_frame import SerialFrame, frame_in

ADDRESS = "11110012345678"


def asked(frame: bytes) -> SerialFrame:
    return frame_in(frame, "cjt188")


def answer(request: bytes, **changes: object) -> SerialFrame:
    frame = asked(request)
    fields = {
        "protocol": "cjt188",
        "address": frame.address,
        "control": frame.control | 0x80,
        "data": frame.data + bytes(43),
        "kind": frame.kind,
    }
    return SerialFrame(**(fields | changes))  # type: ignore[arg-type]


def test_a_read_request_is_framed_in_the_order_of_its_dialect() -> None:
    body = bytes.fromhex("682078563412001111" + "0103901f12")
    assert read_request(ADDRESS, ser=0x12) == body + bytes((sum(body) & 0xFF, 0x16))
    assert asked(read_request(ADDRESS, dialect="tiangang")).data == b"\x1f\x90\x00"
    assert asked(read_request(ADDRESS, dialect="danfoss")).address.hex() == ADDRESS
    assert read_request(ADDRESS, fill=3).startswith(b"\xfe\xfe\xfe\x68")


def test_a_request_decodes_into_its_details() -> None:
    telegram = telegram_from_frame(read_request(ADDRESS, 0xD125, ser=7))
    assert telegram.records == ()
    assert (telegram.details["di"], telegram.details["ser"], telegram.details["control"]) == ("D125", "7", "01")


@pytest.mark.parametrize("dialect", ["standard", "danfoss"])
def test_clock_and_address_can_be_written(dialect: str) -> None:
    clock = telegram_from_frame(
        clock_request(ADDRESS, datetime.fromisoformat("2026-06-02T13:53:08"), dialect=dialect), dialect
    )
    assert clock.records[0].value == "2026-06-02T13:53:08"
    renamed = telegram_from_frame(readdress_request(ADDRESS, "22220000000001", dialect=dialect), dialect)
    assert renamed.records[0].value == "22220000000001"
    assert asked(readdress_request(ADDRESS, "22220000000001")).control == 0x15


def test_dangerous_writes_cannot_be_built() -> None:
    assert frozenset((0xA016, 0xA019)) == FORBIDDEN_IDENTIFIERS
    for identifier in FORBIDDEN_IDENTIFIERS:
        with pytest.raises(ValueError, match="never sent"):
            read_request(ADDRESS, identifier)


def test_a_valve_moves_only_on_explicit_demand() -> None:
    with pytest.raises(ValueError, match="explicit"):
        valve_request(ADDRESS, "closed", i_mean_to_move_the_valve=False)
    with pytest.raises(ValueError, match="neither"):
        valve_request(ADDRESS, "ajar", i_mean_to_move_the_valve=True)  # type: ignore[arg-type]
    frame = asked(valve_request(ADDRESS, "closed", i_mean_to_move_the_valve=True))
    assert frame.data[-1] == 0x99


@pytest.mark.parametrize("address", ["123", "1111001234567G"])
def test_an_address_has_fourteen_digits(address: str) -> None:
    with pytest.raises(ValueError, match="14 digits"):
        read_request(address)


def test_an_answer_is_matched_by_address_control_identifier_and_sequence() -> None:
    request = read_request(ADDRESS, ser=5)
    assert is_reply_to(asked(request), answer(request))
    assert is_reply_to(asked(request), answer(request, kind=0x25))
    assert is_reply_to(asked(request), answer(request, data=b"\x1f\x90\x05" + bytes(43)))
    assert is_reply_to(asked(request), answer(request, control=0xC1, data=b"\x05\x00\x00"))
    assert not is_reply_to(asked(request), answer(request, address=bytes(7)))
    assert not is_reply_to(asked(request), answer(request, kind=0x10))
    assert not is_reply_to(asked(request), answer(request, control=0x84))
    assert not is_reply_to(asked(request), answer(request, data=b"\x90\x1f\x06" + bytes(43)))
    assert not is_reply_to(asked(request), answer(request, data=b"\xd1\x20\x05" + bytes(5)))
    assert not is_reply_to(asked(request), answer(request, control=0xC1, data=b"\x06\x00\x00"))
    assert not is_reply_to(asked(request), asked(request))


def test_a_broadcast_takes_the_answer_of_whoever_is_there() -> None:
    request = read_address_request(ser=1)
    reply = SerialFrame("cjt188", bytes.fromhex("78563412001111"), 0x83, b"\x81\x0a\x01", 0x20)
    assert is_reply_to(asked(request), reply)
