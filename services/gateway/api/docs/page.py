"""``GET /docs``: the description of the API as a page for people, made once when the gateway starts."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from services.gateway.api.docs.fields import Fields

_FOLDER: Final = Path(__file__).parent
_CODE: Final = re.compile(r"``?(.+?)``?")
_OWN_SECTIONS: Final = ("Authorization",)


class Page:
    """The page, and the headers that it is sent with."""

    def __init__(self, document: dict[str, Any]) -> None:
        style = (_FOLDER / "style.css").read_text()
        self._fields = Fields(document)
        environment = Environment(
            loader=FileSystemLoader(_FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {"prose": _prose, "pretty": _pretty}
        self.text = environment.get_template("page.html").render(
            document=document,
            style=Markup(style),  # noqa: S704 - a file of ours
            groups=list(self._groups(document)),
            problems=self._problems(document),
        )
        digest = b64encode(sha256(style.encode()).digest()).decode()
        self.headers = {
            "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            "Cache-Control": "no-cache",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
