"""The OpenAPI 3.1 document: what FastAPI knows, and what it can't know (problems, pushed bodies, idempotency)."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.deliveries.schemas import PUSHED_SCHEMA
from api.problems import MEDIA_TYPE

PROBLEM_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "RFC 9457. `code` is stable; `field` and `offset` name what was wrong.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string"},
        "field": {"type": "string"},
        "offset": {"type": "integer"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}
_PROBLEM: Final = {
    "description": "A problem (RFC 9457)",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_IDEMPOTENCY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same request is answered the same and done once; with another it is refused.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
}
_UNSAFE: Final = frozenset({"post", "put", "patch", "delete"})
# Every refusal that any endpoint may give: the table of api.problems.
_STATUSES: Final = ("400", "401", "403", "404", "409", "412", "413", "422", "428", "429", "503")


def document(app: FastAPI) -> dict[str, Any]:
    """The app's OpenAPI document, made once."""
    if app.openapi_schema:
        return app.openapi_schema
    made = get_openapi(
        title=app.title, version=app.version, openapi_version="3.1.0", description=app.description, routes=app.routes
    )
    schemas = made.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = PROBLEM_SCHEMA
    schemas["PushedDelivery"] = PUSHED_SCHEMA
    for operations in made["paths"].values():
        for method, operation in operations.items():
            responses = operation["responses"]
            for status in _STATUSES:
                responses[status] = _PROBLEM
            if method in _UNSAFE:
                operation.setdefault("parameters", []).append(_IDEMPOTENCY)
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    app.openapi_schema = made
    return made
