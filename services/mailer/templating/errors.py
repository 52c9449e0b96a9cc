"""What is said of a template that cannot be used."""

from __future__ import annotations

from liquid.exceptions import LiquidError


class TemplateError(ValueError):
    """A template that cannot be used: in which part and line, and why, without any variable's value."""

    def __init__(self, part: str, line: int | None, reason: str) -> None:
        super().__init__(part, line, reason)
        self.part, self.line, self.reason = part, line, reason

    def __str__(self) -> str:
        return f"{self.part}, line {self.line}: {self.reason}" if self.line else f"{self.part}: {self.reason}"


def located(part: str, error: LiquidError) -> TemplateError:
    """Say where in *part* the library's *error* is, in 200 characters at the most."""
    line = error.token.source.count("\n", 0, error.token.start_index) + 1 if error.token else None
    return TemplateError(part, line, str(error.message)[:200])
