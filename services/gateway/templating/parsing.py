"""From a source to a template that can be rendered, which is kept for the next time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

from liquid import BoundTemplate, Environment, Token
from liquid.exceptions import LiquidError
from liquid.token import TOKEN_CONTENT, TOKEN_ILLEGAL, TOKEN_OUTPUT

from .admission import Gate
from .dates import date
from .errors import TemplateError, located
from .language import CACHED, FILTERS, NESTING, OUTPUT_BYTES, SOURCE_LENGTH, TAGS
from .nodes import Writing
from .tokens import tokenize


class _Language(Environment):
    """The library's environment, reduced to what is offered."""

    block_nesting_limit = NESTING
    output_stream_limit = OUTPUT_BYTES

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        self.add_tag(Writing)
        self.add_filter("date", date)
        self.filters = {name: self.filters[name] for name in FILTERS}
        offered = (*TAGS, TOKEN_CONTENT, TOKEN_OUTPUT, TOKEN_ILLEGAL)
        self.tags = {name: Gate(self.tags[name]) for name in offered}

    def tokenizer(self) -> Callable[[str], Iterator[Token]]:
        return tokenize


ENVIRONMENTS = {escaped: _Language(autoescape=escaped) for escaped in (False, True)}
"""By whether what is written is escaped for HTML."""


@lru_cache(maxsize=CACHED)
def kept(source: str, *, escaped: bool) -> BoundTemplate:
    """Parse *source*, or take what it was parsed to before.

    Raises:
        LiquidError: It cannot be parsed.
    """
    return ENVIRONMENTS[escaped].from_string(source)


def parse(part: str, source: str) -> BoundTemplate:
    """Parse the source of *part*: ``subject``, ``html`` or ``text``; only HTML is escaped.

    Raises:
        TemplateError: It cannot be parsed, or is too long.
    """
    if len(source) > SOURCE_LENGTH:
        raise TemplateError(part, None, f"is longer than {SOURCE_LENGTH:,} characters")
    try:
        return kept(source, escaped=part == "html")
    except LiquidError as error:
        raise located(part, error) from None
