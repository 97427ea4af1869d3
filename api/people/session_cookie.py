"""The cookie that a session lives in: no script reads it, no other site sends it."""

from starlette.responses import Response

from api.access import COOKIE
from api.people.service import SESSION


def set_session_cookie(answer: Response, token: str, *, secure: bool) -> None:
    """Give a browser its session. `secure`: only over TLS."""
    seconds = int(SESSION.total_seconds())
    answer.set_cookie(COOKIE, token, max_age=seconds, httponly=True, secure=secure, samesite="strict", path="/")
