"""Suppressions as a caller meets them: a real gateway, and Resend's own SDK where it has a word for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx
import pytest
import resend

from services.gateway.tenants.callers import Permission
from tests.flow.system import System
from tests.gateway.tenants import client_of

ANA = "ana@example.com"
NOBODY = "nobody@example.com"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A gateway without a mailer, on the embedded broker."""
    folder = tmp_path_factory.mktemp("gateway")
    broker = f"filesystem://{folder}/broker"
    ledger, claims = f"sqlite:///{folder}/ledger.sqlite3", f"sqlite:///{folder}/claims.sqlite3"
    with System(folder, broker, broker, ledger, claims) as system:
        yield system.start(mailers=0)


@pytest.fixture
def client(gateway: System) -> Iterator[httpx.Client]:
    """A caller of a tenant that has no suppressions yet."""
    with client_of(gateway) as client:
        yield client


@pytest.fixture
def sdk(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resend's SDK, for the same tenant."""
    monkeypatch.setattr(resend, "api_key", client.headers["Authorization"].removeprefix("Bearer "))
    monkeypatch.setattr(resend, "api_url", str(client.base_url).removesuffix("/"))


def add(client: httpx.Client, email: str) -> str:
    """Suppress an address, and return the suppression's id."""
    answer = client.post("/suppressions", json={"email": email})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def emails(answer: httpx.Response) -> list[str]:
    """The addresses in a list."""
    assert answer.status_code == 200, answer.text
    return [item["email"] for item in answer.json()["data"]]


def one(client: httpx.Client, which: str) -> httpx.Response:
    """GET a suppression."""
    return client.get(f"/suppressions/{quote(which, safe='')}")


def error(answer: httpx.Response) -> tuple[int, str, list[str]]:
    """Status, name and pointers of an error."""
    body = answer.json()
    assert body["statusCode"] == answer.status_code
    return answer.status_code, body["name"], [item["pointer"] for item in body["errors"]]


# As the SDK has it


@pytest.mark.usefixtures("sdk")
def test_the_sdk_adds_finds_and_removes() -> None:
    """Each call is answered in the shape that Resend's SDK reads."""
    added = resend.Suppressions.add({"email": "Ana+news@Example.com"})
    again = resend.Suppressions.add({"email": "ana+NEWS@example.com"})
    by_email = resend.Suppressions.get("ana+news@example.com")
    by_id = resend.Suppressions.get(added["id"])
    listed = resend.Suppressions.list({"origin": "manual", "limit": 10})
    removed = resend.Suppressions.remove("ANA+news@example.com")

    assert ("suppression", added["id"]) == (added["object"], again["id"])
    assert by_email["id"] == by_id["id"] == added["id"]
    assert ("ana+news@example.com", "manual", None) == (
        *(by_id["email"], by_id["origin"]),
        by_id["source_id"],
    )
    assert ("list", False) == (listed["object"], listed["has_more"])
    assert [{"id", "email", "origin", "source_id", "created_at"}] == [set(item) for item in listed["data"]]
    assert ("suppression", added["id"], True) == (removed["object"], removed["id"], removed["deleted"])
    with pytest.raises(resend.exceptions.ResendError) as missing:
        resend.Suppressions.get(added["id"])
    assert (404, "not_found") == (missing.value.code, missing.value.error_type)


@pytest.mark.usefixtures("sdk")
def test_the_sdk_works_in_batches() -> None:
    """Doubled addresses count once; misses are left out and are no error."""
    added = resend.Suppressions.Batch.add({"emails": ["b@x.example", "A@x.example", "a@X.example"]})
    ids = [item["id"] for item in added["data"]]
    by_email = resend.Suppressions.Batch.remove({"emails": ["B@x.example", NOBODY]})
    by_id = resend.Suppressions.Batch.remove({"ids": [ids[1], ids[0], str(uuid4())]})

    assert [{"object": "suppression", "id": message_id} for message_id in ids] == added["data"]
    assert 2 == len(set(ids)) == len(ids)
    assert [{"object": "suppression", "id": ids[0], "deleted": True}] == by_email["data"]
    assert [{"object": "suppression", "id": ids[1], "deleted": True}] == by_id["data"]


# Addresses


@pytest.mark.parametrize(
    "email",
    [
        "a+b@example.com",
        "a/b@example.com",
        "a%b@example.com",
        "{a}@example.com",
        "a?b=c&d#e@example.com",
        "o'neil@example.com",
        "a*b^c`d|e~f@example.com",
    ],
)
def test_any_address_can_stand_in_the_path(client: httpx.Client, email: str) -> None:
    """Percent-encoded, as SDKs do."""
    suppression_id = add(client, email)

    assert (200, suppression_id) == (one(client, email).status_code, one(client, email).json()["id"])
    assert 200 == client.delete(f"/suppressions/{quote(email, safe='')}").status_code
    assert (404, "not_found", []) == error(one(client, email))


def test_every_spelling_is_the_same_address(client: httpx.Client) -> None:
    """Case and the domain's script make no difference."""
    suppression_id = add(client, "Max@MÜLLER.example")

    assert suppression_id == add(client, "max@xn--mller-kva.example")
    assert suppression_id == one(client, "MAX@müller.example").json()["id"]
    assert ["max@xn--mller-kva.example"] == emails(client.get("/suppressions"))


BAD = {
    "no field": ({}, "/email"),
    "null": ({"email": None}, "/email"),
    "no address": ({"email": "nonsense"}, "/email"),
    "a name beside it": ({"email": "Ana <ana@example.com>"}, "/email"),
    "a line break": ({"email": "ana@example.com\r\nBcc: x@example.com"}, "/email"),
    "NUL": ({"email": "a\0@example.com"}, "/email"),
    "a list": ({"email": [ANA]}, "/email"),
    "another field": ({"email": ANA, "reason": "bounce"}, "/reason"),
    "an array": ([], ""),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_suppressed_is_named(client: httpx.Client, case: str) -> None:
    """By its field; nothing is stored."""
    body, pointer = BAD[case]
    status, _, pointers = error(client.post("/suppressions", json=body))

    assert (422, [pointer]) == (status, pointers)
    assert not emails(client.get("/suppressions"))


BAD_BATCHES: dict[str, tuple[str, Any, str]] = {
    "add nothing": ("add", {}, "/emails"),
    "add nobody": ("add", {"emails": []}, "/emails"),
    "add one that is none": ("add", {"emails": [ANA, "nonsense"]}, "/emails/1"),
    "add a text": ("add", {"emails": ANA}, "/emails"),
    "add 1,001": ("add", {"emails": [ANA] * 1001}, "/emails"),
    "remove nothing": ("remove", {}, "/ids"),
    "remove both ways": ("remove", {"emails": [ANA], "ids": [str(uuid4())]}, "/ids"),
    "remove nobody": ("remove", {"emails": []}, "/emails"),
    "remove no ids": ("remove", {"ids": []}, "/ids"),
    "remove one that is none": ("remove", {"emails": ["nonsense"]}, "/emails/0"),
    "remove no id": ("remove", {"ids": [str(uuid4()), "x'; --"]}, "/ids/1"),
    "remove a number": ("remove", {"ids": [7]}, "/ids/0"),
    "remove 1,001": ("remove", {"ids": [str(uuid4())] * 1001}, "/ids"),
}


@pytest.mark.parametrize("case", BAD_BATCHES)
def test_a_bad_batch_is_refused_as_a_whole(client: httpx.Client, case: str) -> None:
    """With the place of what is wrong."""
    call, body, pointer = BAD_BATCHES[case]
    status, _, pointers = error(client.post(f"/suppressions/batch/{call}", json=body))

    assert (422, [pointer]) == (status, pointers)
    assert not emails(client.get("/suppressions"))


def test_a_batch_holds_a_thousand(client: httpx.Client) -> None:
    """In and out."""
    people = [f"person{number}@example.com" for number in range(1000)]
    added = client.post("/suppressions/batch/add", json={"emails": people}).json()["data"]
    removed = client.post("/suppressions/batch/remove", json={"ids": [item["id"] for item in added]})

    assert 1000 == len({item["id"] for item in added})
    assert {item["id"] for item in added} == {item["id"] for item in removed.json()["data"]}
    assert not emails(client.get("/suppressions"))


@pytest.mark.parametrize(
    "which", ["nonsense", "a@", "%00@x.example", "%ED%A0%80", "%ff", "..%2f@x", "%7Bx%7D"]
)
def test_what_names_nothing_is_not_found(client: httpx.Client, which: str) -> None:
    """Whatever it is."""
    answers = [client.request(method, f"/suppressions/{which}") for method in ("GET", "DELETE")]

    assert [(404, "not_found", [])] * 2 == [error(answer) for answer in answers]


# Lists


def test_lists_come_in_pages(client: httpx.Client) -> None:
    """The newest first, from one cursor to the next."""
    for number in range(5):
        add(client, f"person{number}@example.com")
    first = client.get("/suppressions", params={"limit": 3})
    last = first.json()["data"][-1]["id"]
    second = client.get("/suppressions", params={"limit": 3, "after": last})
    back = client.get("/suppressions", params={"limit": 3, "before": second.json()["data"][0]["id"]})

    assert [f"person{number}@example.com" for number in (4, 3, 2)] == emails(first) == emails(back)
    assert [f"person{number}@example.com" for number in (1, 0)] == emails(second)
    assert [True, False, False] == [page.json()["has_more"] for page in (first, second, back)]


def test_a_list_can_be_of_one_origin(client: httpx.Client) -> None:
    """An origin that does not exist is refused, rather than matching nothing."""
    add(client, ANA)

    assert [ANA] == emails(client.get("/suppressions", params={"origin": "manual"}))
    assert [] == emails(client.get("/suppressions", params={"origin": "bounce"}))
    for origin in ("", "Manual", "manual' OR 1=1", "\ufffd"):
        refused = client.get("/suppressions", params={"origin": origin})
        assert (422, "validation_error", ["/origin"]) == error(refused)


# Who may


def test_tenants_do_not_see_each_other(gateway: System, client: httpx.Client) -> None:
    """Not by id, not by address, not in lists, and not to remove."""
    suppression_id = add(client, ANA)
    with client_of(gateway) as other:
        answers = [one(other, suppression_id), one(other, ANA), other.delete(f"/suppressions/{ANA}")]
        removed = other.post("/suppressions/batch/remove", json={"ids": [suppression_id]})

        assert [404] * 3 == [answer.status_code for answer in answers]
        assert ([], []) == (removed.json()["data"], emails(other.get("/suppressions")))
    assert 200 == one(client, ANA).status_code


CHANGES: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/suppressions", {"email": ANA}),
    ("DELETE", f"/suppressions/{ANA}", None),
    ("POST", "/suppressions/batch/add", {"emails": [ANA]}),
    ("POST", "/suppressions/batch/remove", {"emails": [ANA]}),
)


def test_a_key_for_reading_changes_nothing(gateway: System) -> None:
    """Changes need full access, looking does not; a key for sending may do neither."""
    with client_of(gateway, permission=Permission.READING) as reader:
        changes = [reader.request(method, path, json=body) for method, path, body in CHANGES]

        assert [(401, "restricted_api_key", [])] * 4 == [error(answer) for answer in changes]
        assert [] == emails(reader.get("/suppressions"))
    with client_of(gateway, permission=Permission.SENDING) as sender:
        assert [401, 401] == [
            sender.get(path).status_code for path in ("/suppressions", f"/suppressions/{ANA}")
        ]


# What they are for


def test_nothing_is_sent_to_whom_is_suppressed(gateway: System) -> None:
    """A message to somebody suppressed ends at once; one to others, too, goes to the others."""
    client = gateway.client
    add(client, "Ana@Example.com")
    alone = gateway.accept({"from": "a@example.com", "to": "ANA@example.com", "subject": "x", "text": "x"})
    both = gateway.accept({"from": "a@example.com", "to": [ANA, NOBODY], "subject": "x", "text": "x"})
    client.delete(f"/suppressions/{ANA}")
    later = gateway.accept({"from": "a@example.com", "to": ANA, "subject": "x", "text": "x"})

    assert "suppressed" == gateway.email(alone)["status"]
    assert "suppressed" != gateway.email(both)["status"]
    assert "suppressed" != gateway.email(later)["status"]


def test_ids_are_those_of_the_list(client: httpx.Client) -> None:
    """UUIDs, and answers hold no time zone but UTC."""
    suppression_id = add(client, ANA)
    (item,) = client.get("/suppressions").json()["data"]

    assert suppression_id == str(UUID(item["id"]))
    assert item["created_at"].endswith("Z")


def test_no_address_is_logged(gateway: System) -> None:
    """Not even one that stands in the path."""
    gateway.client.get("/suppressions/canary%40example.com")
    gateway.client.post("/suppressions", json={"email": "canary@@example.com"})

    assert "canary%40" not in gateway.gateway.log()
    assert "canary@" not in gateway.gateway.log()
    assert "request.crashed" not in gateway.gateway.log()
