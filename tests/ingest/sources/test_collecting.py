"""A worker looks for garbage seldom, and only while it runs."""

import gc

from ingest.collecting import collecting_seldom


def test_what_exists_is_left_alone_until_the_worker_ends() -> None:
    before = gc.get_threshold(), gc.get_freeze_count()
    with collecting_seldom():
        assert gc.get_freeze_count() > 1000
        assert gc.get_threshold() > before[0]
    assert (gc.get_threshold(), gc.get_freeze_count()) == before


def test_garbage_in_circles_is_still_found() -> None:
    class Circle:
        def __init__(self) -> None:
            self.itself = self

    with collecting_seldom():
        for _ in range(30_000):
            Circle()
        left = sum(type(one) is Circle for one in gc.get_objects())
    assert left < 30_000
