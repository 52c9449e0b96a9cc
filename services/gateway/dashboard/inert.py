"""What keeps the HTML of an e-mail, which may come from anybody, from doing anything but being looked at.

It is shown in a frame of its own document, not by ``srcdoc``: that would be bound by the page's policy,
under which no e-mail could be styled, while a document has a policy of its own.  That policy makes it a
sandbox, even where somebody opens it by itself: no scripts, no forms, an origin that is nobody's, hence
no cookies; and it may load nothing, but for pictures over HTTPS where somebody asked for them.  The
frame is a sandbox too, and the page's policy lets no frame go anywhere but here, so that a link in an
e-mail leads nowhere: links are listed below it.

https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Content-Security-Policy/sandbox
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, unquote

from aiohttp import web

from services.gateway.dashboard.frame import HEADERS
from services.gateway.dashboard.letter import Attachment

_POLICY: Final = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:{images}; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
FRAME_POLICY: Final = "frame-src 'self'"
"""What the policy of a page with such a frame holds beside its own words."""

# No policy is about connecting ahead (<link rel=preconnect>) and reloading (<meta http-equiv=refresh>), and
# Chromium connects to where a frame would come from before it asks the policy whether it may.  Without
# these very characters no tokenizer of HTML begins such a tag, whatever stands around them.
_ACTIVE: Final = re.compile(r"<(?=(?:link|meta|base|i?frame|frameset|object|embed)\b)", re.IGNORECASE)
_CID: Final = re.compile(r"""\bcid:([^"'\s)>]{1,512})""", re.IGNORECASE)
_PICTURE: Final = re.compile(r"image/[\w.+-]{1,64}", re.ASCII)

# It leads nowhere, and the browser would say so in its place: a click does nothing instead.
_NO_CLICKS: Final = "<style>a, area { pointer-events: none !important }</style>"

_SHOWN: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"})
"""Types that no browser takes for anything with scripts."""


def framed(html: str, attachments: Iterable[Attachment] = (), *, images: bool = False) -> web.Response:
    """Answer with the HTML of an e-mail; ``images`` lets it load pictures from elsewhere."""
    pictures = {each.content_id: each for each in attachments if each.content_id}

    def inline(match: re.Match[str]) -> str:
        picture = pictures.get(unquote(match[1]))
        if picture is None or not _PICTURE.fullmatch(picture.content_type):
            return match[0]
        return f"data:{picture.content_type};base64,{base64.b64encode(picture.content).decode()}"

    body = _CID.sub(inline, _ACTIVE.sub("<x-", html)) + _NO_CLICKS
    headers = {
        **HEADERS,
        "Content-Security-Policy": _POLICY.format(images=" https:" if images else ""),
        "Referrer-Policy": "no-referrer",
        "X-DNS-Prefetch-Control": "off",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    text = body.encode("utf-8", "replace")
    return web.Response(body=text, content_type="text/html", charset="utf-8", headers=headers)


def download(attachment: Attachment) -> web.Response:
    """Answer with a file to be kept, not shown; its name is no path (RFC 6266, section 4.3)."""
    name = re.sub(r"[\x00-\x1f\x7f/\\]", "_", attachment.filename).strip(". ") or "unnamed"
    is_harmless = attachment.content_type in _SHOWN
    headers = {
        **HEADERS,
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
    }
    kind = attachment.content_type if is_harmless else "application/octet-stream"
    return web.Response(body=attachment.content, content_type=kind, headers=headers)


def plain(content: bytes, filename: str) -> web.Response:
    """Answer with a source as text, which no browser takes for anything else."""
    headers = {
        **HEADERS,
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(filename, safe='')}",
    }
    return web.Response(body=content, content_type="text/plain", charset="utf-8", headers=headers)
