"""How a letter is shown: one of its views at a time, each with an address of its own."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from services.gateway.dashboard.letter import Letter

_VIEWS: Final = ("html", "text", "headers", "source")
_SHOWN: Final = 60_000
"""Characters of a text or a source that a page shows; all of it can be downloaded."""


def letter_context(request: web.Request, letter: Letter, source: bytes, *, at: str) -> dict[str, Any]:
    """What the templates of letters need; *at* is where the letter's frame and files are served."""
    missing = {name for name in ("html", "text") if not getattr(letter, name)}
    views = [view for view in _VIEWS if view not in missing]
    view = request.query.get("show", "")
    if view not in views:
        view = views[0]
    text, raw = letter.text or "", source.decode("utf-8", "replace")
    return {
        "letter": letter,
        "letter_at": at,
        "views": views,
        "view": view,
        "images": request.query.get("images") == "1",
        "letter_text": text[:_SHOWN],
        "letter_source": raw[:_SHOWN],
        "is_cut": len(text if view == "text" else raw) > _SHOWN,
    }
