"""What an import found and did: problems by row and column, counts, time."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["error", "warning"]
# Called with rows done and rows in all (0 where unknown).
Progress = Callable[[int, int], None]
_SHOWN = 1000


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a file. `row` counts from 1 with the header as row 1, as spreadsheets do; 0: the whole
    file.
    """

    row: int
    column: str
    code: str
    message: str
    severity: Severity = "error"

    def __str__(self) -> str:
        where = f"row {self.row}" if self.row else "file"
        return (
            f"{where}, {self.column}: {self.message} [{self.code}]"
            if self.column
            else f"{where}: {self.message} [{self.code}]"
        )


@dataclass(slots=True)
class ImportReport:
    """Result of one file. `problems` holds the first thousand; `counts` all of them by code."""

    kind: str
    file: str
    dry_run: bool = False
    rows: int = 0
    written: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    seconds: float = 0.0
    problems: list[Problem] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    errors: int = 0

    def add(self, problem: Problem, times: int = 1) -> None:
        """Note a problem that stands for `times` rows."""
        self.counts[problem.code] += times
        if problem.severity == "error":
            self.errors += times
        if len(self.problems) < _SHOWN:
            self.problems.append(problem)

    def leave_out(self, row: int, fault: str) -> None:
        """Note a row that is no row of the table."""
        self.rows += 1
        self.refused += 1
        self.add(Problem(row, "", "row.shape", fault))
