"""Faults between the meter and us: silence, frozen gateways, garbled bytes, another meter's answer."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from simulators.faults import Fault
from simulators.randomness import uniform_hash, uniform_hashes

_WILD = (b"1.8e21", b"0.003", b"-0.007", b"0", b"null")
_JSON_NUMBER = re.compile(rb'("(?:energy|volume)\w*":)-?[0-9.]+(?:[eE][-+]?[0-9]+)?')
_SILENT = frozenset({"silent", "gateway_outage", "gap", "hand_estimates"})
# What comes cannot be taken for the meter's: another meter's answer, or two at once.
_UNREADABLE = frozenset({"desynchronised", "collision"})
_US = 1_000_000


def _active(fault: Fault, at: datetime) -> bool:
    return fault.start <= at < fault.end


def is_silent(faults: tuple[Fault, ...], at: datetime) -> bool:
    """Whether nothing is heard at that instant."""
    return any(fault.name in _SILENT and _active(fault, at) for fault in faults)


def spoken_time(faults: tuple[Fault, ...], at: datetime) -> datetime:
    """The instant whose values are heard: an earlier one while a gateway repeats its last telegram."""
    for fault in faults:
        if fault.name == "frozen_payload" and _active(fault, at):
            return fault.start
    return at


def heard(faults: tuple[Fault, ...], times_us: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """What becomes of readings at (n,) instants in epoch microseconds.

    Returns
    -------
    ndarray of bool, ndarray of int64
        Whether a reading arrives and can be decoded, and the instant whose values it carries.
    """
    arrives, spoken = np.ones(len(times_us), dtype=bool), times_us
    for fault in faults:
        first, last = int(fault.start.timestamp()) * _US, int(fault.end.timestamp()) * _US
        mask = (times_us >= first) & (times_us < last)
        if fault.name in _SILENT or fault.name in _UNREADABLE:
            arrives &= ~mask
        elif fault.name == "rubbish":
            arrives &= ~(mask & (uniform_hashes(fault.seed, times_us // _US) < fault.magnitude))
        elif fault.name == "wild_numbers":
            quarters = (times_us // (900 * _US)).tolist()
            arrives &= ~(mask & np.array([_strikes(fault, quarter) for quarter in quarters], dtype=bool))
        elif fault.name == "frozen_payload":
            spoken = np.where(mask, first, spoken)
    return arrives, spoken


def distorted(
    faults: tuple[Fault, ...], payload: bytes, at: datetime, partner_bytes: Callable[[str, datetime], bytes]
) -> bytes:
    """The payload as it arrives: garbled by a bad line, or another meter's in a bus out of step."""
    for fault in faults:
        if not _active(fault, at):
            continue
        if fault.name == "rubbish":
            payload = _garbled(payload, fault, at)
        elif fault.name == "wild_numbers":
            payload = _run_wild(payload, fault, at)
        elif fault.name == "desynchronised" and fault.partner:
            payload = partner_bytes(fault.partner, at) or payload
        elif fault.name == "collision" and fault.partner:
            payload = collided((payload, partner_bytes(fault.partner, at)), fault.seed + int(at.timestamp()))
    return payload


def collided(answers: Sequence[bytes], seed: int) -> bytes:
    """What is heard when several say their bytes at once: a space pulls the line down, so bits are and-ed; never at
    quite the same instant, so somewhere one slips. `answers`: at least one, the empty ones say nothing.
    """
    speaking = [answer for answer in answers if answer]
    if len(speaking) < 2:
        return speaking[0] if speaking else b""
    heard = bytearray(b"\xff" * max(map(len, speaking)))
    for answer in speaking:
        for at, byte in enumerate(answer):
            heard[at] &= byte
    place = 4 + int(uniform_hash(seed, 1) * max(len(heard) - 4, 1))
    heard[min(place, len(heard) - 1)] ^= 1 << int(uniform_hash(seed, 2) * 8)
    return bytes(heard)


def _run_wild(payload: bytes, fault: Fault, at: datetime) -> bytes:
    """Numbers of a JSON gateway gone mad for a quarter of an hour; other payloads have no room for them."""
    quarter = int(at.timestamp()) // 900
    if not payload.startswith(b"{") or not _strikes(fault, quarter):
        return payload
    wild = _WILD[int(uniform_hash(fault.seed, quarter, 5) * len(_WILD))]
    return _JSON_NUMBER.sub(rb"\g<1>" + wild, payload)


def _strikes(fault: Fault, quarter: int) -> bool:
    return uniform_hash(fault.seed, quarter) < fault.magnitude


def _garbled(payload: bytes, fault: Fault, at: datetime) -> bytes:
    """Some bytes flipped and, at times, the end missing; the rest of the telegrams pass."""
    second = int(at.timestamp())
    chance = float(uniform_hashes(fault.seed, np.array([second], dtype=np.int64))[0])
    if chance >= fault.magnitude or not payload:
        return payload
    damaged = bytearray(payload)
    # Between head and sum, and never so that a sum of bytes still holds: one frame in 256 would pass as data.
    first, last = min(4, len(payload) - 1), max(len(payload) - 2, 5)
    for number in range(3 + len(payload) // 12):
        place = first + int(uniform_hash(fault.seed, second, number) * (last - first))
        damaged[min(place, len(damaged) - 1)] ^= 1 + int(uniform_hash(fault.seed, second, number, 7) * 255)
    if (sum(damaged) - sum(payload)) % 256 == 0:
        damaged[first] ^= 1
    if uniform_hash(fault.seed, second, 99) < 0.4:
        del damaged[2 * len(damaged) // 3 :]
    return bytes(damaged)
