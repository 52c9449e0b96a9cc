"""What every fake is, whatever protocol it speaks: it fails on request and writes down what it saw."""

from __future__ import annotations

import asyncio
import pathlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Self, TypeVar

from tests.fakes import faults
from tests.fakes.bucket import Bucket
from tests.fakes.entry import Entry
from tests.fakes.record import Record
from tests.fakes.treatments import Rule, Treatments

Result = TypeVar("Result")


class Fake(ABC):
    """Base of the fakes; :class:`.FakeESP` is that of the HTTP ones.

    Use it with ``async with`` on the running loop, or with ``with fake.in_thread():`` beside it.
    Everything but ``start`` and ``stop`` may be used from any thread.

    A subclass opens an entry of ``self._record`` for every request, asks ``self._treatments.of(entry)``
    how to treat it, and tells ``self._took`` of what it takes over.
    """

    kind: ClassVar[str]
    """The provider's word in the settings."""
    weights: ClassVar[Mapping[str, tuple[int, faults.Fault]]] = faults.WEIGHTS
    """What can go wrong here, for :func:`.faults.seeded`."""

    def __init__(
        self, *, api_key: str | None = None, latency: float = 0.0, record_file: pathlib.Path | None = None
    ) -> None:
        """Prepare a fake.

        Args:
            api_key: The one key or password that is good; None takes any.
            latency: Seconds that every answer takes; the message is taken over at half-time.
            record_file: Where to append every change of the record, one JSON line each.
        """
        self.api_key = api_key
        self.latency = latency
        self.limit: Bucket | None = None
        """What is sent faster is refused; None lets everything through."""
        self.on_accept: Callable[[Entry], None] | None = None
        self._record = Record(record_file)
        self._treatments = Treatments()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._address = ("127.0.0.1", 0)

    @property
    @abstractmethod
    def base_url(self) -> str:
        """Where it listens."""

    @abstractmethod
    def summary(self, payload: Any) -> str:
        """Name recipients and subject of one message in one line."""

    @abstractmethod
    async def start(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen.  A second start, after a stop, takes the same port again."""

    @abstractmethod
    async def stop(self) -> None:
        """Close the port and every connection; the record stays."""

    @property
    def record(self) -> tuple[Entry, ...]:
        """The messages taken over, in that order; those of a batch each by itself."""
        return self._record.accepted

    @property
    def requests(self) -> tuple[Entry, ...]:
        """Every request, in the order of arrival."""
        return self._record.requests

    @property
    def throttled(self) -> int:
        """How many requests were above the limit."""
        return sum(entry.throttled for entry in self._record.requests)

    @property
    def rule(self) -> Rule | None:
        """Asked for every request that the script does not cover; None is the usual treatment."""
        return self._treatments.rule

    @rule.setter
    def rule(self, rule: Rule | None) -> None:
        self._treatments.rule = rule

    def script(self, *treatments: faults.Fault) -> None:
        """Treat the next requests so, one each."""
        self._treatments.script(*treatments)

    def wait_for(self, count: int, *, timeout: float = 10.0) -> tuple[Entry, ...]:
        """Block until *count* messages are taken over; not to be called on the fake's own loop.

        Raises:
            TimeoutError: They were not, within *timeout* seconds.
        """
        return self._record.wait(count, timeout=timeout)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @contextmanager
    def in_thread(self, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[Self]:
        """Run on an event loop of its own, in a thread of its own."""
        loop = self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name=f"fake-{self.kind}", daemon=True)
        thread.start()
        try:
            self.call(self.start(host=host, port=port))
            yield self
        finally:
            self.call(self.stop())
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def call(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run ``fake.stop()`` or ``fake.start()`` from outside of the fake's thread."""
        if self._loop is None:
            raise RuntimeError("the fake was never started")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=10)

    def _took(self, number: int, provider_message_id: str | None, place: int | None = None) -> None:
        """Write down that the message of a request is taken over, or the one at *place* in its batch."""
        message = self._record.accept(number, provider_message_id, place)
        if self.on_accept:
            self.on_accept(message)
