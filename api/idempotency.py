"""Idempotency-Key: the same request sent twice is done once and answered the same.

The answer is stored in the transaction of the work itself, so a crash can't separate them. The same key with
another request is refused. Only answers below 400 are kept: after a refusal the caller may mend and try again. What an
answer shows once (a key, a secret) is not kept: a replay has `MASK` in its place and names it in `Idempotency-Masked`.
"""

import hashlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import msgspec
from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from api.access import require_proof
from api.context import context_of
from api.errors import IdempotencyError
from ingest.errors import InvalidInputError
from ingest.store import people

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
MASKED: Final = "Idempotency-Masked"
MASK: Final = "(shown once)"
_SHOWN_ONCE: Final = "x-shown-once"
ROUTE_HOLDER: Final = "heatbook.route"
_UNSAFE: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_MAX_KEY: Final = 200

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def shown_once(*fields: str) -> dict[str, Any]:
    """`openapi_extra` of a route whose JSON answer holds secrets in `fields`."""
    return {_SHOWN_ONCE: list(fields)}


class IdempotentRoute(APIRoute):
    """A route that honours Idempotency-Key on methods that change something."""

    def get_route_handler(self) -> Handler:
        """The route's handler, guarded."""
        handler = super().get_route_handler()
        secrets = tuple((self.openapi_extra or {}).get(_SHOWN_ONCE, ()))

        async def guarded(request: Request) -> Response:
            # For api.metrics: what an included router finds does not reach the middleware otherwise.
            request.scope.get(ROUTE_HOLDER, []).append(self.path_format)
            key = request.headers.get(HEADER)
            if key is None or request.method not in _UNSAFE:
                return await handler(request)
            if not key.isprintable() or not 0 < len(key) <= _MAX_KEY:
                raise InvalidInputError(f"{HEADER} must be 1-{_MAX_KEY} printable characters", field=HEADER)
            return await _once(request, key, handler, secrets)

        return guarded


async def _once(request: Request, key: str, handler: Handler, secrets: Sequence[str]) -> Response:
    caller, digest = _caller(request), await _digest(request)
    async with context_of(request).pool.connection() as connection, connection.transaction():
        known = await people.idempotent_answer(connection, caller, key)
        if known is not None:
            if bytes(known["request_hash"]) != digest:
                raise IdempotencyError(f"{HEADER} {key!r} was used before with another request", field=HEADER)
            await require_proof(request)  # the key or session may have ended since
            return _replay(bytes(known["response"]), known["status"], secrets)
        request.state.connection = connection
        response = await handler(request)
        body = getattr(response, "body", None)
        if response.status_code < 400 and isinstance(body, bytes):
            etag = response.headers.get("etag", "").encode()
            media = response.headers.get("content-type", "").encode()
            kept = b"\n".join((media, etag, _masked(body, secrets)))
            await people.keep_answer(connection, caller, key, digest, response.status_code, kept)
        return response


def _masked(body: bytes, secrets: Sequence[str]) -> bytes:
    """A JSON answer without what it shows once."""
    if not secrets:
        return body
    answer: dict[str, Any] = msgspec.json.decode(body)
    return msgspec.json.encode({name: MASK if name in secrets else value for name, value in answer.items()})


def _replay(kept: bytes, status: int, secrets: Sequence[str]) -> Response:
    media, etag, body = kept.split(b"\n", 2)
    headers = {REPLAYED: "true"}
    if secrets:
        headers[MASKED] = ", ".join(secrets)
    if etag:
        headers["ETag"] = etag.decode()
    # An older version kept secrets: they are masked here too.
    return Response(_masked(body, secrets) or None, status, headers, media.decode() or None)


def _caller(request: Request) -> str:
    proof = request.headers.get("authorization", "") + "\x1f" + request.headers.get("cookie", "")
    return hashlib.sha256(proof.encode()).hexdigest()[:32]


async def _digest(request: Request) -> bytes:
    digest = hashlib.sha256(f"{request.method} {request.url.path}?{request.url.query}\n".encode())
    digest.update(await request.body())
    return digest.digest()
