"""Logging: structlog, columns on a terminal and JSON elsewhere; Celery's own lines likewise.

Events are named in ``docs/events.md``.  No address, no body and no secret is ever an argument of
a log call.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal

import structlog
from pydantic_core import to_json

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
    """Standard error; where that is on a full disk, the log is lost, and no attempt with it."""

    def write(self, text: str) -> int:
        """Write, if it can be."""
        with suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Standard error keeps nothing beyond the end of a line."""


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
    number, sink = logging.getLevelNamesMapping()[level], _Sink()
    structlog.configure(
        processors=[*beginning, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sink),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sink)
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
