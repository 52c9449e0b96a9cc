"""Lists in pages: what a caller asks for, and the envelope of the answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field

from services.gateway import problems
from services.gateway.ledger.paging import LIMIT, MOST, Page
from services.gateway.problems import FieldError

PARAMETERS = frozenset({"limit", "after", "before"})
"""The query parameters that every list takes."""


Item = TypeVar("Item")


class ListBody(BaseModel, Generic[Item]):
    """A page of a list."""

    object: Literal["list"] = "list"
    has_more: bool = Field(description="Whether there are more items in the direction of this page.")
    data: list[Item]


def read_page(query: Mapping[str, str], *, filters: Iterable[str] = ()) -> Page:
    """Read the cursor out of a request's query; *filters* are the parameters it may have besides.

    Raises:
        Problem: 422 naming the parameter.
    """
    known = PARAMETERS | set(filters)
    errors = [FieldError("", "has a query parameter that this call does not know")] * any(
        name not in known for name in query
    )
    cursors = {name: _identifier(query, name, errors) for name in ("after", "before")}
    if cursors["after"] and cursors["before"]:
        errors.append(FieldError("/before", "cannot be combined with after"))
    limit = _limit(query.get("limit"), errors)
    if errors:
        raise problems.invalid_fields(errors)
    return Page(limit, cursors["after"], cursors["before"])


def page_body(data: Sequence[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """Wrap a page's items as Resend does."""
    return {"object": "list", "has_more": has_more, "data": list(data)}


def _identifier(query: Mapping[str, str], name: str, errors: list[FieldError]) -> UUID | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError:
        errors.append(FieldError(f"/{name}", "must be an id from the list"))
        return None


def _limit(text: str | None, errors: list[FieldError]) -> int:
    if text is None:
        return LIMIT
    if text.isascii() and text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= MOST:
        return int(text)
    errors.append(FieldError("/limit", f"must be a whole number from 1 to {MOST}"))
    return LIMIT
