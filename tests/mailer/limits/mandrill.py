"""What Mandrill cannot carry: https://mailchimp.com/developer/transactional/docs/tags-metadata/."""

from __future__ import annotations

from shared.signatures import Address, Attachment, Tag
from tests.mailer.limits.values import tags
from tests.mailer.samples import EVERY_BYTE

IMAGE_THAT_IS_NONE = Attachment(
    filename="a.pdf", content=EVERY_BYTE, content_type="application/pdf", content_id="a"
)

UNSUPPORTED: list[tuple[dict[str, object], str]] = [
    ({"tags": (Tag(name="_own", value=""),)}, "underscore"),
    ({"tags": tags(1, "x" * 50)}, "50 characters"),
    ({"metadata": {"k": "v" * 250}}, "250 bytes"),
    ({"metadata": {"_k": "v"}}, "underscore"),
    ({"attachments": (IMAGE_THAT_IS_NONE,)}, "images"),
    ({"reply_to": (Address(email="émile@example.org", name="É"),)}, "not ASCII"),
]
