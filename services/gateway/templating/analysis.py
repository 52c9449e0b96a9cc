"""What can be said of a template before it is rendered."""

from __future__ import annotations

from .parsing import parse


def check(subject: str, html: str | None, text: str | None) -> None:
    """Parse the sources.

    Raises:
        TemplateError: One of them cannot be parsed, or uses what is not offered.
    """
    needed(subject, html, text)


def needed(subject: str, html: str | None, text: str | None) -> frozenset[str]:
    """Name the variables that have to be given, because some use of them has no ``default`` filter.

    Raises:
        TemplateError: A source cannot be parsed.
    """
    parts = {"subject": subject, "html": html, "text": text}
    templates = [parse(part, source) for part, source in parts.items() if source is not None]
    return frozenset(name for template in templates for name in template.analyze().globals)
