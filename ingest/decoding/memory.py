"""The decoding state on disk: read at the start, written every minute that changed it and at the orderly stop.

Rules: written atomically (a kill leaves the old file or the new one). Processes of one data folder share the file, so
each merges it into its own state under a lock before writing: of a mode-7 counter the highest counts, and no process
takes a replayed telegram that another one has seen. A file that cannot be read is logged and kept aside.
"""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import structlog

from ingest.decoding.state import DecodingState

log = structlog.get_logger(__name__)

NAME = "decoding-state"
EVERY_S = 60.0
_MAX_COUNTERS = 1_000_000


class StateFile:
    """The state file of a data folder. Raises OSError where the folder cannot be used."""

    def __init__(self, data: Path) -> None:
        self.path = data / NAME
        self._written = b""

    def load(self) -> DecodingState:
        """The state as last written; an empty one where there is none or it cannot be read."""
        with self._locked():
            state = self._read()
        if state is None:
            return DecodingState()
        self._written = state.dump()
        return state

    def save(self, state: DecodingState) -> bool:
        """Write what `state` knows beyond the file; False where nothing has changed. Learns from the file."""
        if state.dump() == self._written:
            return False
        with self._locked():
            known = self._read()
            if known is not None:
                merge(state, known)
            content = state.dump()
            self._write(content)
        self._written = content
        return True

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.path.with_name(f"{NAME}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read(self) -> DecodingState | None:
        try:
            return DecodingState.restore(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except (msgspec.DecodeError, ValueError, TypeError) as error:
            aside = self.path.with_name(f"{NAME}.unreadable")
            log.error("decoding state unreadable, counters begin anew", file=str(aside), reason=str(error))
            self.path.replace(aside)
            return None

    def _write(self, content: bytes) -> None:
        fresh = self.path.with_name(f"{NAME}.new")
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def merge(state: DecodingState, other: DecodingState) -> None:
    """Take what `other` knows more: higher counters, layouts, the slots of families that `state` has not met."""
    for meter, counter in other.counters.items():
        last = state.counters.get(meter)
        if (last is None and len(state.counters) < _MAX_COUNTERS) or (last is not None and last < counter):
            state.counters[meter] = counter
    for kind, known in other.layouts.layouts.items():
        own = state.layouts.layouts.get(kind, {})
        room = len(state.layouts.layouts) < state.layouts.type_limit or bool(own)
        if room:
            merged = {**known, **own}
            state.layouts.layouts[kind] = dict(list(merged.items())[-state.layouts.limit :])
    for family, slot in other.families.slots.items():
        if not state.families.slots.get(family):
            state.families.slots[family] = slot


@contextlib.asynccontextmanager
async def kept_state(data: Path, every_s: float = EVERY_S) -> AsyncIterator[DecodingState]:
    """The decoding state of a data folder, kept on disk while inside and once more at the end."""
    file = StateFile(data)
    state = file.load()
    keeper = asyncio.create_task(_keep(file, state, every_s), name="decoding state")
    try:
        yield state
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        _save(file, state)


async def _keep(file: StateFile, state: DecodingState, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        _save(file, state)


def _save(file: StateFile, state: DecodingState) -> None:
    try:
        file.save(state)
    except OSError as error:
        # A full disk must not stop the reading of meters; the next minute tries again.
        log.warning("decoding state not written", file=str(file.path), reason=str(error))
