"""The text that a trace travels in between processes: a ``traceparent``, a blank, and its ``tracestate``.

https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanContext
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_LONGEST_STATE = 512
"""Characters that everybody has to carry on (section 3.3.1.5); nobody has to carry more."""
_PROPAGATOR = TraceContextTextMapPropagator()


def written(context: SpanContext) -> str:
    """Write a span's place in its trace."""
    parent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    state = context.trace_state.to_header()
    return f"{parent} {state}" if 0 < len(state) <= _LONGEST_STATE else parent


def read(text: str | None) -> Context:
    """Read what :func:`written` wrote; an empty context if it is none."""
    parent, _, state = (text or "").partition(" ")
    return carried({"traceparent": parent, "tracestate": state})


def carried(headers: Mapping[str, Any]) -> Context:
    """Read the headers of a request or a broker message; an empty context if there is no trace in them."""
    return _PROPAGATOR.extract(headers, Context())


def place(context: Context) -> SpanContext:
    """The span that a context continues."""
    return trace.get_current_span(context).get_span_context()


def current() -> str | None:
    """Where we are, written; None outside of any trace."""
    context = trace.get_current_span().get_span_context()
    return written(context) if context.is_valid else None


def add_trace_id(_: Any, __: str, line: Any) -> Any:
    """Add to a log line which trace it belongs to: a processor for structlog."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        line["trace_id"] = f"{context.trace_id:032x}"
    return line
