"""What a submission to a mail server comes to, whatever the network and the other side do."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import random
import ssl
import time
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from services.mailer.delivery.ports import NoAnswerError, NotSentError
from services.mailer.outcome import Accepted, Deferred, Rejected, Trouble
from services.mailer.providers.base import Response, Submission
from services.mailer.providers.smtp import Smtp
from services.mailer.smtp import SmtpTransport
from services.mailer.smtp.connection import Connection
from services.mailer.smtp.progress import Progress
from shared.signatures import Address, SendEmail
from tests.fakes import FakeSmtp, faults
from tests.fakes.smtp import Stage, at, babble
from tests.fakes.smtp.certificates import Authority
from tests.mailer.answers.smtp import TROUBLES
from tests.mailer.limits.values import people
from tests.mailer.made import KEY, made
from tests.mailer.samples import FULL, MESSAGE_ID, PLAIN, message
from tests.servers.server import free_port

DEADLINE = 2.0
PROVIDER = Smtp("mail.test")
HERE = "127.0.0.1"
LARGE = b"x" * 76 + b"\r\n"
LARGE *= 100_000
"""More than the kernel's buffers take without somebody who reads."""
BEFORE_THE_MESSAGE: tuple[Stage, ...] = ("greeting", "ehlo", "auth", "mail", "rcpt", "data")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(autouse=True)
def trusted(authority: Authority, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's authority is trusted as a private one is: by a file in the environment."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file(tmp_path / "authority.pem")))


@pytest.fixture
async def transport() -> AsyncIterator[SmtpTransport]:
    """A transport with a short deadline."""
    async with transporting() as transport:
        yield transport


@pytest.fixture
async def server() -> AsyncIterator[FakeSmtp]:
    """A server on this machine, which wants a password and no encryption."""
    async with FakeSmtp(api_key=KEY) as server:
        yield server


@pytest.fixture
async def patient() -> AsyncIterator[SmtpTransport]:
    """One that gives up nothing because a moment was slow."""
    async with transporting(deadline=60.0) as transport:
        yield transport


@asynccontextmanager
async def transporting(**settings: Any) -> AsyncIterator[SmtpTransport]:
    transport = SmtpTransport(**{"deadline": DEADLINE, "connections": 4, **settings})
    yield transport
    await transport.close()


def submission(server: FakeSmtp, sample: SendEmail = PLAIN, **changes: Any) -> Submission:
    """Give what the provider makes of a message; *changes* replace."""
    built = made("smtp", server.base_url).build(sample)
    assert isinstance(built, Submission)
    fields = {name: getattr(built, name) for name in Submission.__slots__}
    return Submission(**{**fields, **changes})


def arrived(server: FakeSmtp, number: int = 0) -> bytes:
    content: str = server.record[number].payload["content"]
    return content.encode("latin-1")


# The submission


def test_the_envelope_names_everybody_once() -> None:
    """Whoever is named twice gets one copy; the domain is the same in any spelling, the local part is not."""
    built = PROVIDER.build(
        message(
            to=(Address(email="ada@example.net"), Address(email="ada@Example.NET")),
            cc=(Address(email="ada@example.net"), Address(email="Ada@example.net")),
            bcc=(Address(email="bob@example.net"),),
        )
    )

    assert "no-reply@example.org" == built.sender
    assert ("ada@example.net", "Ada@example.net", "bob@example.net") == built.recipients


def test_recipients_see_nothing_that_is_not_for_them() -> None:
    """Neither blind copies nor tags nor metadata are in the letter."""
    letter = PROVIDER.build(FULL).body

    assert b"secret@example.net" in b" ".join(path.encode() for path in PROVIDER.build(FULL).recipients)
    assert not any(
        word in letter for word in (b"secret@example.net", b"Bcc", b"Tag", b"Metadata", b"plan", b"42")
    )


def test_a_letter_names_our_message() -> None:
    """By our id, for whoever looks into the server's log, and by the Message-ID that all attempts share."""
    head, _, _ = PROVIDER.build(PLAIN).body.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")

    assert f"X-Pillarbox-Message-Id: {MESSAGE_ID}".encode() in lines
    assert f"Message-ID: <{MESSAGE_ID}@example.org>".encode() in lines


def test_one_recipient_in_bcc_is_enough() -> None:
    """A message may be for blind copies only."""
    built = PROVIDER.build(message(to=(), bcc=people(2)))

    assert 2 == len(built.recipients)


# What arrives


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
async def test_a_letter_arrives_byte_for_byte(
    security: Any, authority: Authority, transport: SmtpTransport
) -> None:
    """The same bytes, from the same sender to the same recipients, however the way is encrypted."""
    async with FakeSmtp(api_key=KEY, security=security, context=authority.context(HERE)) as server:
        built = submission(server, FULL)
        answer = await transport.perform(built)

    assert isinstance(PROVIDER.read(answer), Accepted)
    assert built.body == arrived(server)
    assert (built.sender, [*built.recipients]) == (
        server.record[0].payload["sender"],
        server.record[0].payload["recipients"],
    )
    assert str(MESSAGE_ID) == server.record[0].message_id


@pytest.mark.parametrize(
    "text",
    [
        b".\r\n..\r\n.\r\n. \r\n.a\r\na.\r\n",
        b"\r\n.\r\n\r\n",
        b"x" * 998 + b"\r\n" + b"." * 998 + b"\r\n",
        b"QUIT\r\nDATA\r\n",
        LARGE[:1_000_000] + b"\r\n",
    ],
)
async def test_no_line_is_changed(text: bytes, server: FakeSmtp, transport: SmtpTransport) -> None:
    """Dots at the beginning, lines as long as mail allows, and words that look like commands are text."""
    await transport.perform(submission(server, body=b"Subject: a\r\n\r\n" + text))

    assert b"Subject: a\r\n\r\n" + text == arrived(server)
    assert 1 == len(server.requests)


async def test_the_last_line_gets_its_end(server: FakeSmtp, transport: SmtpTransport) -> None:
    """Without it the final dot would be a part of the text."""
    await transport.perform(submission(server, body=b"Subject: a\r\n\r\nno end"))

    assert b"Subject: a\r\n\r\nno end\r\n" == arrived(server)


async def test_the_outcome_has_the_server_s_own_id(server: FakeSmtp, transport: SmtpTransport) -> None:
    """It is what the server's operator can look up."""
    outcome = PROVIDER.read(await transport.perform(submission(server)))

    assert Accepted(server.record[0].provider_message_id) == outcome


async def test_we_introduce_ourselves_by_address(server: FakeSmtp, transport: SmtpTransport) -> None:
    """A name that nobody can look up would be held against us."""
    await transport.perform(submission(server))

    assert ["[127.0.0.1]"] == server.introductions


async def test_the_size_is_told_first(server: FakeSmtp, transport: SmtpTransport) -> None:
    """What is too large is refused before it is sent."""
    server.largest = 1000
    answer = await transport.perform(submission(server, body=b"x" * 1001))

    assert (552, "mail") == (answer.status, answer.headers["stage"])
    assert isinstance(PROVIDER.read(answer), Rejected)
    assert "DATA" not in server.commands


# Who may log in, and to whom


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_one_way_to_log_in_is_enough(
    mechanism: str, server: FakeSmtp, transport: SmtpTransport
) -> None:
    """PLAIN or LOGIN, whichever is offered."""
    server.mechanisms = (mechanism,)
    await transport.perform(submission(server))

    assert 1 == len(server.record)


async def test_a_wrong_password_is_tried_once(server: FakeSmtp, transport: SmtpTransport) -> None:
    """A second way to log in would be a second wrong password to the server, which counts them."""
    answer = await transport.perform(submission(server, password="wrong"))

    assert (535, "auth") == (answer.status, answer.headers["stage"])
    assert ["EHLO", "AUTH"] == server.commands


async def test_without_a_way_to_log_in_nothing_is_sent(server: FakeSmtp, transport: SmtpTransport) -> None:
    """A server that offers none that we know is not tried without."""
    server.mechanisms = ()
    with pytest.raises(NotSentError, match="auth: neither PLAIN nor LOGIN is offered"):
        await transport.perform(submission(server))

    assert ["EHLO"] == server.commands


async def test_nobody_logs_in_without_a_name(transport: SmtpTransport) -> None:
    """A server that trusts us by our address gets no password."""
    async with FakeSmtp() as server:
        await transport.perform(submission(server, username=None))

    assert "AUTH" not in server.commands
    assert 1 == len(server.record)


@pytest.mark.parametrize("host", ["192.0.2.1", "mail.example.org", "127.0.0.1.example.org"])
async def test_a_password_never_travels_in_the_clear(host: str, transport: SmtpTransport) -> None:
    """Unencrypted it goes to this machine alone; nothing else is even connected to."""
    began = time.monotonic()
    with pytest.raises(NotSentError, match="unencrypted"):
        await transport.perform(
            Submission(
                host=host,
                port=25,
                security="none",
                username="a",
                password="b",
                sender="a@example.org",
                recipients=("b@example.org",),
                body=b"",
            )
        )

    assert time.monotonic() - began < DEADLINE / 2


async def test_a_stripped_starttls_sends_nothing(server: FakeSmtp, transport: SmtpTransport) -> None:
    """Without the offer there is no attempt in the clear: neither a password nor a message."""
    with pytest.raises(NotSentError, match="starttls: not offered"):
        await transport.perform(submission(server, security="starttls"))

    assert ["EHLO"] == server.commands


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("flaw", ["another host's", "a stranger's", "no certificate at all"])
async def test_an_untrusted_server_gets_nothing(
    flaw: str, security: Any, authority: Authority, transport: SmtpTransport
) -> None:
    """Neither a password nor a message goes to a server whose certificate does not fit."""
    context = {
        "another host's": authority.context("mail.example.org"),
        "a stranger's": Authority().context(HERE),
        "no certificate at all": ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
    }[flaw]
    async with FakeSmtp(api_key=KEY, security=security, context=context) as server:
        with pytest.raises(NotSentError, match=r"SSL|Connection|Disconnected"):
            await transport.perform(submission(server))

    assert not {"AUTH", "MAIL"} & {*server.commands}


async def test_a_host_name_is_checked(authority: Authority, transport: SmtpTransport) -> None:
    """The certificate has to name the host of the settings."""
    async with FakeSmtp(security="tls", context=authority.context("localhost")) as server:
        await transport.perform(submission(server, host="localhost"))
        with pytest.raises(NotSentError, match="SSLCertVerificationError"):
            await transport.perform(submission(server))

    assert 1 == len(server.record)


# What is refused


@pytest.mark.parametrize("stage", [*BEFORE_THE_MESSAGE, "upload", "body"])
@pytest.mark.parametrize("status", [421, 451, 554])
async def test_a_refusal_tells_what_was_refused(
    stage: Stage, status: int, server: FakeSmtp, transport: SmtpTransport
) -> None:
    """The answer has the reply, code and text, and the stage; nothing was taken over."""
    server.script(at(stage, faults.refuse(status, b"x.7.0 No")))
    answer = await transport.perform(submission(server, body=LARGE if stage == "upload" else b"a\r\n"))

    expected = "body" if stage == "upload" else stage
    assert (status, b"x.7.0 No", expected) == (answer.status, answer.body, answer.headers["stage"])
    assert () == server.record


@pytest.mark.parametrize("status", [454, 501])
async def test_a_refused_encryption_ends_the_attempt(
    status: int, authority: Authority, transport: SmtpTransport
) -> None:
    """It is the answer, and no reason to go on without."""
    async with FakeSmtp(security="starttls", context=authority.context(HERE)) as server:
        server.script(at("starttls", faults.refuse(status)))
        answer = await transport.perform(submission(server))

    assert (status, "starttls") == (answer.status, answer.headers["stage"])
    assert ["EHLO", "STARTTLS"] == server.commands


@pytest.mark.parametrize(("response", "trouble"), TROUBLES.values(), ids=TROUBLES)
def test_a_deferral_says_whose_trouble_it_is(response: Response, trouble: Trouble) -> None:
    """A greylisted recipient must not make the whole account wait, and a rate limit must."""
    outcome = PROVIDER.read(response)

    assert isinstance(outcome, Deferred)
    assert trouble is outcome.trouble


THREE = ("ada@example.net", "bob@example.net", "carl@example.net")


async def test_some_refused_recipients_leave_the_others(server: FakeSmtp, transport: SmtpTransport) -> None:
    """The message is taken over for those that exist, and the outcome tells of the others."""
    server.script(at("rcpt", faults.refuse(550), recipients={0, 2}))
    outcome = PROVIDER.read(await transport.perform(submission(server, recipients=THREE)))

    reason = "2 of 3 recipients were refused: 550 5.1.1 User unknown"
    assert Accepted(server.record[0].provider_message_id, reason) == outcome
    assert ["bob@example.net"] == server.record[0].payload["recipients"]


async def test_all_refused_recipients_refuse_the_message(server: FakeSmtp, transport: SmtpTransport) -> None:
    """There is nobody left to send it to."""
    server.script(at("rcpt", faults.refuse(550)))
    outcome = PROVIDER.read(await transport.perform(submission(server, recipients=THREE)))

    assert Rejected("550 at rcpt: 5.1.1 User unknown") == outcome
    assert "DATA" not in server.commands


@pytest.mark.parametrize("greylisted", [{0}, {1}, {2}, {0, 1, 2}])
async def test_a_recipient_refused_for_now_keeps_the_message_here(
    greylisted: set[int], server: FakeSmtp, transport: SmtpTransport
) -> None:
    """It is sent to nobody then, so that nobody gets it twice; yet the server has seen them all."""
    server.script(at("rcpt", faults.refuse(450, b"4.2.0 Greylisted"), recipients=greylisted))
    first = PROVIDER.read(await transport.perform(submission(server, recipients=THREE)))
    commands = [*server.commands]
    second = PROVIDER.read(await transport.perform(submission(server, recipients=THREE)))

    assert Deferred("450 at rcpt: 4.2.0 Greylisted", trouble=Trouble.MESSAGE) == first
    assert (3, 0) == (commands.count("RCPT"), commands.count("DATA"))
    assert isinstance(second, Accepted)
    assert [[*THREE]] == [entry.payload["recipients"] for entry in server.record]


async def test_a_limit_of_recipients_is_no_greylisting(server: FakeSmtp, transport: SmtpTransport) -> None:
    """The same would happen to each attempt, so it is said at once."""
    server.script(at("rcpt", faults.refuse(452, b"4.5.3 Too many recipients"), recipients={1, 2}))
    outcome = PROVIDER.read(await transport.perform(submission(server, recipients=THREE)))

    assert isinstance(outcome, Rejected)
    assert outcome.reason.startswith("the server takes fewer recipients at once")


async def test_a_server_that_leaves_among_the_recipients_is_heard(
    server: FakeSmtp, transport: SmtpTransport
) -> None:
    """Its 421 is the answer, not the lost connection after it."""
    server.script(at("rcpt", faults.refuse(421), recipients={1}))
    answer = await transport.perform(submission(server, recipients=THREE))

    assert (421, "rcpt") == (answer.status, answer.headers["stage"])


# What is lost


LOSSES = {
    "reset": faults.reset(),
    "hang": faults.hang(),
    "drip": faults.drip(accept=False),
    "babble": babble(),
    "invitation": faults.refuse(354, b"What?"),
}


@pytest.mark.parametrize("stage", [*BEFORE_THE_MESSAGE, "upload"])
@pytest.mark.parametrize("loss", [loss for loss in LOSSES if loss != "invitation"])
async def test_what_is_lost_before_the_final_dot_was_not_sent(
    stage: Stage, loss: str, server: FakeSmtp
) -> None:
    """No server may take over a message whose end it has not seen."""
    server.script(at(stage, LOSSES[loss]))
    began = time.monotonic()
    async with transporting(deadline=DEADLINE / 3) as transport:
        with pytest.raises(NotSentError):
            await transport.perform(submission(server, body=LARGE if stage == "upload" else b"a\r\n"))

    assert time.monotonic() - began < DEADLINE + 5
    assert () == server.requests


@pytest.mark.parametrize("accept", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
async def test_what_is_lost_after_the_final_dot_may_have_been_sent(
    loss: str, accept: Any, server: FakeSmtp, transport: SmtpTransport
) -> None:
    """Nobody but the server knows, and it may be either way."""
    fault = LOSSES[loss]
    server.script(faults.Fault(fault.name, accept, fault.how, fault.delay, fault.status, body=fault.body))
    began = time.monotonic()
    with pytest.raises(NoAnswerError, match="body: "):
        await transport.perform(submission(server))

    assert time.monotonic() - began < DEADLINE + 5
    assert [accept] == [entry.accepted for entry in server.requests]


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_large_letter_cut_off_under_way_was_not_sent(
    security: Any, authority: Authority, transport: SmtpTransport
) -> None:
    """Encryption hides from us what has left, but not that the dot has not."""
    async with FakeSmtp(security=security, context=authority.context(HERE)) as server:
        server.script(faults.cut())
        with pytest.raises(NotSentError, match="body: "):
            await transport.perform(submission(server, body=LARGE))

    assert () == server.requests


async def test_an_acceptance_that_comes_too_early_is_none(server: FakeSmtp, transport: SmtpTransport) -> None:
    """A 250 before the final dot cannot be about the message."""
    server.script(at("upload", faults.refuse(250, b"OK")))
    with pytest.raises(NotSentError, match="body: a reply without sense"):
        await transport.perform(submission(server, body=LARGE))

    assert () == server.requests


async def test_a_refusal_under_way_is_heard(server: FakeSmtp, transport: SmtpTransport) -> None:
    """A server may say no before it has read it all, and then it does not read the rest as commands."""
    server.script(at("upload", faults.refuse(552, b"5.3.4 Too big")))
    outcome = PROVIDER.read(await transport.perform(submission(server, body=LARGE)))
    async with asyncio.timeout(10):
        await asyncio.gather(*(conversation.gone.wait() for conversation in server._conversations))

    assert Rejected("552 at body: 5.3.4 Too big") == outcome
    assert "DATA" == server.commands[-1]


@pytest.mark.parametrize("silent", [False, True])
async def test_a_server_that_does_not_encrypt_gets_nothing(
    silent: Any, server: FakeSmtp, transport: SmtpTransport
) -> None:
    """It greets in the clear, or waits for us to speak; to us it is nobody."""
    if silent:
        server.script(at("greeting", faults.hang()))
    with pytest.raises(NotSentError, match=r"connect: (SSLError|deadline exceeded)"):
        await transport.perform(submission(server, security="tls"))

    assert [] == server.commands


async def test_nobody_there_is_not_sent(transport: SmtpTransport) -> None:
    """A port that nobody listens on, and a name that nobody has."""
    nobody = Smtp(HERE, free_port(), "none").build(PLAIN)
    nowhere = Smtp("mail.invalid", 25, "none").build(PLAIN)

    with pytest.raises(NotSentError, match="connect: ConnectionRefusedError"):
        await transport.perform(nobody)
    with pytest.raises(NotSentError, match="connect: "):
        await transport.perform(nowhere)


async def test_the_deadline_is_for_all_stages_together(server: FakeSmtp, transport: SmtpTransport) -> None:
    """A server that is slow at each step, and never too slow at one, is too slow."""
    server.early = lambda _: faults.late(DEADLINE / 4)
    began = time.monotonic()
    with pytest.raises(NotSentError, match="deadline exceeded"):
        await transport.perform(submission(server, recipients=THREE))

    assert DEADLINE <= time.monotonic() - began + 0.05 < DEADLINE + 5
    assert () == server.requests


async def test_a_frozen_process_does_not_send_when_it_wakes(transport: SmtpTransport) -> None:
    """By then somebody else may have the claim, so it must be as if the deadline had cut in meanwhile."""
    with FakeSmtp(api_key=KEY).in_thread() as server:
        server.script(at("data", faults.late(DEADLINE / 2)))
        asyncio.get_running_loop().call_later(DEADLINE / 4, time.sleep, DEADLINE)
        with pytest.raises(NotSentError, match="deadline exceeded"):
            await transport.perform(submission(server))

        assert () == server.requests


async def test_the_final_dot_does_not_leave_late(server: FakeSmtp) -> None:
    """The clock is asked once more when everything else has left."""
    built = submission(server)
    connection, progress = Connection(built, None), Progress()
    with pytest.raises(TimeoutError):
        await connection.deliver(built, progress, until=time.monotonic())
    connection.abort()

    assert ("body", False) == (progress.stage, progress.dot_has_left)
    assert () == server.requests


@pytest.mark.parametrize(
    ("stage", "fault"),
    [
        *[(stage, faults.refuse(554, f"{KEY} <ada@example.net>".encode())) for stage in BEFORE_THE_MESSAGE],
        ("body", faults.refuse(451, f"<ada@example.net> {KEY}".encode())),
        ("auth", faults.hang()),
        ("rcpt", faults.reset()),
        ("body", faults.hang()),
    ],
)
async def test_no_failure_tells_a_secret(
    stage: Stage, fault: faults.Fault, server: FakeSmtp, transport: SmtpTransport
) -> None:
    """Neither the password nor an address is in what is said of it, nor in the exceptions behind it."""
    server.script(at(stage, fault))
    provider = made("smtp", server.base_url)
    try:
        said = str(provider.read(await transport.perform(submission(server))))
    except (NotSentError, NoAnswerError) as error:
        said = "".join(traceback.format_exception(error))

    assert not any(secret in said for secret in (KEY, "ada@", "no-reply@"))


async def test_an_address_that_is_none_tells_nothing(server: FakeSmtp, transport: SmtpTransport) -> None:
    """The library's own words repeat it."""
    strange = ("ada lovelace@example.net",)
    with pytest.raises(NotSentError, match="rcpt: ValueError") as error:
        await transport.perform(submission(server, recipients=strange))

    assert "lovelace@" not in "".join(traceback.format_exception(error.value))


# Connections that are kept


async def test_a_connection_is_used_again(authority: Authority, patient: SmtpTransport) -> None:
    """The handshakes are made once, and each message begins with a clean table."""
    async with FakeSmtp(api_key=KEY, security="starttls", context=authority.context(HERE)) as server:
        for _ in range(3):
            await patient.perform(submission(server))

    assert (1, 3) == (server.connections, len(server.record))
    assert ["EHLO", "STARTTLS", "EHLO", "AUTH"] == server.commands[:4]
    assert ["MAIL", "RCPT", "DATA", "RSET"] * 2 == server.commands[4:12]


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "body"])
async def test_a_refused_message_does_not_cost_the_connection(
    stage: Stage, server: FakeSmtp, patient: SmtpTransport
) -> None:
    """A proper refusal leaves nothing in doubt."""
    server.script(at(stage, faults.refuse(554)))
    await patient.perform(submission(server, recipients=("bad@example.net",)))
    await patient.perform(submission(server))

    assert 1 == server.connections
    assert [["ada@example.net"]] == [entry.payload["recipients"] for entry in server.record]


@pytest.mark.parametrize(
    ("stage", "fault"),
    [
        ("greeting", faults.refuse(554)),
        ("auth", faults.refuse(535)),
        ("mail", faults.refuse(421)),
        ("body", faults.refuse(421)),
        ("body", faults.hang(accept=True)),
        ("body", babble()),
        ("mail", faults.hang()),
        ("rcpt", babble()),
    ],
)
async def test_a_connection_in_doubt_is_not_used_again(
    stage: Stage, fault: faults.Fault, server: FakeSmtp, transport: SmtpTransport
) -> None:
    """A reply that comes late must not be taken for that to another command."""
    server.script(at(stage, fault))
    with contextlib.suppress(NotSentError, NoAnswerError):
        await transport.perform(submission(server))
    await transport.perform(submission(server))

    assert 2 == server.connections


async def test_accounts_share_no_connection(server: FakeSmtp, transport: SmtpTransport) -> None:
    """Mail of one must not go out under the name of the other."""
    for username in ("ada", "bob", "ada", "bob"):
        await transport.perform(submission(server, username=username))

    assert (2, 2) == (server.connections, server.commands.count("AUTH"))


async def test_a_connection_that_the_server_closed_is_not_missed(
    server: FakeSmtp, transport: SmtpTransport
) -> None:
    """Another one is made, and the message goes at the first attempt."""
    await transport.perform(submission(server))
    await server.stop()
    await server.start()
    await transport.perform(submission(server))

    assert (2, 2) == (server.connections, len(server.record))


@pytest.mark.parametrize("fault", [faults.hang(), faults.refuse(421), faults.refuse(500), babble()])
async def test_a_connection_that_does_not_answer_is_not_missed(
    fault: faults.Fault, server: FakeSmtp, transport: SmtpTransport
) -> None:
    """What stands in between may have forgotten it without a word, and that costs a part of the deadline."""
    await transport.perform(submission(server))
    server.script(at("reset", fault))
    await transport.perform(submission(server))

    assert (2, 2) == (server.connections, len(server.record))


async def test_an_idle_connection_is_closed_politely(server: FakeSmtp) -> None:
    """After a while without a message, with QUIT."""
    async with transporting(idle=0.1) as transport:
        await transport.perform(submission(server))
        (conversation,) = server._conversations
        async with asyncio.timeout(10):
            await conversation.gone.wait()

    assert "QUIT" == server.commands[-1]


async def test_connections_are_bounded(server: FakeSmtp) -> None:
    """More messages than that wait for each other."""
    server.latency = 0.02
    async with transporting(connections=2) as transport:
        await asyncio.gather(*(transport.perform(submission(server)) for _ in range(10)))

    assert (2, 2, 10) == (server.connections, server.most_connections, len(server.record))


async def test_idle_connections_make_room(server: FakeSmtp) -> None:
    """Those of one account do not keep another one from sending."""
    async with transporting(connections=2) as transport:
        for username in ("ada", "bob", "carl", "dora"):
            await transport.perform(submission(server, username=username))
            assert len(transport._pool) <= 2

    assert 4 == len(server.record)


async def test_waiting_for_a_connection_is_within_the_deadline(server: FakeSmtp) -> None:
    """What has not begun was not sent."""
    async with transporting(connections=1) as transport:
        await transport._places.acquire()
        with pytest.raises(NotSentError, match="connect: deadline exceeded"):
            await transport.perform(submission(server))

    assert 0 == server.connections


async def test_a_connection_is_not_used_for_ever(server: FakeSmtp, transport: SmtpTransport) -> None:
    """Many servers end it after a hundred messages, in the middle of the next one."""
    for _ in range(101):
        await transport.perform(submission(server))

    assert (2, 101) == (server.connections, len(server.record))


# All of it


def everywhere(seed: int) -> Callable[[Stage], faults.Fault | None]:
    """Let something go wrong at one stage in twenty."""
    dice = random.Random(seed)
    kinds = [faults.reset(), faults.hang(), babble(), *(faults.refuse(code) for code in (421, 450, 452))]
    return lambda _: dice.choice(kinds) if dice.random() < 0.05 else None


async def test_whatever_goes_wrong_loses_nothing_and_doubles_nothing_but_doubts(server: FakeSmtp) -> None:
    """Of every message there is one acceptance that the client was told of, and no other without a doubt."""
    server.rule, server.early = faults.seeded(4, 0.2, weights=server.weights), everywhere(4)
    letters = [message(message_id=UUID(int=number)) for number in range(150)]
    at_once = asyncio.Semaphore(8)

    async with transporting(connections=8) as transport:

        async def deliver(letter: Submission) -> None:
            outcome: object = None
            async with at_once:
                while not isinstance(outcome, Accepted):
                    assert outcome is None or isinstance(outcome, Deferred), outcome
                    with contextlib.suppress(NotSentError, NoAnswerError):
                        outcome = PROVIDER.read(await transport.perform(letter))

        await asyncio.gather(*(deliver(submission(server, letter)) for letter in letters))

    told = [entry.message_id for entry in server.record if not entry.ambiguous]
    assert sorted(str(letter.message_id) for letter in letters) == sorted(map(str, told))
    assert len(server.record) > len(letters)
