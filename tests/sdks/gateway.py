"""Pillarbox as an SDK's user sees it: an address, a key, and letters in the outbox."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import uuid4

from services.gateway.tenants.keys import generate
from tests.flow.system import BIN, ROOT, System, until

KEY = "key-of-the-sdk-tests"
"""The key with full access that the gateway is started with."""

STRANGE_KEY = generate(uuid4()).text
"""A key of the right form that nobody knows."""

NOWHERE = "0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b"
"""An id that nothing has."""

PICTURE = bytes(range(256))


@dataclass(frozen=True, slots=True)
class Pillarbox:
    """A running system and the letters that it delivers."""

    system: System

    @property
    def url(self) -> str:
        """What an SDK is given as its base URL."""
        return f"http://127.0.0.1:{self.system.port}"

    def letter(self, message_id: str) -> EmailMessage:
        """The delivered message, as soon as it is there."""
        file = self._outbox / f"{message_id}.eml"
        until(file.exists, 30, f"the letter {message_id}")
        return _read(file)

    def letters(self, subject: str, count: int = 1) -> list[EmailMessage]:
        """The delivered messages with a subject, in the order of their To, as soon as there are *count*."""

        def look() -> list[EmailMessage] | None:
            found = [letter for letter in self._delivered() if letter["Subject"] == subject]
            return found if len(found) == count else None

        found = until(look, 30, f"{count} letters with the subject {subject!r}")
        return sorted(found, key=lambda letter: str(letter["To"]))

    def subjects(self) -> set[str]:
        """The subjects of everything delivered so far."""
        return {str(letter["Subject"]) for letter in self._delivered()}

    def status(self, message_id: str) -> str:
        """What the gateway says of a message, to callers who have no SDK."""
        answer = self.system.client.get(
            f"/emails/{message_id}", headers={"Authorization": f"Bearer {KEY}"}
        ).raise_for_status()
        return str(answer.json()["last_event"])

    def make_key(self, *options: str) -> str:
        """Make an API key as an operator does."""
        command = [str(BIN / "python"), "-m", "services.gateway", "keys", "create", "--tenant", "default"]
        result = subprocess.run(
            [*command, *options],
            env=self.system.gateway.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return result.stdout.strip()

    @property
    def _outbox(self) -> Path:
        return self.system.folder / "outbox"

    def _delivered(self) -> Iterator[EmailMessage]:
        return (_read(file) for file in self._outbox.glob("*.eml"))


def _read(file: Path) -> EmailMessage:
    letter = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert isinstance(letter, EmailMessage)
    return letter


def texts(letter: EmailMessage) -> dict[str, str]:
    """The bodies of a letter by their type, without the line break at their end."""
    bodies = (letter.get_body([kind]) for kind in ("plain", "html"))
    return {body.get_content_type(): body.get_content().rstrip("\r\n") for body in bodies if body}


def files(letter: EmailMessage) -> dict[str, tuple[str, str | None, Any]]:
    """The type, Content-ID and content of each file in a letter, by its name."""
    return {
        name: (part.get_content_type(), part["Content-ID"], part.get_payload(decode=True))
        for part in letter.walk()
        if (name := part.get_filename())
    }


def tags(letter: EmailMessage) -> set[str]:
    """The tags that a letter in the outbox shows, without their names."""
    return {str(tag).rpartition(":")[2] for tag in letter.get_all("X-Pillarbox-Tag", [])}


def metadata(letter: EmailMessage) -> dict[str, Any]:
    """The metadata that a letter in the outbox shows."""
    shown: dict[str, Any] = json.loads(letter["X-Pillarbox-Metadata"])
    return shown


def after(**duration: float) -> datetime:
    """The moment so long from now, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(**duration)


def moment(text: str) -> datetime:
    """The moment that the API writes."""
    return datetime.fromisoformat(text)
