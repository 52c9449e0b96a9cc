"""Logging: structlog, columns on a terminal and JSON elsewhere; Celery's own lines likewise.

Events are named in ``docs/events.md``.  No address, no body and no secret is ever an argument of
a log call.
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Any, Literal

import structlog


def _leave_out_nothing(_: Any, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A field without a value says nothing; leave it out."""
    return {name: value for name, value in line.items() if value is not None}


def _name_the_exception(_: Any, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Say of an exception what it is and where, not what it says."""
    error = line.pop("exc_info", None)
    error = error[1] if isinstance(error, tuple) else error
    if isinstance(error, BaseException):
        line.update(error=type(error).__name__, where=places(error))
    return line


_SHARED: tuple[structlog.typing.Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _name_the_exception,
    _leave_out_nothing,
)

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


def configure(log_format: Literal["auto", "columns", "json"], level: str) -> None:
    """Set up logging for this process, once, at its start."""
    columns = sys.stderr.isatty() if log_format == "auto" else log_format == "columns"
    ending: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if columns
        else [structlog.processors.JSONRenderer(ensure_ascii=False)]
    )
    number = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=[*_SHARED, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
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
