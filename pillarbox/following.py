"""Following one message to its end."""

from __future__ import annotations

import time

from pillarbox.failures import UNREACHABLE, Failure
from pillarbox.gateway import Gateway
from pillarbox.messages import ENDS, story
from pillarbox.output import Output

_OFTEN_SECONDS = 0.1
_SELDOM_SECONDS = 2.0


def follow(gateway: Gateway, output: Output, message_id: str, timeout: float) -> str:
    """Tell each event of a message as it comes, and return the status that the message ends with.

    Raises:
        Failure: It does not end within *timeout* seconds, or the gateway is away.
    """
    deadline = time.monotonic() + timeout
    told, pause = 0, _OFTEN_SECONDS
    while True:
        status = str(gateway.get(f"/emails/{message_id}")["status"])
        events = gateway.get(f"/emails/{message_id}/events")["data"]
        for event in events[told:]:
            output.object({"email_id": message_id, **event}, "\n".join(story([event])))
        told = max(told, len(events))
        if status in ENDS:
            return status
        if time.monotonic() + pause > deadline:
            raise Failure(
                f"{message_id} is {status} after {timeout:g} s, and not at its end yet.", UNREACHABLE
            )
        time.sleep(pause)
        pause = min(pause * 1.5, _SELDOM_SECONDS)
