"""The gateway, as its HTTP API is used here."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pillarbox.failures import FORBIDDEN, REFUSED, UNREACHABLE, Failure
from pillarbox.place import Place

if TYPE_CHECKING:
    import httpx

_TIMEOUT_SECONDS: Final = 30.0
_PAGE: Final = 100
_BUSY: Final = frozenset({429, 502, 503, 504})
_SHORTEST_SECONDS: Final = 0.2
_LONGEST_SECONDS: Final = 60.0


@dataclass(slots=True)
class Gateway:
    """A client with one connection; made when it is first used, since making it takes a while."""

    place: Place
    patience: float = 10.0
    """Seconds that a request is repeated for while the gateway asks to wait."""
    reach: float = 1.0
    """Seconds that it is repeated for while nobody is there: most often the address is wrong."""
    on_wait: Any = None
    """Told how many seconds are waited before a repetition."""
    _client: httpx.Client | None = field(default=None, init=False)

    def get(self, path: str, **query: object) -> Any:
        """GET, and return the JSON answered; see :meth:`request`."""
        return self.request("GET", path, query=query)

    def post(self, path: str, body: object = None, *, headers: Mapping[str, str] | None = None) -> Any:
        """POST JSON, and return the JSON answered; see :meth:`request`."""
        return self.request("POST", path, body=body, headers=headers)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = False,
    ) -> Any:
        """Make a request, again and again while it may help, and return the JSON answered.

        Only what may be repeated is repeated: reading, what carries idempotency keys (*repeatable*, where
        they stand in the body), and whatever the gateway has certainly not done.

        Raises:
            Failure: The gateway refuses, or does not do it in time.
        """
        import httpx  # noqa: PLC0415 - help and mistakes must not wait for it

        safe = repeatable or method == "GET" or "Idempotency-Key" in (headers or {})
        begun = time.monotonic()
        wait = _SHORTEST_SECONDS
        while True:
            try:
                response = self.client.request(
                    method, path, params=_given(query or {}), headers=dict(headers or {}), json=body
                )
            except httpx.TransportError as error:
                certain = isinstance(error, httpx.ConnectError)
                if not (safe or certain) or time.monotonic() + wait > begun + self.reach:
                    raise self.unreachable(error) from None
                pause = wait
            else:
                if response.is_success:
                    return response.json() if response.content else None
                if not _may_repeat(response, safe=safe) or time.monotonic() + wait > begun + self.patience:
                    raise failure_of(response)
                pause = _asked_to_wait(response) or wait
            if self.on_wait is not None:
                self.on_wait(pause)
            time.sleep(pause)
            wait = min(wait * 2, _LONGEST_SECONDS)

    def pages(self, path: str, *, most: int | None = None, **query: object) -> Iterator[dict[str, Any]]:
        """Give the items of a list, page by page, at most *most* of them."""
        left, after = most, None
        while left is None or left > 0:
            limit = _PAGE if left is None else min(_PAGE, left)
            page = self.get(path, limit=limit, after=after, **query)
            yield from page["data"]
            if not page["has_more"] or not page["data"]:
                return
            after = page["data"][-1]["id"]
            left = None if left is None else left - len(page["data"])

    @contextmanager
    def stream(
        self, path: str, *, quiet: float, headers: Mapping[str, str], **query: object
    ) -> Iterator[Any]:
        """Open an answer that is read while it comes; *quiet* seconds without a byte are the end of it.

        Raises:
            Failure: The gateway refuses.
        """
        import httpx  # noqa: PLC0415 - as above

        timeout = httpx.Timeout(_TIMEOUT_SECONDS, read=quiet)
        with self.client.stream(
            "GET", path, params=_given(query), headers=dict(headers), timeout=timeout
        ) as answer:
            if not answer.is_success:
                answer.read()
                raise failure_of(answer)
            yield answer

    @property
    def client(self) -> httpx.Client:
        """The client, for what the other methods do not know."""
        if self._client is None:
            import httpx  # noqa: PLC0415 - as above

            from pillarbox.version import version  # noqa: PLC0415 - likewise

            headers = {"User-Agent": f"pillarbox/{version()}"}
            if self.place.api_key:
                headers["Authorization"] = f"Bearer {self.place.api_key}"
            try:
                self._client = httpx.Client(
                    base_url=self.place.url, headers=headers, timeout=_TIMEOUT_SECONDS
                )
            except UnicodeEncodeError:
                raise Failure("The API key holds characters that no key has.", FORBIDDEN) from None
        return self._client

    def close(self) -> None:
        """Hang up."""
        if self._client is not None:
            self._client.close()

    def unreachable(self, error: Exception) -> Failure:
        """Say that nobody answers."""
        hint = "Is it running, and is this its address? (--url, PILLARBOX_URL)"
        return Failure(
            f"The gateway at {self.place.url} does not answer ({type(error).__name__}). {hint}", UNREACHABLE
        )


def failure_of(response: httpx.Response) -> Failure:
    """Say what an answer other than success means."""
    try:
        told = response.json()
        details = {name: told[name] for name in ("name", "errors", "message_id") if name in told}
        details["statusCode"] = response.status_code
        message = f"{response.status_code} {told['name']}: {told['message']}"
    except (ValueError, KeyError, TypeError):
        details = {"statusCode": response.status_code}
        message = f"{response.status_code}: this does not look like an answer of Pillarbox."
    if response.status_code in {401, 403}:
        if response.status_code == 401 or details.get("name") == "invalid_api_key":
            message += " (--api-key, PILLARBOX_API_KEY)"
        return Failure(message, FORBIDDEN, details=details)
    status = UNREACHABLE if response.status_code in _BUSY or response.status_code >= 500 else REFUSED
    return Failure(message, status, details=details)


def waiting(seconds: float) -> None:
    """Tell the person at the terminal why nothing happens."""
    if sys.stderr.isatty() and seconds >= 1:
        sys.stderr.write(f"The gateway asks to wait; trying again in {seconds:.0f} s.\n")


def _given(query: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in query.items() if value is not None}


def _may_repeat(response: httpx.Response, *, safe: bool) -> bool:
    if b'"concurrent_idempotent_requests"' in response.content:
        return True  # the gateway is still at work on the first try
    if response.status_code not in _BUSY:
        return False
    # The gateway's own 429 and 503 say that nothing was done, unless it names a message; a proxy's say less.
    return safe or (response.status_code in {429, 503} and b'"message_id"' not in response.content)


def _asked_to_wait(response: httpx.Response) -> float | None:
    """Seconds of ``Retry-After`` (RFC 9110, section 10.2.3); the gateway never gives a date."""
    text = response.headers.get("Retry-After", "")
    return min(float(text), _LONGEST_SECONDS) if text.isdecimal() else None
