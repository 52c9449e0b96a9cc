"""The provider's side of the story: every request it saw, in memory and, if wanted, in a file."""

from __future__ import annotations

import json
import pathlib
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, TextIO

from tests.fakes.entry import Entry, Member


class Record:
    """Append-only, and safe to read from any thread."""

    def __init__(self, file: pathlib.Path | None = None) -> None:
        self._entries: list[Entry] = []
        self._order: list[tuple[int, int | None]] = []
        self._of: defaultdict[str | None, list[tuple[int, int | None]]] = defaultdict(list)
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
        """The messages taken over, in that order."""
        with self._changed:
            return tuple(self._entries[number - 1].message(place) for number, place in self._order)

    def accepted_of(self, message_id: str) -> tuple[Entry, ...]:
        """Give the acceptances of one message: more than one if it was doubled."""
        with self._changed:
            return tuple(
                self._entries[number - 1].message(place) for number, place in self._of.get(message_id, [])
            )

    def open(self, *, members: Sequence[tuple[str | None, Any]] = (), **seen: Any) -> Entry:
        """Begin the entry of a request that has just arrived.

        Args:
            members: The messages of a batch, each by our id and its own part of the payload.
            **seen: The other fields of :class:`.Entry` that are known already.
        """
        with self._changed:
            entry = Entry(
                number=len(self._entries) + 1,
                arrived_at=time.time(),
                arrived=time.monotonic(),
                members=tuple(Member(*member) for member in members),
                **seen,
            )
            self._entries.append(entry)
            if self._path is not None:
                self._write(asdict(entry))
            self._changed.notify_all()
        return entry

    def accept(self, number: int, provider_message_id: str | None, place: int | None = None) -> Entry:
        """Note that a message is taken over: that of request *number*, or the one at *place* in its batch."""
        with self._changed:
            now = {"accepted": True, "accepted_at": time.time(), "accepted_monotonic": time.monotonic()}
            entry = self._entries[number - 1]
            if place is None:
                entry = self._change(number, **now, provider_message_id=provider_message_id)
            else:
                if not entry.accepted:
                    self._change(number, **now)
                entry = self._change_member(number, place, **now, provider_message_id=provider_message_id)
            self._order.append((number, place))
            message = entry.message(place)
            self._of[message.message_id].append((number, place))
            self._changed.notify_all()
            return message

    def note(self, number: int, **changes: Any) -> Entry:
        """Note how request *number* fares: fields of its :class:`.Entry`."""
        with self._changed:
            return self._change(number, **changes)

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
        entry = self._entries[number - 1] = replace(self._entries[number - 1], **changes)
        self._write({"number": number, **changes})
        self._changed.notify_all()
        return entry

    def _change_member(self, number: int, place: int, **changes: Any) -> Entry:
        entry = self._entries[number - 1]
        members = list(entry.members)
        members[place] = replace(members[place], **changes)
        self._entries[number - 1] = replace(entry, members=tuple(members))
        self._write({"number": number, "member": place, **changes})
        return self._entries[number - 1]

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
            entry = entries.setdefault(told["number"], {})
            place = told.pop("member", None)
            if place is None:
                entry.update(told)
            else:
                del told["number"]
                entry["members"][place].update(told)
    for fields in entries.values():
        fields["members"] = tuple(Member(**member) for member in fields["members"])
    return tuple(Entry(**fields) for _, fields in sorted(entries.items()))
