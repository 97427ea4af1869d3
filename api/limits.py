"""Limits and headers of every answer: bodies are counted while they arrive, not after.

A body that announces or reaches more than the limit is refused with 413 before it is held in memory.
"""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem

SECURITY_HEADERS: Final[tuple[tuple[str, str], ...]] = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)
# The API answers data: nothing of it may run or be framed. The console brings its own policy.
_API_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
_DOCS: Final = ("/api/v1/docs",)


class BodyTooLarge(HTTPException):
    """An HTTPException, because the framework lets only those through while it reads a body."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"the body is larger than {limit} bytes")


class BodyLimit:
    """ASGI middleware that refuses bodies above `limit_bytes`; `larger` gives other limits to path prefixes."""

    def __init__(self, app: ASGIApp, limit_bytes: int, larger: dict[str, int] | None = None) -> None:
        self.app = app
        self.limit_bytes = limit_bytes
        self.larger = larger or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = next((size for path, size in self.larger.items() if scope["path"].startswith(path)), self.limit_bytes)
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if not announced.isdigit() or int(announced) > limit:
            status, code = (413, "body.too_large") if announced.isdigit() else (400, "request.malformed")
            detail = f"the body is larger than {limit} bytes" if status == 413 else "Content-Length is not a number"
            headers = {"Connection": "close"}
            answer = problem(status, code, "Too large", detail, instance=scope["path"], headers=headers)
            await answer(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise BodyTooLarge(limit)
            return message

        await self.app(scope, counted, send)


class SecurityHeaders:
    """ASGI middleware that sets the headers browsers protect people by."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; add headers to the answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path: str = scope["path"]

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS:
                    headers.setdefault(name, value)
                if path.startswith("/api/") and not path.startswith(_DOCS):
                    headers.setdefault("Content-Security-Policy", _API_POLICY)
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, with_headers)
