"""What decoding remembers survives an orderly stop, a kill and a damaged file."""

import asyncio
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from ingest.decoding.memory import NAME, StateFile, kept_state
from ingest.decoding.state import DecodingState
from ingest.decoding.table import decode
from protocols.errors import SecurityError
from protocols.mbus import record_bytes, wireless_mode7_telegram
from protocols.telegram import MeterId

KEY = bytes(range(16))
METER = MeterId("12345678", "KAM", 0x34, "heat")


def take(counter: int, state: DecodingState) -> None:
    """Decode a mode-7 telegram with this counter."""
    records = record_bytes("energy", Decimal(1234000), "Wh")
    decode("wmbus", wireless_mode7_telegram(METER, records, key=KEY, counter=counter), key=KEY, state=state)


async def test_a_counter_seen_before_an_orderly_stop_is_refused_after_it(tmp_path: Path) -> None:
    async with kept_state(tmp_path) as state:
        take(7, state)
    async with kept_state(tmp_path) as state:
        with pytest.raises(SecurityError):
            take(7, state)
        take(8, state)


KILLED = """
import sys
from pathlib import Path
from ingest.decoding.memory import StateFile

file = StateFile(Path(sys.argv[1]))
state = file.load()
state.counters["KAM/12345678"] = 7
file.save(state)
state.counters["KAM/12345678"] = 8
print("written", flush=True)
sys.stdin.read()
"""


def test_what_was_written_before_a_kill_counts_after_it(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        process.kill()
    survivor = StateFile(tmp_path).load()
    with pytest.raises(SecurityError):
        take(7, survivor)
    take(8, survivor)


async def test_the_state_is_written_while_the_service_runs(tmp_path: Path) -> None:
    async with kept_state(tmp_path, every_s=0.01) as state:
        take(7, state)
        async with asyncio.timeout(10):
            while not (tmp_path / NAME).exists():  # noqa: ASYNC110 - a file announces itself in no other way
                await asyncio.sleep(0.01)


def test_processes_of_one_folder_share_their_counters(tmp_path: Path) -> None:
    one, other = StateFile(tmp_path), StateFile(tmp_path)
    ingest, api = one.load(), other.load()
    take(9, ingest)
    assert one.save(ingest)
    take(8, api)
    assert other.save(api)
    assert StateFile(tmp_path).load().counters == {"KAM/12345678": 9}
    with pytest.raises(SecurityError):
        take(9, api)


def test_nothing_is_written_where_nothing_changed(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    state = file.load()
    take(7, state)
    assert [file.save(state), file.save(state)] == [True, False]


@pytest.mark.parametrize("content", [b"", b"\x81", b"garbage" * 100, b"\x93\x01\x02\x03"])
def test_a_damaged_file_is_kept_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    assert StateFile(tmp_path).load() == DecodingState()
    assert (tmp_path / f"{NAME}.unreadable").read_bytes() == content
    assert not (tmp_path / NAME).exists()
