"""The description of the API for people."""

from __future__ import annotations

from services.gateway.api.docs.page import Page

__all__ = ["Page"]
