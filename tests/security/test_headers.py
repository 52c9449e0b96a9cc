"""Nothing that a caller writes becomes a header of the mail that the caller may not write."""

from __future__ import annotations

import base64
import email
import email.policy
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.flow.system import EMAIL, System, until

INJECTED = "X-Injected"
ENDS = {
    "CR LF": "\r\n",
    "LF": "\n",
    "CR": "\r",
    "NUL": "\0",
    "vertical tab": "\v",
    "form feed": "\f",
    "file separator": "\x1c",
    "NEL": "\x85",
    "line separator": "\u2028",
    "paragraph separator": "\u2029",
    "half a character": "\ud800",
    "escaped": "%0d%0a",
    "encoded": "=?utf-8?q?=0D=0A?=",
    "a letter that ends in 0A": "\u010a",
    "letters that end in 0D 0A": "\u560d\u560a",
}
"""What some reader or other takes for the end of a line."""


def attachment(**fields: str) -> dict[str, Any]:
    """An e-mail with a file."""
    content = base64.b64encode(b"file").decode()
    return EMAIL | {"attachments": [{"filename": "a.txt", "content": content, **fields}]}


PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "from": lambda text: EMAIL | {"from": f"shop{text}@example.com"},
    "the sender's name": lambda text: EMAIL | {"from": f"Shop{text} <shop@example.com>"},
    "the sender's quoted name": lambda text: EMAIL | {"from": f'"Shop{text}" <shop@example.com>'},
    "the sender's domain": lambda text: EMAIL | {"from": f"shop@example.com{text}"},
    "to": lambda text: EMAIL | {"to": f"joao{text}@example.com"},
    "a recipient's name": lambda text: EMAIL | {"to": [f"Joao{text} <joao@example.com>"]},
    "cc": lambda text: EMAIL | {"cc": f"Ann{text} <ann@example.com>"},
    "bcc": lambda text: EMAIL | {"bcc": f"Ann{text} <ann@example.com>"},
    "reply_to": lambda text: EMAIL | {"reply_to": f"Ann{text} <ann@example.com>"},
    "subject": lambda text: EMAIL | {"subject": f"Hello{text}"},
    "a header's name": lambda text: EMAIL | {"headers": {f"X-A{text}": "1"}},
    "a header's value": lambda text: EMAIL | {"headers": {"X-A": f"1{text}"}},
    "a tag's name": lambda text: EMAIL | {"tags": [{"name": f"a{text}", "value": "b"}]},
    "a tag's value": lambda text: EMAIL | {"tags": [{"name": "a", "value": f"b{text}"}]},
    "metadata": lambda text: EMAIL | {"metadata": {f"a{text}": f"b{text}"}},
    "a file's name": lambda text: attachment(filename=f"a{text}.txt"),
    "a file's type": lambda text: attachment(content_type=f"text/plain{text}"),
    "a file's charset": lambda text: attachment(content_type=f"text/plain; charset=utf-8{text}"),
    "a file's content id": lambda text: attachment(content_id=f"a{text}"),
}


@pytest.fixture(scope="module")
def tried(box: System) -> dict[str, list[tuple[str, int, str]]]:
    """By place: what was tried, how it was answered, and the id if it was accepted."""
    client = box.client
    answers: dict[str, list[tuple[str, int, str]]] = {}
    for place, write in PLACES.items():
        for end, text in ENDS.items():
            body = write(f"{text}{INJECTED}: yes")
            answer = client.post("/emails", content=_json(body), headers={"Content-Type": "application/json"})
            answers.setdefault(place, []).append((end, answer.status_code, answer.json().get("id", "")))
    return answers


def _json(body: dict[str, Any]) -> bytes:
    """As JSON: httpx would refuse half a character."""
    return json.dumps(body).encode()


CONTROLS = [end for end, text in ENDS.items() if not text.isprintable() and end != "half a character"]


@pytest.mark.parametrize("place", PLACES)
def test_control_characters_are_refused(tried: dict[str, list[tuple[str, int, str]]], place: str) -> None:
    """Wherever they would be in a header; nothing is cut out in silence."""
    statuses = {end: status for end, status, _ in tried[place]}

    assert statuses.pop("half a character") == 400
    assert {200 <= status < 500 for status in statuses.values()} == {True}
    if place != "metadata":  # no provider makes a header of it here: it is JSON in a field
        assert {422} == {statuses[end] for end in CONTROLS}


@pytest.mark.parametrize("place", PLACES)
def test_what_is_accepted_writes_no_header(
    box: System, tried: dict[str, list[tuple[str, int, str]]], place: str
) -> None:
    """What went out has the headers that it should have, by two ways of reading it."""
    for end, status, message_id in tried[place]:
        if status != 202:
            continue
        file = box.folder / "outbox" / f"{message_id}.eml"
        written = until(lambda file=file: file.read_bytes() if file.exists() else None, 60, end)  # type: ignore[misc]
        letters = [
            email.message_from_bytes(written, policy=policy)
            for policy in (email.policy.compat32, email.policy.SMTP)
        ]
        parts = [part for letter in letters for part in letter.walk()]

        assert not [part for part in parts if INJECTED in part], end
        assert not [
            line for line in written.split(b"\n") if line.lower().startswith(INJECTED.lower().encode())
        ]
        assert {1} == {len(letter.get_all("Subject", [])) for letter in letters}


def test_not_everything_was_refused(tried: dict[str, list[tuple[str, int, str]]]) -> None:
    """Or nothing was shown by it."""
    taken = {place for place, answers in tried.items() if 202 in {status for _, status, _ in answers}}

    assert {"subject", "the sender's quoted name", "a header's value", "a file's name", "metadata"} <= taken


def test_a_variable_writes_no_header(box: System) -> None:
    """Nor does what becomes a subject in the mailer."""
    template = {"name": "headers", "subject": "Hi {{ name }}", "text": "Hi {{ name }}"}
    made = box.client.post("/templates", json=template).json()["id"]
    assert box.client.post(f"/templates/{made}/publish").is_success
    body = {name: EMAIL[name] for name in ("from", "to")}
    for text in ENDS.values():
        if text == "\ud800":
            continue
        use = {"template": {"id": made, "variables": {"name": f"Ann{text}{INJECTED}: yes"}}}
        answer = box.client.post("/emails", json=body | use)
        if answer.status_code != 202:
            assert 422 == answer.status_code
            continue
        message_id = answer.json()["id"]
        if _end(box, message_id) == "sent":
            letter = email.message_from_bytes((box.folder / "outbox" / f"{message_id}.eml").read_bytes())
            assert INJECTED not in letter


def _end(box: System, message_id: str) -> str:
    def look() -> str | None:
        status = str(box.email(message_id)["status"])
        return status if status in {"sent", "failed"} else None

    return until(look, 60, "its end")
