"""One shape for every list: items and the cursor of the next page, None on the last one."""

from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel

Limit = Annotated[int, Query(ge=1, le=1_000, description="items a page")]
CursorText = Annotated[str | None, Query(max_length=500, description="`next` of the page before")]
# PostgreSQL text has no NUL; every text that goes into a query is checked at the door.
SAFE_TEXT = r"^[^\x00]*$"
Word = Annotated[str | None, Query(max_length=200, pattern=SAFE_TEXT)]


T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """A page of a list."""

    items: list[T]
    next: str | None = None


def page(rows: Sequence[Any], limit: int, cursor: str | None) -> dict[str, Any]:
    """A page's body: `cursor` is told only where the page is full."""
    return {"items": rows, "next": cursor if len(rows) == limit else None}
