"""Messages from the command line: sent, followed, found, brought back."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.command.conftest import FakeSendGridWithScopes, Type, run
from tests.fakes import faults
from tests.fakes.entry import Entry
from tests.flow.system import System, until

LETTER = ("--from", "Shop <shop@example.com>", "--to", "joao@example.com", "--subject", "Hello")


def test_the_standard_input_is_the_text(pillarbox: Type, sendgrid: FakeSendGridWithScopes) -> None:
    """And the id is all that is printed."""
    ended = pillarbox("send", *LETTER, stdin="It wörks.\n")
    (sent,) = until(lambda: _sent(sendgrid, ended.out.strip()), 20, "the provider's request")

    assert (0, "") == (ended.status, ended.err)
    assert "It wörks.\n" == sent.payload["content"][0]["value"]


def test_a_message_goes_as_it_was_described(
    pillarbox: Type, system: System, sendgrid: FakeSendGridWithScopes, tmp_path: Path
) -> None:
    """Bodies and files, headers, tags, metadata, lane."""
    (tmp_path / "a.html").write_text("<p>It works.</p>")
    (tmp_path / "a.txt").write_text("It works.")
    (tmp_path / "note.pdf").write_bytes(bytes(range(256)))
    files = (
        "--html",
        f"{tmp_path}/a.html",
        "--text",
        f"{tmp_path}/a.txt",
        "--attach",
        f"{tmp_path}/note.pdf",
    )
    labels = ("--tag", "kind=receipt", "--metadata", "order=42", "--header", "X-Campaign: one", "--bulk")
    ended = pillarbox("send", *LETTER, "--cc", "c@example.com", *files, *labels, "--wait", "--json")
    message_id = ended.objects()[0]["id"]
    (sent,) = _sent(sendgrid, message_id)
    email = system.email(message_id)

    assert 0 == ended.status
    assert ["It works.", "<p>It works.</p>"] == [part["value"] for part in sent.payload["content"]]
    assert base64.b64encode(bytes(range(256))).decode() == sent.payload["attachments"][0]["content"]
    assert "application/pdf" == sent.payload["attachments"][0]["type"]
    assert ("bulk", {"order": "42"}, {"X-Campaign": "one"}) == (
        email["priority"],
        email["metadata"],
        email["headers"],
    )


def test_waiting_tells_the_timeline_and_the_end(pillarbox: Type, sendgrid: FakeSendGridWithScopes) -> None:
    """The exit status says whether it ended well."""
    well = pillarbox("send", *LETTER, "--body", "x", "--wait")
    sendgrid.script(faults.refuse(400))
    badly = pillarbox("send", *LETTER, "--body", "x", "--wait")

    assert (0, 1) == (well.status, badly.status)
    assert "Attempt 1 was accepted by sendgrid." in well.out
    assert ("Status: sent\n", "Status: failed\n") == (well.err, badly.err)


def test_the_same_idempotency_key_is_the_same_message(pillarbox: Type) -> None:
    """Without one of its own each command is another message."""
    same = [pillarbox("send", *LETTER, "--body", "x", "--idempotency-key", "order-1").out for _ in range(2)]
    others = [pillarbox("send", *LETTER, "--body", "x").out for _ in range(2)]

    assert (1, 2) == (len(set(same)), len(set(others)))


def test_a_message_is_shown_with_its_timeline(pillarbox: Type) -> None:
    """To people, and whole to programs; and its body alone."""
    message_id = pillarbox("send", *LETTER, "--body", "It works.", "--wait", "--json").objects()[0]["id"]
    shown = pillarbox("show", message_id)
    told = pillarbox("show", message_id, "--json").object()

    assert shown.out.startswith(f"{message_id}  sent\n")
    assert "Attempt 1 began at sendgrid." in shown.out
    assert ("sent", "accepted") == (told["status"], told["events"][0]["event"])
    assert "It works.\n" == pillarbox("show", message_id, "--body", "text").out
    assert 1 == pillarbox("show", message_id, "--body", "html").status


def test_messages_are_found_by_what_is_known_of_them(pillarbox: Type) -> None:
    """In columns parted by tabs, or one object a line; pages are no matter."""
    ids = [
        pillarbox("send", *LETTER, "--to", "found@example.org", "--body", "x").out.strip() for _ in range(3)
    ]
    search = ("list", "--to", "found@example.org", "--since", "1h")
    lines = pillarbox(*search, "--limit", "2").out.splitlines()

    assert list(reversed(ids)) == [email["id"] for email in pillarbox(*search, "--json").objects()]
    assert ["id", "created_at", "status", "to", "subject"] == lines[0].split("\t")
    assert [ids[2], ids[1]] == [line.split("\t")[0] for line in lines[1:]]
    assert (0, "There is no such message.\n") == (
        (nothing := pillarbox("list", "--to", "nobody@example.org")).status,
        nothing.err,
    )


def test_the_stream_goes_on_where_it_was_left(pillarbox: Type, tmp_path: Path) -> None:
    """By the place that is kept in a file."""
    place = str(tmp_path / "place")
    ids = [pillarbox("send", *LETTER, "--body", "x", "--wait", "--json").objects()[0]["id"] for _ in range(2)]
    first = pillarbox(
        "tail", "sent", "--from-start", "--id", ids[0], "--limit", "1", "--place-file", place, "--json"
    )
    second = pillarbox("tail", "sent", "--limit", "1", "--place-file", place)

    assert ("email.sent", ids[0]) == ((event := first.object())["type"], event["data"]["email_id"])
    assert ids[1] in second.out


def test_failed_messages_are_replayed_by_filters(
    pillarbox: Type, system: System, sendgrid: FakeSendGridWithScopes
) -> None:
    """Counted first, and only after a yes."""
    sendgrid.script(*[faults.refuse(400)] * 2)
    letter = ("send", *LETTER, "--to", "replayed@example.org", "--body", "x", "--wait", "--json")
    ids = {pillarbox(*letter).objects()[0]["id"] for _ in range(2)}
    filters = ("replay", "--status", "failed", "--to", "replayed@example.org")
    counted = pillarbox(*filters, "--dry-run", "--json").object()
    unasked = pillarbox(*filters)
    done = pillarbox(*filters, "--yes", "--json")
    system.wait_until_final([*ids], 20)

    assert (2, ids) == (counted["count"], set(counted["sample"]))
    assert (2, True) == (unasked.status, "say --yes" in unasked.err)
    assert (0, 2) == (done.status, done.object()["replayed"])


def test_messages_are_replayed_by_id(
    pillarbox: Type, system: System, sendgrid: FakeSendGridWithScopes
) -> None:
    """One that cannot be is named, and stops none of the others."""
    sendgrid.script(faults.refuse(400))
    failed = pillarbox("send", *LETTER, "--body", "x", "--wait", "--json").objects()[0]["id"]
    sent = pillarbox("send", *LETTER, "--body", "x", "--wait", "--json").objects()[0]["id"]
    ended = pillarbox("replay", sent, failed)

    assert (1, f"{sent}\tnot_replayable\n{failed}\tdone\n") == (ended.status, ended.out)
    assert system.wait_for(failed, "sent")


@pytest.mark.parametrize(("call", "status"), [("release", "sent"), ("drop", "failed")])
def test_held_messages_are_decided_on(
    pillarbox: Type, system: System, sendgrid: FakeSendGridWithScopes, call: str, status: str
) -> None:
    """Listed, then sent once more or given up."""
    sendgrid.script(faults.reset(accept=True))
    ended = pillarbox("send", *LETTER, "--body", "x", "--hold", "--wait", "--json")
    message_id = ended.objects()[0]["id"]
    listed = pillarbox("hold", "list", "--json").objects()
    decided = pillarbox("hold", call, message_id)

    assert 1 == ended.status
    assert [message_id] == [email["id"] for email in listed]
    assert (0, f"{message_id}\tdone\n") == (decided.status, decided.out)
    assert system.wait_for(message_id, status)
    assert (0, "Nothing is held.\n") == ((rest := pillarbox("hold", call, "--all")).status, rest.err)


def test_an_error_of_the_gateway_names_the_fields(pillarbox: Type) -> None:
    """For people, and for programs."""
    arguments = (
        "send",
        "--from",
        "nonsense",
        "--to",
        "x@y.example",
        "--to",
        "z",
        "--subject",
        "s",
        "--body",
        "b",
    )
    shown = pillarbox(*arguments)
    told = json.loads(pillarbox(*arguments, "--json").err)

    assert (3, "") == (shown.status, shown.out)
    assert ["  /from", "  /to/1"] == [line[: line.index("  ", 2)] for line in shown.err.splitlines()[1:]]
    assert ["/from", "/to/1"] == [error["pointer"] for error in told["errors"]]
    assert (3, 422) == (told["exit_status"], told["statusCode"])


def test_what_is_not_there_and_what_is_not_allowed_have_statuses_of_their_own(pillarbox: Type) -> None:
    """3 for what the gateway refuses, 5 for the key; the key is not repeated."""
    wrong = pillarbox("list", "--api-key", "pb_canary")

    assert 3 == pillarbox("show", "01a20445-5769-75a9-8d4b-0b1e6846ad17").status
    assert (5, True, False) == (wrong.status, "PILLARBOX_API_KEY" in wrong.err, "canary" in wrong.err)


def test_the_installed_command_sends(
    installed: Path, system: System, sendgrid: FakeSendGridWithScopes
) -> None:
    """Out of the wheel, in an environment of its own."""
    place = {"PILLARBOX_URL": f"http://127.0.0.1:{system.port}", "PILLARBOX_API_KEY": system.key}
    ended = run(installed / "pillarbox", "send", *LETTER, "--body", "x", "--wait", "--json", **place)

    assert (0, "") == (ended.returncode, ended.stderr)
    assert 1 == len(_sent(sendgrid, json.loads(ended.stdout.splitlines()[0])["id"]))


def _sent(fake: FakeSendGridWithScopes, message_id: str) -> list[Entry]:
    return [entry for entry in fake.requests if entry.message_id == message_id]
