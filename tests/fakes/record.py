"""The provider's side of the story: every request it saw, in memory and, if wanted, in a file."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    import pathlib


@dataclass(frozen=True, slots=True)
class Entry:
    """One request, as far as it has come by now; times are seconds."""

    number: int
    """Counted from 1 in the order of arrival."""
    path: str
    arrived_at: float
    """Unix time."""
    arrived: float
    """Monotonic time, which all processes of one machine share."""
    message_id: str | None
    """Ours, from the metadata."""
    payload: Any
    """The parsed JSON; None where the body was none."""
    headers: dict[str, str]
    """Names in lower case."""
    accepted: bool = False
    """The fake took the message over: it would be in a mailbox now."""
    accepted_at: float | None = None
    accepted_monotonic: float | None = None
    provider_message_id: str | None = None
    status: int | None = None
    """Of the answer that was begun."""
    answered: bool = False
    """The client certainly had the whole answer, and half a second to make use of it."""


class Record:
    """Append-only, and safe to read from any thread."""

    def __init__(self, file: pathlib.Path | None = None) -> None:
        self._entries: list[Entry] = []
        self._order: list[int] = []
        self._changed = threading.Condition()
        self._path = file
        self._file: TextIO | None = None

    @property
    def requests(self) -> tuple[Entry, ...]:
        """Every request, in the order of arrival."""
        with self._changed:
            return tuple(self._entries)

    @property
    def accepted(self) -> tuple[Entry, ...]:
        """The requests whose message was taken over, in that order."""
        with self._changed:
            return tuple(self._entries[number - 1] for number in self._order)

    def open(self, *, path: str, message_id: str | None, payload: Any, headers: dict[str, str]) -> Entry:
        """Begin the entry of a request that has just arrived."""
        with self._changed:
            entry = Entry(
                number=len(self._entries) + 1,
                path=path,
                arrived_at=time.time(),
                arrived=time.monotonic(),
                message_id=message_id,
                payload=payload,
                headers=headers,
            )
            self._entries.append(entry)
            self._write(asdict(entry))
            self._changed.notify_all()
        return entry

    def accept(self, number: int, provider_message_id: str | None) -> Entry:
        """Note that the message of request *number* is taken over."""
        with self._changed:
            self._order.append(number)
            return self._change(
                number,
                accepted=True,
                accepted_at=time.time(),
                accepted_monotonic=time.monotonic(),
                provider_message_id=provider_message_id,
            )

    def answer(self, number: int, *, status: int, answered: bool) -> Entry:
        """Note how the answer to request *number* fares."""
        with self._changed:
            return self._change(number, status=status, answered=answered)

    def wait(self, count: int, *, timeout: float) -> tuple[Entry, ...]:
        """Block until *count* messages are accepted.

        Raises:
            TimeoutError: They were not, within *timeout* seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._order) >= count, timeout):
                raise TimeoutError(f"{len(self._order)} of {count} messages accepted in {timeout} s")
            return self.accepted

    def close(self) -> None:
        """Close the file; the next change opens it again."""
        with self._changed:
            if self._file:
                self._file.close()
                self._file = None

    def _change(self, number: int, **changes: Any) -> Entry:
        entry = replace(self._entries[number - 1], **changes)
        self._entries[number - 1] = entry
        self._write({"number": number, **changes})
        self._changed.notify_all()
        return entry

    def _write(self, line: dict[str, Any]) -> None:
        if self._path is None:
            return
        if self._file is None:
            self._file = self._path.open("a", encoding="utf-8")
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def read(file: pathlib.Path) -> tuple[Entry, ...]:
    """Read every request from a record's file; each line adds to the entry of its number.

    A last line that was cut off is left out, since the process may have been killed.
    """
    entries: dict[int, dict[str, Any]] = {}
    for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            told = json.loads(line)
            entries.setdefault(told["number"], {}).update(told)
    return tuple(Entry(**fields) for _, fields in sorted(entries.items()))
