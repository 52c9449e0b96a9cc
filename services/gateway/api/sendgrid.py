"""``POST /v3/mail/send``: accepting what SendGrid's SDKs send.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send

The header ``Idempotency-Key`` means nothing here: SendGrid does not know it, and its SDK for
Node.js sends the headers of the mail along as headers of the request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import nullcontext

from aiohttp import web

from services.gateway import problems
from services.gateway.acceptance.acceptance import Acceptance
from services.gateway.api.access import caller, needs
from services.gateway.api.emails import MESSAGE_ID, ask
from services.gateway.api.requests import BodyReader
from services.gateway.identifiers import new_message_id
from services.gateway.problems import FieldError
from services.gateway.submission.sendgrid import MailSubmission, parse_mail
from services.gateway.submission.sendgrid_messages import Mailing
from services.gateway.templates.published import TemplateContent, Templates
from services.gateway.tenants.callers import Permission

_EXPANDED_AT_ONCE = 2
_LARGE = 500_000
"""Characters that the messages of a request may have without counting as expanded."""


class MailSend:
    """The handler, with what it needs."""

    def __init__(self, acceptance: Acceptance, templates: Templates, body: BodyReader) -> None:
        self._acceptance = acceptance
        self._templates = templates
        self._body = body
        # A request of a few bytes may stand for megabytes of messages; so few of these are made at once.
        self._expanding = asyncio.Semaphore(_EXPANDED_AT_ONCE)

    def routes(self) -> Iterable[web.RouteDef]:
        """The resource's route."""
        return (web.post("/v3/mail/send", self.post_mail),)

    @needs(Permission.SENDING)
    async def post_mail(self, request: web.Request) -> web.Response:
        """Accept all messages of a request or none: 202 once they are committed.

        ``X-Message-Id`` names the first one; the others are found by their recipients.  In sandbox
        mode the request is only checked: 200.
        """
        body = await self._body.read(request)
        mail = parse_mail(body)
        identity = caller(request)
        mailing = Mailing.of(mail, identity.tenant, await self._template(identity.tenant, mail))
        is_large = mailing.length_at_most(len(body)) > max(_LARGE, len(body))
        async with self._expanding if is_large else nullcontext():
            if is_large:  # which may take a second
                drafts = await asyncio.to_thread(mailing.drafts, new_message_id)
            else:
                drafts = mailing.drafts(new_message_id)
            if mail.is_sandboxed:
                return web.Response(status=200)
            message_id = drafts[0].signature.message_id
            assert message_id is not None  # noqa: S101 - it was made here
            request[MESSAGE_ID] = message_id
            await self._acceptance.accept(identity, drafts, answer=lambda _: b"")
        return web.Response(status=202, headers={"X-Message-Id": str(message_id)})

    async def _template(self, tenant: str, mail: MailSubmission) -> TemplateContent | None:
        if not mail.template_id:
            return None
        content = await ask(self._templates.published(tenant, mail.template_id))
        if content is None:
            raise problems.invalid_fields([FieldError("/template_id", "names no published template")])
        return content
