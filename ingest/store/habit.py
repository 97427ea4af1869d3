"""What a writer has met: whether it pays to ask what is stored before storing, and where registers stand.

Rules: habits are a guess about speed, never about truth; a wrong guess costs one refused copy or one needless question.
"""

from dataclasses import dataclass

from ingest.store.register_slots import RegisterSlots

_CALM_BATCHES = 8


@dataclass(slots=True)
class Habit:
    """`expects_known` after a batch that held known things, until several batches in a row held none."""

    expects_known: bool = False
    _calm: int = 0

    def saw(self, known: int) -> None:
        """Take note of how many known things a batch held."""
        if known:
            self.expects_known, self._calm = True, 0
            return
        self._calm += 1
        if self._calm >= _CALM_BATCHES:
            self.expects_known = False


@dataclass(slots=True)
class WriterHabits:
    """What one writer met in one database: of deliveries, of the readings in them, and the slots of registers."""

    deliveries: Habit
    readings: Habit
    slots: RegisterSlots


def new_habits() -> WriterHabits:
    """Habits of a writer that has seen nothing yet."""
    return WriterHabits(Habit(), Habit(), RegisterSlots())
