"""What a person sees who follows the link to unsubscribe: plain HTML, no scripts, fit for a phone."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape
from types import MappingProxyType
from typing import Final

_STYLE: Final = """\
:root { color-scheme: light dark }
body { margin: 0; min-height: 100vh; display: flex; align-items: center; justify-content: center;
  font: 1.0625rem/1.5 system-ui, sans-serif; background: Canvas; color: CanvasText }
main { box-sizing: border-box; width: 100%; max-width: 28rem; padding: 2rem 1.5rem }
h1 { margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.25 }
p { margin: 0 0 1.5rem; overflow-wrap: anywhere }
button { width: 100%; padding: .875rem 1rem; border: 0; border-radius: .5rem; font: inherit; font-weight: 600;
  background: #1a56b8; color: #fff; cursor: pointer }
button:focus-visible { outline: 3px solid #7aa7f0; outline-offset: 2px }
"""
_PAGE: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<title>Unsubscribe</title>
<style>{style}</style>
</head>
<body>
<main>
{content}
</main>
</body>
</html>
"""
_BUTTON: Final = """\
<form method="post">
<input type="hidden" name="List-Unsubscribe" value="One-Click">
<button type="submit">{label}</button>
</form>"""
_DIGEST: Final = b64encode(sha256(_STYLE.encode()).digest()).decode()

HEADERS: Final = MappingProxyType(
    {
        # The policy admits this very style and this very form, and nothing else at all.
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_DIGEST}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'",
        "Cache-Control": "no-store",
        # The address of the page is the token.
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex, nofollow",
    }
)
"""What the page is sent with."""


def page(content: str) -> str:
    """Put *content*, which is HTML, into a page."""
    return _PAGE.format(style=_STYLE, content=content)


def ask_page(address: str) -> str:
    """Ask whether *address* is to get no more."""
    question = f"<p>No more mailings will be sent to <strong>{escape(address)}</strong>.</p>"
    return page(f"<h1>Unsubscribe?</h1>\n{question}\n{_BUTTON.format(label='Unsubscribe')}")


DONE: Final = page("<h1>You are unsubscribed</h1>\n<p>You can close this page.</p>")
"""It is recorded."""

UNKNOWN: Final = "<h1>This link does not work</h1>\n<p>It may not have been copied as a whole.</p>"
"""The content of a page for a token that nobody can read."""

LATER: Final = (
    f"<h1>Not done yet</h1>\n<p>Please try again in a minute.</p>\n{_BUTTON.format(label='Try again')}"
)
"""The content of a page for when it cannot be recorded now."""
