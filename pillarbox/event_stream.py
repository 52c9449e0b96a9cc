"""Server-Sent Events, read as they come.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(slots=True)
class StreamedEvent:
    """One block of the stream; without ``data`` it only says where the stream is."""

    id: str = ""
    data: str = ""


def read_events(lines: Iterable[str]) -> Iterator[StreamedEvent]:
    """Give the events of a stream's *lines*, which are without their ends."""
    event, seen = StreamedEvent(), False
    for line in lines:
        if not line:
            if seen:
                yield event
            event, seen = StreamedEvent(event.id), False
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            event.id, seen = value, True
        elif name == "data":
            event.data, seen = f"{event.data}\n{value}" if event.data else value, True
