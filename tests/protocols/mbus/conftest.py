"""A bus of slaves behind a master's receiver, without sockets."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from protocols.mbus import Coding, Slave, record_bytes
from protocols.mbus.building import long_header
from protocols.mbus.frame import frame_from_bytes
from protocols.mbus.receiver import FrameReceiver
from protocols.mbus.slave import superposed


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


@pytest.fixture(scope="session")
def new_bus() -> Callable[..., Bus]:
    """Makes an empty bus."""
    return Bus
