"""A small language for the command line: one word for each request."""

from __future__ import annotations

from dataclasses import replace

from tests.fakes.faults.fault import Fault
from tests.fakes.faults.hints import HINTS
from tests.fakes.faults.kinds import (
    cut,
    drip,
    drip_head,
    empty,
    gzip_bomb,
    hang,
    huge,
    page,
    partial,
    redirect,
    refuse,
    reset,
    throttle,
    truncated,
    usual,
    without_id,
)

_LARGEST_BATCH = 1000

WORDS: dict[str, Fault] = {
    "hang": hang(),
    "reset": reset(),
    "cut": cut(),
    "drip": drip(accept=False),
    "drip-head": drip_head(accept=False),
    "html": page(502, accept=False),
    "html-200": page(200, accept=False),
    "truncated": truncated(accept=False),
    "empty": empty(accept=False),
    "without-id": without_id(accept=False),
    "redirect": redirect(),
    **{f"redirect-{status}": redirect(status=status) for status in (301, 302, 308)},
    "huge": huge(accept=False),
    "bomb": gzip_bomb(accept=False),
    "partial": partial(*range(1, _LARGEST_BATCH, 2)),
    **{f"429-{hint}": throttle(hint) for hint in HINTS},
}

SCRIPT = (
    "treats the first requests so, one each, as in 429:retry-after=2,503*3,accept-hang,202: an item is a "
    f"status or one of {', '.join(WORDS)}; with accept- before it the message is taken over all the same; "
    ":name=value adds a header; *3 repeats; 200 and 202 stand for the usual treatment"
)


def parse(script: str) -> list[Fault]:
    """Read a script in the language of :data:`SCRIPT`.

    Raises:
        ValueError: An item is none of these.
    """
    return [fault for item in script.split(",") if item.strip() for fault in _items(item.strip())]


def _items(item: str) -> list[Fault]:
    item, _, times = item.partition("*")
    word, *pairs = item.split(":")
    accept, word = word.startswith("accept-"), word.removeprefix("accept-")
    if word in {"200", "202"}:
        fault = usual()
    elif word in WORDS:
        fault = replace(WORDS[word], accept=accept or WORDS[word].accept)
    elif word.isdecimal():
        headers = dict(pair.split("=", 1) for pair in pairs)
        fault = refuse(int(word), headers=headers, accept=accept)
    else:
        raise ValueError(f"{item!r} is neither a status nor one of {', '.join(WORDS)}")
    return [fault] * int(times or 1)
