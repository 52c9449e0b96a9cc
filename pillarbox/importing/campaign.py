"""One import from beginning to end: what is sent, what is passed over, and what is said of each row."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Self

from pillarbox.failures import MISUSED, REFUSED, Failure
from pillarbox.gateway import Gateway
from pillarbox.importing.batches import Item, batches, key_of, submit
from pillarbox.importing.journal import Journal
from pillarbox.importing.rows import Recipients, Row

_HEADING: Final = ("line", "status", "message_id", "reason")

ACCEPTED, EARLIER, REFUSED_ROW, REPEATED, DOUBTFUL = (
    "accepted",
    "accepted earlier",
    "refused",
    "repeated",
    "in doubt",
)
GOOD: Final = frozenset({ACCEPTED, EARLIER})


@dataclass(slots=True)
class Report:
    """A CSV with a line for each row of the file; a context manager that leaves a whole file or none."""

    path: Path
    counts: Counter[str] = field(default_factory=Counter)
    _file: IO[str] | None = None
    _writer: Any = None

    def __enter__(self) -> Self:
        try:
            self._file = self._half.open("w", newline="")
        except OSError as error:
            raise Failure(f"{self._half}: {error.strerror} (--report)", MISUSED) from None
        self._writer = csv.writer(self._file)
        self._writer.writerow(_HEADING)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._file is not None:
            self._file.close()
        self._half.replace(self.path)  # also of half an import: it says how far it came

    def add(self, row: Row, status: str, message_id: str | None = None, reason: str | None = None) -> None:
        """Say what became of a row."""
        self.counts[status] += 1
        self._writer.writerow((row.line, status, message_id or "", reason or ""))

    @property
    def _half(self) -> Path:
        return self.path.with_name(f"{self.path.name}.half")


@dataclass(frozen=True, slots=True)
class Campaign:
    """What is sent to everybody in the file, and where it is written down."""

    name: str
    recipients: Recipients
    message: Mapping[str, Any]
    """What all messages have in common."""
    journal: Journal
    report: Report
    on_row: Callable[[Row, str, str | None], None]
    """Told what became of a row: its status and the reason."""

    def run(self, gateway: Gateway, most: int) -> None:
        """Send what has not been sent; *most* messages at a time.

        Raises:
            Failure: The gateway refuses everybody, or does not answer in time.
        """
        for number, batch in enumerate(batches(self._due(), most)):
            self.journal.begin(item.key for item in batch)
            results = list(submit(gateway, batch))
            self.journal.end(
                {result.item.key: result.message_id for result in results if result.message_id},
                [result.item.key for result in results if not result.message_id],
            )
            for result in results:
                self._tell(
                    result.item.row,
                    ACCEPTED if result.message_id else REFUSED_ROW,
                    result.message_id,
                    result.error,
                )
            reasons = {result.error for result in results}
            if number == 0 and len(results) > 1 and len(reasons) == 1 and None not in reasons:
                raise Failure(
                    f"The gateway refuses every message of the first batch: {reasons.pop()}", REFUSED
                )

    def _due(self) -> Iterator[Item]:
        seen: dict[str, int] = {}
        for row in self.recipients.rows():
            key = key_of(self.name, row.email)
            if row.error is not None:
                self._tell(row, REFUSED_ROW, None, row.error)
            elif key in seen:
                self._tell(row, REPEATED, None, f"the same address as line {seen[key]}")
            elif key in self.journal.accepted:
                self._tell(row, EARLIER, self.journal.accepted[key], None)
            elif self.journal.is_doubtful(key):
                reason = "was sent more than 23 hours ago, and nobody knows whether it was accepted"
                self._tell(row, DOUBTFUL, None, reason)
            else:
                seen[key] = row.line
                yield Item(row, key, self._message(row, key))
                continue
            seen.setdefault(key, row.line)

    def _message(self, row: Row, key: str) -> dict[str, Any]:
        template = {**self.message["template"], "variables": dict(row.variables)}
        return {**self.message, "to": row.email, "template": template, "idempotency_key": key}

    def _tell(self, row: Row, status: str, message_id: str | None, reason: str | None) -> None:
        self.report.add(row, status, message_id, reason)
        self.on_row(row, status, reason)
