"""The outbox is a folder: under a file's name nothing happens twice, and nothing about it is uncertain."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from services.mailer.accounts.circuit import Position
from services.mailer.claims.claims import Wish
from services.mailer.outcome import Deferred
from services.mailer.providers.base import Request
from shared.signatures import Attachment, Event, OnUncertain, SendEmail
from tests.contract.conformance.mailer import PATIENT, mailing
from tests.contract.conformance.mishap import Known, Mishap
from tests.contract.conformance.rule import Means, expected
from tests.contract.conformance.story import letter, run

OUTBOX = "outbox"
_HALF_A_MEGABYTE = 1 << 19


def large_letter() -> SendEmail:
    """More than fits, where little does; and the claims still do."""
    return letter(attachments=(Attachment(filename="a.bin", content="AAAA" * _HALF_A_MEGABYTE),))


@contextmanager
def in_the_way(folder: Path) -> Iterator[None]:
    """A file has the folder's name."""
    folder.write_bytes(b"")
    yield
    folder.unlink()


@contextmanager
def no_room(_: Path) -> Iterator[None]:
    """No file may become so large."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_HALF_A_MEGABYTE, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_letter_becomes_a_file(tmp_path: Path) -> None:
    """One, whole, whose name is told."""
    folder, subject = tmp_path / OUTBOX, letter()

    async def story() -> None:
        claims = tmp_path / "claims.sqlite3"
        async with mailing(claims, {}, provider=OUTBOX, outbox_directory=folder) as mailer:
            await mailer.attempt(subject)
            await mailer.attempt(subject)
            (sent,) = mailer.sendings.requests
            last = mailer.told(subject)[-1]

            assert isinstance(sent, Request)
            assert {f"{subject.message_id}.eml": sent.body} == files(folder)
            assert (Event.SENT, f"{subject.message_id}.eml") == (last.event, last.provider_message_id)

    run(story())


@pytest.mark.parametrize("trouble", [in_the_way, no_room])
def test_what_cannot_be_written_is_certainly_not_there(
    tmp_path: Path, trouble: Callable[[Path], AbstractContextManager[None]]
) -> None:
    """It comes again, and is written when there is a place for it."""
    folder, subject = tmp_path / OUTBOX, large_letter()
    rule = expected(Mishap(name=OUTBOX, known=Known.AWAY), Means.KEY, OnUncertain.RESEND)

    async def story() -> None:
        claims = tmp_path / "claims.sqlite3"
        async with mailing(claims, {}, provider=OUTBOX, outbox_directory=folder) as mailer:
            with trouble(folder):
                outcome = await mailer.attempt(subject)
                circuit, told = mailer.accounts[OUTBOX].circuit.position, mailer.told(subject)[-1].event
                written = [name for name in files(folder) if name.endswith(".eml")]
            await mailer.to_its_end(subject, outcome)

            assert isinstance(outcome, Deferred)
            assert (Position.OPEN, Event.DEFERRED) == (rule.circuit, rule.event) == (circuit, told)
            assert [] == written
            assert rule.end == mailer.told(subject)[-1].event
            assert [f"{subject.message_id}.eml"] == [*files(folder)]

    run(story())


@pytest.mark.parametrize("wish", OnUncertain)
def test_a_file_that_may_be_there_is_written_again(tmp_path: Path, wish: OnUncertain) -> None:
    """The same bytes under the same name: so there is one, also of a letter that must not come twice."""
    folder, subject = tmp_path / OUTBOX, letter(on_uncertain=wish)

    async def story() -> None:
        claims = tmp_path / "claims.sqlite3"
        async with mailing(claims, {}, provider=OUTBOX, outbox_directory=folder) as mailer:
            await mailer._parts.claims.take(Wish(subject.message_id, OUTBOX))  # and then it died
            mailer.time.passes(4 * PATIENT)
            await mailer.attempt(subject)
            (sent,) = mailer.sendings.requests

            assert [Event.UNCERTAIN, Event.SENDING, Event.SENT] == [e.event for e in mailer.told(subject)]
            assert {f"{subject.message_id}.eml": sent.body} == files(folder)

    run(story())


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()} if folder.is_dir() else {}
