"""A table that the mailer makes, and completes, when it connects.

Expand only: a mailer of the version before may still be running on the table, so a column that is
added has a default or may be NULL, and none is renamed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Table:
    """What there has to be; the names stand in the dialect of their database."""

    name: str
    columns: Mapping[str, str]
    """Name to type and constraints."""
    indexes: Mapping[str, str] = field(default_factory=dict)
    """Name to columns."""
    options: str = ""
    """What stands behind the columns when the table is made."""

    def completion(self, present: Collection[str]) -> list[str]:
        """Give the statements that make what is missing.

        *present* holds the names of the columns and indexes that are there; none, if there is no table.
        """
        missing = [f"{name} {kind}" for name, kind in self.columns.items() if name not in present]
        if not present:
            statements = [f"CREATE TABLE {self.name} ({', '.join(missing)}) {self.options}"]
        else:
            statements = [f"ALTER TABLE {self.name} ADD COLUMN {column}" for column in missing]
        return statements + [
            f"CREATE INDEX {name} ON {self.name} ({columns})"
            for name, columns in self.indexes.items()
            if name not in present
        ]
