"""What really happened, for grading detectors: one line a fault and affected point."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Label:
    """Ground truth. `kind` is an alert kind or "none" for a harmless look-alike; [start, end) its window;
    `verdict` what a perfect reviewer decides; `fault` the name in the fault catalogue."""

    serial: str
    point: str
    kind: str
    start: datetime
    end: datetime
    magnitude: float
    verdict: str
    fault: str
