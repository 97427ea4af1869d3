"""Waiting times after failures: they double up to a ceiling and never fall into step with each other.

Full jitter over the upper half: a thousand gateways that lost their network at once don't come back at once.
"""

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Delays in seconds: `base_s`, twice that, ... up to `ceiling_s`, each shortened by up to half at random."""

    base_s: float = 0.5
    ceiling_s: float = 60.0
    source: random.Random = field(default_factory=random.Random)
    failures: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.base_s <= self.ceiling_s:
            raise ValueError(f"base {self.base_s} s must be positive and not above the ceiling {self.ceiling_s} s")

    def next_s(self) -> float:
        """Seconds to wait after one more failure."""
        longest = min(self.ceiling_s, self.base_s * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return longest * (0.5 + 0.5 * self.source.random())

    def reset(self) -> None:
        """A success: the next failure waits the base time again."""
        self.failures = 0
