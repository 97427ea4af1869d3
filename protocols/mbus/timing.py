"""How long to wait on a bus: deadlines from the baud rate (EN 13757-2), never from constants of a gateway.

A character has 11 bits. A slave answers within 330 bit times plus 50 ms; what gateways and networks add is the
caller's `latency_s`.
"""

from typing import Final

from protocols.mbus.frame import LONGEST_FRAME

BITS_PER_BYTE: Final = 11
_ANSWER_BITS: Final = 330
_ANSWER_EXTRA_S: Final = 0.05
_IDLE_BITS: Final = 33
# Real meters miss the standard's 188 ms at 2400 baud; twice the limit, and no less than half a second, finds them all.
_PATIENCE: Final = 2.0
_LEAST_FIRST_BYTE_S: Final = 0.5
# CI of a baud rate switch.
BAUD_RATES: Final = {
    0xB8: 300,
    0xB9: 600,
    0xBA: 1200,
    0xBB: 2400,
    0xBC: 4800,
    0xBD: 9600,
    0xBE: 19200,
    0xBF: 38400,
}
BAUD_CIS: Final = {baud: ci for ci, baud in BAUD_RATES.items()}


def frame_s(length: int, baud: int) -> float:
    """Seconds that `length` bytes take on the line."""
    return length * BITS_PER_BYTE / baud


def answer_limit_s(baud: int) -> float:
    """Seconds within which the standard demands the first byte of an answer."""
    return _ANSWER_BITS / baud + _ANSWER_EXTRA_S


def first_byte_timeout_s(baud: int, latency_s: float = 0.0) -> float:
    """Seconds to wait for the first byte after the last byte of the request left."""
    return max(_LEAST_FIRST_BYTE_S, _PATIENCE * answer_limit_s(baud)) + latency_s


def longest_answer_s(baud: int, latency_s: float = 0.0) -> float:
    """Seconds after which even the longest answer must be complete."""
    return first_byte_timeout_s(baud, latency_s) + frame_s(LONGEST_FRAME, baud)


def idle_s(baud: int) -> float:
    """Seconds of silence to keep between an answer and the next request."""
    return _IDLE_BITS / baud
