"""Failpoints: named places at which a torture test lets this process die, stumble or stall.

Until they are armed each costs one look at a false flag.  ``PILLARBOX_FAILPOINTS`` arms them, and only
together with ``PILLARBOX_FAILPOINTS_ACKNOWLEDGED``, which says in words what that means; with one of them
alone, and inside Kubernetes in any case, the process refuses to start.  They are no settings, and no
manifest knows them.

The first holds rules, as in ``g.after_commit=kill9@p0.02;r.before_mark=sleep3@n7``, or ``@`` and the path of
a file of rules, which is read again when it has changed.  A rule is an action and when it is taken: with a
probability (``@p``), at the n-th time since the rules were read (``@n``), or always.  Actions: ``kill9``,
``raise``, ``hang``, ``sleep`` and ``block`` with seconds; ``block`` keeps a whole event loop.
The same module stands in both services, each beside its own names.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from services.gateway.failpoint_names import FAILPOINTS

log = structlog.get_logger()

ACKNOWLEDGEMENT = "this process may die at any line"

armed = False
"""Whether anything can happen; whoever passes a failpoint looks here first."""

_RULE = re.compile(
    r"([a-z.0-9_]+)=(kill9|raise|hang|(?:sleep|block)\d+(?:\.\d+)?)(?:@([pn])(\d+(?:\.\d+)?))?"
)
_FOR_EVER = 1e9


class FailpointError(Exception):
    """What the action ``raise`` raises; it stands for a bug."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens at a failpoint, and when."""

    action: str
    seconds: float = _FOR_EVER
    chance: float = 1.0
    nth: int | None = None


class Rules:
    """The rules that hold now, and how often each failpoint was passed since they were read."""

    def __init__(self, source: str, *, seed: str, record: Path | None) -> None:
        self._file = Path(source[1:]) if source.startswith("@") else None
        self._text = "" if self._file else source
        self._rules = read_rules(self._text)
        self._passed: Counter[str] = Counter()
        self._dice = random.Random(seed)  # noqa: S311 - it draws faults, not secrets
        self._record = record
        self._lock = threading.Lock()

    def due(self, name: str) -> Rule | None:
        """The rule that has to be carried out now, if any; it is written down first."""
        with self._lock:
            self._reread()
            rule = self._rules.get(name)
            if rule is None:
                return None
            self._passed[name] += 1
            strikes = self._passed[name] == rule.nth if rule.nth else self._dice.random() < rule.chance
            if strikes and self._record is not None:
                with self._record.open("a") as file:
                    file.write(f"{time.time():.6f} {name} {rule.action}\n")
            return rule if strikes else None

    def has(self, name: str) -> bool:
        """Whether there is a rule for this failpoint."""
        with self._lock:
            self._reread()
            return name in self._rules

    def _reread(self) -> None:
        if self._file is None:
            return
        try:
            text = self._file.read_text()
        except OSError:
            text = ""
        if text != self._text:
            self._text, self._rules = text, read_rules(text)
            self._passed.clear()


def read_rules(text: str) -> dict[str, Rule]:
    """Read rules by the names of their failpoints.

    Raises:
        ValueError: One is no rule, or names no failpoint.
    """
    rules: dict[str, Rule] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        match = _RULE.fullmatch(part)
        if match is None or match[1] not in FAILPOINTS:
            raise ValueError(f"no rule of a failpoint: {part}")
        name, action, kind, number = match.groups()
        word, seconds = action[:5], action[5:]
        timed = word in {"sleep", "block"}
        rules[name] = Rule(
            word if timed else action,
            float(seconds) if timed and seconds else _FOR_EVER,
            float(number) if kind == "p" else 1.0,
            int(float(number)) if kind == "n" else None,
        )
    return rules


_rules = Rules("", seed="", record=None)


def arm(environment: Mapping[str, str]) -> None:
    """Arm the failpoints if the environment says so, twice.

    Raises:
        SystemExit: It says so once, or unreadably, or this is Kubernetes.
    """
    global armed, _rules  # noqa: PLW0603 - a look at a module's flag is the cheapest there is
    source = environment.get("PILLARBOX_FAILPOINTS")
    acknowledged = environment.get("PILLARBOX_FAILPOINTS_ACKNOWLEDGED")
    if source is None and acknowledged is None:
        return
    if source is None or acknowledged != ACKNOWLEDGEMENT or "KUBERNETES_SERVICE_HOST" in environment:
        raise SystemExit("PILLARBOX_FAILPOINTS: is for torture tests only; mail would be at their mercy")
    record = environment.get("PILLARBOX_FAILPOINTS_RECORD")
    try:
        seed = environment.get("PILLARBOX_FAILPOINTS_SEED", "0")
        _rules = Rules(source, seed=seed, record=Path(record) if record else None)
    except ValueError as error:
        raise SystemExit(f"PILLARBOX_FAILPOINTS: {error}") from None
    armed = True


def expected(name: str) -> bool:
    """Whether something may happen here, for code that has to make room for it."""
    return armed and _rules.has(name)


def announce() -> None:
    """Say so, as loudly as a log can, once there is one."""
    if armed:
        log.critical("failpoints.armed")


async def reached(name: str) -> None:
    """Do what has to be done here, on an event loop."""
    rule = _rules.due(name)
    if rule is not None and rule.action in {"sleep", "hang"}:
        await asyncio.sleep(rule.seconds)
    elif rule is not None:
        _strike(rule, name)


def passed(name: str) -> None:
    """Do what has to be done here, in a thread that may wait."""
    if rule := _rules.due(name):
        _strike(rule, name)


def _strike(rule: Rule, name: str) -> None:
    if rule.action == "kill9":
        os.kill(os.getpid(), signal.SIGKILL)
    if rule.action == "raise":
        raise FailpointError(name)
    time.sleep(min(rule.seconds, threading.TIMEOUT_MAX))
