"""``GET /docs``: the description of the API as a page for people, made once when the gateway starts."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from services.gateway.api.docs.calls import Calls

_FOLDER: Final = Path(__file__).parent
_CODE: Final = re.compile(r"(`+)(.+?)\1")


class Page:
    """The page, and the headers that it is sent with."""

    def __init__(self, document: dict[str, Any]) -> None:
        style = (_FOLDER / "style.css").read_text()
        calls = Calls(document)
        self.text = (
            _environment()
            .get_template("page.html")
            .render(
                info=document["info"],
                style=Markup(style),  # noqa: S704 - a file of ours
                groups=[{**tag, "calls": list(calls.of(tag["name"]))} for tag in document["tags"]],
                problems=calls.problems(),
                errors=calls.fields("ErrorBody"),
                sendgrid_errors=calls.fields("SendGridErrors"),
            )
        )
        # The policy admits this very style, and nothing else at all.
        digest = b64encode(sha256(style.encode()).digest()).decode()
        self.headers = {
            "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"prose": _prose, "slug": _slug, "breakable": _breakable}
    return environment


def _prose(text: str) -> Markup:
    """Text as HTML: escaped, with ``code`` between backticks."""
    return Markup(_CODE.sub(r"<code>\2</code>", str(escape(text))))  # noqa: S704 - escaped


def _slug(text: str) -> str:
    """The end of a link to a group of calls."""
    return re.sub(r"\W+", "-", text.lower())


def _breakable(name: str) -> Markup:
    """A path or a field's name that may go on in the next line."""
    return Markup(re.sub(r"([./_\]])(?=\w)", r"\1<wbr>", str(escape(name))))  # noqa: S704 - escaped
