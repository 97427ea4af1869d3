"""Counts as texts: what a Decimal would print, whole columns at once."""

import random
from decimal import Decimal

import pytest

from ingest.exporting.exact import exact_texts, shown_counts


def plain(count: int | None, places: int) -> str | None:
    if count is None:
        return None
    text = format(Decimal(count).scaleb(-places), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@pytest.mark.parametrize("places", [-3, 0, 1, 3, 9, 18, 20])
def test_texts_are_exact_without_exponent_and_needless_zeros(places: int) -> None:
    dice = random.Random(places)
    counts = [None, 0, 1, -1, 10, -10, 100_000, 2**53 + 1, 2**63 - 1, 1 - 2**63]
    counts += [dice.randrange(-(10 ** dice.randrange(1, 18)), 10 ** dice.randrange(1, 18)) for _ in range(500)]
    assert exact_texts(counts, places) == [plain(count, places) for count in counts]


def test_counts_beyond_eight_bytes_are_printed_too() -> None:
    assert exact_texts([10**25, None, -(10**25) - 1], 9) == [plain(10**25, 9), None, plain(-(10**25) - 1, 9)]


def test_each_count_has_its_own_step() -> None:
    assert shown_counts([1235, 7, None, 5], [-2, 1, -2, None]) == ["12.35", "70", None, None]
    assert shown_counts([1235, 7], [-2, -2]) == ["12.35", "0.07"]
