"""The callers' journal: what they asked and what they were told, on disk before they go on."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ASKED: Final = "asked"
ANSWERED: Final = "answered"
SILENCE: Final = "silence"
"""No answer: a time-out, or a connection that ended."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened to one caller."""

    order: int
    what: str
    call: str
    """``accept`` or ``cancel``, or what a hostile one tries."""
    at: float
    """Monotonic."""
    status: int | None = None
    answer: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Journal:
    """Appends lines; each is on the disk when :meth:`write` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("ab")
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def write(
        self,
        order: int,
        what: str,
        call: str,
        *,
        status: int | None = None,
        answer: Any = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Write a line; lines that wait at the same moment share one fsync."""
        line = {
            "order": order,
            "what": what,
            "call": call,
            "at": time.monotonic(),
            "status": status,
            "answer": answer,
            "headers": headers or {},
        }
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((json.dumps(line).encode() + b"\n", future))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        await future

    def close(self) -> None:
        """Write no more."""
        self._file.close()

    async def _flush(self) -> None:
        try:
            while batch := self._waiting:
                self._waiting = []
                await asyncio.to_thread(self._sync, b"".join(line for line, _ in batch))
                for _, future in batch:
                    if not future.done():
                        future.set_result(None)
        finally:
            self._flushing = None

    def _sync(self, lines: bytes) -> None:
        self._file.write(lines)
        self._file.flush()
        os.fsync(self._file.fileno())


def read(path: Path) -> dict[int, list[Line]]:
    """Read a journal, by order; a last line that was cut off counts for nothing."""
    lines: defaultdict[int, list[Line]] = defaultdict(list)
    for text in path.read_text().splitlines(keepends=True):
        if text.endswith("\n"):
            line = Line(**json.loads(text))
            lines[line.order].append(line)
    return lines
