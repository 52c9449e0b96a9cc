"""``/emails`` as a caller meets it: idempotency, batches, schedules, suppressed recipients, tenants."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.flow.system import EMAIL, System, until, wait_past

IN_AN_HOUR = (datetime.now(UTC) + timedelta(hours=1)).isoformat()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A gateway without a mailer, on the embedded broker."""
    folder = tmp_path_factory.mktemp("gateway")
    broker = f"filesystem://{folder}/broker"
    ledger, claims = f"sqlite:///{folder}/ledger.sqlite3", f"sqlite:///{folder}/claims.sqlite3"
    with System(folder, broker, broker, ledger, claims) as system:
        yield system.start(mailers=0)


@pytest.fixture(scope="module")
def stranger(gateway: System) -> Iterator[httpx.Client]:
    """A client of another tenant."""
    with client_of(gateway, "stranger") as client:
        yield client


def client_of(gateway: System, tenant: str, *options: str) -> httpx.Client:
    """A client with a new key of a tenant."""
    key = gateway.create_key("--tenant", tenant, *options)
    return httpx.Client(base_url=gateway.client.base_url, headers=gateway.headers(key), timeout=10)


def email(**changes: Any) -> dict[str, Any]:
    """An e-mail with some fields changed."""
    return {**EMAIL, **changes}


def post(
    gateway: System, body: Any, path: str = "/emails", key: str | None = None, **headers: str
) -> httpx.Response:
    """POST, perhaps under an idempotency key."""
    if key is not None:
        headers["Idempotency-Key"] = key
    return gateway.client.post(path, json=body, headers=headers)


def statuses(gateway: System, ids: list[str]) -> list[str]:
    """The status of each message."""
    return [gateway.email(message_id)["status"] for message_id in ids]


class TestIdempotency:
    """One key, one request."""

    def test_a_repeat_gets_the_stored_answer(self, gateway: System) -> None:
        """Blanks and the order of fields make no difference."""
        first = post(gateway, email(), key="repeat")
        reordered = json.dumps(dict(reversed(email().items())), indent=3)
        headers = {"Idempotency-Key": "repeat", "Content-Type": "application/json"}
        second = gateway.client.post("/emails", content=reordered, headers=headers)

        assert (202, 202, first.json()) == (first.status_code, second.status_code, second.json())
        assert (None, "true") == tuple(r.headers.get("Idempotent-Replayed") for r in (first, second))

    def test_another_body_under_the_same_key_is_refused(self, gateway: System) -> None:
        """What was meant cannot be known."""
        post(gateway, email(), key="changed")
        answer = post(gateway, email(subject="Another"), key="changed")

        assert (409, "invalid_idempotent_request") == (answer.status_code, answer.json()["name"])

    def test_another_call_under_the_same_key_is_another_request(self, gateway: System) -> None:
        """The same JSON sent elsewhere means something else."""
        post(gateway, email(), key="elsewhere")
        answer = post(gateway, [email()], "/emails/batch", key="elsewhere")

        assert 409 == answer.status_code

    @pytest.mark.parametrize("key", [b"", b"x" * 257, b"a\tb", "ö".encode()])
    def test_a_key_that_is_none(self, gateway: System, key: bytes) -> None:
        """1 to 256 printable ASCII characters."""
        answer = gateway.client.post("/emails", json=email(), headers={b"Idempotency-Key": key})

        assert (400, "invalid_idempotency_key") == (answer.status_code, answer.json()["name"])

    def test_the_longest_key(self, gateway: System) -> None:
        """256 characters are none too many, blanks among them."""
        assert 202 == post(gateway, email(), key="k " * 127 + "kk").status_code

    def test_what_was_refused_leaves_the_key_free(self, gateway: System) -> None:
        """The corrected request may use it."""
        refused = post(gateway, email(to="nobody"), key="corrected")
        answer = post(gateway, email(), key="corrected")

        assert [422, 202] == [refused.status_code, answer.status_code]

    @pytest.mark.parametrize("how", ["/emails", "/emails/batch", "permissive"])
    def test_a_repeat_that_came_too_late_is_still_a_repeat(self, gateway: System, how: str) -> None:
        """A moment that lay ahead has passed since; sent anew, the same body would be refused."""
        path = "/emails" if how == "/emails" else "/emails/batch"
        headers = {"x-batch-validation": "permissive"} if how == "permissive" else {}
        body = email(expires_at=(expires_at := datetime.now(UTC) + timedelta(seconds=4)).isoformat())
        sent = body if path == "/emails" else [body]
        first = post(gateway, sent, path, key=f"late {how}", **headers)
        wait_past(expires_at)
        repeated = post(gateway, sent, path, key=f"late {how}", **headers)
        changed = post(gateway, [email(to="nobody")], path, key=f"late {how}", **headers)
        anew = post(gateway, sent, path)

        assert [202, 202, 409, 422] == [r.status_code for r in (first, repeated, changed, anew)]
        assert first.json() == repeated.json()
        assert "true" == repeated.headers["Idempotent-Replayed"]

    def test_keys_belong_to_tenants(self, gateway: System, stranger: httpx.Client) -> None:
        """Somebody else's key of the same name is another one."""
        ours = post(gateway, email(), key="mine")
        theirs = stranger.post("/emails", json=email(), headers={"Idempotency-Key": "mine"})

        assert (202, 202) == (ours.status_code, theirs.status_code)
        assert ours.json() != theirs.json()

    def test_while_it_is_worked_on_a_repeat_is_asked_to_wait(self, gateway: System) -> None:
        """Fifty at once are one message: some are told its id, some to come again, and all get it then."""
        body = email(subject="At once")
        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(lambda _: post(gateway, body, key="at once"), range(50)))
        accepted = {answer.json()["id"] for answer in answers if answer.status_code == 202}
        waiting = [answer for answer in answers if answer.status_code != 202]
        again = post(gateway, body, key="at once")

        assert 1 == len(accepted)
        assert all("concurrent_idempotent_requests" == answer.json()["name"] for answer in waiting)
        assert all("1" == answer.headers["Retry-After"] for answer in waiting)
        assert accepted == {again.json()["id"]}

    def test_a_welcome_email_takes_a_key_too(self, gateway: System) -> None:
        """Whatever is accepted can be repeated safely."""
        answers = [post(gateway, {"email": "a@example.com"}, "/welcome-emails", "w") for _ in range(2)]

        assert answers[0].json() == answers[1].json()


class TestBatches:
    """Many messages in one request."""

    def test_all_are_accepted_in_order(self, gateway: System) -> None:
        """The ids stand in the order of the messages."""
        answer = post(gateway, [email(subject=f"Number {n}") for n in range(5)], "/emails/batch")
        ids = [item["id"] for item in answer.json()["data"]]

        assert (202, {"data"}) == (answer.status_code, set(answer.json()))
        assert [f"Number {n}" for n in range(5)] == [gateway.email(i)["subject"] for i in ids]

    def test_a_thousand_are_not_too_many(self, gateway: System) -> None:
        """But one more is."""
        answer = post(gateway, [email()] * 1000, "/emails/batch")
        refused = post(gateway, [email()] * 1001, "/emails/batch")

        assert (202, 1000) == (answer.status_code, len(answer.json()["data"]))
        assert (422, "The body: must hold at most 1000 e-mails") == (
            refused.status_code,
            refused.json()["message"],
        )

    def test_strict_is_all_or_nothing(self, gateway: System) -> None:
        """Every failing field of every item is named."""
        batch = [email(subject="strict"), email(to="nobody"), email(subject=None, text=None), 7]
        answer = post(gateway, batch, "/emails/batch")
        pointers = [error["pointer"] for error in answer.json()["errors"]]

        assert (422, "missing_required_field") == (answer.status_code, answer.json()["name"])
        assert ["/1/to", "/2/subject", "/2/html", "/3"] == pointers
        assert answer.json()["message"].startswith("/1/to: must look like")

    def test_permissive_takes_what_is_valid(self, gateway: System) -> None:
        """The others are reported by their place."""
        batch = [email(to="nobody"), email(subject="permissive"), email(surprise=1)]
        answer = post(gateway, batch, "/emails/batch", **{"x-batch-validation": "permissive"})
        body = answer.json()

        assert (202, 1, [0, 2]) == (
            answer.status_code,
            len(body["data"]),
            [error["index"] for error in body["errors"]],
        )
        assert "/2/surprise: is not a field of this call" == body["errors"][1]["message"]
        assert "permissive" == gateway.email(body["data"][0]["id"])["subject"]

    def test_permissive_without_errors_says_so(self, gateway: System) -> None:
        """SDKs look for the list."""
        answer = post(gateway, [email()], "/emails/batch", **{"x-batch-validation": "permissive"})

        assert [] == answer.json()["errors"]

    def test_permissive_with_nothing_valid(self, gateway: System) -> None:
        """Nothing is accepted, and everything is reported."""
        answer = post(gateway, [{}], "/emails/batch", **{"x-batch-validation": "permissive"})

        assert (202, []) == (answer.status_code, answer.json()["data"])
        assert [0] == [error["index"] for error in answer.json()["errors"]]

    @pytest.mark.parametrize("batch", [[], {}, "text", 7])
    def test_what_is_no_batch(self, gateway: System, batch: Any) -> None:
        """An array with at least one e-mail is."""
        assert 422 == post(gateway, batch, "/emails/batch").status_code

    def test_an_unknown_way_to_validate(self, gateway: System) -> None:
        """Guessing could send what must not be sent."""
        answer = post(gateway, [email()], "/emails/batch", **{"x-batch-validation": "maybe"})

        assert (422, True) == (answer.status_code, "x-batch-validation" in answer.json()["message"])

    def test_a_batch_must_not_grow_without_bounds(self, gateway: System) -> None:
        """Each of its messages carries its template's source with it."""
        template = {"name": "long", "alias": "long", "subject": "Hi", "text": "x" * 200_000}
        assert gateway.client.post("/templates", json=template).is_success
        assert gateway.client.post("/templates/long/publish").is_success
        item = {"from": "shop@example.com", "to": "a@example.com", "template": {"id": "long"}}
        answers = [post(gateway, [item] * count, "/emails/batch") for count in (50, 150)]

        assert [202, 413] == [answer.status_code for answer in answers]

    def test_a_batch_is_repeated_whole(self, gateway: System) -> None:
        """One key for all of it."""
        batch = [email(), email()]
        answers = [post(gateway, batch, "/emails/batch", key="whole batch") for _ in range(2)]

        assert answers[0].json() == answers[1].json()
        assert "true" == answers[1].headers["Idempotent-Replayed"]

    def test_items_are_repeated_one_by_one(self, gateway: System) -> None:
        """An item that was accepted before, alone or in a batch, is answered by its first id."""
        alone = post(gateway, email(), key="item").json()["id"]
        batch = [email(idempotency_key="item"), email(idempotency_key="item 2".replace(" ", "-"))]
        first = post(gateway, batch, "/emails/batch").json()["data"]
        second = post(gateway, batch[::-1], "/emails/batch")

        assert alone == first[0]["id"]
        assert first[::-1] == second.json()["data"]
        assert "true" == second.headers["Idempotent-Replayed"]

    def test_a_reused_item_key_is_named(self, gateway: System) -> None:
        """Strict refuses the batch; permissive reports the item."""
        post(gateway, email(), key="reused")
        batch = [email(), email(subject="Another", idempotency_key="reused")]
        strict = post(gateway, batch, "/emails/batch")
        permissive = post(gateway, batch, "/emails/batch", **{"x-batch-validation": "permissive"})

        assert (409, "/1/idempotency_key") == (strict.status_code, strict.json()["errors"][0]["pointer"])
        assert (1, [1]) == (
            len(permissive.json()["data"]),
            [error["index"] for error in permissive.json()["errors"]],
        )

    def test_a_key_stands_once_in_a_request(self, gateway: System) -> None:
        """Two items under one key contradict each other."""
        batch = [email(idempotency_key="twice"), email(idempotency_key="twice")]
        answer = post(gateway, batch, "/emails/batch")

        assert (422, "/1/idempotency_key") == (answer.status_code, answer.json()["errors"][0]["pointer"])


class TestSchedules:
    """Messages that wait for their time."""

    def test_a_scheduled_message_waits(self, gateway: System) -> None:
        """It says for when, and its timeline says that it waits."""
        message_id = gateway.accept(email(scheduled_at=IN_AN_HOUR))
        shown = gateway.email(message_id)

        assert ("scheduled", "scheduled") == (shown["status"], shown["last_event"])
        assert datetime.fromisoformat(IN_AN_HOUR) == datetime.fromisoformat(shown["scheduled_at"])
        assert ["accepted", "scheduled"] == gateway.words(message_id)

    def test_it_can_be_given_another_time(self, gateway: System) -> None:
        """Repeatedly, and a moment from now it leaves."""
        message_id = gateway.accept(email(scheduled_at=IN_AN_HOUR))
        for moment in ("in 2 hours", (datetime.now(UTC) + timedelta(seconds=4)).isoformat()):
            answer = gateway.client.patch(f"/emails/{message_id}", json={"scheduled_at": moment})
            assert (200, {"object": "email", "id": message_id}) == (answer.status_code, answer.json())
        gateway.wait_for(message_id, "queued")

        assert ["accepted", "scheduled", "rescheduled", "rescheduled", "queued"] == gateway.words(message_id)

    def test_a_canceled_message_never_leaves(self, gateway: System) -> None:
        """Its time comes, and nothing happens."""
        soon = datetime.now(UTC) + timedelta(seconds=4)
        message_id = gateway.accept(email(scheduled_at=soon.isoformat()))
        answer = gateway.client.post(f"/emails/{message_id}/cancel")
        wait_past(soon + timedelta(seconds=1.5))

        assert (200, {"object": "email", "id": message_id}) == (answer.status_code, answer.json())
        assert "canceled" == gateway.email(message_id)["status"]
        assert ["accepted", "scheduled", "canceled"] == gateway.words(message_id)

    def test_what_has_left_cannot_be_changed(self, gateway: System) -> None:
        """Nor what was canceled already."""
        left = gateway.accept()
        canceled = gateway.accept(email(scheduled_at=IN_AN_HOUR))
        gateway.client.post(f"/emails/{canceled}/cancel")
        answers = [gateway.client.post(f"/emails/{message_id}/cancel") for message_id in (left, canceled)]
        answers.append(gateway.client.patch(f"/emails/{left}", json={"scheduled_at": "in 1 hour"}))

        assert [409, 409, 409] == [answer.status_code for answer in answers]
        assert {"not_scheduled"} == {answer.json()["name"] for answer in answers}

    def test_a_time_is_required_and_understood(self, gateway: System) -> None:
        """As when sending; some SDKs repeat the id."""
        message_id = gateway.accept(email(scheduled_at=IN_AN_HOUR))
        path = f"/emails/{message_id}"
        bodies: list[Any] = [
            {},
            {"scheduled_at": None},
            {"scheduled_at": "soon"},
            {"scheduled_at": "2020-01-01T00:00:00Z"},
        ]
        refused = [gateway.client.patch(path, json=body) for body in bodies]
        taken = gateway.client.patch(path, json={"id": message_id, "scheduled_at": "in 3 hours"})

        assert [422] * 4 == [answer.status_code for answer in refused]
        assert {"/scheduled_at"} == {answer.json()["errors"][0]["pointer"] for answer in refused}
        assert 200 == taken.status_code

    def test_it_must_not_wait_past_its_end(self, gateway: System) -> None:
        """A message that expires cannot be moved behind that."""
        message_id = gateway.accept(email(scheduled_at="in 1 hour", expires_at=_hours(2)))
        answer = gateway.client.patch(f"/emails/{message_id}", json={"scheduled_at": "in 3 hours"})

        assert (422, "/scheduled_at") == (answer.status_code, answer.json()["errors"][0]["pointer"])

    def test_a_batch_may_wait_too(self, gateway: System) -> None:
        """Each item for its own time."""
        batch = [email(scheduled_at=IN_AN_HOUR), email()]
        ids = [item["id"] for item in post(gateway, batch, "/emails/batch").json()["data"]]

        assert "scheduled" == statuses(gateway, ids)[0]
        until(lambda: statuses(gateway, ids) == ["scheduled", "queued"], 10, "the other one to be queued")

    def test_cancel_and_release_never_both_happen(self, gateway: System) -> None:
        """At the very moment of its release a message is either canceled or leaves."""
        for _ in range(5):
            canceled, left = _race(gateway)
            until(lambda: set(statuses(gateway, left)) <= {"queued"}, 10, "the others to be queued")  # noqa: B023

            assert {"canceled"} >= set(statuses(gateway, canceled))
            if canceled and left:
                return
        raise AssertionError("it was never the very moment")


def _race(gateway: System) -> tuple[list[str], list[str]]:
    """Cancel messages one after the other, from a little before they are due: who is, and who has left."""
    moment = datetime.now(UTC) + timedelta(seconds=2)
    batch = [email(scheduled_at=moment.isoformat())] * 40
    ids = [item["id"] for item in post(gateway, batch, "/emails/batch").json()["data"]]
    answers: dict[str, int] = {}

    def cancel(part: list[str]) -> None:
        with httpx.Client(base_url=gateway.client.base_url, headers=gateway.client.headers) as client:
            for message_id in part:
                answers[message_id] = client.post(f"/emails/{message_id}/cancel").status_code
                time.sleep(0.05)

    time.sleep(max(0, (moment - datetime.now(UTC)).total_seconds() - 0.3))
    threads = [threading.Thread(target=cancel, args=(ids[n::2],)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {200, 409} >= set(answers.values())
    canceled = [one for one, status in answers.items() if status == 200]
    return canceled, [one for one in answers if one not in canceled]


def _hours(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


@pytest.fixture(scope="module")
def suppressed(gateway: System) -> None:
    """Two addresses that the tenant must not write to."""
    emails = ["No@Example.com", "never@example.com"]
    answer = gateway.client.post("/suppressions/batch/add", json={"emails": emails})
    assert answer.is_success, answer.text


@pytest.mark.usefixtures("suppressed")
class TestSuppressedRecipients:
    """Messages to people who must not be written to."""

    def test_a_message_to_nobody_else_is_suppressed(self, gateway: System) -> None:
        """It is accepted as Resend does it, and has come to its end."""
        message_id = gateway.accept(email(to=["nO@example.com", "never@example.com"], cc="yes@example.com"))
        shown = gateway.email(message_id)

        assert ("suppressed", "suppressed") == (shown["status"], shown["last_event"])
        assert ["nO@example.com", "never@example.com"] == shown["to"]
        assert ["accepted", "suppressed"] == gateway.words(message_id)

    def test_the_others_get_the_message(self, gateway: System) -> None:
        """The suppressed ones are left out, and the timeline says which by their place."""
        message_id = gateway.accept(
            email(to=["yes@example.com", "no@example.com"], bcc=["Never@example.com", "too@example.com"])
        )
        shown = gateway.wait_for(message_id, "queued")
        (event,) = [e for e in gateway.events(message_id) if e["event"] == "recipients_suppressed"]

        assert (["yes@example.com"], ["too@example.com"]) == (shown["to"], shown["bcc"])
        assert "Left out, because they are suppressed: /to/1, /bcc/0." == event["reason"]

    def test_per_message_in_a_batch(self, gateway: System) -> None:
        """One suppressed item does not touch the others."""
        batch = [email(to="no@example.com"), email()]
        ids = [item["id"] for item in post(gateway, batch, "/emails/batch").json()["data"]]

        until(lambda: statuses(gateway, ids) == ["suppressed", "queued"], 10, "the other one to be queued")

    def test_a_welcome_email_too(self, gateway: System) -> None:
        """Whatever is sent."""
        message_id = gateway.accept({"email": "no@example.com"}, "/welcome-emails")

        assert "suppressed" == gateway.email(message_id)["status"]

    def test_a_scheduled_one_is_suppressed_at_once(self, gateway: System) -> None:
        """It need not wait for its end."""
        message_id = gateway.accept(email(to="no@example.com", scheduled_at=IN_AN_HOUR))

        assert "suppressed" == gateway.email(message_id)["status"]

    def test_suppressions_belong_to_tenants(self, stranger: httpx.Client) -> None:
        """Another tenant may write to whom it likes."""
        answer = stranger.post("/emails", json=email(to="no@example.com"))
        shown = stranger.get(f"/emails/{answer.json()['id']}").json()

        assert (202, True) == (answer.status_code, shown["status"] in {"accepted", "queued"})


class TestTenants:
    """Nothing of another tenant is seen."""

    def test_foreign_messages_look_like_missing_ones(self, gateway: System, stranger: httpx.Client) -> None:
        """Whatever is tried on them."""
        message_id = gateway.accept(email(scheduled_at=IN_AN_HOUR))
        missing = "0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b"
        answers = [
            (
                stranger.get(f"/emails/{one}"),
                stranger.get(f"/emails/{one}/events"),
                stranger.post(f"/emails/{one}/cancel"),
                stranger.patch(f"/emails/{one}", json={"scheduled_at": "in 1 hour"}),
            )
            for one in (message_id, missing)
        ]

        assert [404] * 4 == [answer.status_code for answer in answers[0]]
        assert [answer.text for answer in answers[0]] == [answer.text for answer in answers[1]]
        assert "scheduled" == gateway.email(message_id)["status"]

    def test_a_key_for_some_domains_sends_from_no_other(self, gateway: System) -> None:
        """Alone or in a batch."""
        with client_of(gateway, "default", "--domain", "example.com", "--domain", "münchen.de") as client:
            allowed = [
                client.post("/emails", json=email(**{"from": sender}))
                for sender in ("a@Example.com", "b@xn--mnchen-3ya.de", "c@münchen.de")
            ]
            refused = client.post("/emails", json=email(**{"from": "a@sub.example.com"}))
            batch = client.post("/emails/batch", json=[email(), email(**{"from": "a@example.org"})])

        assert [202] * 3 == [answer.status_code for answer in allowed]
        assert (403, "/from") == (refused.status_code, refused.json()["errors"][0]["pointer"])
        assert (403, "/1/from") == (batch.status_code, batch.json()["errors"][0]["pointer"])
