"""From tokens to nodes: lets in what is offered, and nothing else."""

from __future__ import annotations

from typing import cast

from liquid import ConditionalBlockNode, Expression, Node, RenderContext, Tag, TokenStream
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.expressions.primitive import IntegerLiteral, RangeLiteral
from liquid.builtin.tags.case_tag import MultiExpressionBlockNode
from liquid.exceptions import LiquidError, LiquidSyntaxError

from .language import FILTERS, RANGE
from .nodes import Metered
from .work import STEP

_CONDITIONAL = (ConditionalBlockNode, MultiExpressionBlockNode)


class Gate(Tag):
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
        return cast("Node", Metered(node, STEP * (2 + parts) + length))


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
