"""What an import has done so far, in a file beside the recipients' one.

It is written before and after each batch, and synced, so that whatever ends an import, the next one knows
where to go on.  Recipients stand in it by the hashes that are their idempotency keys.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Self

from pillarbox.failures import MISUSED, Failure

DOUBT_SECONDS: Final = 23 * 3600.0
"""The gateway knows an idempotency key for a day; what was begun longer ago might be sent twice."""


@dataclass(slots=True)
class Journal:
    """The journal of one campaign; a context manager, which one import at a time may enter."""

    path: Path
    campaign: str
    accepted: dict[str, str] = field(default_factory=dict)
    """Key to message id."""
    _begun: dict[str, float] = field(default_factory=dict)
    _file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        import fcntl  # noqa: PLC0415 - elsewhere than on Unix the other commands shall work

        try:
            self._file = self.path.open("a+b")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._read(self._file)
        except BlockingIOError:
            self.__exit__()
            raise Failure(f"{self.path}: another import is at work on it.", MISUSED) from None
        except OSError as error:
            self.__exit__()
            raise Failure(f"{self.path}: {error.strerror} (--journal)", MISUSED) from None
        except Failure:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def is_doubtful(self, key: str) -> bool:
        """Whether it was sent so long ago, and without an answer, that sending it again may be twice."""
        begun = self._begun.get(key)
        return begun is not None and key not in self.accepted and time.time() - begun > DOUBT_SECONDS

    def begin(self, keys: Iterable[str]) -> None:
        """Note what is about to be sent."""
        self._write({"begun": list(keys), "at": time.time()})

    def end(self, accepted: Mapping[str, str], refused: Iterable[str]) -> None:
        """Note what became of it."""
        self.accepted.update(accepted)
        self._write({"accepted": dict(accepted), "refused": list(refused)})

    def _read(self, file: IO[bytes]) -> None:
        file.seek(0)
        whole = 0
        for line in file:
            if not line.endswith(b"\n"):
                break  # cut off while it was written, so nothing rests on it
            whole += len(line)
            self._learn(line)
        file.truncate(whole)
        if not whole:
            self._write({"campaign": self.campaign})

    def _learn(self, line: bytes) -> None:
        try:
            entry: dict[str, Any] = json.loads(line)
            if entry.get("campaign", self.campaign) != self.campaign:
                other = entry["campaign"]
                raise Failure(
                    f"{self.path} belongs to the campaign {other!r} (--campaign, --journal)", MISUSED
                )
            self._begun.update(dict.fromkeys(entry.get("begun", ()), float(entry.get("at", 0))))
            self.accepted.update(entry.get("accepted", {}))
            for key in entry.get("refused", ()):
                self._begun.pop(key, None)
        except (ValueError, TypeError, AttributeError):
            raise Failure(f"{self.path}: this is no journal of an import (--journal)", MISUSED) from None

    def _write(self, entry: Mapping[str, Any]) -> None:
        file = self._file
        assert file is not None  # noqa: S101 - entered
        try:
            file.write(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        except OSError as error:
            with suppress(OSError):
                file.close()
            raise Failure(f"{self.path}: {error.strerror}") from None
