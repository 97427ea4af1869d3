"""Named random streams: the same seed and names give the same numbers, whoever asks first.

Rule for everything that is drawn per hour: draw with time as the slowest axis. A longer run then starts with exactly
the numbers of a shorter one, so a virtual meter says the same at the same time whatever the horizon.
"""

from zlib import crc32

import numpy as np
from numpy.typing import NDArray


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """Random generator of one purpose: ``stream(7, "weather", "harbin")``."""
    words = [name if isinstance(name, int) else crc32(name.encode()) for name in names]
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, *words])))


def uniform_hash(seed: int, *numbers: int) -> float:
    """A number in [0, 1) that depends on nothing but its arguments; cheap enough for one call a telegram."""
    state = (seed * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) & 0xFFFFFFFFFFFFFFFF
    for number in numbers:
        state = ((state ^ (number & 0xFFFFFFFFFFFFFFFF)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 29
    state = (state * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return (state >> 11) / float(1 << 53)


def uniform_hashes(seed: int, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Numbers in [0, 1) of (n,) integers, each depending on the seed and its own integer only."""
    with np.errstate(over="ignore"):
        state = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        state += np.uint64((seed * 0x632BE59BD9B4E019) & 0xFFFFFFFFFFFFFFFF)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray((state >> np.uint64(11)).astype(np.float64) / float(1 << 53))
