"""Bodies that are forms, read by the parser of a real HTTP server."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from aiohttp import BodyPartReader, MultipartReader, StreamReader

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

_URLENCODED = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"


def is_form(content_type: str) -> bool:
    return content_type in {_URLENCODED, _MULTIPART}


async def form(request: BaseRequest, body: bytes) -> dict[str, list[Any]] | None:
    """Give every field's values in their order; None where the body is not the form that it should be.

    A file is a dict of ``filename``, ``content_type`` and ``content`` in Base64, so that a record can
    hold it.  A part without a file name is a plain value, whatever it was meant to be.
    """
    if request.content_type == _URLENCODED:
        return parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    # With room for all of it: a full stream would have the connection pause, which is read already.
    stream = StreamReader(request.protocol, max(len(body), 1), loop=asyncio.get_running_loop())
    stream.feed_data(body)
    stream.feed_eof()
    fields: dict[str, list[Any]] = {}
    try:
        async for part in MultipartReader(request.headers, stream):
            if not isinstance(part, BodyPartReader) or part.name is None:
                return None
            fields.setdefault(part.name, []).append(await _value(part))
    except ValueError:
        return None
    return fields


async def _value(part: BodyPartReader) -> Any:
    if part.filename is None:
        return await part.text(encoding="utf-8")
    content = await part.read(decode=True)
    return {
        "filename": part.filename,
        "content_type": part.headers.get("Content-Type", "text/plain"),
        "content": base64.b64encode(content).decode(),
    }
