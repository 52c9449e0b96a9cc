"""Which permission a call needs; the authentication refuses a handler that does not say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from aiohttp import web

from services.gateway.tenants.callers import Caller, Permission

_Handler = TypeVar("_Handler", bound=Callable[..., Any])
CALLER = web.RequestKey("caller", Caller)
"""Key under which an authenticated request carries who it is from."""

_ATTRIBUTE = "needed_permission"
_PUBLIC = "public"


def needs(permission: Permission) -> Callable[[_Handler], _Handler]:
    """Mark a handler as one that needs an API key with this permission."""

    def mark(handler: _Handler) -> _Handler:
        setattr(handler, _ATTRIBUTE, permission)
        return handler

    return mark


def public(handler: _Handler) -> _Handler:
    """Mark a handler as one that everybody may call, without a key."""
    setattr(handler, _ATTRIBUTE, _PUBLIC)
    return handler


def is_public(handler: Callable[..., Any]) -> bool:
    """Whether :func:`public` marked the handler."""
    return getattr(handler, _ATTRIBUTE, None) == _PUBLIC


def needed(handler: Callable[..., Any]) -> Permission | None:
    """The permission that :func:`needs` marked the handler with; None if there was no mark."""
    permission = getattr(handler, _ATTRIBUTE, None)
    return permission if isinstance(permission, Permission) else None


def caller(request: web.Request) -> Caller:
    """Who is calling; set by the authentication before any handler runs."""
    return request[CALLER]
