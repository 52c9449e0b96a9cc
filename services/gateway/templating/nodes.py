"""From nodes to text."""

from __future__ import annotations

from typing import Any, TextIO

from liquid import Node, RenderContext
from liquid.builtin.output import Output, OutputNode
from liquid.exceptions import LiquidError
from liquid.stringify import to_liquid_string

from .context import Context


class Metered:
    """A node that is paid for before it is rendered, and tells where it stands when it fails."""

    def __init__(self, node: Node, work: int) -> None:
        self._node, self._work = node, work

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)

    def render(self, context: Context, buffer: TextIO) -> int:
        """Write what the node becomes, and return the number of characters written.

        Raises:
            LiquidError: It cannot be rendered, or not for the work that is left.
        """
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


class Writing(Output):
    """Writes a value in place of ``{{ … }}``: text, a number, true or false, but no array or object."""

    node_class = _WritingNode
