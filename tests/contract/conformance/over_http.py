"""What can happen over HTTP; where a status means something, RFC 9110 says what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from shared.signatures import Address
from tests.contract.conformance.mishap import Known, Mishap, changed
from tests.contract.conformance.surroundings import BRIEF, EVERYWHERE, LARGE
from tests.fakes import faults
from tests.fakes.faults import Fault

_MEGABYTE = 1 << 20
_LARGE = 600_000
"""Characters; aiohttp warns of a request that has a megabyte."""
_PAGE = b"<!DOCTYPE html><html><body><h1>No</h1></body></html>"
_ASKED = 7.0
"""Seconds, which is more than anybody waits who was not asked to."""

SUCCESS = {"sendgrid": 202}
"""By kind: the status of its acceptance, if that is not 200."""

_WITHOUT_ANSWER: list[Callable[..., Fault]] = [faults.hang, faults.reset, faults.drip, faults.drip_head]
_HINTS: dict[str, tuple[float, float] | None] = {
    "seconds": (_ASKED, _ASKED),
    "date": (_ASKED - 1, _ASKED),  # whole seconds, of two clocks
    "ratelimit-reset": (_ASKED, _ASKED),
    "ratelimit": (_ASKED, _ASKED),
    "x-ratelimit-reset": (_ASKED - 1, _ASKED + 1),
    "day": (900.0, 900.0),  # nobody leaves mail lying for a day because of one answer
    "negative": None,
    "word": None,
    "absent": None,
}


def mishaps(kind: str) -> Iterator[Mishap]:
    """Give everything that can happen at a provider of this kind."""
    yield from EVERYWHERE
    yield from _unanswered()
    yield from _unreadable(SUCCESS.get(kind, 200))
    if kind in SUCCESS:
        yield from _unreadable(200, "-200")
    yield from _failing()
    yield from _refused()
    yield from _TOO_FAST
    yield from _REDIRECTS
    yield from OWN.get(kind, ())


def _both(make: Callable[..., Fault], *arguments: Any, name: str | None = None, **more: Any) -> list[Mishap]:
    """Give a mishap before and after the message was taken over, as which nobody can tell."""
    made = [(accept, make(*arguments, accept=accept)) for accept in (False, True)]
    return [
        Mishap(
            name=f"accept-{name or fault.name}" if accept else name or fault.name,
            fault=fault,
            taken=accept,
            **{"known": Known.NOTHING, **more},
        )
        for accept, fault in made
    ]


def _unanswered() -> Iterator[Mishap]:
    for make in _WITHOUT_ANSWER:
        yield from _both(make, patience=None if make is faults.reset else BRIEF)
    # What was torn down in the middle of the request looks the same from the other end.
    yield Mishap(name="cut", known=Known.NOTHING, fault=faults.cut(), fields={"text": LARGE[:_LARGE]})


def _unreadable(status: int, suffix: str = "") -> Iterator[Mishap]:
    """The status of an acceptance, and nothing that the provider would say with it."""
    for make in (faults.page, faults.truncated, faults.without_id):
        yield from _both(make, status, name=f"{make(status).name}{suffix}")
    yield from _both(lambda **how: faults.gzip_bomb(status=status, **how), name=f"bomb{suffix}")
    if status == 200:  # At SendGrid a 202 without a word is the acceptance itself.
        yield from _both(faults.empty, status)
        yield from _both(lambda **how: faults.huge(2 * _MEGABYTE, status, **how))


def _failing() -> Iterator[Mishap]:
    for status in (500, 502, 504):
        yield from _both(faults.refuse, status)
    yield from _both(faults.page, 502, name="502-html")
    # "Unable to handle the request" (15.6.4): whoever says so after having handled it lies.
    yield from _both(faults.refuse, 503, known=Known.AWAY)


def _refused() -> Iterator[Mishap]:
    for status in (401, 402, 403, 404, 405):  # said by somebody on the way, or at another address
        fault = faults.refuse(status, _PAGE, {"Content-Type": "text/html"})
        yield Mishap(name=f"{status}-html", known=Known.NOT_US, fault=fault)
    yield Mishap(name="408", known=Known.AWAY, fault=faults.refuse(408))
    yield Mishap(name="400", known=Known.NOT_THIS, fault=faults.refuse(400))


_TOO_FAST = [
    Mishap(name=f"429-{hint}", known=Known.TOO_FAST, fault=faults.throttle(hint, _ASKED), asks=asks)
    for hint, asks in _HINTS.items()
]
_REDIRECTS = [
    Mishap(name=f"redirect-{status}", known=Known.NOT_US, fault=faults.redirect(status=status))
    for status in (301, 302, 303, 307, 308)
]

_ODD = Mishap(name="", known=Known.NOT_THIS)
_SOME = Mishap(name="some-suppressed", known=Known.TAKEN, taken=True)


def _to(*emails: str) -> dict[str, Any]:
    return {"to": tuple(Address(email=email) for email in emails)}


OWN: dict[str, list[Mishap]] = {
    "sendgrid": [
        replace(_ODD, name="unverified-sender", known=Known.NOT_US, during=changed(senders=frozenset())),
        replace(_ODD, name="odd-recipient", fields=_to('"no one"@example.net')),
    ],
    "mandrill": [
        replace(_ODD, name="suppressed", known=Known.NOT_TO_THEM, fields=_to("reject@test.mandrillapp.com")),
        replace(_SOME, fields=_to("reject@test.mandrillapp.com", "ada@example.net")),
    ],
    "postmark": [
        replace(_ODD, name="suppressed", known=Known.NOT_TO_THEM, fields=_to("inactive@example.net")),
        replace(_SOME, fields=_to("inactive@example.net", "ada@example.net")),
        replace(_ODD, name="unknown-sender", known=Known.NOT_US, during=changed(senders=frozenset())),
        replace(_ODD, name="unknown-stream", known=Known.NOT_US, during=changed(streams=set())),
        replace(_ODD, name="delayed", known=Known.TAKEN, taken=True, during=changed(delayed=True)),
        replace(_ODD, name="odd-recipient", fields=_to("two..dots@example.net")),
    ],
    "resend": [
        replace(_ODD, name="quota", known=Known.NOT_US, during=changed(quota=0), asks=(900.0, 900.0)),
        replace(_ODD, name="unverified-domain", known=Known.NOT_US, during=changed(domains=frozenset())),
        replace(_ODD, name="odd-recipient", fields=_to("ada@example.com")),
    ],
    "mailgun": [
        replace(_ODD, name="unverified-domain", known=Known.NOT_US, during=changed(unverified=True)),
        replace(_ODD, name="unknown-domain", known=Known.NOT_US, during=changed(domain="other.example")),
        replace(_ODD, name="odd-recipient", fields=_to('"a@b"@example.net')),
    ],
    "ses": [replace(_ODD, name="odd-recipient", fields=_to('"no one"@example.net'))],
}
"""By kind: what only this provider says, in its own words."""
