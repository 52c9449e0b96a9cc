"""Logging: structlog, columns on a terminal and JSON elsewhere; other libraries' lines likewise.

Events are named in ``docs/events.md``.  No address, no body and no secret is ever an argument of
a log call; exceptions of the drivers are logged by their type, because their texts quote values.
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


def configure(log_format: Literal["auto", "columns", "json"], level: str) -> None:
    """Set up logging for this process, once, at its start."""
    columns = sys.stderr.isatty() if log_format == "auto" else log_format == "columns"
    ending: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if columns
        else [structlog.processors.JSONRenderer(ensure_ascii=False)]
    )
    structlog.configure(
        processors=[*_SHARED, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
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
    # aiohttp quotes what it could not parse: keys, addresses, whatever a stranger sends.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    logging.basicConfig(handlers=[handler], level=max(logging.WARNING, logging.getLevelNamesMapping()[level]))


def places(error: BaseException) -> list[str]:
    """Where an exception passed, innermost last; never its text, which may quote an address."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-8:]]
