"""Logging: structlog, columns on a terminal and JSON elsewhere; Celery's own lines likewise.

Events are named in ``docs/events.md``.  No address, no body and no secret is ever an argument of
a log call.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import sys
import threading
import time
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal

import structlog
from pydantic_core import to_json

_PAUSE_SECONDS = 0.005
"""What is gathered is written so long after the write before it."""
_LEVELS = {"warn": "warning", "exception": "error"}


def _complete(_: Any, method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Add level and time, say of an exception what it is and where, and leave out what says nothing.

    One processor for what structlog has four for: every attempt writes a line.
    """
    error = line.pop("exc_info", None)
    error = error[1] if isinstance(error, tuple) else error
    if isinstance(error, BaseException):
        line.update(error=type(error).__name__, where=places(error))
    line["level"] = _LEVELS.get(method, method)
    line["timestamp"] = datetime.now(UTC).isoformat()[:-6] + "Z"
    return {name: value for name, value in line.items() if value is not None}


def _json(line: structlog.typing.EventDict, **_: Any) -> str:
    try:
        return to_json(line, fallback=str).decode()
    except ValueError:  # a lone surrogate, which is no UTF-8
        return json.dumps(line, default=str)


# Celery's own lines quote message bodies and exception texts, with everybody's addresses in them;
# ``tasks.py`` says the same without.
_QUIET = ("celery.app.trace", "celery.worker.strategy")
_CONSUMER = "celery.worker.consumer.consumer"


class _BrokerNews(logging.Filter):
    """Of what Celery's consumer says, only whether the broker is there, in our own words."""

    _NEWS = (("Cannot connect", "broker.unreachable"), ("Connection to broker lost", "broker.lost"))

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record, or drop it."""
        for words, event in self._NEWS:
            if words in str(record.msg):
                record.msg, record.args, record.exc_info = event, (), None
                return True
        return False


class _Sink:
    """Standard error, to which what an event loop says is written a few hundred times a second at most.

    A write lets go of the interpreter, and under load it takes long until it comes back: a thread that
    waits for the broker takes it meanwhile.  Hundreds of attempts in a moment would each pay for that.
    What comes after a pause is written as it comes; so is what other threads say.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._written = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: int | None = None

    def gather(self) -> None:
        """Gather what the running loop's thread says from now on."""
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()

    def end(self) -> None:
        """Write what is gathered, and from now on everything as it comes."""
        self._loop = self._thread = None
        self._write_gathered()

    def write(self, text: str) -> int:
        """Write, now or within the pause."""
        loop = self._loop  # another thread may end it meanwhile
        if loop is None or self._thread != threading.get_ident():
            _say(text)
            return len(text)
        self._lines.append(text)
        if len(self._lines) == 1:
            left = self._written + _PAUSE_SECONDS - time.monotonic()
            if left <= 0:
                self._write_gathered()
            else:
                loop.call_later(left, self._write_gathered)
        return len(text)

    def flush(self) -> None:
        """Standard error keeps nothing beyond the end of a line, and what is gathered has its turn."""

    def _write_gathered(self) -> None:
        lines, self._lines = self._lines, []
        self._written = time.monotonic()
        _say("".join(lines))


def _say(text: str) -> None:
    """Write to standard error; where that is on a full disk, the log is lost, and no attempt with it."""
    with suppress(OSError):
        sys.stderr.write(text)


_sink = _Sink()


async def gather() -> None:
    """Gather what the running loop says, until the process ends: see :class:`_Sink`."""
    _sink.gather()
    atexit.register(_sink.end)


def configure(log_format: Literal["auto", "columns", "json"], level: str, *, traced: bool = False) -> None:
    """Set up logging for this process, once, at its start; if *traced*, lines name their traces."""
    beginning: list[structlog.typing.Processor] = [_complete]
    if traced:
        from services.mailer.tracing.contexts import add_trace_id  # noqa: PLC0415 - it needs optional packages

        beginning.insert(0, add_trace_id)
    columns = sys.stderr.isatty() if log_format == "auto" else log_format == "columns"
    ending: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if columns
        else [structlog.processors.JSONRenderer(serializer=_json)]
    )
    number = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=[*beginning, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(_sink),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(_sink)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_complete],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        ),
    )
    logging.basicConfig(handlers=[handler], level=max(logging.WARNING, number), force=True)
    logging.getLogger(_CONSUMER).addFilter(_BrokerNews())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def places(error: BaseException) -> list[str]:
    """Where an exception passed, innermost last; never its text, which may quote an address."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-8:]]
