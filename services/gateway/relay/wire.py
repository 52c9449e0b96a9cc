"""A Celery task message, protocol 2, built without Celery.

Source: https://docs.celeryq.dev/en/stable/internals/protocol.html#version-2
"""

from __future__ import annotations

from typing import Any

CONTENT_TYPE = "application/json"
CONTENT_ENCODING = "utf-8"

_BODY_START = b"[[],"
_BODY_END = b',{"callbacks":null,"errbacks":null,"chain":null,"chord":null}]'


def headers(task: str, message_id: str) -> dict[str, Any]:
    """The message headers that tell a worker which task this is.

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
    }


def body(arguments: bytes) -> bytes:
    """The message body: ``[args, kwargs, embed]``; ``arguments`` is a JSON object already."""
    return _BODY_START + arguments + _BODY_END
