"""Every form in which a 429 says, or fails to say, how long to wait.

RFC 9110, 10.2.3 (Retry-After); draft-ietf-httpapi-ratelimit-headers, of which ``ratelimit-reset`` is an older
edition and ``RateLimit`` with ``t`` a newer one; ``X-RateLimit-Reset`` is nobody's standard and everybody's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from email.utils import formatdate

HINTS: dict[str, Callable[[float], Mapping[str, str]]] = {
    "seconds": lambda wait: {"Retry-After": f"{wait:.0f}"},
    "date": lambda wait: {"Retry-After": formatdate(time.time() + wait, usegmt=True)},
    "day": lambda _: {"Retry-After": "86400"},
    "negative": lambda _: {"Retry-After": "-1"},
    "word": lambda _: {"Retry-After": "soon"},
    "absent": lambda _: {},
    "ratelimit-reset": lambda wait: {
        "RateLimit-Limit": "10",
        "RateLimit-Remaining": "0",
        "RateLimit-Reset": f"{wait:.0f}",
    },
    "ratelimit": lambda wait: {"RateLimit": f'"default";r=0;t={wait:.0f}'},
    "x-ratelimit-reset": lambda wait: {
        "X-RateLimit-Limit": "10",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": f"{time.time() + wait:.0f}",
    },
}


def is_hint(header: str) -> bool:
    """Tell whether a header of this name says something about waiting."""
    return header.lower().startswith(("retry-after", "ratelimit", "x-ratelimit"))
