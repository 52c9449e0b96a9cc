"""The folder that the mailer's provider ``outbox`` writes letters to, for whoever develops with it.

Nothing but letters is seen in it, and nothing outside of it: a letter's file is named like its message,
and no name comes from a request but by way of a UUID.
"""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from services.gateway.dashboard.letter import Letter, letter_in

_LARGEST_BYTES: Final = 64_000_000
_REMEMBERED: Final = 2000
_SNIPPET: Final = 140
_SEARCHED: Final = 4000


@dataclass(frozen=True, slots=True)
class File:
    """A letter's file, as the folder tells of it."""

    id: UUID
    """The message's."""
    modified_ns: int
    size: int

    @property
    def at(self) -> datetime:
        """When it was written."""
        return datetime.fromtimestamp(self.modified_ns // 1_000_000_000, tz=UTC)


@dataclass(frozen=True, slots=True)
class Glance:
    """What a list shows of a letter."""

    id: UUID
    at: datetime
    size: int
    subject: str
    sender: str
    to: str
    snippet: str
    attachments: int
    words: str = field(repr=False)
    """What a search looks through, in lower case."""


class Outbox:
    """The folder; every method reads files, so it is for a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._glances: OrderedDict[File, Glance] = OrderedDict()

    def files(self) -> list[File]:
        """Return all letters, the latest first."""
        return sorted(self._scan(), key=lambda file: (file.modified_ns, file.id), reverse=True)

    def source(self, message_id: UUID) -> bytes | None:
        """Return a letter as it was written; None if there is none."""
        try:
            with open(self._path(message_id), "rb", opener=_opened) as file:
                is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
                return file.read(_LARGEST_BYTES) if is_file else None
        except OSError:
            return None

    def letter(self, message_id: UUID) -> Letter | None:
        """Return a letter, read; None if there is none."""
        source = self.source(message_id)
        return None if source is None else letter_in(source)

    def glance(self, file: File) -> Glance | None:
        """Return what a list shows of a letter; None if it is gone by now."""
        if (known := self._glances.get(file)) is not None:
            self._glances.move_to_end(file)
            return known
        if (letter := self.letter(file.id)) is None:
            return None
        glance = self._glances[file] = _glance(file, letter)
        while len(self._glances) > _REMEMBERED:
            self._glances.popitem(last=False)
        return glance

    def remove(self, message_id: UUID) -> bool:
        """Remove a letter's file; False if there is none."""
        with suppress(OSError):
            self._path(message_id).unlink()
            return True
        return False

    def _path(self, message_id: UUID) -> Path:
        return self._folder / f"{message_id}.eml"

    def _scan(self) -> Iterator[File]:
        with suppress(OSError), os.scandir(self._folder) as entries:  # there is none until something is sent
            for entry in entries:
                if (message_id := _named(entry.name)) is None:
                    continue
                with suppress(OSError):  # it may be gone by now
                    if entry.is_file(follow_symlinks=False):
                        status = entry.stat(follow_symlinks=False)
                        yield File(message_id, status.st_mtime_ns, status.st_size)


def _opened(path: str, flags: int) -> int:
    """Open nothing that is linked to, and wait for nobody: neither is a letter."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _named(filename: str) -> UUID | None:
    stem, dot, suffix = filename.partition(".")
    try:
        message_id = UUID(stem)
    except ValueError:
        return None
    return message_id if dot and suffix == "eml" and str(message_id) == stem else None


def _glance(file: File, letter: Letter) -> Glance:
    headers = {name.lower(): value for name, value in reversed(letter.headers)}
    to = ", ".join(headers[name] for name in ("to", "cc", "bcc") if headers.get(name))
    text = " ".join((letter.text or "").split())
    words = " ".join((letter.subject or "", headers.get("from", ""), to, text[:_SEARCHED]))
    return Glance(
        file.id,
        file.at,
        file.size,
        letter.subject or "",
        headers.get("from", ""),
        to,
        text[:_SNIPPET],
        len(letter.attachments),
        words.lower(),
    )
