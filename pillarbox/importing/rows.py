"""A file of recipients: CSV with a heading (RFC 4180), or NDJSON, one object a line."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from pillarbox.failures import MISUSED, Failure

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_LONGEST_FIELD: Final = 1_000_000
_LIKE_NUMBER: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")


@dataclass(frozen=True, slots=True)
class Row:
    """One recipient, and what stands for the template's variables."""

    line: int
    """Where it begins in the file, from 1."""
    email: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    """What is wrong with it, if it cannot be sent."""


@dataclass(frozen=True, slots=True)
class Recipients:
    """The file; read anew by each :meth:`rows`.  ``kinds`` are the types of declared variables, by name."""

    path: Path
    column: str
    kinds: Mapping[str, str] = field(default_factory=dict)

    def rows(self) -> Iterator[Row]:
        """Give each row, bad ones included.

        Raises:
            Failure: The file cannot be read, or has no column of addresses.
        """
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                yield from self._csv(file) if self.path.suffix.lower() == ".csv" else self._ndjson(file)
        except OSError as error:
            raise Failure(f"{self.path}: {error.strerror}", MISUSED) from None
        except UnicodeDecodeError:
            raise Failure(f"{self.path}: is not UTF-8", MISUSED) from None

    def passed_over(self) -> list[str]:
        """The columns of a CSV that can be no variables, by their names."""
        if self.path.suffix.lower() != ".csv":
            return []
        with self.path.open(encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file), [])
        return [name for name in names if name != self.column and not _VARIABLE.fullmatch(name)]

    def _csv(self, file: IO[str]) -> Iterator[Row]:
        csv.field_size_limit(_LONGEST_FIELD)
        reader = csv.reader(file, strict=True)
        heading = next(reader, [])
        if self.column not in heading:
            there = ", ".join(heading[:20]) or "none"
            raise Failure(
                f"{self.path}: there is no column {self.column!r} (--column); there are: {there}", MISUSED
            )
        if len(set(heading)) < len(heading):
            raise Failure(f"{self.path}: two columns have the same name", MISUSED)
        line = reader.line_num + 1
        try:
            for cells in reader:
                if cells:
                    yield self._from_cells(line, heading, cells)
                line = reader.line_num + 1
        except csv.Error as error:
            raise Failure(f"{self.path}, line {line}: {error}", MISUSED) from None

    def _from_cells(self, line: int, heading: list[str], cells: list[str]) -> Row:
        if len(cells) != len(heading):
            return Row(line, "", error=f"has {len(cells)} cells, and the heading {len(heading)}")
        given = dict(zip(heading, cells, strict=True))
        email = given.pop(self.column).strip()
        try:
            # An empty cell leaves the variable to the template's fallback.
            variables = {
                name: self._typed(name, cell)
                for name, cell in given.items()
                if cell and _VARIABLE.fullmatch(name)
            }
        except ValueError as error:
            return Row(line, email, error=str(error))
        return Row(line, email, variables, None if email else f"{self.column} is empty")

    def _typed(self, name: str, cell: str) -> Any:
        """A cell as the type that the template has declared for the variable."""
        match self.kinds.get(name):
            case "number" if _LIKE_NUMBER.fullmatch(cell):
                return json.loads(cell)
            case "boolean" if cell.lower() in {"true", "false"}:
                return cell.lower() == "true"
            case "object" | "list":
                return json.loads(cell)
            case "number" | "boolean" as kind:
                raise ValueError(f"{name} must be a {kind}")
            case _:
                return cell

    def _ndjson(self, file: IO[str]) -> Iterator[Row]:
        for number, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                given = json.loads(text)
            except (ValueError, RecursionError):
                yield Row(number, "", error="is not valid JSON")
                continue
            email = given.pop(self.column, None) if isinstance(given, dict) else None
            if not isinstance(email, str) or not email.strip():
                yield Row(number, "", error=f"must be an object with {self.column}, an address")
            else:
                yield Row(number, email.strip(), given)
