"""Master and slaves on one bus: reading out, selecting, finding every meter; bytes on both sides, no line between."""

import random
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import ContentError
from protocols.mbus import Coding, record_bytes, telegram_from_frame, wired_frame
from protocols.mbus.addressing import Selection, selection_from_bytes, selection_from_meter, selection_from_text
from protocols.mbus.building import long_header
from protocols.mbus.frame import ACK, LongFrame, frame_from_bytes
from protocols.mbus.header import bytes_from_meter
from protocols.mbus.master import (
    Readout,
    application_reset_bytes,
    baud_switch_bytes,
    initialise_bytes,
    request_bytes,
    select_bytes,
    set_address_bytes,
)
from protocols.mbus.receiver import FrameReceiver
from protocols.mbus.search import SecondarySearch
from protocols.mbus.slave import Slave, superposed
from protocols.mbus.timing import answer_limit_s, first_byte_timeout_s, frame_s, longest_answer_s
from protocols.telegram import MeterId

METER = MeterId("12345678", "KAM", 52, "heat")


class Bus:
    """Slaves side by side; what several say at once is what their bits make together."""

    def __init__(self, echo=False):
        self.slaves = []
        self.echo = echo
        self.requests = []

    def add(self, meter, address=0, fabrication=None, telegrams=1, volume=1):
        contents = []
        for number in range(telegrams):
            records = record_bytes("volume", Decimal(volume + number), "m3", exponent=0)
            if fabrication is not None:
                records += record_bytes("fabrication_number", int(fabrication), coding=Coding.BCD8)
            if number < telegrams - 1:
                records += b"\x1f"
            contents.append((0x72, long_header(meter, number, 0, 0, None) + records))
        slave = Slave(meter, address, fabrication=fabrication)
        self.slaves.append((slave, contents))
        return slave

    def events(self, request):
        """What the master's receiver makes of the answers to one request."""
        self.requests.append(request)
        frame = frame_from_bytes(request)
        answers = [slave.answer(frame, lambda c=contents: c) for slave, contents in self.slaves]
        heard = superposed([answer for answer in answers if answer])
        receiver = FrameReceiver()
        receiver.sent(request)
        return receiver.feed((request if self.echo else b"") + heard) + receiver.flush()

    def run(self, machine):
        while (request := machine.request()) is not None:
            machine.answered(self.events(request))
        return machine


@pytest.mark.parametrize("echo", [False, True])
def test_one_meter_is_read_by_primary_address(echo):
    bus = Bus(echo)
    bus.add(METER, 5)
    bus.add(MeterId("87654321", "LUG", 4, "heat"), 6)
    readout = bus.run(Readout(5))
    assert readout.error is None
    assert [telegram_from_frame(frame).meter for frame in readout.frames] == [METER]


@pytest.mark.parametrize("target", [5, Selection("12345678"), selection_from_meter(METER)])
def test_every_telegram_of_a_long_readout_comes_once(target):
    bus = Bus()
    bus.add(METER, 5, telegrams=4)
    readout = bus.run(Readout(target))
    values = [telegram_from_frame(frame).records[0].value for frame in readout.frames]
    assert values == [1, 2, 3, 4]
    requests = [request for request in bus.requests if request[1] in (0x5B, 0x7B)]
    assert [request[1] for request in requests] == [0x7B, 0x5B, 0x7B, 0x5B]


def test_a_lost_answer_is_asked_for_again_with_the_same_count_bit():
    bus = Bus()
    bus.add(METER, 5, telegrams=3)
    readout = Readout(5)
    lost = 0
    while (request := readout.request()) is not None:
        events = bus.events(request)
        if request[1] == 0x5B and not lost:
            lost, events = 1, []
        readout.answered(events)
    assert [telegram_from_frame(frame).records[0].value for frame in readout.frames] == [1, 2, 3]
    assert [request[1] for request in bus.requests] == [0x40, 0x7B, 0x5B, 0x5B, 0x7B]


def test_silence_fails_after_the_tries():
    bus = Bus()
    readout = bus.run(Readout(5, tries=3))
    assert len(bus.requests) == 3
    assert readout.error.code == "frame.silence"
    assert readout.done


def test_a_late_answer_of_another_meter_is_refused():
    readout = Readout(5, expected=selection_from_meter(METER), tries=1)
    receiver = FrameReceiver()
    readout.answered(receiver.feed(ACK))
    stranger = wired_frame(MeterId("87654321", "LUG", 4, "heat"), b"", address=5)
    readout.answered(receiver.feed(stranger))
    assert readout.error.code == "frame.stranger"
    assert readout.frames == []
    other = Readout(5, tries=1)
    other.answered(receiver.feed(ACK))
    other.answered(receiver.feed(wired_frame(METER, b"", address=6)))
    assert other.error.code == "frame.stranger"


def test_the_right_answer_after_a_late_one_is_taken():
    readout = Readout(5)
    receiver = FrameReceiver()
    readout.answered(receiver.feed(ACK))
    late, right = wired_frame(METER, b"", address=6), wired_frame(METER, b"", address=5)
    readout.answered(receiver.feed(late + right))
    assert readout.frames == [right]


def test_a_meter_that_repeats_for_ever_is_left():
    readout = Readout(5)
    receiver = FrameReceiver()
    readout.answered(receiver.feed(ACK))
    same = wired_frame(METER, record_bytes("volume", 1, "m3", exponent=0) + b"\x1f", address=5)
    for _ in range(2):
        readout.answered(receiver.feed(same))
    assert readout.done
    assert readout.frames == [same]
    assert readout.notes == ["readout.repeated"]


def test_a_meter_that_never_ends_is_bounded():
    readout = Readout(5, limit=3)
    receiver = FrameReceiver()
    readout.answered(receiver.feed(ACK))
    for number in range(3):
        data = record_bytes("volume", number, "m3", exponent=0) + b"\x1f"
        readout.answered(receiver.feed(wired_frame(METER, data, address=5)))
    assert readout.done
    assert readout.notes == ["readout.limit"]


@given(
    st.text("0123456789ABCDEF", min_size=8, max_size=8),
    st.integers(0, 0xFFFF),
    st.integers(0, 255),
    st.integers(0, 255),
    st.none() | st.text("0123456789ABCDEF", min_size=8, max_size=8),
)
def test_selections_come_back(identification, manufacturer, version, medium, fabrication):
    selection = Selection(identification, manufacturer, version, medium, fabrication)
    assert selection_from_bytes(selection.to_bytes()) == selection
    assert selection_from_text(str(selection)) == selection


def test_wildcards_match_digits_and_bytes():
    header = bytes_from_meter(METER)
    for text in ("12345678", "1234FFFF", "FFFFFFFF.2C2D", "FFFFFFFF.FFFF.34", "FFFFFFFF.FF2D.FF.04", "FFFFF6FF"):
        assert selection_from_text(text).matches(header), text
    for text in ("12345679", "2FFFFFFF", "12345678.2C2E", "FFFFFFFF.FFFF.35", "FFFFFFFF.FFFF.FF.05"):
        assert not selection_from_text(text).matches(header), text
    enhanced = selection_from_text("12345678").with_fabrication("FFFFFFF7")
    assert enhanced.matches(header, "00000007")
    assert not enhanced.matches(header, "00000008")
    assert not enhanced.matches(header)


@pytest.mark.parametrize("text", ["", "1234567", "1234567G", "1.2.3.4.5.6"])
def test_what_is_no_secondary_address_is_refused(text):
    with pytest.raises(ValueError):
        selection_from_text(text)


@pytest.mark.parametrize("data", [b"", bytes(7), bytes(9), bytes(14)])
def test_a_selection_of_a_wrong_shape_is_a_coded_error(data):
    with pytest.raises(ContentError) as caught:
        selection_from_bytes(data)
    assert caught.value.code.startswith("selection.")


def found_serials(bus):
    search = bus.run(SecondarySearch())
    assert not search.exhausted
    assert search.unresolved == []
    return search, sorted(found.address.identification for found in search.found)


@settings(max_examples=25)
@given(st.sets(st.text("0123456789ABCDE", min_size=8, max_size=8), max_size=25), st.booleans())
def test_the_search_finds_every_meter_also_hexadecimal_ones(serials, echo):
    bus = Bus(echo)
    for serial in serials:
        bus.add(MeterId(serial, "KAM", 52, "heat"))
    assert found_serials(bus)[1] == sorted(serials)


def test_neighbouring_numbers_are_told_apart():
    bus = Bus()
    serials = [f"{number:08d}" for number in range(12345600, 12345660)]
    for serial in serials:
        bus.add(MeterId(serial, "KAM", 52, "heat"))
    assert found_serials(bus)[1] == serials


def test_equal_identifications_are_told_apart_by_fabrication_number():
    bus = Bus()
    for fabrication in ("00000001", "00000002", "10000002"):
        bus.add(METER, fabrication=fabrication)
    search, serials = found_serials(bus)
    assert serials == ["12345678"] * 3
    assert len({found.selection.fabrication for found in search.found}) == 3
    for found in search.found:
        assert bus.run(Readout(found.selection)).error is None


@pytest.mark.parametrize(
    "others",
    [
        [MeterId("12345678", "LUG", 52, "heat")],
        [MeterId("12345678", "KAM", 53, "heat")],
        [MeterId("12345678", "KAM", 52, "water")],
        [MeterId("12345678", "LUG", 53, "heat"), MeterId("12345678", "KAM", 52, "cooling")],
    ],
)
def test_equal_identifications_are_told_apart_by_the_rest_of_the_address(others):
    bus = Bus()
    for meter in [METER, *others]:
        bus.add(meter)
    search, serials = found_serials(bus)
    assert serials == ["12345678"] * (1 + len(others))
    assert all(found.address.unique for found in search.found)


def test_a_meter_of_which_all_numbers_begin_with_the_wildcard_is_found():
    bus = Bus()
    for serial in ("F0000001", "F0000002"):
        bus.add(MeterId(serial, "KAM", 52, "heat"))
    assert found_serials(bus)[1] == ["F0000001", "F0000002"]


def test_meters_that_nothing_tells_apart_are_reported():
    bus = Bus()
    for volume in (1, 77):
        bus.add(METER, volume=volume)
    address = selection_from_meter(METER)
    search = bus.run(SecondarySearch(address))
    assert search.found == []
    assert [str(mask) for mask in search.unresolved] == [str(address)]


def test_a_search_can_start_below_a_mask_and_is_bounded():
    bus = Bus()
    for serial in ("11110001", "11110002", "22220001"):
        bus.add(MeterId(serial, "KAM", 52, "heat"))
    search = bus.run(SecondarySearch(Selection("1111FFFF")))
    assert sorted(found.address.identification for found in search.found) == ["11110001", "11110002"]
    assert bus.run(SecondarySearch(limit=5)).exhausted


def test_random_noise_ends_a_search_within_its_limit():
    dice = random.Random(3)
    search = SecondarySearch(limit=200)
    receiver = FrameReceiver()
    while search.request() is not None:
        search.answered(receiver.feed(dice.randbytes(dice.randrange(4))) + receiver.flush())
    assert search.probes <= 200


def test_a_slave_obeys_commands():
    slave = Slave(METER, 5)
    nothing = tuple

    def told(request):
        return slave.answer(frame_from_bytes(request), nothing)

    assert told(initialise_bytes(5)) == ACK
    assert told(initialise_bytes(6)) is None
    assert told(initialise_bytes(255)) is None
    assert told(baud_switch_bytes(5, 9600)) == ACK
    assert slave.baud == 9600
    assert told(application_reset_bytes(5, 0x10)) == ACK
    assert slave.application == 0x10
    assert told(set_address_bytes(5, 17)) == ACK
    assert slave.address == 17
    assert told(request_bytes(17, alarm=True)) == ACK
    assert slave.answer(frame_from_bytes(request_bytes(17, alarm=True)), nothing, b"\1")[6] == 0x71
    assert told(request_bytes(17)) is None
    assert told(select_bytes(selection_from_text("12345678"))) == ACK
    assert slave.selected
    assert told(select_bytes(selection_from_text("87654321"))) is None
    assert not slave.selected
    assert told(LongFrame(0x53, 253, 0x52, b"short").to_bytes()) is None


def test_commands_refuse_what_would_harm():
    with pytest.raises(ValueError, match="250"):
        set_address_bytes(5, 251)
    with pytest.raises(ValueError, match="every meter"):
        set_address_bytes(254, 5)
    with pytest.raises(ValueError, match="baud"):
        baud_switch_bytes(5, 1234)


def test_deadlines_follow_the_baud_rate():
    assert answer_limit_s(300) == pytest.approx(1.15)
    assert answer_limit_s(2400) == pytest.approx(0.1875)
    assert frame_s(261, 300) == pytest.approx(9.57, abs=0.01)
    assert frame_s(261, 2400) == pytest.approx(1.2, abs=0.01)
    assert 0.5 <= first_byte_timeout_s(2400) <= 2
    assert longest_answer_s(300, 1.0) > longest_answer_s(300) > frame_s(261, 300)
