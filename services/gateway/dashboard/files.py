"""The dashboard's own files, and htmx: served with the package, and remembered by browsers for ever.

The URL of a file holds a hash of what is in it.  htmx comes out of the package django-htmx, whose
code is not imported.  https://htmx.org/docs/
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from services.gateway.api.access import public
from services.gateway.dashboard.sessions import PATH

_FOLDER: Final = Path(__file__).parent / "static"
_HTMX: Final = "static/django_htmx/htmx-2.min.js"
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOR_EVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class File:
    """One file as it is sent."""

    content_type: str
    digest: str
    content: bytes = field(repr=False)
    packed: bytes = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> File:
        """Read a file of a known type."""
        content = path.read_bytes()
        digest = sha256(content).hexdigest()[:16]
        return cls(_TYPES[path.suffix], digest, content, gzip.compress(content, mtime=0))


class Files:
    """All of them, read once; they are small."""

    def __init__(self) -> None:
        self._files = {path.name: File.read(path) for path in sorted(_FOLDER.iterdir())}
        self._files["htmx.js"] = File.read(_htmx())

    def url(self, name: str) -> str:
        """Where a file is served, as it is now.

        Raises:
            KeyError: There is no such file.
        """
        return f"{PATH}/static/{self._files[name].digest}/{name}"

    def routes(self) -> Iterable[web.RouteDef]:
        """The files' route."""
        return (web.get(PATH + "/static/{digest}/{name}", self.get_file),)

    @public
    async def get_file(self, request: web.Request) -> web.Response:
        """Send a file; it says nothing about anybody, so nobody need be logged in."""
        file = self._files.get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        # A page of a gateway of another version asks for what this one has another edition of.
        is_it = file.digest == request.match_info["digest"]
        headers = {
            hdrs.CACHE_CONTROL: _FOR_EVER if is_it else "no-store",
            hdrs.VARY: hdrs.ACCEPT_ENCODING,
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'",
        }
        body = file.content
        if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
            body, headers[hdrs.CONTENT_ENCODING] = file.packed, "gzip"
        return web.Response(body=body, content_type=file.content_type, charset="utf-8", headers=headers)


def _htmx() -> Path:
    package = find_spec("django_htmx")
    if package is None or package.origin is None:
        raise RuntimeError("the package django-htmx, which holds htmx, is not installed")
    return Path(package.origin).parent / _HTMX
