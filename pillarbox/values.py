"""Values as people type them: pairs, moments, files."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from pillarbox.failures import MISUSED, Failure

Item = TypeVar("Item")

_AGO: Final = re.compile(r"(\d+)\s*([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Pair(click.ParamType[tuple[str, str]]):
    """``name=value``."""

    name = "name=value"

    def __init__(self, separator: str = "=") -> None:
        self._separator = separator
        self.name = f"name{separator}value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """See click."""
        if isinstance(value, tuple):
            return value
        name, separator, text = str(value).partition(self._separator)
        if not separator or not name.strip():
            self.fail(f"must look like {self.name}", param, ctx)
        return name.strip(), text.strip() if self._separator == ":" else text


class Moment(click.ParamType[str]):
    """A moment as the API has it, or how long ago: ``90m``, ``2d``."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See click."""
        ago = _AGO.fullmatch(str(value).strip())
        if ago is not None:
            try:
                then = datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            except OverflowError:
                self.fail("is too long ago", param, ctx)
            return then.isoformat().replace("+00:00", "Z")
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail("must look like 2026-01-02T15:04:05Z, or like 90m, 6h, 2d", param, ctx)
        return (moment if moment.tzinfo else moment.astimezone()).isoformat()


def chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Part *items* into pieces of *size*, but for the last one."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def read_object(path: str) -> dict[str, Any]:
    """Read one JSON object out of a file, or the standard input for ``-``.

    Raises:
        Failure: There is none.
    """
    try:
        given = json.loads(read_text(path))
    except ValueError as error:
        raise Failure(f"{path}: is not valid JSON: {error}", MISUSED) from None
    if not isinstance(given, dict):
        raise Failure(f"{path}: must be one JSON object", MISUSED)
    return given


def read_text(path: str) -> str:
    """Read a file, or the standard input for ``-``.

    Raises:
        Failure: It cannot be read, or is not UTF-8.
    """
    try:
        if path == "-":
            return sys.stdin.buffer.read().decode()
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}", MISUSED) from None
    except UnicodeDecodeError:
        raise Failure(f"{path}: is not UTF-8", MISUSED) from None
