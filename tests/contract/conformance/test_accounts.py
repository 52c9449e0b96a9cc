"""What one message's mishap means for the others: an account that fails them is left alone for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from services.mailer.outcome import Accepted, Deferred, Outcome, Redundant
from shared.signatures import Event
from tests.contract.conformance.mishap import Known, Mishap
from tests.contract.conformance.story import MAIN, SPARE, befallen, letter, run, telling
from tests.contract.conformance.surroundings import REFUSED_CONNECTION, WRONG_KEY
from tests.fakes import FAKES, FakeSmtp, faults
from tests.fakes.faults import Fault
from tests.fakes.smtp import at

FAILURES = 4
ASKED = 7.0

ENOUGH: dict[str, tuple[str, int]] = {
    "away": ("refused-connection", FAILURES),
    "in-doubt": ("lost", FAILURES),
    "refused": ("wrong-key", 3),  # one alone could be about a sender
    "too-fast": ("too-fast", 1),
}
"""What it takes until an account is left alone."""


def mishap(kind: str, name: str) -> Mishap:
    """Give what the account bears, or does not bear, as it happens at a provider of this kind."""
    by_smtp = kind == FakeSmtp.kind
    pace = at("mail", FakeSmtp.weights["450-pace"][1]) if by_smtp else faults.throttle("seconds", ASKED)
    refusal = at("rcpt", faults.refuse(550)) if by_smtp else faults.refuse(400)
    said: dict[str, tuple[Known, Fault]] = {
        "lost": (Known.NOTHING, faults.reset()),
        "too-fast": (Known.TOO_FAST, pace),
        "refusal": (Known.NOT_THIS, refusal),
    }
    if name in said:
        return Mishap(name=name, known=said[name][0], fault=said[name][1])
    return {each.name: each for each in (REFUSED_CONNECTION, WRONG_KEY)}[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Afterwards:
    """What became of one more message, after others had met with a mishap."""

    outcome: Outcome | Redundant
    attempts: Sequence[str | None]
    """Where it was tried."""
    requests: int
    """How many of them there were, at whatever account."""


async def after(kind: str, name: str, times: int, *, spare: bool = False) -> Afterwards:
    """Let so many messages meet with it, one after the other, and then one more come."""
    async with telling(kind, spare=spare, circuit_failures=FAILURES) as (mailer, fakes):
        for _ in range(times):
            await befallen(mailer, fakes[MAIN], mishap(kind, name), letter())
        before = len(mailer.sendings.requests)
        subject = letter()
        outcome = await mailer.attempt(subject)
        return Afterwards(
            outcome=outcome,
            attempts=[each.provider for each in mailer.told(subject) if each.event == Event.SENDING],
            requests=len(mailer.sendings.requests) - before,
        )


every = pytest.mark.parametrize("kind", FAKES)


@pytest.mark.parametrize("what", [name for name in ENOUGH if name != "too-fast"])
@every
def test_an_account_bears_some(kind: str, what: str) -> None:
    """One less than what is too much, and mail is still tried there."""
    name, times = ENOUGH[what]
    afterwards = run(after(kind, name, times - 1))

    assert isinstance(afterwards.outcome, Accepted)
    assert [MAIN] == afterwards.attempts


@pytest.mark.parametrize("what", ENOUGH)
@every
def test_an_account_that_fails_the_others_is_left_alone(kind: str, what: str) -> None:
    """Mail waits where it is, and burns no attempt; after a word on its pace it may wait for its turn."""
    name, times = ENOUGH[what]
    if what == "too-fast" and kind == FakeSmtp.kind:
        pytest.skip("no mail server says for how long, so nobody is sent away")
    afterwards = run(after(kind, name, times))

    assert isinstance(afterwards.outcome, Deferred)
    assert ([], 0) == (afterwards.attempts, afterwards.requests)


@pytest.mark.parametrize("what", ENOUGH)
@every
def test_mail_goes_past_an_account_that_is_left_alone(kind: str, what: str) -> None:
    """To the next one, without a word to the first."""
    name, times = ENOUGH[what]
    if what == "too-fast" and kind == FakeSmtp.kind:
        pytest.skip("no mail server says for how long, so nobody is sent away")
    afterwards = run(after(kind, name, times, spare=True))

    assert isinstance(afterwards.outcome, Accepted)
    assert ([SPARE], 1) == (afterwards.attempts, afterwards.requests)


@every
def test_what_is_wrong_with_messages_is_no_fault_of_the_account(kind: str) -> None:
    """However many are refused."""
    afterwards = run(after(kind, "refusal", 2 * FAILURES))

    assert isinstance(afterwards.outcome, Accepted)
    assert [MAIN] == afterwards.attempts
