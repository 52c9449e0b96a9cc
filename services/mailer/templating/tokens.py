"""From a source to its tokens."""

from __future__ import annotations

import re
from collections.abc import Iterator

from liquid import Token
from liquid.exceptions import LiquidSyntaxError
from liquid.token import TOKEN_CONTENT, TOKEN_EXPRESSION, TOKEN_OUTPUT, TOKEN_TAG

from .language import MARKUP_LENGTH, OPERATORS, TAG_LENGTH

_OPENING = re.compile(r"(\{\{\{|\{\{|\{%)(-?)")
_CLOSING = {"{{{": "}}}", "{{": "}}", "{%": "%}"}
_TAG_NAME = re.compile(r"#|\w+")
_OPERATOR = re.compile(r"[\[(]|[<>=!]+|\b(?:and|or|contains)\b")


def tokenize(source: str) -> Iterator[Token]:
    """Cut *source* into text and markup, reading ``{{{ x }}}`` as ``{{ x }}``.

    In linear time; the library's own lexer takes half an hour for 256 KB of unclosed braces.

    Raises:
        LiquidSyntaxError: Braces are never closed, or too much stands in them.
    """
    position, trim, markup = 0, "", 0
    while opening := _OPENING.search(source, position):
        yield from _text(source, position, opening.start(), left=trim, right=opening[2])
        closing = _CLOSING[opening[1]]
        start, end = opening.end(), source.find(closing, opening.end())
        place = Token(TOKEN_TAG, "", opening.start(), source)
        if end < 0:
            raise LiquidSyntaxError(f"'{opening[1]}' is never closed", token=place)
        position, inner = end + len(closing), source[start:end]
        markup += position - opening.start()
        _bound(inner, markup, place)
        trim = inner[-1:] if inner.endswith("-") else ""
        body = inner.removesuffix("-").strip()
        yield from _markup(closing, body, start + inner.index(body), source)
    yield from _text(source, position, len(source), left=trim)


def _bound(inner: str, markup: int, place: Token) -> None:
    if markup > MARKUP_LENGTH or len(inner) > TAG_LENGTH or len(_OPERATOR.findall(inner)) > OPERATORS:
        reason = f"{TAG_LENGTH:,} characters or {OPERATORS} operators in braces, or {MARKUP_LENGTH:,} in all"
        raise LiquidSyntaxError(f"more than {reason}", token=place)


def _text(source: str, start: int, end: int, *, left: str = "", right: str = "") -> Iterator[Token]:
    text = source[start:end]
    text = text.lstrip() if left else text
    text = text.rstrip() if right else text
    if text:
        yield Token(TOKEN_CONTENT, text, start, source)


def _markup(closing: str, body: str, start: int, source: str) -> Iterator[Token]:
    if closing != "%}":
        yield Token(TOKEN_OUTPUT, "", start, source)
        yield Token(TOKEN_EXPRESSION, body, start, source)
        return
    name = _TAG_NAME.match(body)
    yield Token(TOKEN_TAG, name[0] if name else "", start, source)
    if expression := body[name.end() if name else 0 :].lstrip():
        yield Token(TOKEN_EXPRESSION, expression, start + len(body) - len(expression), source)
