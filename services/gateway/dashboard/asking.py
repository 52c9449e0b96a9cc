"""What pages ask for: cursors, what was seen already, and what a form says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel

from services.gateway.api.pages import read_page
from services.gateway.dashboard.frame import HEADERS
from services.gateway.ledger.paging import Page
from services.gateway.problems import Problem
from services.gateway.submission.validation import validate

_CURSORS: Final = frozenset({"after", "before", "limit"})

Model = TypeVar("Model", bound=BaseModel)
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Pager:
    """Where the pages before and behind a page of a list are; None where there is none."""

    newer: str | None
    older: str | None
    query: str
    """What is asked for beside the cursor, encoded."""
    is_first: bool

    @classmethod
    def of(cls, query: Mapping[str, str], page: Page, ids: Sequence[UUID], *, has_more: bool) -> Pager:
        """Make the links of a page of a list, given what was asked for and what it shows."""
        rest = {name: value for name, value in query.items() if name not in _CURSORS and value}

        def link(**cursor: UUID) -> str:
            return "?" + urlencode({**rest, **cursor})

        back = page.before is not None
        older = link(after=ids[-1]) if ids and (has_more or back) else None
        newer = None
        if ids and (page.after is not None or (back and has_more)):
            newer = link(before=ids[0])
        elif page.after is not None or back:
            newer = link()
        return cls(newer, older, urlencode(rest), page.after is None and not back)


def cursor(request: web.Request, *, limit: int = 20) -> Page:
    """Read the cursor alone out of a query; a page of the dashboard has a length of its own.

    Raises:
        Problem: 422, it is none.
    """
    query = {name: value for name, value in request.query.items() if name in _CURSORS and value}
    return read_page({**query, "limit": str(limit)})


def seen(shown: object) -> str:
    """Name a state of things, so that a page can say which one it shows."""
    return blake2b(repr(shown).encode("utf-8", "replace"), digest_size=8).hexdigest()


def nothing_new(request: web.Request, shown: object) -> web.Response | None:
    """An answer that leaves the page as it is, if it shows this already."""
    if request.query.get("seen") != seen(shown):
        return None
    return web.Response(status=204, headers=HEADERS)


def accepted(
    model: type[Model], fields: Mapping[str, Any], *, context: Mapping[str, Any] | None = None
) -> tuple[Model | None, dict[str, str]]:
    """Read a form as the API would read it; or say at which field what is wrong."""
    try:
        return validate(model, fields, context=context), {}
    except Problem as problem:
        return None, complaints(problem)


def complaints(problem: Problem) -> dict[str, str]:
    """What is wrong, by the name of the field; what is wrong with all of it has none."""
    if not problem.errors:
        return {"": problem.message}
    found: dict[str, str] = {}
    for error in problem.errors:
        name = error.pointer.lstrip("/").partition("/")[0]
        found.setdefault(name, f"{error.message[:1].upper()}{error.message[1:]}.")
    return found


def named(request: web.Request, name: str = "id") -> UUID:
    """The thing that the path names.

    Raises:
        HTTPNotFound: Nothing can have that id.
    """
    try:
        return UUID(request.match_info[name])
    except ValueError:
        raise web.HTTPNotFound from None


def numbered(request: web.Request, items: Sequence[Item]) -> Item:
    """The one of some things that the path names by its place, from 0.

    Raises:
        HTTPNotFound: There is none in that place.
    """
    try:
        return dict(enumerate(items))[int(request.match_info["number"])]
    except (ValueError, KeyError):
        raise web.HTTPNotFound from None
