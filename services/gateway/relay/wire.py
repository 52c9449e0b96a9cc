"""A Celery task message, protocol 2, built without Celery.

The trace that a message belongs to is in two further headers, which every retry of Celery's keeps.  In the
ledger it is one text: the ``traceparent``, and behind a blank the ``tracestate`` if there is one.

Sources: https://docs.celeryq.dev/en/stable/internals/protocol.html#version-2,
https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CONTENT_TYPE = "application/json"
CONTENT_ENCODING = "utf-8"

_BODY_START = b"[[],"
_BODY_END = b',{"callbacks":null,"errbacks":null,"chain":null,"chord":null}]'


TRACE_PARENT = "traceparent"
TRACE_STATE = "tracestate"


def headers(task: str, message_id: str, trace: str | None = None) -> dict[str, Any]:
    """The message headers that tell a worker which task this is, and which *trace* it belongs to.

    ``argsrepr`` and ``kwargsrepr`` are given, because Celery would otherwise put a ``repr()`` of
    every argument into the headers, and with it recipients' addresses into logs.
    """
    return {
        "lang": "py",
        "task": task,
        "id": message_id,
        "root_id": message_id,
        "parent_id": None,
        "group": None,
        "shadow": None,
        "eta": None,
        "expires": None,
        "retries": 0,
        "timelimit": [None, None],
        "argsrepr": "()",
        "kwargsrepr": "{…}",
        "origin": "pillarbox.gateway",
        "ignore_result": True,
        **trace_headers(trace),
    }


def trace_headers(trace: str | None) -> dict[str, str]:
    """Headers of their own for a trace, or none."""
    if trace is None:
        return {}
    parent, _, state = trace.partition(" ")
    return {TRACE_PARENT: parent, TRACE_STATE: state} if state else {TRACE_PARENT: parent}


def trace_of(headers: Mapping[str, Any]) -> str | None:
    """Read what :func:`trace_headers` made; whoever follows it up looks whether it is one."""
    parent, state = headers.get(TRACE_PARENT), headers.get(TRACE_STATE)
    if not isinstance(parent, str):
        return None
    return f"{parent} {state}" if isinstance(state, str) else parent


def body(arguments: bytes) -> bytes:
    """The message body: ``[args, kwargs, embed]``; ``arguments`` is a JSON object already."""
    return _BODY_START + arguments + _BODY_END
