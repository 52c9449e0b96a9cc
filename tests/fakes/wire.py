"""How an answer reaches the client, or does not."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
from typing import TYPE_CHECKING

from aiohttp import web
from multidict import CIMultiDict

from tests.fakes.connections import Connection
from tests.fakes.dialect import Verdict
from tests.fakes.faults import HINTS, Fault
from tests.fakes.faults.hints import is_hint

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: the kernel says RST instead of FIN.


async def answer(
    request: BaseRequest, connection: Connection, verdict: Verdict, fault: Fault
) -> tuple[web.StreamResponse, bool]:
    """Answer as the fault wants it; tells what was begun, and whether all of it was written."""
    if fault.how == "hang":
        await connection.gone.wait()
        return web.Response(), False
    if fault.how in ("reset", "cut"):
        _tear(request, connection)
        return web.Response(), False
    headers = _headers(verdict, fault)
    status = verdict.status if fault.status is None else fault.status
    try:
        if fault.how == "drip":
            return await _drip(
                request, web.StreamResponse(status=status, headers=headers), fault.delay
            ), False
        if fault.how == "drip-head":
            await _drip_head(request, status, fault.delay)
        await asyncio.sleep(fault.delay)
        body = verdict.body if fault.body is None else fault.body
        response = web.Response(status=status, headers=headers, body=body)
        await response.prepare(request)
        await response.write_eof()
        return response, await _flushed(request)
    except ConnectionError:
        return web.Response(), False


def _headers(verdict: Verdict, fault: Fault) -> CIMultiDict[str]:
    headers = CIMultiDict(verdict.headers)
    if fault.hint:
        form, seconds = fault.hint
        for name in [name for name in headers if is_hint(name)]:
            del headers[name]
        headers.update(HINTS[form](seconds))
    headers.update(fault.headers)
    return headers


def _tear(request: BaseRequest, connection: Connection) -> None:
    connection.ours = True
    if request.transport:
        tcp: socket.socket = request.transport.get_extra_info("socket")
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        request.transport.abort()


async def _drip(request: BaseRequest, response: web.StreamResponse, pause: float) -> web.StreamResponse:
    await response.prepare(request)
    while request.transport and not request.transport.is_closing():
        await response.write(b" ")
        await asyncio.sleep(pause)
    raise ConnectionResetError("the client went away")


async def _drip_head(request: BaseRequest, status: int, pause: float) -> None:
    # Past aiohttp, which writes a head only as a whole.
    head = itertools.chain(f"HTTP/1.1 {status} -\r\nX-Slow: ".encode(), itertools.repeat(ord("a")))
    while request.transport and not request.transport.is_closing():
        request.transport.write(bytes([next(head)]))
        await asyncio.sleep(pause)
    raise ConnectionResetError("the client went away")


async def _flushed(request: BaseRequest) -> bool:
    """Wait until the kernel has the whole answer; False if the connection ended before."""
    while request.transport and not request.transport.is_closing():
        if request.transport.get_write_buffer_size() == 0:
            return True
        await asyncio.sleep(0.005)
    return False
