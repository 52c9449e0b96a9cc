"""A tenant's own server: keeps what is posted to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.flow.system import until


@dataclass(frozen=True, slots=True)
class Posted:
    """One request."""

    headers: Mapping[str, str]
    body: str

    @property
    def payload(self) -> dict[str, Any]:
        """What it says."""
        payload: dict[str, Any] = json.loads(self.body)
        return payload

    def signature(self, prefix: str = "svix") -> dict[str, str]:
        """The headers that it is verified by, as SDKs take them."""
        return {name: self.headers[f"{prefix}-{name}"] for name in ("id", "timestamp", "signature")}


class Sink:
    """Answers ``Thanks``, on loopback."""

    def __init__(self) -> None:
        posted: list[Posted] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                posted.append(Posted({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(200)
                self.send_header("Content-Length", "6")
                self.end_headers()
                self.wfile.write(b"Thanks")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._posted = posted
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def told(self, message_id: str, count: int = 1) -> list[Posted]:
        """What was posted of a message, as soon as it is so much."""

        def look() -> list[Posted] | None:
            found = [each for each in self._posted if each.payload["data"]["email_id"] == message_id]
            return found if len(found) >= count else None

        return until(look, 30, f"{count} webhooks about {message_id}")
