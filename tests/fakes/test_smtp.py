"""The fake mail server does what it is told, and remembers it; asked by the standard library's client."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import smtplib
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from typing import Any

import pytest

from tests.fakes import FAKES, FakeSmtp, faults
from tests.fakes.bucket import Bucket
from tests.fakes.connections import GRACE
from tests.fakes.record import read
from tests.fakes.smtp import Stage, at
from tests.fakes.smtp.certificates import Authority

KEY = "good-key"
TO = ["ada@example.net", "bob@example.net"]


@pytest.fixture
def fake() -> Iterator[FakeSmtp]:
    with FakeSmtp(api_key=KEY).in_thread() as fake:
        yield fake


@contextlib.contextmanager
def client(fake: FakeSmtp, key: str | None = KEY) -> Iterator[smtplib.SMTP]:
    """A client that has logged in, and leaves without a word."""
    client = smtplib.SMTP(*fake._address, timeout=5)
    try:
        if key is not None:
            client.login("pillarbox", key)
        yield client
    finally:
        client.close()


def letter(message_id: str = "m-1") -> EmailMessage:
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "no-reply@example.org", ", ".join(TO), "Hi"
    letter["X-Pillarbox-Message-Id"] = message_id
    letter.set_content("Hello")
    return letter


def eventually(fact: Callable[[], Any]) -> bool:
    """Whether *fact* comes true within a while."""
    patience = time.monotonic() + 5
    while time.monotonic() < patience:
        if fact():
            return True
        time.sleep(0.01)
    return False


def test_a_message_taken_over_is_recorded(fake: FakeSmtp) -> None:
    """The record holds our id, the envelope, the content and the id that was answered."""
    with client(fake) as there:
        there.mail("no-reply@example.org")
        for path in TO:
            there.rcpt(path)
        code, words = there.data(letter("m-7").as_string())

    (entry,) = fake.record
    assert (1, "m-7", "no-reply@example.org", TO) == (
        entry.number,
        entry.message_id,
        entry.payload["sender"],
        entry.payload["recipients"],
    )
    assert "\r\n\r\nHello\r\n" in entry.payload["content"]
    assert (250, f"2.0.0 Ok: queued as {entry.provider_message_id}") == (code, words.decode())
    assert "to ada@example.net, bob@example.net: Hi" == fake.summary(entry.payload)


def test_nobody_sends_without_having_logged_in(fake: FakeSmtp) -> None:
    """Neither with a wrong password nor with none."""
    with client(fake, None) as there:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            there.login("pillarbox", "wrong")
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            there.send_message(letter())

    assert 530 == refused.value.smtp_code
    assert () == fake.requests


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_it_encrypts(security: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a certificate made for the test."""
    authority = Authority()
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file(tmp_path / "authority.pem")))
    context = ssl.create_default_context()
    with FakeSmtp(api_key=KEY, security=security, context=authority.context("127.0.0.1")).in_thread() as fake:
        host, port = fake._address
        if security == "tls":
            there: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=5, context=context)
        else:
            there = smtplib.SMTP(host, port, timeout=5)
            there.starttls(context=context)
        there.login("pillarbox", KEY)
        there.send_message(letter())
        there.quit()

    assert 1 == len(fake.record)


def test_a_fault_waits_for_its_stage(fake: FakeSmtp) -> None:
    """One after the other, and each where it belongs."""
    stages: tuple[Stage, ...] = ("mail", "rcpt", "data", "body")
    fake.script(*(at(stage, faults.refuse(451, stage.encode())) for stage in stages), faults.usual())
    said = []
    with client(fake) as there:
        for _ in range(5):
            there.rset()
            try:
                there.send_message(letter())
            except (smtplib.SMTPRecipientsRefused, smtplib.SMTPResponseException) as refused:
                said.append(str(refused))

    assert all(stage in words for stage, words in zip(stages, said, strict=True))
    assert [False, True] == [entry.accepted for entry in fake.requests]


def test_a_connection_can_be_refused(fake: FakeSmtp) -> None:
    """By the greeting, after which it ends."""
    fake.script(at("greeting", faults.refuse(421)))
    with pytest.raises(smtplib.SMTPConnectError, match="421"), client(fake):
        pass

    with client(fake) as there:
        there.send_message(letter())


@pytest.mark.parametrize("accept", [False, True])
@pytest.mark.parametrize("fault", [faults.hang, faults.reset])
def test_a_lost_reply_leaves_a_doubt(fault: Callable[..., faults.Fault], accept: Any, fake: FakeSmtp) -> None:
    """The record knows what the client cannot."""
    fake.script(fault(accept=accept))
    with client(fake) as there:
        assert there.sock
        there.sock.settimeout(0.2)
        with pytest.raises((OSError, smtplib.SMTPException)):
            there.send_message(letter())

    (entry,) = fake.requests
    assert (accept, accept, False) == (entry.accepted, entry.ambiguous, entry.answered)


def test_a_client_that_leaves_does_not_stop_the_server() -> None:
    """Once the dot is there the message goes its way."""
    with FakeSmtp(latency=2.0).in_thread() as fake:
        with client(fake, None) as there:
            assert there.sock
            there.sock.settimeout(0.1)
            with pytest.raises((OSError, smtplib.SMTPException)):
                there.send_message(letter())
        (entry,) = fake.wait_for(1)

    assert entry.ambiguous


def test_a_reply_counts_if_the_client_lived_on(fake: FakeSmtp) -> None:
    """Who goes on has had it; who is gone at once may have been killed before."""
    with client(fake) as there:
        there.send_message(letter("m-1"))
        there.send_message(letter("m-2"))

    assert eventually(lambda: [True, False] == [entry.answered for entry in fake.requests])


def test_a_reply_counts_after_a_while(fake: FakeSmtp) -> None:
    """A client that was there for long enough has made use of it."""
    with client(fake) as there:
        there.send_message(letter())
        time.sleep(GRACE + 0.1)

    assert eventually(lambda: not fake.open_connections)
    assert [True] == [entry.answered for entry in fake.requests]


def test_what_is_too_fast_is_refused(fake: FakeSmtp) -> None:
    """By the rate, and before the message has come."""
    fake.limit = Bucket(0.1, 2)
    with client(fake) as there:
        there.send_message(letter())
        there.send_message(letter())
        with pytest.raises(smtplib.SMTPSenderRefused, match="rate limit"):
            there.send_message(letter())

    assert (2, 1) == (len(fake.record), fake.throttled)


def test_a_rule_draws_by_lot(fake: FakeSmtp) -> None:
    """Among what can go wrong with SMTP, the same in every run."""
    rule = faults.seeded(
        7, 1.0, weights=fake.weights, without=[name for name in fake.weights if name != "451"]
    )
    fake.rule = rule
    with client(fake) as there, pytest.raises(smtplib.SMTPDataError, match="451"):
        there.send_message(letter())

    assert ["451"] == [entry.fault for entry in fake.requests]


def test_it_comes_back_at_the_same_port(fake: FakeSmtp) -> None:
    """As a server that is restarted."""
    before = fake.base_url
    fake.call(fake.stop())
    with pytest.raises(ConnectionRefusedError), client(fake):
        pass
    fake.call(fake.start())
    with client(fake) as there:
        there.send_message(letter())

    assert before == fake.base_url
    assert 1 == len(fake.record)


def test_it_runs_from_the_command_line(tmp_path: pathlib.Path) -> None:
    """It says where it listens, takes mail, and writes its record."""
    record = tmp_path / "record.jsonl"
    command = [sys.executable, "-m", "tests.fakes", "smtp", "--port", "0", "--record", str(record)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        with smtplib.SMTP(url.removeprefix("smtp://"), timeout=5) as there:
            there.send_message(letter("m-9"))
        said = process.stdout.readline()
        process.send_signal(signal.SIGTERM)

    assert said.startswith("accepted m-9 as ")
    assert ["m-9"] == [entry.message_id for entry in read(record)]
    assert 0 == process.returncode


def test_it_is_one_of_the_fakes() -> None:
    assert FakeSmtp is FAKES["smtp"]
