"""How an answer reaches the client, or does not."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

    from tests.fakes.connections import Connection
    from tests.fakes.dialect import Verdict
    from tests.fakes.faults import Fault

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: the kernel says RST instead of FIN.


async def answer(
    request: BaseRequest, connection: Connection, verdict: Verdict, fault: Fault
) -> tuple[web.StreamResponse, bool]:
    """Answer as the fault wants it; tells what was begun, and whether all of it was written."""
    if fault.how == "hang":
        await connection.gone.wait()
        return web.Response(), False
    if fault.how == "reset":
        _tear(request, connection)
        return web.Response(), False
    headers = {**verdict.headers, **fault.headers}
    status = verdict.status if fault.status is None else fault.status
    try:
        if fault.how == "drip":
            return await _drip(
                request, web.StreamResponse(status=status, headers=headers), fault.delay
            ), False
        await asyncio.sleep(fault.delay)
        body = verdict.body if fault.body is None else fault.body
        response = web.Response(status=status, headers=headers, body=body)
        await response.prepare(request)
        await response.write_eof()
        return response, await _flushed(request)
    except ConnectionError:
        return web.Response(), False


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


async def _flushed(request: BaseRequest) -> bool:
    """Wait until the kernel has the whole answer; False if the connection ended before."""
    while request.transport and not request.transport.is_closing():
        if request.transport.get_write_buffer_size() == 0:
            return True
        await asyncio.sleep(0.005)
    return False
