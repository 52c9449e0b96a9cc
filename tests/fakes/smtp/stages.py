"""Where in a conversation something goes wrong; what does is a fault as everywhere."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from typing import Literal, get_args

from tests.fakes.entry import Entry
from tests.fakes.faults import Fault, drip, hang, refuse, reset, usual
from tests.fakes.treatments import Treatments

Stage = Literal["greeting", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "upload", "body", "reset"]
"""Each a command that is answered: ``reset`` is RSET, ``upload`` what follows the 354, and ``body`` the
final dot."""
STAGES: tuple[Stage, ...] = get_args(Stage)


@dataclass(frozen=True, slots=True)
class StageFault(Fault):
    """A fault at a stage."""

    stage: Stage = "body"
    recipients: frozenset[int] | None = None
    """Places of the recipients that it befalls, counted from 0; None stands for all."""


def at(stage: Stage, fault: Fault, *, recipients: Collection[int] | None = None) -> StageFault:
    """Let *fault* happen at *stage*; ``faults.refuse(450, b"4.7.1 Later")`` becomes ``450 4.7.1 Later``.

    A script waits until its next fault's stage is reached: one of the greeting waits for a new connection.
    """
    same = {each.name: getattr(fault, each.name) for each in fields(Fault)}
    chosen = None if recipients is None else frozenset(recipients)
    return StageFault(**same, stage=stage, recipients=chosen)


def babble(*, accept: bool = False) -> Fault:
    """Answer with what is no reply of SMTP."""
    return Fault("babble", accept=accept, status=0, body=b"<html>Bad gateway</html>")


def _lying(fault: Callable[..., Fault]) -> dict[str, tuple[int, Fault]]:
    before, after = fault(accept=False), fault(accept=True)
    return {str(fault.label): (3, fault) for fault in (before, after)}


WEIGHTS: dict[str, tuple[int, Fault]] = {
    **_lying(hang),
    **_lying(reset),
    **_lying(drip),
    **_lying(babble),
    "421": (3, refuse(421)),
    "450": (3, refuse(450)),
    "451": (3, refuse(451)),
    "452": (3, refuse(452)),
    "450-pace": (3, refuse(450, b"4.7.1 Error: too much mail, rate limit exceeded")),
}
"""What can happen after the final dot, for :func:`.faults.seeded`: a server that refuses with a proper
reply has not taken the message over, but who gets none, or one that is none, cannot know."""


class StagedTreatments(Treatments):
    """A script whose faults each wait for their stage."""

    def __init__(self) -> None:
        super().__init__()
        self.early: Callable[[Stage], Fault | None] | None = None
        """Asked at each stage before the message has come, where the script has nothing to say."""

    def before(self, stage: Stage) -> Fault | None:
        """Give what is to go wrong at a stage before the message has come, if something is."""
        if self._script and _stage(self._script[0]) == stage:
            return self._script.popleft()
        return self.early(stage) if self.early else None

    def of(self, entry: Entry) -> Fault:
        if self._script and _stage(self._script[0]) == "body":
            return self._script.popleft()
        return (self.rule(entry) if self.rule else None) or usual()


def _stage(fault: Fault) -> Stage:
    if isinstance(fault, StageFault):
        return fault.stage
    return "upload" if fault.how == "cut" else "body"
