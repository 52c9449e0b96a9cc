"""A gateway that is away, busy, restarted, or none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pillarbox.event_stream import read_events
from pillarbox.importing.batches import key_of
from pillarbox.importing.journal import Journal
from tests.command.scripted import Said, scripted
from tests.command.typing import typed
from tests.servers.server import free_port

SEND = (
    "send",
    "--from",
    "a@example.com",
    "--to",
    "b@example.com",
    "--subject",
    "s",
    "--body",
    "b",
    "--api-key",
    "k",
)
BUSY = Said(429, {"name": "rate_limit_exceeded", "message": "m"}, {"Retry-After": "0"})
AWAY = Said(503, {"name": "unavailable", "message": "m"}, {"Retry-After": "0"})
IN_DOUBT = Said(503, {"name": "unavailable", "message": "m", "message_id": "1"}, {"Retry-After": "0"})
WORKING = Said(409, {"name": "concurrent_idempotent_requests", "message": "m"}, {"Retry-After": "0"})
PAGE = Said(502, b"<html>Bad gateway</html>")
ACCEPTED = Said(202, {"id": "1"})
TEMPLATE = Said(200, {"variables": None})


def event(place: str, number: int) -> bytes:
    """One event of a stream."""
    data = {"email_id": str(number), "event": "sent", "actor": "mailer", "attempt": 1}
    data |= dict.fromkeys(("provider", "provider_message_id", "recipient", "reason", "retry_at"))
    told = {"type": "email.sent", "created_at": "2026-01-02T03:04:05Z", "data": data}
    return f"id: {place}\nevent: email.sent\ndata: {json.dumps(told)}\n\n".encode()


@pytest.mark.parametrize("trouble", [BUSY, AWAY, IN_DOUBT, WORKING, PAGE])
def test_a_message_is_sent_again_under_the_same_key(trouble: Said) -> None:
    """So that whatever became of the first try, there is one message."""
    with scripted(trouble, ACCEPTED) as gateway:
        ended = typed(*SEND, "--url", gateway.url)
    keys = {headers["idempotency-key"] for _, _, headers, _ in gateway.requests}

    assert (0, 2, 1) == (ended.status, len(gateway.requests), len(keys))


@pytest.mark.parametrize(("trouble", "tries"), [(BUSY, 2), (AWAY, 2), (IN_DOUBT, 1), (PAGE, 1)])
def test_what_has_no_key_is_repeated_only_if_nothing_was_done(trouble: Said, tries: int) -> None:
    """As a gateway's own 429 and 503 say, and a proxy's page does not."""
    with scripted(trouble, Said(200, {"data": []})) as gateway:
        ended = typed("suppress", "add", "a@example.com", "--url", gateway.url)

    assert (tries, 0 if tries == 2 else 4) == (len(gateway.requests), ended.status)


def test_an_import_waits_for_a_busy_gateway(tmp_path: Path) -> None:
    """As long as it asks for."""
    (tmp_path / "a.csv").write_text("email\na@example.org\n")
    accepted = Said(202, {"data": [{"id": "1"}], "errors": []})
    with scripted(TEMPLATE, BUSY, AWAY, PAGE, accepted) as gateway:
        ended = typed("import", str(tmp_path / "a.csv"), "--template", "t", "--url", gateway.url)

    assert (0, 5) == (ended.status, len(gateway.requests))
    assert 1 == len({body for method, _, _, body in gateway.requests if method == "POST"})


def test_an_import_is_halved_where_it_is_too_large(tmp_path: Path) -> None:
    """Down to the one message that is."""
    (tmp_path / "a.csv").write_text("email\na@example.org\nb@example.org\n")
    too_large = Said(413, {"name": "payload_too_large", "message": "m"})
    accepted = Said(202, {"data": [{"id": "1"}], "errors": []})
    with scripted(TEMPLATE, too_large, too_large, accepted) as gateway:
        ended = typed("import", str(tmp_path / "a.csv"), "--template", "t", "--url", gateway.url, "--json")

    assert {"line": 2, "status": "refused", "reason": "is too large"} == ended.objects()[0]
    assert (1, 1) == ((summary := ended.objects()[-1])["accepted"], summary["refused"])


def test_an_import_sends_nobody_twice_whose_first_time_is_too_long_ago(tmp_path: Path) -> None:
    """The gateway forgets idempotency keys after a day; those are left to a human."""
    (tmp_path / "a.csv").write_text("email\na@example.org\n")
    entries = [{"campaign": "c"}, {"begun": [key_of("c", "a@example.org")], "at": 0}]
    (tmp_path / "a.csv.c.journal").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    with scripted(TEMPLATE) as gateway:
        command = ("import", str(tmp_path / "a.csv"), "--template", "t", "--campaign", "c", "--json")
        ended = typed(*command, "--url", gateway.url)

    assert (1, 1, "in doubt") == (ended.status, len(gateway.requests), ended.objects()[0]["status"])


def test_an_import_stops_where_everybody_is_refused(tmp_path: Path) -> None:
    """It is the command that is wrong then, and not the rows."""
    (tmp_path / "a.csv").write_text("email\na@example.org\nb@example.org\n")
    refused = Said(
        202, {"data": [], "errors": [{"index": i, "message": f"/{i}/from: is required"} for i in (0, 1)]}
    )
    with scripted(TEMPLATE, refused) as gateway:
        ended = typed("import", str(tmp_path / "a.csv"), "--template", "t", "--url", gateway.url)

    assert (3, True) == (ended.status, "every message of the first batch: /from: is required" in ended.err)


def test_a_journal_of_another_campaign_is_not_used(tmp_path: Path) -> None:
    """Nor a file that is none."""
    (tmp_path / "a.csv").write_text("email\na@example.org\n")
    statuses = []
    for content in ('{"campaign":"other"}\n', "[1]\n", "nonsense\n"):
        (tmp_path / "j").write_text(content)
        with scripted(TEMPLATE) as gateway:
            command = ("import", str(tmp_path / "a.csv"), "--template", "t", "--journal", str(tmp_path / "j"))
            statuses.append(typed(*command, "--url", gateway.url).status)

    assert [2, 2, 2] == statuses


def test_two_imports_do_not_share_a_journal(tmp_path: Path) -> None:
    """The second one is told so."""
    (tmp_path / "a.csv").write_text("email\na@example.org\n")
    with Journal(tmp_path / "a.csv.t.journal", "t:a.csv"), scripted(TEMPLATE) as gateway:
        ended = typed("import", str(tmp_path / "a.csv"), "--template", "t", "--url", gateway.url)

    assert (2, True) == (ended.status, "another import is at work on it" in ended.err)


def test_a_stream_that_is_cut_goes_on_behind_its_last_event() -> None:
    """Nothing is told twice, and nothing is missed."""
    stream = {"Content-Type": "text/event-stream"}
    first = Said(200, b"retry: 2000\nid: 0-1\n\n" + event("0-2", 1) + b"id: 0-3\ndata: {", stream)
    with scripted(first, AWAY, Said(200, event("0-3", 2), stream)) as gateway:
        ended = typed("tail", "--limit", "2", "--url", gateway.url, "--json")

    assert ["1", "2"] == [each["data"]["email_id"] for each in ended.objects()]
    assert [None, "0-2", "0-2"] == [headers.get("last-event-id") for _, _, headers, _ in gateway.requests]


def test_a_stream_is_read_as_its_standard_has_it() -> None:
    """Comments, several lines of data, blocks without any."""
    lines = [
        "retry: 1",
        "id: 1",
        "",
        ": beat",
        "data: a",
        "data:b",
        "other: x",
        "",
        ":",
        "",
        "id: 3",
        "data: c",
        "",
    ]

    assert [("1", ""), ("1", "a\nb"), ("3", "c")] == [(each.id, each.data) for each in read_events(lines)]


def test_nobody_there_is_one_line() -> None:
    """With the URL, what to look at, and a status of its own."""
    url = f"http://127.0.0.1:{free_port()}"
    ended = [typed(*command, "--url", url) for command in (("show", "1"), ("tail",))]

    assert [4, 4] == [each.status for each in ended]
    assert all(
        url in each.err and "PILLARBOX_URL" in each.err and "Traceback" not in each.err for each in ended
    )


def test_somebody_else_there_is_told_apart() -> None:
    """A page that is no answer of ours; the doctor says so as well."""
    with scripted(Said(404, b"<html>")) as gateway:
        shown = typed("show", "1", "--url", gateway.url)
    with scripted(Said(200, b"<html>"), Said(200, b"<html>")) as gateway:
        looked = typed("doctor", "--remote", "--url", gateway.url)

    assert (3, "Error: 404: this does not look like an answer of Pillarbox.\n") == (shown.status, shown.err)
    assert (1, True) == (looked.status, "not as a gateway of Pillarbox does" in looked.out)
