"""Where deliveries wait while the database is away: fsynced, append-only, bounded, drained in order.

Rules: `append` returns after the bytes are on the disk, so its caller may acknowledge them. A segment is removed after
all of it has been committed; what a crash leaves behind is read again and the store's delivery keys make that harmless.
A torn tail (a crash in the middle of an append, a full disk) is cut off: it was never acknowledged. A segment damaged
elsewhere is kept beside the others for a person to look at. When the bound or the disk is full, `append` refuses and
takes nothing of the batch; the pipeline then holds its callers back.
"""

import asyncio
import fcntl
import os
import struct
import zlib
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import msgspec
import structlog

from ingest.errors import UnavailableError
from ingest.model import Delivery

_HEAD = struct.Struct(">II")
_SUFFIX = ".spool"
SEGMENT_BYTES = 4 * 1024 * 1024

log = structlog.get_logger(__name__)


class SpoolFullError(UnavailableError):
    """The spool's bound or its disk is full: nothing was taken."""

    code = "spool.full"


class Spool:
    """A folder of segments, owned by one process (a lock file says so).

    Parameters
    ----------
    folder : Path
        Where the segments lie; made if missing.
    max_bytes : int
        Bound on all segments together.
    segment_bytes : int
        A segment is closed when it has grown to this.

    Raises
    ------
    UnavailableError
        Another process owns the folder.
    """

    def __init__(self, folder: Path, max_bytes: int, segment_bytes: int = SEGMENT_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.max_bytes = max_bytes
        self.segment_bytes = segment_bytes
        self.damaged = 0
        self._own = (folder / "lock").open("w")
        try:
            fcntl.flock(self._own, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._own.close()
            raise UnavailableError(f"the spool {folder} belongs to another process") from error
        self._turn = asyncio.Lock()
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Delivery)
        self._segments: deque[Path] = deque(sorted(folder.glob("*" + _SUFFIX)))
        self._sizes = {path: _sound_length(path) for path in self._segments}
        self._number = int(self._segments[-1].stem) if self._segments else 0
        for path in list(self._segments):
            self._mend(path)
        self._writer: IO[bytes] | None = None
        self._offset = 0
        self._pending: tuple[Path, int] | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes on the disk that are not committed yet (a partly drained segment counts in full)."""
        return sum(self._sizes.values())

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return self.size_bytes - self._offset == 0

    async def append(self, deliveries: Sequence[Delivery]) -> None:
        """Write all of them and force them to the disk.

        Raises
        ------
        SpoolFullError
            Bound or disk full; none was taken.
        """
        async with self._turn:
            await asyncio.to_thread(self._append, deliveries)

    async def oldest(self, at_most: int) -> list[Delivery]:
        """The next deliveries in order, without taking them away; `settle` does that."""
        async with self._turn:
            return await asyncio.to_thread(self._oldest, at_most)

    async def settle(self) -> None:
        """What `oldest` gave last is committed."""
        async with self._turn:
            await asyncio.to_thread(self._settle)

    def close(self) -> None:
        """Give the folder free. What waits stays."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._own.close()

    def _mend(self, path: Path) -> None:
        length, whole = self._sizes[path], path.stat().st_size
        if length == whole:
            return
        if path != self._segments[-1]:
            # A crash tears only the last segment: keep the rest of this one for a person.
            self.damaged += 1
            path.with_suffix(".damaged").write_bytes(path.read_bytes()[length:])
            log.warning("spool segment damaged", segment=path.name, offset=length, bytes=whole - length)
        os.truncate(path, length)

    def _append(self, deliveries: Sequence[Delivery]) -> None:
        parts: list[bytes] = []
        for delivery in deliveries:
            body = self._encoder.encode(delivery)
            parts += (_HEAD.pack(len(body), zlib.crc32(body)), body)
        block = b"".join(parts)
        if self.size_bytes + len(block) > self.max_bytes:
            raise SpoolFullError(f"the spool holds {self.size_bytes} of {self.max_bytes} bytes")
        path = self._open_segment()
        writer = self._writer
        if writer is None:
            raise SpoolFullError("no segment could be opened")
        try:
            _write_all(writer, block)
            os.fsync(writer.fileno())
        except OSError as error:
            self._cut(path)
            raise SpoolFullError(f"the spool cannot be written: {error}") from error
        self._sizes[path] += len(block)

    def _open_segment(self) -> Path:
        if self._writer is not None and self._sizes[self._segments[-1]] < self.segment_bytes:
            return self._segments[-1]
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._number += 1
        path = self.folder / f"{self._number:010d}{_SUFFIX}"
        try:
            self._writer = path.open("ab", buffering=0)
            _sync_folder(self.folder)
        except OSError as error:
            raise SpoolFullError(f"the spool cannot be written: {error}") from error
        self._segments.append(path)
        self._sizes[path] = 0
        return path

    def _cut(self, path: Path) -> None:
        """Take back a half-written block, and begin a new segment next time."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        os.truncate(path, self._sizes[path])

    def _oldest(self, at_most: int) -> list[Delivery]:
        self._drop_drained()
        found: list[Delivery] = []
        if not self._segments:
            return found
        path = self._segments[0]
        offset = self._offset
        with path.open("rb") as reader:
            reader.seek(offset)
            while len(found) < at_most and offset < self._sizes[path]:
                length, checksum = _HEAD.unpack(reader.read(_HEAD.size))
                body = reader.read(length)
                if zlib.crc32(body) != checksum:
                    raise UnavailableError(f"spool segment {path.name} changed on the disk at byte {offset}")
                found.append(self._decoder.decode(body))
                offset += _HEAD.size + length
        self._pending = (path, offset)
        return found

    def _settle(self) -> None:
        if self._pending is not None and self._segments and self._segments[0] == self._pending[0]:
            self._offset = self._pending[1]
        self._pending = None
        self._drop_drained()

    def _drop_drained(self) -> None:
        while self._segments and self._offset >= self._sizes[self._segments[0]]:
            path = self._segments[0]
            if len(self._segments) == 1 and self._writer is not None:
                self._writer.close()
                self._writer = None
            path.unlink(missing_ok=True)
            self._segments.popleft()
            del self._sizes[path]
            self._offset = 0


def open_spool(root: Path, max_bytes: int) -> Spool:
    """The first spool below `root` that no living process owns, one with something in it before an empty one."""
    root.mkdir(parents=True, exist_ok=True)
    numbers = {int(path.name) for path in root.iterdir() if path.name.isdigit()}
    waiting = sorted(number for number in numbers if any((root / str(number)).glob("*" + _SUFFIX)))
    fresh = (number for number in range(len(numbers) + 1) if number not in waiting)
    for number in (*waiting, *fresh):
        try:
            return Spool(root / str(number), max_bytes)
        except UnavailableError:
            continue
    # Another process took the last free number between looking and locking.
    return open_spool(root, max_bytes)


def _sound_length(path: Path) -> int:
    """Bytes up to the end of the last whole record."""
    data = path.read_bytes()
    offset = 0
    while offset + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, offset)
        end = offset + _HEAD.size + length
        if end > len(data) or zlib.crc32(data[offset + _HEAD.size : end]) != checksum:
            break
        offset = end
    return offset


def _write_all(writer: IO[bytes], block: bytes) -> None:
    # A raw write to a nearly full disk takes a part and reports no error; the next one does.
    view = memoryview(block)
    while view:
        view = view[writer.write(view) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
