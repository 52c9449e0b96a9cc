"""The folder that the inbox is read from."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import UUID

from services.gateway.dashboard.outbox import Outbox

OLD, NEW = UUID("0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b"), UUID("0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8c")
LETTER = b"From: a@example.com\r\nTo: ann@example.org\r\nSubject: Hi\r\n\r\nWords  of\r\nlove\r\n"


def write(folder: Path, message_id: UUID, seconds: int) -> Path:
    """Put a letter there, as if it had come at a time."""
    path = folder / f"{message_id}.eml"
    path.write_bytes(LETTER)
    os.utime(path, (seconds, seconds))
    return path


def test_the_latest_comes_first(tmp_path: Path) -> None:
    """By when it was written."""
    write(tmp_path, OLD, 2), write(tmp_path, NEW, 1)

    assert [OLD, NEW] == [file.id for file in Outbox(tmp_path).files()]


def test_nothing_but_letters_is_seen(tmp_path: Path) -> None:
    """No half-written file, no folder, no link, nothing of another name."""
    secret = tmp_path.parent / "secret"
    secret.write_text("x")
    (tmp_path / f"{OLD}.half").write_bytes(LETTER)
    (tmp_path / "letter.eml").write_bytes(LETTER)
    (tmp_path / f"{str(OLD).upper()}.eml").write_bytes(LETTER)
    (tmp_path / f"{{{OLD}}}.eml").write_bytes(LETTER)
    (tmp_path / f"{OLD}.eml").symlink_to(secret)
    (tmp_path / f"{NEW}.eml").mkdir()
    outbox = Outbox(tmp_path)

    assert [] == outbox.files()
    assert [None, None] == [outbox.source(one) for one in (OLD, NEW)]
    assert not outbox.remove(NEW)


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """The mailer makes it with the first letter."""
    outbox = Outbox(tmp_path / "none")

    assert ([], None, False) == (outbox.files(), outbox.source(OLD), outbox.remove(OLD))


def test_a_glance_tells_what_a_list_shows(tmp_path: Path) -> None:
    """And what a search looks through."""
    write(tmp_path, OLD, 1)
    outbox = Outbox(tmp_path)
    (file,) = outbox.files()
    glance = outbox.glance(file)

    assert glance is not None
    assert ("Hi", "a@example.com", "ann@example.org", "Words of love") == (
        glance.subject,
        glance.sender,
        glance.to,
        glance.snippet,
    )
    assert "words of love" in glance.words


def test_a_letter_that_was_written_again_is_read_again(tmp_path: Path) -> None:
    """As after a replay."""
    path = write(tmp_path, OLD, 1)
    outbox = Outbox(tmp_path)
    before = outbox.glance(outbox.files()[0])
    path.write_bytes(LETTER.replace(b"Hi", b"Hello"))
    after = outbox.glance(outbox.files()[0])

    assert ["Hi", "Hello"] == [glance.subject for glance in (before, after) if glance]


def test_a_removed_letter_is_gone(tmp_path: Path) -> None:
    """And its neighbours stay."""
    write(tmp_path, OLD, 1), write(tmp_path, NEW, 2)
    outbox = Outbox(tmp_path)

    assert outbox.remove(OLD)
    assert [NEW] == [file.id for file in outbox.files()]
