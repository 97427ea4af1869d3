"""The spool on a real disk: what was acknowledged is there again, what was torn was never acknowledged."""

import resource
import signal

import pytest

from ingest.errors import UnavailableError
from ingest.spool import Spool, SpoolFullError, open_spool

MB = 1024 * 1024


@pytest.fixture
def spool_at():
    """Opens spools and closes them after the test."""
    opened = []

    def open_one(*arguments, **options) -> Spool:
        opened.append(Spool(*arguments, **options))
        return opened[-1]

    yield open_one
    for spool in opened:
        spool.close()


async def drained(spool: Spool, at_most: int = 7) -> list:
    found = []
    while chunk := await spool.oldest(at_most):
        found += chunk
        await spool.settle()
    return found


async def test_what_was_appended_comes_out_in_order(tmp_path, spool_at, delivery_of) -> None:
    spool = spool_at(tmp_path / "spool", MB, segment_bytes=2_000)
    deliveries = [delivery_of(1, hour) for hour in range(50)]
    for start in range(0, 50, 5):
        await spool.append(deliveries[start : start + 5])
    assert len(list(tmp_path.glob("spool/*.spool"))) > 1
    assert await drained(spool) == deliveries
    assert spool.is_empty
    assert not list(tmp_path.glob("spool/*.spool"))


async def test_after_a_crash_everything_unsettled_is_there_again(tmp_path, spool_at, delivery_of) -> None:
    spool = spool_at(tmp_path, MB)
    deliveries = [delivery_of(1, hour) for hour in range(20)]
    await spool.append(deliveries)
    assert len(await spool.oldest(8)) == 8
    spool.close()  # without settling: as after a kill
    assert await drained(spool_at(tmp_path, MB)) == deliveries


async def test_appending_goes_on_while_it_is_drained(tmp_path, spool_at, delivery_of) -> None:
    spool = spool_at(tmp_path, MB)
    await spool.append([delivery_of(1, 0), delivery_of(1, 1)])
    first = await spool.oldest(1)
    await spool.append([delivery_of(1, 2)])
    await spool.settle()
    assert first + await drained(spool) == [delivery_of(1, hour) for hour in range(3)]
    await spool.append([delivery_of(1, 3)])
    assert await drained(spool) == [delivery_of(1, 3)]


@pytest.mark.parametrize("cut", [1, 7, 8, 40])
async def test_a_torn_tail_is_cut_off_and_the_rest_survives(tmp_path, spool_at, delivery_of, cut) -> None:
    spool = spool_at(tmp_path, MB)
    for hour in range(3):
        await spool.append([delivery_of(1, hour)])
    spool.close()
    segment = next(tmp_path.glob("*.spool"))
    segment.write_bytes(segment.read_bytes()[:-cut])
    again = spool_at(tmp_path, MB)
    await again.append([delivery_of(1, 9)])
    assert await drained(again) == [delivery_of(1, hour) for hour in (0, 1, 9)]


async def test_damage_in_an_older_segment_is_set_aside_for_a_person(tmp_path, spool_at, delivery_of) -> None:
    spool = spool_at(tmp_path, MB, segment_bytes=100)
    for hour in range(3):
        await spool.append([delivery_of(1, hour)])
    spool.close()
    oldest = min(tmp_path.glob("*.spool"))
    oldest.write_bytes(oldest.read_bytes()[:-3] + b"???")
    again = spool_at(tmp_path, MB)
    assert again.damaged == 1
    assert await drained(again) == [delivery_of(1, hour) for hour in (1, 2)]
    assert list(tmp_path.glob("*.damaged"))


async def test_a_full_spool_refuses_and_takes_nothing(tmp_path, spool_at, delivery_of) -> None:
    spool = spool_at(tmp_path, 1_000)
    await spool.append([delivery_of(1)])
    with pytest.raises(SpoolFullError):
        await spool.append([delivery_of(1, hour) for hour in range(10)])
    assert await drained(spool) == [delivery_of(1)]
    await spool.append([delivery_of(1, 5)])


async def test_a_full_disk_refuses_and_keeps_what_was_acknowledged(tmp_path, spool_at, delivery_of) -> None:
    spool = spool_at(tmp_path, MB)
    await spool.append([delivery_of(1)])
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        # The kernel refuses to let the file grow, in the middle of the block.
        resource.setrlimit(resource.RLIMIT_FSIZE, (spool.size_bytes + 100, old[1]))
        with pytest.raises(SpoolFullError, match="cannot be written"):
            await spool.append([delivery_of(1, hour) for hour in range(5)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, ignored)
    await spool.append([delivery_of(1, 7)])
    assert await drained(spool) == [delivery_of(1), delivery_of(1, 7)]


async def test_two_processes_never_share_a_spool(tmp_path, spool_at, delivery_of) -> None:
    first = open_spool(tmp_path, MB)
    second = open_spool(tmp_path, MB)
    assert first.folder != second.folder
    with pytest.raises(UnavailableError):
        spool_at(first.folder, MB)
    await second.append([delivery_of(1)])
    first.close()
    second.close()
    # Whoever comes next takes over what a dead process left.
    third = open_spool(tmp_path, MB)
    assert await drained(third) == [delivery_of(1)]
    third.close()
