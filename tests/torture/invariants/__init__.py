"""What has to hold after every run, each an iterator over sentences that say where it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from tests.torture.evidence import Evidence
from tests.torture.invariants import agreement, answers, conduct, doubles, fates, recovery, webhooks

Invariant = Callable[[Evidence], Iterator[str]]

INVARIANTS: Final[Mapping[str, Invariant]] = MappingProxyType(
    {
        "I1 no loss": fates.no_loss,
        "I2 no phantom": fates.no_phantom,
        "I3 no duplicate": doubles.no_doubles,
        "I4 status agrees": agreement.status_agrees,
        "I5 one key, one id": answers.one_key_one_id,
        "I6 content": answers.content_arrives,
        "I7 no leak": conduct.nothing_leaks,
        "I8 bounded": conduct.nothing_grows,
        "I9 recovery": recovery.all_comes_to_rest,
        "I10 history": agreement.history_is_sound,
        "I11 polite": conduct.nobody_is_pestered,
        "I12 timing": answers.nothing_is_early,
        "I13 cancel": fates.cancel_is_final,
        "I14 webhooks": webhooks.tenants_are_told,
    }
)
AGAIN: Final = ("I1 no loss", "I2 no phantom", "I3 no duplicate", "I4 status agrees", "I10 history")
"""Those that are looked at once more after a cold restart, which together are I15."""


def broken(evidence: Evidence) -> dict[str, list[str]]:
    """What does not hold, by invariant; an empty list where all is well."""
    return {name: list(invariant(evidence)) for name, invariant in INVARIANTS.items()}


def broken_by_restart(before: Evidence, after: Evidence) -> list[str]:
    """What does not hold any more once everything was stopped and started."""
    found = [f"{name}: {each}" for name in AGAIN for each in INVARIANTS[name](after)]
    return [*found, *agreement.history_stays(before, after)]
