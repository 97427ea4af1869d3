"""Faults between the meter and us: silence, frozen gateways, garbled bytes, another meter's answer."""

from collections.abc import Callable
from datetime import datetime

from simulators.faults import Fault
from simulators.randomness import uniform_hash

_SILENT = frozenset({"silent", "gateway_outage", "gap", "hand_estimates"})


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


def distorted(
    faults: tuple[Fault, ...], payload: bytes, at: datetime, partner_bytes: Callable[[str, datetime], bytes]
) -> bytes:
    """The payload as it arrives: garbled by a bad line, or another meter's in a bus out of step."""
    for fault in faults:
        if not _active(fault, at):
            continue
        if fault.name == "rubbish":
            payload = _garbled(payload, fault, at)
        elif fault.name == "desynchronised" and fault.partner:
            payload = partner_bytes(fault.partner, at) or payload
    return payload


def _garbled(payload: bytes, fault: Fault, at: datetime) -> bytes:
    """Some bytes flipped and, at times, the end missing; the rest of the telegrams pass."""
    second = int(at.timestamp())
    if uniform_hash(fault.seed, second) >= fault.magnitude or not payload:
        return payload
    damaged = bytearray(payload)
    for number in range(3 + len(payload) // 12):
        place = int(uniform_hash(fault.seed, second, number) * len(damaged))
        damaged[place] ^= 1 + int(uniform_hash(fault.seed, second, number, 7) * 255)
    if uniform_hash(fault.seed, second, 99) < 0.4:
        del damaged[2 * len(damaged) // 3 :]
    return bytes(damaged)
