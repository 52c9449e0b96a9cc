"""What a part is rendered with: the variables, and a count of the work that is done."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from liquid import BoundTemplate, RenderContext, Token
from liquid.exceptions import LiquidError
from liquid.undefined import UNDEFINED, is_undefined
from liquid.utils import ReadOnlyChainMap

from .language import NAMESPACE, NUMBER, PRODUCT, VALUE, WORK
from .work import STEP, size

_NAME = re.compile(r"\w[\w-]*(?:\.\w[\w-]*|\[[^]]{0,50}])*")


class Context(RenderContext):
    """The variables and nothing else; adds up the work that is done with them."""

    def __init__(self, template: BoundTemplate, variables: Mapping[str, Any]) -> None:
        super().__init__(template, globals=variables)
        # Without the library's ``now`` and ``today``: whatever is rendered again is the same again.
        self.scope = ReadOnlyChainMap(self.locals, variables)
        self._work = self._stored = 0

    def spend(self, work: int) -> None:
        """Count *work*, in units.

        Raises:
            LiquidError: It is more than a part may do.
        """
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
        self.spend(STEP * len(path) + size(value))
        return value

    def assign(self, key: str, val: Any) -> None:
        self._stored += size(val) - size(self.locals.get(key))
        if self._stored > NAMESPACE:
            raise LiquidError("assigns or captures too much", token=None)
        self.locals[key] = val

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        function = super().filter(name, token)

        def metered(left: object, *values: object, **named: object) -> object:
            taken, others = size(left), size([*values, *named.values()])
            self.spend(2 * STEP + taken + others)
            if max(taken, others) > VALUE or (name in {"join", "replace"} and taken * others > PRODUCT):
                raise LiquidError(f"too much for the filter '{name}'", token=token)
            try:
                result = function(left, *values, **named)
            except Exception:  # noqa: BLE001 - whatever it trips over, its words may hold a value
                raise LiquidError(f"the filter '{name}' cannot take what it is given", token=token) from None
            if isinstance(result, int | float) and not abs(result) < NUMBER:
                raise LiquidError(f"the filter '{name}' makes too large a number", token=token)
            self.spend(size(result))
            return result

        return metered

    def raise_for_loop_limit(self, length: int = 1) -> None:
        self.spend(STEP * length)
