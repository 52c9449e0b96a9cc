"""Read back what Postmark was sent."""

from __future__ import annotations

import base64
from typing import Any

from tests.mailer.carried.letter import parsed
from tests.mailer.carried.shape import Carried


def read(payload: Any) -> Carried:
    """Read the JSON of ``/email``."""
    headers = {header["Name"]: header["Value"] for header in payload["Headers"]}
    # It is an order to Postmark, and does not arrive.
    del headers["X-PM-KeepID"]
    return Carried(
        sender=parsed("From", payload["From"])[0],
        to=parsed("To", payload["To"]),
        cc=parsed("Cc", payload.get("Cc", "")),
        bcc=parsed("Bcc", payload.get("Bcc", "")),
        reply_to=parsed("Reply-To", payload.get("ReplyTo", "")),
        subject=payload["Subject"],
        text=payload.get("TextBody"),
        html=payload.get("HtmlBody"),
        headers=headers,
        tags=[payload["Tag"]] if "Tag" in payload else [],
        metadata=payload["Metadata"],
        files=sorted(
            (
                file["Name"],
                file["ContentType"],
                base64.b64decode(file["Content"]),
                file["ContentID"].removeprefix("cid:") if "ContentID" in file else None,
            )
            for file in payload.get("Attachments", [])
        ),
    )
