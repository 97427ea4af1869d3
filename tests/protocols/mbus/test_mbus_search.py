"""Searching a bus by secondary address finds N of N, whatever the meters are called and whatever gets lost."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.mbus import FrameReceiver, Readout, SecondarySearch, Selection
from protocols.mbus.addressing import selection_from_meter
from protocols.telegram import MeterId

METER = MeterId("12345678", "KAM", 52, "heat")


def found_serials(bus):
    search = bus.run(SecondarySearch())
    assert not search.exhausted
    assert search.unresolved == []
    return search, sorted(found.address.identification for found in search.found)


@settings(max_examples=25)
@given(st.sets(st.text("0123456789ABCDE", min_size=8, max_size=8), max_size=25), st.booleans())
def test_the_search_finds_every_meter_also_hexadecimal_ones(new_bus, serials, echo):
    bus = new_bus(echo)
    for serial in serials:
        bus.add(MeterId(serial, "KAM", 52, "heat"))
    assert found_serials(bus)[1] == sorted(serials)


def test_neighbouring_numbers_are_told_apart(new_bus):
    bus = new_bus()
    serials = [f"{number:08d}" for number in range(12345600, 12345660)]
    for serial in serials:
        bus.add(MeterId(serial, "KAM", 52, "heat"))
    assert found_serials(bus)[1] == serials


def test_equal_identifications_are_told_apart_by_fabrication_number(new_bus):
    bus = new_bus()
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
def test_equal_identifications_are_told_apart_by_the_rest_of_the_address(new_bus, others):
    bus = new_bus()
    for meter in [METER, *others]:
        bus.add(meter)
    search, serials = found_serials(bus)
    assert serials == ["12345678"] * (1 + len(others))
    assert all(found.address.unique for found in search.found)


def test_a_meter_of_which_all_numbers_begin_with_the_wildcard_is_found(new_bus):
    bus = new_bus()
    for serial in ("F0000001", "F0000002"):
        bus.add(MeterId(serial, "KAM", 52, "heat"))
    assert found_serials(bus)[1] == ["F0000001", "F0000002"]


def test_meters_that_nothing_tells_apart_are_reported(new_bus):
    bus = new_bus()
    for volume in (1, 77):
        bus.add(METER, volume=volume)
    address = selection_from_meter(METER)
    search = bus.run(SecondarySearch(address))
    assert search.found == []
    assert [str(mask) for mask in search.unresolved] == [str(address)]


def test_a_search_can_start_below_a_mask_and_is_bounded(new_bus):
    bus = new_bus()
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


def test_one_lost_acknowledge_or_answer_costs_no_meter(new_bus):
    for lost in range(2, 9):
        bus = new_bus()
        bus.add(METER)
        search, sent = SecondarySearch(), 0
        while (request := search.request()) is not None:
            sent += 1
            events = bus.events(request)
            search.answered([] if sent == lost else events)
        assert [found.address.identification for found in search.found] == ["12345678"]


def test_two_answers_that_look_like_a_third_meter_are_no_meter(new_bus):
    bus = new_bus()
    for serial in ("10000003", "10000005"):
        bus.add(MeterId(serial, "KAM", 52, "heat"))
    # Both at once read 10000001 on the line, with a right check sum where the rest is equal.
    assert found_serials(bus)[1] == ["10000003", "10000005"]


def test_every_probe_is_told_and_the_progress_ends_at_one(new_bus):
    bus = new_bus()
    for serial in ("12345678", "12345679", "87654321"):
        bus.add(MeterId(serial, "KAM", 52, "heat"))
    bus.add(METER, volume=9)
    search, told, progress = SecondarySearch(Selection("1234567F")), [], [0.0]
    while (request := search.request()) is not None:
        search.answered(bus.events(request))
        for probed in search.results():
            told.append((str(probed.mask), probed.result))
            progress.append(probed.progress)
    assert progress == sorted(progress)
    assert progress[-1] == pytest.approx(1.0)
    assert {result for _, result in told} == {"several", "none", "one", "unresolved"}
    assert told[0] == ("1234567F.FFFF.FF.FF", "several")
    assert [str(found.address) for found in search.found] == ["12345679.2C2D.34.04"]
    assert search.unresolved == [selection_from_meter(METER)]
