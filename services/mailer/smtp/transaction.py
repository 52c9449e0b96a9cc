"""One mail transaction (RFC 5321, 3.3): MAIL, RCPT, DATA, the message, and the dot that hands it over."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, cast

from aiosmtplib import (
    SMTP,
    SMTPRecipientRefused,
    SMTPResponse,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPStatus,
)

from services.mailer.providers.base import Response, Submission
from services.mailer.smtp.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHUNK = 65_536
_POLL_SECONDS = 0.005
_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)
_END_OF_LINE, _FINAL_DOT = b"\r\n", b".\r\n"
_REFUSAL_LENGTH = 500


async def transact(smtp: SMTP, submission: Submission, progress: Progress, until: float) -> Response:
    """Perform one transaction; its final dot does not leave after ``until`` (monotonic).

    If a recipient is refused for the time being, nothing is sent to the others either, and the next attempt
    is for all of them: taking those that go would leave nobody who remembers the rest.  If some are refused
    for good, the others get the message.

    Raises:
        SMTPResponseException: The server refused.
        SMTPServerDisconnected: The connection was lost.
        TimeoutError: It is too late.
    """
    progress.stage = "mail"
    options = [f"SIZE={len(submission.body)}"] if smtp.supports_extension("size") else []
    await smtp.mail(submission.sender, options=options)
    progress.stage = "rcpt"
    refusals = await _refusals(smtp, submission.recipients)
    refused, asked = len(refusals), len(submission.recipients)
    decisive = next((refusal for refusal in refusals if not _is_permanent(refusal)), None)
    if decisive is None and refused == asked:
        decisive = refusals[0]
    if decisive is not None:
        return progress.response(
            decisive.code, decisive.message, recipients=asked, recipients_taken=asked - refused
        )
    progress.stage = "data"
    invitation = await smtp.execute_command(b"DATA")
    if invitation.code != SMTPStatus.start_input:
        raise SMTPResponseException(invitation.code, invitation.message)
    progress.stage = "body"
    reply = await _hand_over(smtp, submission.body, progress, until)
    refusal = f"{refusals[0].code} {refusals[0].message}"[:_REFUSAL_LENGTH] if refusals else ""
    return progress.response(
        reply.code, reply.message, recipients=asked, recipients_refused=refused, refusal=refusal
    )


async def _refusals(smtp: SMTP, recipients: Sequence[str]) -> list[SMTPRecipientRefused]:
    """Name all recipients, also after one was refused: a server that greylists has then seen them all."""
    refusals: list[SMTPRecipientRefused] = []
    for path in recipients:
        try:
            await smtp.rcpt(path)
        except SMTPRecipientRefused as refusal:
            refusals.append(refusal)
            if refusal.code == SMTPStatus.domain_unavailable:  # the connection has ended
                break
    return refusals


def _is_permanent(refusal: SMTPRecipientRefused) -> bool:
    return refusal.code // 100 == 5


async def _hand_over(smtp: SMTP, body: bytes, progress: Progress, until: float) -> SMTPResponse:
    """Send the message, and its final dot only after the rest has left.

    The library would write both in one go, and then nobody could tell whether a connection that broke
    meanwhile broke before the dot; nor would there be a last moment to call the attempt off.
    """
    protocol, transport = smtp.protocol, cast("asyncio.WriteTransport | None", smtp.transport)
    if protocol is None or transport is None:
        raise SMTPServerDisconnected("")
    reply = asyncio.ensure_future(protocol.read_response())
    reply.add_done_callback(_look_at)
    try:
        await asyncio.sleep(0)  # so that it listens: the server may refuse before all is said
        stuffed = _stuffed(body)
        for start in range(0, len(stuffed), _CHUNK):
            protocol.write(stuffed[start : start + _CHUNK])
            while transport.get_write_buffer_size() and not reply.done():
                await asyncio.wait([reply], timeout=_POLL_SECONDS)
            if reply.done():
                return await reply
        if time.monotonic() >= until:  # the process may have been frozen meanwhile
            raise TimeoutError
        protocol.write(_FINAL_DOT)
        progress.dot_has_left = True
        return await reply
    finally:
        reply.cancel()


def _stuffed(body: bytes) -> bytes:
    """Double the dot at the beginning of a line (RFC 5321, 4.5.2), and end the last line."""
    stuffed = _LEADING_DOT.sub(b"..", body)
    return stuffed if stuffed.endswith(_END_OF_LINE) else stuffed + _END_OF_LINE


def _look_at(reply: asyncio.Future[SMTPResponse]) -> None:
    """Take note of its exception, which nobody awaits if something else went wrong first."""
    if not reply.cancelled():
        reply.exception()
