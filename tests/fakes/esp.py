"""A provider on a real socket, which fails on request and writes down what it saw."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from aiohttp import web

from tests.fakes import faults, wire
from tests.fakes.connections import Connections
from tests.fakes.dialect import Call, Verdict, parsed
from tests.fakes.record import Entry, Record

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Coroutine, Iterator

    from aiohttp.web_request import BaseRequest

Result = TypeVar("Result")


class FakeESP(ABC):
    """Base of the fakes; a subclass knows one provider's dialect.

    Use it with ``async with`` on the running loop, or with ``with fake.in_thread():`` beside it.
    Everything but ``start`` and ``stop`` may be used from any thread.
    """

    kind: ClassVar[str]

    def __init__(
        self, *, api_key: str | None = None, latency: float = 0.0, record_file: pathlib.Path | None = None
    ) -> None:
        """Prepare a fake.

        Args:
            api_key: The one key that is good; None takes any.
            latency: Seconds that every answer takes; the message is taken over at half-time.
            record_file: Where to append every change of the record, one JSON line each.
        """
        self.api_key = api_key
        self.latency = latency
        self.rule: Callable[[Entry], faults.Fault | None] | None = None
        """Asked for every request that the script does not cover; None is the usual treatment."""
        self.on_accept: Callable[[Entry], None] | None = None
        self._record = Record(record_file)
        self._script: deque[faults.Fault] = deque()
        self._connections = Connections(self._record)
        self._runner: web.ServerRunner | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._address = ("127.0.0.1", 0)

    @abstractmethod
    def judge(self, call: Call) -> Verdict:
        """Say what the provider would; must not change anything."""

    @abstractmethod
    def refusal(self, status: int) -> Verdict:
        """Give the provider's own words for a status, for faults that bring none."""

    @abstractmethod
    def message_id(self, payload: Any) -> str | None:
        """Find our message id where the adapter put it."""

    @abstractmethod
    def summary(self, payload: Any) -> str:
        """Name recipients and subject in one line."""

    @property
    def base_url(self) -> str:
        host, port = self._address
        return f"http://{host}:{port}"

    @property
    def record(self) -> tuple[Entry, ...]:
        """The messages taken over, in that order."""
        return self._record.accepted

    @property
    def requests(self) -> tuple[Entry, ...]:
        """Every request, in the order of arrival."""
        return self._record.requests

    def script(self, *treatments: faults.Fault) -> None:
        """Treat the next requests so, one each."""
        self._script.extend(treatments)

    def wait_for(self, count: int, *, timeout: float = 10.0) -> tuple[Entry, ...]:
        """Block until *count* messages are taken over; not to be called on the fake's own loop.

        Raises:
            TimeoutError: They were not, within *timeout* seconds.
        """
        return self._record.wait(count, timeout=timeout)

    async def start(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen.  A second start, after a stop, takes the same port again."""
        self._loop = asyncio.get_running_loop()
        self._connections.open()
        self._runner = web.ServerRunner(self._connections.server(self._serve), shutdown_timeout=0.05)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port or self._address[1], reuse_address=True).start()
        self._address = (host, self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close the port and every connection; the record stays."""
        self._connections.close()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None
        self._record.close()

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

    async def _serve(self, request: BaseRequest) -> web.StreamResponse:
        connection = self._connections.of(request)
        try:
            body = await request.content.read()
        except (ConnectionError, web.RequestPayloadError):
            return web.Response()  # The client went away in the middle of its request: we saw none.
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = Call(request.method, request.path, headers, parsed(body), len(body))
        message_id = self.message_id(call.payload)
        entry = self._record.open(
            path=call.path, message_id=message_id, payload=call.payload, headers=headers
        )
        fault = self._treatment(entry)
        verdict = self.judge(call)
        # A client that leaves changes nothing about what the provider does with a message it has read.
        await asyncio.sleep(self.latency / 2)
        if fault.accept and verdict.accepted:
            entry = self._record.accept(entry.number, verdict.provider_message_id)
            if self.on_accept:
                self.on_accept(entry)
        await asyncio.sleep(self.latency / 2)
        words = verdict if fault.status is None else self.refusal(fault.status)
        if fault.accept and not verdict.accepted:
            fault, words = faults.usual(), verdict
        response, complete = await wire.answer(request, connection, words, fault)
        if complete:
            self._connections.answered(connection, entry.number, response.status, reused=request.keep_alive)
        return response

    def _treatment(self, entry: Entry) -> faults.Fault:
        try:
            return self._script.popleft()
        except IndexError:
            return (self.rule and self.rule(entry)) or faults.usual()
