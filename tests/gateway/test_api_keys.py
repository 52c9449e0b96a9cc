"""``/api-keys`` as its callers meet it: a tenant's keys, made, listed, renamed and revoked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import resend

from services.gateway.tenants import keys
from tests.flow.system import EMAIL, System, until

FORM = re.compile(r"pb_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A gateway without a mailer, in the embedded mode."""
    folder = tmp_path_factory.mktemp("gateway")
    broker = f"filesystem://{folder}/broker"
    settings = {"PILLARBOX_API_KEY_USE_SECONDS": "0.2"}
    ledger, claims = f"sqlite:///{folder}/ledger.sqlite3", f"sqlite:///{folder}/claims.sqlite3"
    with System(folder, broker, broker, ledger, claims, settings) as system:
        yield system.start(mailers=0)


@pytest.fixture(scope="module")
def strangers(gateway: System) -> str:
    """A key of another tenant."""
    return gateway.create_key("--tenant", "stranger", "--rate", "5000")


def post(gateway: System, key: str | None = None, **body: Any) -> httpx.Response:
    """Ask for a key."""
    return gateway.client.post("/api-keys", json={"name": "a key", **body}, headers=gateway.headers(key))


def make(gateway: System, key: str | None = None, **body: Any) -> dict[str, str]:
    """Get a key."""
    answer = post(gateway, key, **body)
    assert answer.status_code == 201, answer.text
    made: dict[str, str] = answer.json()
    return made


def listed(gateway: System, key: str | None = None) -> dict[str, dict[str, Any]]:
    """All keys that a tenant sees, by id; it must not have more than a hundred."""
    answer = gateway.client.get("/api-keys", params={"limit": 100}, headers=gateway.headers(key)).json()
    assert (answer["object"], answer["has_more"]) == ("list", False)
    return {item["id"]: item for item in answer["data"]}


def status(gateway: System, key: str) -> int:
    """What a key is answered that may read."""
    return gateway.client.get("/emails/unknown", headers=gateway.headers(key)).status_code


def test_a_new_key_works_at_once(gateway: System) -> None:
    """201 with its id and the key itself, which nobody may store on the way."""
    answer = post(gateway)
    made = answer.json()

    assert {"id", "token"} == set(made)
    assert FORM.fullmatch(made["token"])
    assert UUID(made["id"]) == keys.read(made["token"])
    assert "no-store" == answer.headers["Cache-Control"]
    assert 404 == status(gateway, made["token"])


def test_a_key_is_listed_without_its_secret(gateway: System) -> None:
    """With all that was said of it, and when it was made."""
    made = make(
        gateway, name="Ünïcode", permission="sending_access", domains=["EXAMPLE.com", "bücher.example"]
    )
    plain = make(gateway)
    entries = listed(gateway)
    entry = entries[made["id"]]
    age = datetime.now(UTC) - datetime.fromisoformat(entry.pop("created_at"))

    assert {
        "id": made["id"],
        "name": "Ünïcode",
        "permission": "sending_access",
        "domains": ["example.com", "xn--bcher-kva.example"],
        "last_used_at": None,
    } == entry
    assert ("full_access", None) == (entries[plain["id"]]["permission"], entries[plain["id"]]["domains"])
    assert abs(age.total_seconds()) < 10


def test_the_list_comes_in_pages(gateway: System) -> None:
    """The newest first."""
    made = [make(gateway)["id"] for _ in range(3)]
    first = gateway.client.get("/api-keys?limit=2").json()
    second = gateway.client.get(f"/api-keys?limit=1&after={made[1]}").json()

    assert ([made[2], made[1]], True) == ([item["id"] for item in first["data"]], first["has_more"])
    assert [made[0]] == [item["id"] for item in second["data"]]


def test_a_key_can_be_renamed(gateway: System) -> None:
    """And stays what it was."""
    made = make(gateway)
    answer = gateway.client.patch(f"/api-keys/{made['id']}", json={"name": "renamed"})

    assert (200, {"object": "api_key", "id": made["id"]}) == (answer.status_code, answer.json())
    assert "renamed" == listed(gateway)[made["id"]]["name"]
    assert 404 == status(gateway, made["token"])


def test_a_revoked_key_is_refused_at_once(gateway: System) -> None:
    """Though it was used, and hence known, a moment before; and it is gone from the list."""
    made = make(gateway)
    before = status(gateway, made["token"])
    answer = gateway.client.request("DELETE", f"/api-keys/{made['id']}", json={})
    after = status(gateway, made["token"])
    again = gateway.client.delete(f"/api-keys/{made['id']}")
    renamed = gateway.client.patch(f"/api-keys/{made['id']}", json={"name": "x"})
    expected = {"object": "api_key", "id": made["id"], "deleted": True}

    assert (200, expected) == (answer.status_code, answer.json())
    assert (404, 403) == (before, after)
    assert [404, 404] == [again.status_code, renamed.status_code]
    assert made["id"] not in listed(gateway)


def test_keys_are_rotated_by_two_calls(gateway: System) -> None:
    """A key makes its successor, which revokes it; no request is refused in between."""
    old = make(gateway)
    new = make(gateway, old["token"])
    both = [status(gateway, key["token"]) for key in (old, new)]
    revoked = gateway.client.delete(f"/api-keys/{old['id']}", headers=gateway.headers(new["token"]))

    assert [404, 404] == both
    assert 200 == revoked.status_code
    assert [403, 404] == [status(gateway, key["token"]) for key in (old, new)]


def test_last_used_is_noted_in_passing(gateway: System) -> None:
    """Soon after the use, and never for a key that was not used."""
    made, unused = make(gateway), make(gateway)
    status(gateway, made["token"])
    moment = until(lambda: listed(gateway)[made["id"]]["last_used_at"], 5, "the note")

    assert abs((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()) < 10
    assert listed(gateway)[unused["id"]]["last_used_at"] is None


def test_last_used_survives_a_restart(gateway: System) -> None:
    """What was not noted yet is noted on the way out."""
    made = make(gateway)
    status(gateway, made["token"])
    gateway.gateway.stop()
    gateway.gateway.start()
    gateway.wait_until_ready()

    assert listed(gateway)[made["id"]]["last_used_at"] is not None


# Tenants


def test_tenants_do_not_see_each_other_s_keys(gateway: System, strangers: str) -> None:
    """A foreign key looks like one that never was, and comes to no harm."""
    ours = make(gateway)
    headers = gateway.headers(strangers)
    never = f"/api-keys/{uuid4()}"
    answers = [
        gateway.client.request(method, path, json={"name": "x"}, headers=headers)
        for path in (f"/api-keys/{ours['id']}", never, "/api-keys/nonsense")
        for method in ("PATCH", "DELETE")
    ]

    assert {404} == {answer.status_code for answer in answers}
    assert 1 == len({answer.text for answer in answers})
    assert ours["id"] not in listed(gateway, strangers)
    assert not set(listed(gateway)) & set(listed(gateway, strangers))
    assert ("a key", 404) == (listed(gateway)[ours["id"]]["name"], status(gateway, ours["token"]))


def test_a_key_makes_keys_of_its_own_tenant(gateway: System, strangers: str) -> None:
    """With its own rate."""
    made = make(gateway, strangers)
    answer = gateway.client.get("/api-keys", headers=gateway.headers(made["token"]))

    assert made["id"] in {item["id"] for item in answer.json()["data"]}
    assert "5000" == answer.headers["ratelimit-limit"]


def test_the_development_key_is_not_in_the_ledger(gateway: System) -> None:
    """It is in the settings, and cannot be revoked."""
    nobody = "00000000-0000-0000-0000-000000000000"

    assert nobody not in listed(gateway)
    assert 404 == gateway.client.delete(f"/api-keys/{nobody}").status_code


# Domains


def test_a_key_sends_from_its_domains_alone(gateway: System) -> None:
    """However the domain was spelt."""
    key = make(gateway, permission="sending_access", domains=["Example.COM"])["token"]
    senders = ("shop@example.com", "shop@EXAMPLE.com", "shop@sub.example.com", "shop@example.org")
    answers = [
        gateway.client.post("/emails", json={**EMAIL, "from": sender}, headers=gateway.headers(key))
        for sender in senders
    ]

    assert [202, 202, 403, 403] == [answer.status_code for answer in answers]


def test_a_key_cannot_make_one_that_may_do_more(gateway: System) -> None:
    """A key of full access with domains hands on these, or some of them."""
    maker = make(gateway, domains=["a.example", "b.example"])["token"]
    heir, part = make(gateway, maker), make(gateway, maker, domains=["b.example"])
    wide = post(gateway, maker, domains=["b.example", "c.example"])
    entries = listed(gateway)

    assert ["a.example", "b.example"] == entries[heir["id"]]["domains"]
    assert ["b.example"] == entries[part["id"]]["domains"]
    assert (422, ["/domains/1"]) == (
        wide.status_code,
        [error["pointer"] for error in wide.json()["errors"]],
    )


# Refused


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/name"),
        ({"name": ""}, "/name"),
        ({"name": "x" * 51}, "/name"),
        ({"name": "two\nlines"}, "/name"),
        ({"name": 7}, "/name"),
        ({"name": "x", "permission": "root"}, "/permission"),
        ({"name": "x", "domain_id": "d91cd9bd"}, "/domain_id"),
        ({"name": "x", "domains": []}, "/domains"),
        ({"name": "x", "domains": "example.com"}, "/domains"),
        ({"name": "x", "domains": ["example.com", "nonsense"]}, "/domains/1"),
        ({"name": "x", "domains": ["a@example.com"]}, "/domains/0"),
        ({"name": "x", "domains": ["a <b@example.com>"]}, "/domains/0"),
        ({"name": "x", "domains": ['" <b@example.com>']}, "/domains/0"),
        ({"name": "x", "domains": ["example.com>"]}, "/domains/0"),
        ({"name": "x", "domains": ["exa mple.com"]}, "/domains/0"),
        ({"name": "x", "domains": ["*.example.com"]}, "/domains/0"),
        ({"name": "x", "domains": [f"d{n}.example" for n in range(101)]}, "/domains"),
        ({"name": "x", "rate": 0}, "/rate"),
        ({"name": "x", "tenant": "stranger"}, "/tenant"),
        ([], ""),
    ],
    ids=str,
)
def test_a_key_that_cannot_be_made_is_refused(gateway: System, body: Any, pointer: str) -> None:
    """By naming the field."""
    before = set(listed(gateway))
    answer = gateway.client.post("/api-keys", json=body)

    assert 422 == answer.status_code
    assert [pointer] == [error["pointer"] for error in answer.json()["errors"]]
    assert before == set(listed(gateway))


def test_null_counts_as_left_out(gateway: System) -> None:
    """Some SDKs write all their fields."""
    made = make(gateway, permission=None, domains=None, domain_id=None)

    assert ("full_access", None) == tuple(
        listed(gateway)[made["id"]][name] for name in ("permission", "domains")
    )


def test_a_domain_id_is_refused_with_a_hint(gateway: System) -> None:
    """Resend's field has no meaning here; ours is named."""
    answer = post(gateway, domain_id="d91cd9bd-1176-453e-8fc1-35364d380206")

    assert "name them in domains" in answer.json()["message"]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "after=x", "page=2"])
def test_a_page_that_cannot_be_is_refused(gateway: System, query: str) -> None:
    """422, as in every list."""
    assert 422 == gateway.client.get(f"/api-keys?{query}").status_code


def test_resend_s_own_client_is_content(gateway: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes, lists, renames and revokes keys by our answers."""
    monkeypatch.setattr(resend, "api_url", str(gateway.client.base_url).rstrip("/"))
    monkeypatch.setattr(resend, "api_key", gateway.key)
    made = resend.ApiKeys.create({"name": "production", "permission": "sending_access"})
    names = [item["name"] for item in resend.ApiKeys.list({"limit": 1})["data"]]
    renamed = resend.ApiKeys.update({"id": made["id"], "name": "renamed"})
    gone = resend.ApiKeys.remove(made["id"])
    monkeypatch.setattr(resend, "api_key", made["token"])

    assert ["production"] == names
    assert (made["id"], made["id"], True) == (renamed["id"], gone["id"], gone["deleted"])
    with pytest.raises(resend.exceptions.InvalidApiKeyError):
        resend.ApiKeys.list()
    monkeypatch.setattr(resend, "api_key", "")
    with pytest.raises(resend.exceptions.MissingApiKeyError):
        resend.ApiKeys.list()
