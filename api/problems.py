"""One table from domain errors to HTTP answers (RFC 9457, application/problem+json).

Rules: every refusal of the API passes here; `code` is stable; `field` and `offset` name what was wrong;
nothing of the server's inside (SQL, paths, stack) is ever told.
"""

from typing import Any, Final

import msgspec
import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.errors import (
    IdempotencyError,
    RevisionRequiredError,
    StaleError,
    ThrottledError,
    TooLargeError,
    UnauthenticatedError,
)
from ingest.errors import (
    ConflictError,
    ForbiddenError,
    IngestError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from protocols.errors import ProtocolError

_log = structlog.get_logger(__name__)

MEDIA_TYPE: Final = "application/problem+json"

# The first class that matches decides: narrow ones stand before their parents.
STATUS: Final[tuple[tuple[type[Exception], int, str], ...]] = (
    (UnauthenticatedError, 401, "Who are you?"),
    (ThrottledError, 429, "Too many attempts"),
    (StaleError, 412, "Changed in the meantime"),
    (RevisionRequiredError, 428, "Revision required"),
    (TooLargeError, 413, "Too large"),
    (IdempotencyError, 422, "Idempotency key used before"),
    (ForbiddenError, 403, "Not allowed"),
    (NotFoundError, 404, "Not found"),
    (ConflictError, 409, "Contradicts what is stored"),
    (InvalidInputError, 422, "Invalid input"),
    (ProtocolError, 422, "Not understood"),
    (UnavailableError, 503, "Not available now"),
    (IngestError, 500, "Internal error"),
    (PoolTimeout, 503, "Not available now"),
    (psycopg.errors.ExclusionViolation, 409, "Contradicts what is stored"),
    (psycopg.errors.UniqueViolation, 409, "Contradicts what is stored"),
    (psycopg.errors.ForeignKeyViolation, 409, "Contradicts what is stored"),
    (psycopg.errors.RestrictViolation, 409, "Contradicts what is stored"),
    (psycopg.errors.IntegrityError, 409, "Contradicts what is stored"),
    (psycopg.DataError, 422, "Invalid input"),
    (psycopg.OperationalError, 503, "Not available now"),
)

# What a caller is told where the exception's own text is the database's.
_DATABASE_WORDS: Final[tuple[tuple[type[Exception], str, str], ...]] = (
    (PoolTimeout, "database.busy", "the database has no free connection"),
    (psycopg.errors.ExclusionViolation, "conflict.overlap", "overlaps in time with what is stored"),
    (psycopg.errors.UniqueViolation, "conflict.exists", "exists already"),
    (psycopg.errors.IntegrityError, "conflict.reference", "contradicts what is stored"),
    (psycopg.DataError, "input.invalid", "a value cannot be stored: a NUL character, or a number or time out of range"),
    (psycopg.OperationalError, "database.away", "the database is away"),
)
_HTTP_CODES: Final[dict[int, str]] = {
    400: "request.malformed",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method.not_allowed",
    406: "not_acceptable",
    413: "body.too_large",
    415: "media_type.unsupported",
}


def problem(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    instance: str = "",
    headers: dict[str, str] | None = None,
    **more: Any,
) -> Response:
    """A problem answer; `more` are extension members (field, offset, errors), left out where None."""
    body: dict[str, Any] = {
        "type": f"urn:heatbook:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if instance:
        body["instance"] = instance
    body.update({key: value for key, value in more.items() if value is not None})
    return Response(msgspec.json.encode(body), status, headers, MEDIA_TYPE)


def problem_from_error(error: Exception, instance: str = "") -> Response:
    """The answer that the table gives to a domain error; 500 without details for one it does not know."""
    for kind, status, title in STATUS:
        if isinstance(error, kind):
            code, detail = _words(error)
            headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "5"}, 429: {"Retry-After": "60"}}
            field, offset = getattr(error, "field", None), getattr(error, "offset", None)
            return problem(
                status, code, title, detail, instance=instance, headers=headers.get(status), field=field, offset=offset
            )
    return problem(500, "internal", "Internal error", "the service failed; the operator's log tells why")


def _words(error: Exception) -> tuple[str, str]:
    for kind, code, detail in _DATABASE_WORDS:
        if isinstance(error, kind):
            return code, detail
    return str(getattr(error, "code", "internal")), str(getattr(error, "message", error))


async def _on_domain_error(request: Request, error: Exception) -> Response:
    answer = problem_from_error(error, request.url.path)
    if answer.status_code >= 500:
        _log.warning("request failed", path=request.url.path, error=repr(error))
    return answer


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _HTTP_CODES.get(error.status_code, f"http.{error.status_code}")
    headers = dict(error.headers) if error.headers else None
    return problem(
        error.status_code, code, code.replace(".", " "), str(error.detail), instance=request.url.path, headers=headers
    )


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"field": ".".join(str(part) for part in item["loc"][1:]) or str(item["loc"][0]), "message": item["msg"]}
        for item in error.errors()
    ]
    first = errors[0] if errors else {"field": "body", "message": "invalid"}
    detail = f"{first['field']}: {first['message']}"
    return problem(
        422, "input.invalid", "Invalid input", detail, instance=request.url.path, field=first["field"], errors=errors
    )


async def _on_anything(request: Request, error: Exception) -> Response:
    _log.error("request crashed", path=request.url.path, error=repr(error))
    return problem(500, "internal", "Internal error", "the service failed; the operator's log tells why")


def register_problem_handlers(app: FastAPI) -> None:
    """Make every error of `app` leave as a problem."""
    for kind, _, _ in STATUS:
        app.add_exception_handler(kind, _on_domain_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(Exception, _on_anything)
