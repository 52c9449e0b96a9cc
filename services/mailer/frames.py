"""Task messages as frames of AMQP 0-9-1, so that a batch of them is one write to the socket.

kombu's producer does much for each message that is the same for all: it was most of what telling the
gateway cost.
"""

from __future__ import annotations

from struct import pack
from uuid import uuid4

from amqp.basic_message import Message

from shared.seals import HEADER, PLACEHOLDER, Seals
from shared.signatures import EXCHANGE, Signature

CONTENT_TYPE = "application/json"
CONTENT_ENCODING = "utf-8"

_PLACEHOLDER = "00000000-0000-0000-0000-000000000000"
_METHOD, _HEADER, _BODY, _END = 1, 2, 3, b"\xce"
_BASIC, _PUBLISH = 60, 40
_MANDATORY = 1
_PERSISTENT = 2
_FRAME_OVERHEAD = 8
_BODY_START = b"[[],"
_BODY_END = b',{"callbacks":null,"errbacks":null,"chain":null,"chord":null}]'


def headers(task: str, task_id: str) -> dict[str, str]:
    """The least that makes it a Celery task message (protocol 2)."""
    return {
        "lang": "py",
        "task": task,
        "id": task_id,
        "root_id": task_id,
        "argsrepr": "()",
        "kwargsrepr": "{…}",
        "origin": "pillarbox.mailer",
    }


def body(signature: Signature) -> bytes:
    """The message body: ``[args, kwargs, embed]``."""
    return _BODY_START + signature.arguments() + _BODY_END


class Frames:
    """Writes messages for one channel, in frames of at most ``frame_max`` bytes."""

    def __init__(self, channel: int, frame_max: int, seals: Seals | None = None) -> None:
        self._channel = channel
        self._seals = seals or Seals()
        self._chunk = frame_max - _FRAME_OVERHEAD
        self._methods: dict[str, bytes] = {}
        self._properties: dict[str, bytes] = {}

    def publish(self, signature: Signature) -> bytes:
        """The kinds of frame that make one ``basic.publish``, mandatory and persistent (section 4.2)."""
        content = body(signature)
        header = pack(">HHQ", _BASIC, 0, len(content)) + self._written_properties(signature.task, content)
        starts = range(0, len(content), self._chunk)
        bodies = [self._frame(_BODY, content[start : start + self._chunk]) for start in starts]
        return b"".join((self._method(signature.queue), self._frame(_HEADER, header), *bodies))

    def _method(self, queue: str) -> bytes:
        if queue not in self._methods:
            exchange, key = EXCHANGE.encode(), queue.encode()
            names = bytes((len(exchange),)) + exchange + bytes((len(key),)) + key
            method = pack(">HHH", _BASIC, _PUBLISH, 0) + names + bytes((_MANDATORY,))
            self._methods[queue] = self._frame(_METHOD, method)
        return self._methods[queue]

    def _written_properties(self, task: str, content: bytes) -> bytes:
        """Built once per task, since only id and seal differ, at equal length."""
        if task not in self._properties:
            plain = headers(task, _PLACEHOLDER)
            message = Message(
                "",
                content_type=CONTENT_TYPE,
                content_encoding=CONTENT_ENCODING,
                application_headers=plain | {HEADER: PLACEHOLDER} if self._seals else plain,
                delivery_mode=_PERSISTENT,
            )
            self._properties[task] = message._serialize_properties()  # noqa: SLF001 - there is no other way
        written, task_id = self._properties[task], str(uuid4())
        if self._seals:
            seal = self._seals.seal({"task": task, "id": task_id}, content)
            written = written.replace(PLACEHOLDER.encode(), seal.encode())
        return written.replace(_PLACEHOLDER.encode(), task_id.encode())

    def _frame(self, kind: int, payload: bytes) -> bytes:
        return pack(">BHI", kind, self._channel, len(payload)) + payload + _END
