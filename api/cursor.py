"""Opaque page cursors: what a page ended with, signed so that nobody can make one up.

A cursor belongs to one question (`kind`, with its filters): taken to another it is refused, not misread.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from api.errors import CursorError

_SIGNATURE_BYTES = 16


@dataclass(frozen=True, slots=True)
class CursorCodec:
    """Signs and reads cursors with one installation's secret."""

    secret: bytes = field(repr=False)

    def text_from_position(self, kind: str, position: Sequence[Any], /, **question: Any) -> str:
        """Cursor text for the last row of a page. `question`: the filters that the position only holds for."""
        body = msgspec.msgpack.encode([kind, _digest(question), list(position)])
        return base64.urlsafe_b64encode(self._signature(body) + body).rstrip(b"=").decode()

    def position_from_text(self, kind: str, text: str, types: Sequence[type], /, **question: Any) -> list[Any]:
        """What `text_from_position` was given.

        Raises
        ------
        CursorError
            Not ours, cut, for another question, or not of these `types`.
        """
        try:
            raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise CursorError("the cursor is not one of this service", field="cursor") from error
        signature, body = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(body)):
            raise CursorError("the cursor is not one of this service", field="cursor")
        made_for, digest, position = msgspec.msgpack.decode(body)
        if made_for != kind or digest != _digest(question):
            raise CursorError("the cursor belongs to another question; start again without it", field="cursor")
        if len(position) != len(types) or not all(
            isinstance(value, kind_) for value, kind_ in zip(position, types, strict=True)
        ):
            raise CursorError("the cursor is of an older version; start again without it", field="cursor")
        return list(position)

    def _signature(self, body: bytes) -> bytes:
        return hmac.digest(self.secret, body, "sha256")[:_SIGNATURE_BYTES]


def _digest(question: dict[str, Any]) -> bytes:
    text = repr(sorted((key, str(value)) for key, value in question.items() if value is not None))
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
