"""How requests are to be treated: a script for the next ones, a rule for the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from tests.fakes.entry import Entry
from tests.fakes.faults import Fault, usual

Rule = Callable[[Entry], Fault | None]


class Treatments:
    """Safe to use from any thread."""

    def __init__(self) -> None:
        self.rule: Rule | None = None
        """Asked for every request that the script does not cover; None is the usual treatment."""
        self._script: deque[Fault] = deque()

    def script(self, *treatments: Fault) -> None:
        """Treat the next requests so, one each."""
        self._script.extend(treatments)

    def of(self, entry: Entry) -> Fault:
        """Give the treatment of this request, which is the script's next if it has one."""
        if self._script:
            return self._script.popleft()
        return (self.rule(entry) if self.rule else None) or usual()

    def cut(self) -> Fault | None:
        """Give the script's next treatment if it has to begin before the request is read."""
        if self._script and self._script[0].how == "cut":
            return self._script.popleft()
        return None


class Searching(Treatments):
    """How searches are to be treated; a fault's ``accept`` means nothing here."""

    def __init__(self) -> None:
        super().__init__()
        self.lag = 0.0
        """Seconds after which an accepted message can be found."""
