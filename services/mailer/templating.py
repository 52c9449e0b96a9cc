"""The template language: renders the messages that travel as a template and its variables.

Only the tags and filters listed here exist; none of them reaches a file, the clock or another
template.  Whatever a template does costs units of work, and a part has a fixed number of them: so
it is rendered within a fraction of a second or refused, and since nothing but the template and its
variables counts, both services on any machine come to the same end.

The gateway has the same language in its ``templating``; ``tests/contract`` keeps the two equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO, cast

from liquid import (
    BoundTemplate,
    ConditionalBlockNode,
    Environment,
    Expression,
    Node,
    RenderContext,
    Tag,
    Token,
    TokenStream,
)
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.primitive import IntegerLiteral, RangeLiteral
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.case_tag import MultiExpressionBlockNode
from liquid.exceptions import LiquidError, LiquidInterrupt, LiquidSyntaxError
from liquid.stringify import to_liquid_string
from liquid.token import TOKEN_CONTENT, TOKEN_EXPRESSION, TOKEN_ILLEGAL, TOKEN_OUTPUT, TOKEN_TAG
from liquid.undefined import UNDEFINED, is_undefined
from liquid.utils import ReadOnlyChainMap

TAGS = ("#", "assign", "break", "capture", "case", "comment", "continue", "for", "if", "unless")

FILTERS = (
    *("abs", "append", "at_least", "at_most", "capitalize", "ceil", "compact", "date", "default"),
    *("divided_by", "downcase", "escape", "escape_once", "first", "floor", "join", "last", "lstrip"),
    *("map", "minus", "modulo", "newline_to_br", "plus", "prepend", "remove", "remove_first", "replace"),
    *("replace_first", "reverse", "round", "rstrip", "size", "slice", "sort", "sort_natural", "split"),
    *("squish", "strip", "strip_newlines", "sum", "times", "truncate", "truncatewords", "upcase"),
    *("url_encode", "where"),
)

SOURCE_LENGTH = 262_144
"""Characters of one part."""

MARKUP_LENGTH = 16_384
"""Characters of one part that stand in braces."""

TAG_LENGTH, OPERATORS = 1_000, 50
"""Of one pair of braces: the library takes quadratic time for the ones, nested calls for the others."""

NESTING = 20
"""Blocks in blocks."""

OUTPUT_BYTES = 1_048_576
"""UTF-8 that one part becomes."""

SUBJECT_LENGTH = 998
"""Characters that the subject becomes (RFC 5322, section 2.1.1)."""

WORK = 5_000_000
"""Units of work for one part, of some 50 ns at the most: 1 for a character, 100 and more for a tag."""

NAMESPACE = 1_000_000
"""Units, as above, of what one part assigns and captures."""

VALUE, PRODUCT = 262_144, 4_194_304
"""Units that a filter takes, and for ``join`` and ``replace`` what is taken times what is put in."""

NUMBER, RANGE = 10**18, 1_000
"""What a number made by a filter is below (``times`` would make any), and the last one in a range."""

CACHED = 64
"""Parts that are kept parsed: some 50 KB each as a rule, 4 MB at the most."""

_STEP, _MEMBER = 50, 10
"""Units for a tag, a name or a turn of a loop; for a member of an array or object."""

_CONDITIONAL = (ConditionalBlockNode, MultiExpressionBlockNode)
_OPENING = re.compile(r"(\{\{\{|\{\{|\{%)(-?)")
_CLOSING = {"{{{": "}}}", "{{": "}}", "{%": "%}"}
_TAG_NAME = re.compile(r"#|\w+")
_OPERATOR = re.compile(r"[\[(]|[<>=!]+|\b(?:and|or|contains)\b")
_NAME = re.compile(r"\w[\w-]*(?:\.\w[\w-]*|\[[^]]{0,50}])*")
_DATE = re.compile(r"(?:[^%]|%-?[aAbBdeHIjmMpSyYzZ%]){0,100}", re.DOTALL)
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class TemplateError(ValueError):
    """A template that cannot be used: in which part and line, and why, without any variable's value."""

    def __init__(self, part: str, line: int | None, reason: str) -> None:
        super().__init__(part, line, reason)
        self.part, self.line, self.reason = part, line, reason

    def __str__(self) -> str:
        return f"{self.part}, line {self.line}: {self.reason}" if self.line else f"{self.part}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a template became."""

    subject: str
    html: str | None
    text: str | None


def render(subject: str, html: str | None, text: str | None, variables: Mapping[str, Any]) -> Rendered:
    """Put *variables* into the sources: escaped in HTML, as they are elsewhere, and never rendered again.

    Raises:
        TemplateError: A source cannot be parsed, a variable is missing, or there is too much to do.
    """
    return Rendered(
        subject=_one_line(_render("subject", subject, variables).strip()),
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
    template = _parse(part, source)
    context = _Context(template, variables)
    buffer = context.get_buffer()
    for node in template.nodes:
        try:
            node.render(context, buffer)
        except LiquidError as error:
            raise _located(part, error) from None
        except LiquidInterrupt as interrupt:
            raise _located(part, LiquidError(f"'{interrupt}' outside of a loop", token=node.token)) from None
    return buffer.getvalue()


def _parse(part: str, source: str) -> BoundTemplate:
    if len(source) > SOURCE_LENGTH:
        raise TemplateError(part, None, f"is longer than {SOURCE_LENGTH:,} characters")
    try:
        return _template(source, escaped=part == "html")
    except LiquidError as error:
        raise _located(part, error) from None


def _located(part: str, error: LiquidError) -> TemplateError:
    line = error.token.source.count("\n", 0, error.token.start_index) + 1 if error.token else None
    return TemplateError(part, line, str(error.message)[:200])


def _tokens(source: str) -> Iterator[Token]:
    """Cut *source* into text and markup, reading ``{{{ x }}}`` as ``{{ x }}``.

    In linear time; the library's own lexer takes hours for a long source with unclosed braces.
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
        if markup > MARKUP_LENGTH or len(inner) > TAG_LENGTH or len(_OPERATOR.findall(inner)) > OPERATORS:
            reason = (
                f"{TAG_LENGTH:,} characters or {OPERATORS} operators in braces, or {MARKUP_LENGTH:,} in all"
            )
            raise LiquidSyntaxError(f"more than {reason}", token=place)
        trim = inner[-1:] if inner.endswith("-") else ""
        body = inner.removesuffix("-").strip()
        yield from _markup(closing, body, start + inner.index(body), source)
    yield from _text(source, position, len(source), left=trim)


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


class _Language(Environment):
    """The library's environment, reduced to what is offered."""

    block_nesting_limit = NESTING
    output_stream_limit = OUTPUT_BYTES

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        self.add_tag(_Writing)
        self.add_filter("date", _date)
        self.filters = {name: self.filters[name] for name in FILTERS}
        offered = (*TAGS, TOKEN_CONTENT, TOKEN_OUTPUT, TOKEN_ILLEGAL)
        self.tags = {name: _Gate(self.tags[name]) for name in offered}

    def tokenizer(self) -> Callable[[str], Iterator[Token]]:
        return _tokens


class _Gate(Tag):
    """Lets into a tag only what is offered, and says what it costs."""

    def __init__(self, tag: Tag) -> None:
        super().__init__(tag.env)
        self._tag = tag

    def parse(self, stream: TokenStream) -> Node:
        token = stream.current
        try:
            node = self._tag.get_node(stream)
            branches = node.children(cast("RenderContext", None))
            conditions = [branch for branch in branches if isinstance(branch, _CONDITIONAL)]
            parts = sum(_admit(e) for n in (node, *conditions) for e in n.expressions())
        except LiquidError as error:
            # Of the end of the source the library does not know where it is.
            if error.token is None or error.token.start_index < 0:
                error.token = token
            raise
        length = len(node.text) if isinstance(node, ContentNode) else 0
        return cast("Node", _Metered(node, _STEP * (2 + parts) + length))


def _admit(expression: Expression) -> int:
    """Refuse what is not offered, and count the parts of the rest."""
    parts = 1
    match expression:
        case FilteredExpression(left=left, filters=[_, *_] as filters):
            for unknown in (f for f in filters if f.name not in FILTERS):
                raise LiquidSyntaxError(f"unknown filter '{unknown.name}'", token=unknown.token)
            if isinstance(left, Path) and any(f.name == "default" for f in filters):
                parts += _admit(left)
                expression.left = _Optional(left)
        case RangeLiteral(start=IntegerLiteral(value=start), stop=IntegerLiteral(value=stop)):
            if max(start, stop) > RANGE or min(start, stop) < 0:
                raise LiquidSyntaxError(f"a range ends at {RANGE:,} at most", token=expression.token)
            parts += stop
        case RangeLiteral():
            raise LiquidSyntaxError("a range needs two written numbers, as (1..5)", token=expression.token)
        case Path(path=[segment, *_]) if not isinstance(segment, str):
            raise LiquidSyntaxError("a variable begins with its name", token=expression.token)
    return parts + sum(_admit(child) for child in expression.children())


class _Optional(Expression):
    """A variable that may be missing, because a default follows."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.token)
        self._path = path

    def evaluate(self, context: RenderContext) -> object:
        segments = [p.evaluate(context) if isinstance(p, Path) else p for p in self._path.path]
        return context.get(segments, token=self.token, default=None)

    def children(self) -> list[Expression]:
        return self._path.children()


class _Metered:
    """A node that is paid for before it is rendered, and tells where it stands when it fails."""

    def __init__(self, node: Node, work: int) -> None:
        self._node, self._work = node, work

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)

    def render(self, context: _Context, buffer: TextIO) -> int:
        try:
            context.spend(self._work)
            return self._node.render(context, buffer)
        except LiquidError as error:
            error.token = error.token or self._node.token
            raise
        except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
            # Without the words of the exception, which may hold a value.
            raise LiquidError("cannot be rendered with these variables", token=self._node.token) from None


class _WritingNode(OutputNode):
    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        value = self.expression.evaluate(context)
        if not isinstance(value, str | int | float | None):
            raise LiquidError("only text, a number, true or false can be written", token=None)
        return buffer.write(to_liquid_string(value, context.autoescape))


class _Writing(Output):
    node_class = _WritingNode


class _Context(RenderContext):
    """The variables and nothing else; adds up the work that is done with them."""

    def __init__(self, template: BoundTemplate, variables: Mapping[str, Any]) -> None:
        super().__init__(template, globals=variables)
        # Without the library's ``now`` and ``today``: whatever is rendered again is the same again.
        self.scope = ReadOnlyChainMap(self.locals, variables)
        self._work = self._stored = 0

    def spend(self, work: int) -> None:
        self._work += work
        if self._work > WORK:
            raise LiquidError("too much work: loops too often, or over too much", token=None)

    def get(self, path: list[object], *, token: Token | None, default: object = UNDEFINED) -> object:
        value = super().get(path, token=token, default=default)
        if is_undefined(value):
            # As it is written: what stands in brackets may have become another variable's value.
            written = _NAME.match(token.source, token.start_index) if token else None
            name = written[0].rstrip("-") if written else path[0]
            raise LiquidError(f"the variable '{name}' is missing", token=token)
        self.spend(_STEP * len(path) + _size(value))
        return value

    def assign(self, key: str, val: Any) -> None:
        self._stored += _size(val) - _size(self.locals.get(key))
        if self._stored > NAMESPACE:
            raise LiquidError("assigns or captures too much", token=None)
        self.locals[key] = val

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        function = super().filter(name, token)

        def metered(left: object, *values: object, **named: object) -> object:
            size, others = _size(left), _size([*values, *named.values()])
            self.spend(2 * _STEP + size + others)
            if max(size, others) > VALUE or (name in {"join", "replace"} and size * others > PRODUCT):
                raise LiquidError(f"too much for the filter '{name}'", token=token)
            try:
                result = function(left, *values, **named)
            except Exception:  # noqa: BLE001 - whatever it trips over, its words may hold a value
                raise LiquidError(f"the filter '{name}' cannot take what it is given", token=token) from None
            if isinstance(result, int | float) and not abs(result) < NUMBER:
                raise LiquidError(f"the filter '{name}' makes too large a number", token=token)
            self.spend(_size(result))
            return result

        return metered

    def raise_for_loop_limit(self, length: int = 1) -> None:
        self.spend(_STEP * length)


def _size(value: object) -> int:
    """Units for looking at all of *value*."""
    match value:
        case str():
            return len(value)
        case dict():
            return sum(_MEMBER + _size(key) + _size(member) for key, member in value.items())
        case list() | tuple() | range():
            return sum(_MEMBER + _size(member) for member in value)
    return 1


def _date(moment: object, form: str) -> str:
    """Write ISO 8601, or seconds since 1970, as ``strftime`` does."""
    if not _DATE.fullmatch(form):
        raise ValueError(form)
    if isinstance(moment, int):
        return datetime.fromtimestamp(moment, UTC).strftime(form)
    return datetime.fromisoformat(str(moment)).strftime(form)


_LANGUAGE = {escaped: _Language(autoescape=escaped) for escaped in (False, True)}


@lru_cache(maxsize=CACHED)
def _template(source: str, *, escaped: bool) -> BoundTemplate:
    return _LANGUAGE[escaped].from_string(source)
