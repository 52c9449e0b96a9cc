"""Mailgun's forms: what is wrong with one, and what a batch makes of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.utils import parseaddr
from typing import Any

from tests.fakes.dialect import parsed

_ADDRESS = re.compile(r"[^@\s<>]+@[^@\s<>]+")
_VARIABLE = re.compile(r"%recipient\.([^%]+)%")
_RECIPIENTS = ("to", "cc", "bcc")
_OPTIONS = ("o:", "h:", "v:", "t:")
_OPTIONS_BYTES = 16 * 1024
_RECIPIENT_VARIABLES = "recipient-variables"


def first(payload: Any, name: str) -> str | None:
    """Give a field's first value; of a header the name counts in any case."""
    for key, values in payload.items() if isinstance(payload, dict) else ():
        if key == name or (name.startswith("h:") and key.lower() == name):
            return str(values[0])
    return None


def copies(payload: Any) -> list[dict[str, list[Any]]]:
    """Give each recipient's own copy of a batch, with its variables filled in; none of any other form.

    A recipient that is named twice gets one copy, since the variables are told by the address.
    """
    variables = parsed((first(payload, _RECIPIENT_VARIABLES) or "").encode())
    if not isinstance(variables, dict):
        return []
    recipients = {parseaddr(to)[1]: to for to in payload.get("to", [])}
    shared = {name: texts for name, texts in payload.items() if name not in {"to", _RECIPIENT_VARIABLES}}
    return [
        {
            name: [_filled(text, variables.get(address, {})) for text in texts]
            for name, texts in shared.items()
        }
        | {"to": [to]}
        for address, to in recipients.items()
    ]


def _filled(text: Any, values: dict[str, Any]) -> Any:
    """Fill the variables in; one that is not known stays as it is."""
    if not isinstance(text, str):
        return text
    return _VARIABLE.sub(lambda found: str(values.get(found[1], found[0])), text)


def problems(payload: Any) -> Iterator[str]:
    """Say what is wrong with a form, in Mailgun's words."""
    form = payload if isinstance(payload, dict) else {}
    for name in ("from", "to"):
        if not form.get(name):
            yield f"{name} parameter is missing"
    for name in ("from", *_RECIPIENTS):
        if any(not _ADDRESS.fullmatch(parseaddr(text)[1]) for text in form.get(name, [])):
            yield f"{name} parameter is not a valid address. please check documentation"
    if not first(form, "text") and not first(form, "html"):
        yield "Need at least one of 'text' or 'html' parameters specified"
    if sum(len(form.get(name, [])) for name in _RECIPIENTS) > 1000:
        yield "Too many recipients, max is 1000"
    variables = first(form, _RECIPIENT_VARIABLES)
    if variables is not None and not isinstance(parsed(variables.encode()), dict):
        yield "'recipient-variables' parameter is not a valid JSON"
    yield from _options(form)


def _options(form: dict[str, list[Any]]) -> Iterator[str]:
    options = [(name, text) for name, texts in form.items() if name.startswith(_OPTIONS) for text in texts]
    for name, _ in options:
        if name.startswith("h:") and not name.isascii():
            yield f"Header name must be pure ASCII: {name}"
    if sum(len((name + str(text)).encode()) for name, text in options) > _OPTIONS_BYTES:
        yield "Send options (parameters starting with o:, h:, or v:) are limited to 16 kB total"
