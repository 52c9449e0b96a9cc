"""``pillarbox tail``: what happens to messages, while it happens."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click

from pillarbox.event_stream import read_events
from pillarbox.failures import DONE, MISUSED, UNREACHABLE, Failure
from pillarbox.gateway import Gateway
from pillarbox.messages import clock, coloured
from pillarbox.options import connected
from pillarbox.output import Output, visible

_QUIET_SECONDS: Final = 45.0
"""The gateway gives a sign of life every 15 seconds."""
_FIRST_WAIT_SECONDS: Final = 0.5
_LONGEST_WAIT_SECONDS: Final = 15.0
_BEGINNING: Final = "0-0"


@click.command("tail")
@click.argument("types", nargs=-1, metavar="[TYPE]...")
@click.option("--id", "message_id", metavar="ID", help="Only this message.")
@click.option("--from-start", is_flag=True, help="All that there ever was, and then what comes.")
@click.option("--after", metavar="PLACE", help="Go on behind this place, which --json shows as `id`.")
@click.option("--place-file", metavar="FILE", help="Keep the place in this file, and go on there next time.")
@click.option("--limit", type=click.IntRange(1), help="End after so many events.")
@connected
def command(
    output: Output,
    gateway: Gateway,
    *,
    types: tuple[str, ...],
    message_id: str | None,
    from_start: bool,
    after: str | None,
    place_file: str | None,
    limit: int | None,
) -> int:
    """Show what happens to messages while it happens, until Ctrl-C.

    TYPE narrows it: delivered, bounced, failed and so on.  Cut connections are made again, and nothing
    is missed in between.
    """
    kept = Path(place_file) if place_file else None
    wanted = ",".join(word if word.startswith("email.") else f"email.{word}" for word in types)
    tail = _Tail(gateway, wanted or None, _place(kept, after, from_start=from_start))
    told = 0
    with closing(tail.events()) as events:
        for place, event in events:
            if message_id is None or event["data"]["email_id"] == message_id:
                output.object({"id": place, **event}, _line(event))
                told += 1
            if kept is not None:
                _keep(kept, place)
            if limit is not None and told >= limit:
                break
    return DONE


@dataclass(slots=True)
class _Tail:
    gateway: Gateway
    types: str | None
    place: str | None
    _wait: float = field(default=_FIRST_WAIT_SECONDS, init=False)

    def events(self) -> Generator[tuple[str, dict[str, Any]]]:
        """Give events with their places, over as many connections as it takes."""
        import httpx  # noqa: PLC0415 - help and mistakes must not wait for it

        began = False
        while True:
            try:
                for place, event in self._connection():
                    began = True
                    yield place, event
            except Failure as failure:
                # At first a mistake is likely; later the gateway is merely away.
                if failure.status != UNREACHABLE or not (began or self.place):
                    raise
            except httpx.ConnectError as error:
                if not began and self.place is None:
                    raise self.gateway.unreachable(error) from None
            except httpx.TransportError:
                pass
            time.sleep(self._wait)
            self._wait = min(self._wait * 2, _LONGEST_WAIT_SECONDS)

    def _connection(self) -> Iterator[tuple[str, dict[str, Any]]]:
        headers = {"Last-Event-ID": self.place} if self.place else {}
        with self.gateway.stream(
            "/events", quiet=_QUIET_SECONDS, headers=headers, types=self.types
        ) as answer:
            for event in read_events(answer.iter_lines()):
                self._wait = _FIRST_WAIT_SECONDS
                self.place = event.id or self.place
                if event.data:
                    yield event.id, json.loads(event.data)


def _place(kept: Path | None, after: str | None, *, from_start: bool) -> str | None:
    if after is not None or from_start:
        return after or _BEGINNING
    if kept is not None:
        with suppress(FileNotFoundError):
            return kept.read_text().strip() or None
    return None


def _keep(path: Path, place: str) -> None:
    half = path.with_name(f"{path.name}.half")
    try:
        half.write_text(f"{place}\n")
        half.replace(path)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}", MISUSED) from None


def _line(event: dict[str, Any]) -> str:
    data = event["data"]
    details = [
        f"attempt {data['attempt']}" if data["attempt"] else "",
        data["provider"] or "",
        data["recipient"] or "",
        data["reason"] or "",
    ]
    word = coloured(f"{data['event']:<12}")
    return f"{clock(event['created_at'])}  {data['email_id']}  {word}  " + visible(
        ", ".join(filter(None, details))
    )
