"""A provider with an HTTP interface, on a real socket."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from aiohttp import web

from tests.fakes import faults, wire
from tests.fakes.connections import Connection, Connections
from tests.fakes.dialect import Call, Verdict, parsed
from tests.fakes.entry import Entry
from tests.fakes.fake import Fake
from tests.fakes.forms import form, is_form
from tests.fakes.hooks import Dialect
from tests.fakes.keys import Keys
from tests.fakes.treatments import Searching

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest


class FakeESP(Dialect, Fake):
    """Base of the HTTP fakes; a subclass is one provider's :class:`.Dialect`."""

    def __init__(self, **settings: Any) -> None:
        """Prepare a fake; see :class:`.Fake` for the settings."""
        super().__init__(**settings)
        self.keys: Keys | None = None
        """Set by a dialect whose provider honours idempotency keys."""
        self.searching = Searching()
        """The lag, the script and the rule of searches."""
        self._connections = Connections(self._record)
        self._runner: web.ServerRunner | None = None

    @property
    def base_url(self) -> str:
        host, port = self._address
        return f"http://{host}:{port}"

    async def start(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._loop = asyncio.get_running_loop()
        self._connections.open()
        self._runner = web.ServerRunner(self._connections.server(self._serve), shutdown_timeout=0.05)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port or self._address[1], reuse_address=True).start()
        self._address = (host, self._runner.addresses[0][1])

    async def stop(self) -> None:
        self._connections.close()
        if self._runner:
            await self._runner.cleanup()
            self._runner = None
        self._record.close()

    async def _serve(self, request: BaseRequest) -> web.StreamResponse:
        connection = self._connections.of(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = Call(request.method, request.path, headers, query=parse_qs(request.query_string))
        if fault := self._treatments.cut():
            await request.content.readany()
            entry = self._opened(call, None)
            return await self._answer(request, connection, entry, self.refusal(500), fault)
        try:
            body = await request.content.read()
        except (ConnectionError, web.RequestPayloadError):
            return web.Response()  # The client went away in the middle of its request: we saw none.
        payload = await form(request, body) if is_form(request.content_type) else parsed(body)
        call = replace(call, body=body, payload=payload)
        entry = self._opened(call, self.searched_for(call))
        try:
            treat = self._send if entry.searched_for is None else self._search
            return await self._answer(request, connection, entry, *await treat(call, entry))
        finally:
            if self.keys:
                self.keys.release(entry.number)

    def _opened(self, call: Call, searched_for: str | None) -> Entry:
        members = () if searched_for is not None else self.members(call)
        alone = searched_for is None and not members
        return self._record.open(
            method=call.method,
            path=call.path,
            query=call.query,
            headers=call.headers,
            payload=call.payload,
            message_id=self.message_id(call.payload) if alone else None,
            searched_for=searched_for,
            members=members,
        )

    async def _search(self, call: Call, entry: Entry) -> tuple[Verdict, faults.Fault]:
        await asyncio.sleep(self.latency)
        indexed = time.monotonic() - self.searching.lag
        messages = self._record.accepted_of(entry.searched_for or "")
        known = tuple(each for each in messages if (each.accepted_monotonic or 0) <= indexed)
        return self.found(call, known), self.searching.of(entry)

    async def _send(self, call: Call, entry: Entry) -> tuple[Verdict, faults.Fault]:
        if self.limit and not self.limit.take():
            self._record.note(entry.number, throttled=True)
            return self.refusal(429), faults.usual()
        fault = self._treatments.of(entry)
        verdict = self.judge(replace(call, refused=fault.refused))
        if earlier := self._earlier(call, entry, verdict):
            await asyncio.sleep(self.latency)
            return earlier, fault if earlier.takes else faults.usual()
        # A client that leaves changes nothing about what the provider does with a message it has read.
        await asyncio.sleep(self.latency / 2)
        if fault.accept:
            self._take(entry, verdict)
        await asyncio.sleep(self.latency / 2)
        return verdict, faults.usual() if fault.accept and not verdict.takes else fault

    def _earlier(self, call: Call, entry: Entry, verdict: Verdict) -> Verdict | None:
        """Give what is said to an idempotency key that is known; None if there is none, or it is new."""
        key = self.key(call)
        if self.keys is None or key is None or not verdict.takes:
            return None
        earlier = self.keys.claim(key, call, entry.number)
        if earlier and earlier.takes:
            self._record.note(entry.number, repeated=True)
        return earlier

    def _take(self, entry: Entry, verdict: Verdict) -> None:
        if verdict.accepted:
            self._took(entry.number, verdict.provider_message_id)
        for place, fate in enumerate(verdict.fates):
            if fate.accepted:
                self._took(entry.number, fate.provider_message_id, place)
        if self.keys and verdict.takes:
            self.keys.keep(entry.number, verdict)

    async def _answer(
        self,
        request: BaseRequest,
        connection: Connection,
        entry: Entry,
        verdict: Verdict,
        fault: faults.Fault,
    ) -> web.StreamResponse:
        if fault.label:
            self._record.note(entry.number, fault=fault.label)
        words = verdict if fault.status is None else self.refusal(fault.status)
        if fault.body is not None:  # said by somebody on the way, who knows nothing of the provider's headers
            words = replace(words, headers={})
        elif self.limit:
            words = replace(words, headers={**self.rate_headers(self.limit), **words.headers})
        response, complete = await wire.answer(request, connection, words, fault)
        if complete:
            reused = request.keep_alive
            self._connections.answered(
                connection, entry.number, response.status, reused=reused, honest=fault.honest
            )
        return response
