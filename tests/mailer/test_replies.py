"""What is said of every provider's answers alike."""

from __future__ import annotations

import pytest

from services.mailer.outcome import (
    Accepted,
    Deferred,
    Outcome,
    Rejected,
    Suppressed,
    Trouble,
    Unauthorised,
    Uncertain,
)
from services.mailer.providers.base import Response
from services.mailer.providers.replies import by_status, of_the_whole
from tests.fakes import HTTP_FAKES
from tests.mailer.made import made


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        (429, Trouble.PACE),
        (408, Trouble.PROVIDER),
        (421, Trouble.PROVIDER),
        (425, Trouble.PROVIDER),
        (503, Trouble.PROVIDER),
    ],
)
def test_a_deferral_says_whose_trouble_it_is(status: int, trouble: Trouble) -> None:
    """Too fast is the account's affair; everything else that passes is the provider's."""
    outcome = by_status(Response(status))

    assert isinstance(outcome, Deferred)
    assert trouble is outcome.trouble


@pytest.mark.parametrize("kind", HTTP_FAKES)
def test_too_fast_is_a_matter_of_pace_everywhere(kind: str) -> None:
    """Whatever the provider's dialect, a bare 429 slows the account down and leaves its circuit alone."""
    outcome = made(kind).read(Response(429, b"", {"retry-after": "2"}))

    assert Deferred("HTTP 429", 2.0, Trouble.PACE) == outcome


@pytest.mark.parametrize("refusal", [Rejected("HTTP 422"), Suppressed("HTTP 422")])
def test_nobody_is_refused_with_the_whole_batch(refusal: Outcome) -> None:
    """The batch was refused for the sake of one of its messages, and each is owed an attempt of its own."""
    alone = Deferred("the batch was refused: HTTP 422", 0.0, Trouble.MESSAGE)

    assert [alone, alone, alone] == of_the_whole(refusal, 3)


@pytest.mark.parametrize(
    "outcome",
    [
        Uncertain("HTTP 500"),
        Unauthorised("HTTP 401"),
        Deferred("HTTP 429", 2.0, Trouble.PACE),
        Deferred("HTTP 503"),
        Accepted("a"),
    ],
)
def test_what_else_is_said_of_a_batch_holds_for_each(outcome: Outcome) -> None:
    """In doubt about the batch is in doubt about every message in it."""
    assert [outcome, outcome] == of_the_whole(outcome, 2)
