"""What ``GET /emails`` can be asked for: the filters among its query parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from multidict import MultiMapping

from services.gateway import problems
from services.gateway.api.pages import PARAMETERS, read_page
from services.gateway.api.representation import LAST_EVENT
from services.gateway.ledger.filters import Filters
from services.gateway.ledger.paging import Page
from services.gateway.problems import FieldError, Problem
from services.gateway.submission import filters
from shared.signatures import Lane

_Readers = Mapping[str, tuple[str, Callable[[str], Any]]]


def read_listing(query: MultiMapping[str]) -> tuple[Filters, Page]:
    """Read the filters and the cursor out of a request's query.

    Raises:
        Problem: 422 naming every parameter that cannot be used.
    """
    found, failed = _read(query, _FILTERS)
    failed = _repeated(query) + failed
    try:
        page = read_page(query, filters=_FILTERS)
    except Problem as problem:
        failed += problem.errors
    if failed:
        raise problems.invalid_fields(failed)
    return Filters(**found), page


def read_filters(query: Mapping[str, str], more: _Readers = MappingProxyType({})) -> Filters:
    """Read filters alone, of a query that is known to hold nothing else; *more* than lists take, too.

    Raises:
        Problem: 422 naming every parameter that cannot be used.
    """
    found, failed = _read(query, {**_FILTERS, **more})
    if failed:
        raise problems.invalid_fields(failed)
    return Filters(**found)


def _read(query: Mapping[str, str], readers: _Readers) -> tuple[dict[str, Any], list[FieldError]]:
    found: dict[str, Any] = {}
    failed = []
    for name, (field, read) in readers.items():
        if name in query:
            try:
                found[field] = read(query[name])
            except ValueError as error:
                failed.append(FieldError(f"/{name}", str(error)))
    return found, failed


def _repeated(query: MultiMapping[str]) -> list[FieldError]:
    names = (*_FILTERS, *sorted(PARAMETERS))
    return [
        FieldError(f"/{name}", "must not be given twice") for name in names if len(query.getall(name, [])) > 1
    ]


def _status(text: str) -> str:
    if text not in LAST_EVENT:
        raise ValueError(f"must be one of {', '.join(LAST_EVENT)}")
    return text


def _lane(text: str) -> str:
    if text not in tuple(Lane):
        raise ValueError(f"must be one of {', '.join(Lane)}")
    return text


def moment(text: str) -> datetime:
    """Read a moment out of a query.

    Raises:
        ValueError: It is none.
    """
    try:
        return filters.moment(text)
    except ValueError as error:
        raise ValueError(f"{error} (in a URL + is written %2B)") from None


_FILTERS: Final[_Readers] = MappingProxyType(
    {
        "status": ("status", _status),
        "to": ("recipient", filters.recipient),
        "tag": ("tag", filters.tag),
        "priority": ("lane", _lane),
        "provider": ("provider", filters.provider),
        "since": ("since", moment),
        "until": ("until", moment),
    }
)
"""The parameters, the field of :class:`Filters` that each is for, and how it is read."""
