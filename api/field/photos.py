"""Photos of displays and exchanges: kept as files under their own hash, referred to by it.

Only JPEG, PNG and WebP by their first bytes, whatever the sender calls them; they are served as those and nothing else.
"""

import asyncio
import hashlib
import re
from pathlib import Path
from typing import Final

from ingest.errors import InvalidInputError, NotFoundError

MAX_BYTES: Final = 6 * 1024 * 1024
_REFERENCE: Final = re.compile(r"[0-9a-f]{64}\.(jpg|png|webp)")
_TYPES: Final = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}


def kind_of(data: bytes) -> str:
    """File ending of an image by its first bytes. InvalidInputError for anything else."""
    if data.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    raise InvalidInputError("a photo is a JPEG, PNG or WebP file", code="photo.kind", field="photo")


async def keep(folder: Path, data: bytes) -> str:
    """Store a photo; its reference. The same photo twice is one file."""
    if len(data) > MAX_BYTES:
        raise InvalidInputError(f"a photo has at most {MAX_BYTES} bytes", code="photo.too_large", field="photo")
    reference = f"{hashlib.sha256(data).hexdigest()}.{kind_of(data)}"
    await asyncio.to_thread(_write, folder / reference, data)
    return reference


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        partial = path.with_suffix(".partial")
        partial.write_bytes(data)
        partial.replace(path)


async def load(folder: Path, reference: str) -> tuple[bytes, str]:
    """A photo and its media type. NotFoundError for a reference that is none."""
    match = _REFERENCE.fullmatch(reference)
    path = folder / reference
    if match is None or not await asyncio.to_thread(path.exists):
        raise NotFoundError("no such photo", field="reference")
    return await asyncio.to_thread(path.read_bytes), _TYPES[match.group(1)]
