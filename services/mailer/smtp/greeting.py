"""Asks an SMTP server whether it takes our credentials: up to the login, and no further."""

from __future__ import annotations

import asyncio
import ssl

from aiosmtplib import SMTPException, SMTPResponseException

from services.mailer.delivery.ports import NotSentError
from services.mailer.providers.base import Submission
from services.mailer.smtp.connection import Connection
from services.mailer.smtp.progress import Progress


async def greet(submission: Submission, deadline: float) -> str | None:
    """Say hello and goodbye within *deadline* seconds; return at which step it failed and why, or None.

    What the server says is left out: it may repeat the user's name.
    """
    progress = Progress()
    context = None if submission.security == "none" else await asyncio.to_thread(ssl.create_default_context)
    connection = Connection(submission, context)
    try:
        async with asyncio.timeout(deadline):
            await connection.log_in(submission, progress)
    except SMTPResponseException as refusal:
        return f"{refusal.code} at {progress.stage}"
    except NotSentError as error:
        return str(error)
    except (SMTPException, OSError, ValueError) as error:
        return f"{progress.stage}: {type(error).__name__}"
    finally:
        await connection.quit()
        await asyncio.sleep(0)  # a turn of the loop, in which the socket is closed
    return None
