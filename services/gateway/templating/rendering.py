"""From sources and variables to what a message says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from liquid.exceptions import LiquidError, LiquidInterrupt

from .context import Context
from .errors import TemplateError, located
from .language import SUBJECT_LENGTH
from .parsing import parse

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a template became; None for each part that has no source."""

    subject: str | None
    html: str | None
    text: str | None


def render(subject: str | None, html: str | None, text: str | None, variables: Mapping[str, Any]) -> Rendered:
    """Put *variables* into the sources: escaped in HTML, as they are elsewhere, and never rendered again.

    There may be no source for the subject, where the message has one of its own.

    Raises:
        TemplateError: A source cannot be parsed, a variable is missing, or there is too much to do.
    """
    return Rendered(
        subject=None if subject is None else _one_line(_render("subject", subject, variables).strip()),
        html=None if html is None else _render("html", html, variables),
        text=None if text is None else _render("text", text, variables),
    )


def _one_line(subject: str) -> str:
    # A line break here would let a variable write headers of its own.
    if _UNSAFE.search(subject):
        raise TemplateError("subject", None, "becomes several lines, or holds a control character")
    if not 0 < len(subject) <= SUBJECT_LENGTH:
        raise TemplateError("subject", None, f"becomes empty, or longer than {SUBJECT_LENGTH} characters")
    return subject


def _render(part: str, source: str, variables: Mapping[str, Any]) -> str:
    template = parse(part, source)
    context = Context(template, variables)
    buffer = context.get_buffer()
    for node in template.nodes:
        try:
            node.render(context, buffer)
        except LiquidError as error:
            raise located(part, error) from None
        except LiquidInterrupt as interrupt:
            raise located(part, LiquidError(f"'{interrupt}' outside of a loop", token=node.token)) from None
    return buffer.getvalue()
