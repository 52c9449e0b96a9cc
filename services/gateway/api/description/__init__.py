"""The description of the public API: one entry for each call, and the document that is made of them."""

from __future__ import annotations

from services.gateway.api.description.document import describe

__all__ = ["describe"]
