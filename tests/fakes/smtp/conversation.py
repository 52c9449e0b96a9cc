"""One connection to the fake mail server: aiosmtpd's protocol, with a hook at each stage."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session, TLSSetupException

from tests.fakes.faults import Fault
from tests.fakes.smtp.letters import message_id
from tests.fakes.smtp.replies import reply
from tests.fakes.smtp.stages import Stage, StageFault
from tests.fakes.smtp.watched import Watched

if TYPE_CHECKING:
    from tests.fakes.smtp.fake import FakeSmtp

_ENDING = (421, 221)


class _Desk:
    """What aiosmtpd asks about a message that has come; the conversation knows."""

    async def handle_DATA(self, server: SMTP, _: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        return await cast("Conversation", server).take(envelope)


class Conversation(Watched):
    """A session that goes wrong where its fake's script or rules say."""

    def __init__(self, fake: FakeSmtp) -> None:
        encrypting = fake.security == "starttls"
        super().__init__(
            fake,
            _Desk(),
            hostname="mail.test",
            ident="fake",
            data_size_limit=fake.largest,
            tls_context=fake.context if encrypting else None,
            require_starttls=encrypting,
            auth_require_tls=encrypting,
            auth_exclude_mechanism={"LOGIN", "PLAIN"} - set(fake.mechanisms),
            authenticator=self._knows,
            loop=asyncio.get_running_loop(),
        )
        self._place = 0
        self._against_recipients: Fault | None = None

    async def take(self, envelope: Envelope) -> str:
        """Decide about a message that has come, and give the reply to its final dot."""
        content = (envelope.original_content or b"").decode("latin-1")
        payload = {"sender": envelope.mail_from, "recipients": envelope.rcpt_tos, "content": content}
        entry = self._fake.opened(message_id(content), payload)
        fault = self._fake.treatments.of(entry)
        if fault.label:
            self._fake.note(entry.number, fault=fault.label)
        queue_id = await self._fake.take(entry, fault)
        if fault.how != "answer":
            await self._suffers(fault)
        await asyncio.sleep(fault.delay)
        status = 250 if fault.status is None else fault.status
        self._about_to_say(entry.number, status, honest=fault.honest)
        words = f"2.0.0 Ok: queued as {queue_id}".encode() if fault.status is None else fault.body
        return reply(status, words)

    async def check_auth_needed(self, _: str) -> bool:
        session = cast("Session", self.session)
        if self._fake.api_key is None or session.authenticated:
            return False
        await self.push("530 5.7.0 Authentication required")
        return True

    async def _handle_client(self) -> None:
        if not await self._goes_wrong("greeting"):
            await super()._handle_client()

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802 - aiosmtpd's, as those that follow
        self._fake.introductions.append(hostname)
        if not await self._goes_wrong("ehlo", "EHLO"):
            await super().smtp_EHLO(hostname)

    async def smtp_STARTTLS(self, arg: str) -> None:  # noqa: N802
        if await self._goes_wrong("starttls", "STARTTLS"):
            return
        self._is_shaking_hands = True
        try:
            await super().smtp_STARTTLS(arg)
        except TLSSetupException:
            self.tear()
            await asyncio.Event().wait()
        self._is_shaking_hands = False

    async def smtp_AUTH(self, arg: str) -> None:  # noqa: N802
        if not await self._goes_wrong("auth", "AUTH"):
            await super().smtp_AUTH(arg)

    async def smtp_MAIL(self, arg: str | None) -> None:  # noqa: N802
        self._place, self._against_recipients = 0, None
        if not await self._goes_wrong("mail", "MAIL") and not await self._is_too_fast():
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        self._noted("RCPT")
        place, self._place = self._place, self._place + 1
        if place == 0:
            self._against_recipients = self._fake.treatments.before("rcpt")
        fault = self._against_recipients
        chosen = fault.recipients if isinstance(fault, StageFault) else None
        if not (fault and (chosen is None or place in chosen) and await self._suffers(fault)):
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        if await self._goes_wrong("data", "DATA"):
            return
        if fault := self._fake.treatments.before("upload"):
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            await self._reader.read(1)
            await self._suffers(fault)
            while await self._reader.read(65_536):
                pass  # To the end: closing with something unread would take the reply back.
        else:
            await super().smtp_DATA(arg)

    async def smtp_RSET(self, arg: str) -> None:  # noqa: N802
        if not await self._goes_wrong("reset", "RSET"):
            await super().smtp_RSET(arg)

    async def smtp_QUIT(self, arg: str) -> None:  # noqa: N802
        self._noted("QUIT")
        await super().smtp_QUIT(arg)

    async def _goes_wrong(self, stage: Stage, command: str | None = None) -> bool:
        if command:
            self._noted(command)
        fault = self._fake.treatments.before(stage)
        suffers = fault is not None and await self._suffers(fault)
        if suffers and stage == "greeting":
            await self._end()
        return suffers

    async def _is_too_fast(self) -> bool:
        if self._fake.limit is None or self._fake.limit.take():
            return False
        self._fake.note(self._fake.opened(None, None).number, throttled=True, status=450)
        await self.push("450 4.7.1 Error: too much mail, rate limit exceeded")
        return True

    async def _suffers(self, fault: Fault) -> bool:
        """Let the fault happen; False if it only took time, and what was asked for is still to be done."""
        if fault.how == "answer":
            await asyncio.sleep(fault.delay)
            if fault.status is None:
                return False
            await self.push(reply(fault.status, fault.body))
            if fault.status in _ENDING:
                await self._end()
            return True
        if fault.how in ("reset", "cut"):
            self.tear()
        while fault.how in ("drip", "drip-head"):
            self._writer.write(b"2")
            await self._writer.drain()
            await asyncio.sleep(fault.delay)
        await asyncio.Event().wait()  # The end of the connection ends the wait.
        return True

    async def _end(self) -> None:
        cast("asyncio.Transport", self.transport).close()
        await asyncio.Event().wait()

    def _knows(self, _: SMTP, __: Session, ___: Envelope, ____: str, login: Any) -> AuthResult:
        key = self._fake.api_key
        known = key is None or cast("LoginPassword", login).password == key.encode()
        return AuthResult(success=known, handled=False)
