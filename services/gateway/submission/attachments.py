"""Files inside a submission: what the official SDKs send, brought into one form."""

from __future__ import annotations

import binascii
import re
from base64 import b64encode
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from typing_extensions import TypedDict

from services.gateway.submission import limits
from services.gateway.submission.headers import one_line
from services.gateway.submission.texts import BASE64, CONTENT_ID, CONTENT_TYPE, FILENAME, text
from services.gateway.submission.validation import Submission
from shared.signatures import Attachment

# A name of RFC 6838, section 4.2.  No parameters: SendGrid refuses a semicolon in an attachment's type.
_TYPE_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_CONTENT_TYPE = re.compile(f"{_TYPE_NAME}/{_TYPE_NAME}", re.ASCII)
_CONTENT_ID = re.compile(rf'[^\s<>"\\\x00-\x20\x7f-\U0010ffff]{{1,{limits.CONTENT_ID_LENGTH}}}')

# Our own list, because Python's ``mimetypes`` answers what the machine it runs on has in /etc.
_CONTENT_TYPES = {
    "csv": "text/csv",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "eml": "message/rfc822",
    "gif": "image/gif",
    "htm": "text/html",
    "html": "text/html",
    "ics": "text/calendar",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/json",
    "pdf": "application/pdf",
    "png": "image/png",
    "svg": "image/svg+xml",
    "txt": "text/plain",
    "webp": "image/webp",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xml": "application/xml",
    "zip": "application/zip",
}


def _base64(content: object) -> object:
    """Turn a list of bytes (SDKs for Go and Python) or a Node.js Buffer into base64."""
    if isinstance(content, dict) and content.get("type") == "Buffer" and content.keys() == {"type", "data"}:
        content = content["data"]
    if not isinstance(content, list):
        return content
    numbers = content if set(map(type, content)) == {int} else map(_whole, content)
    try:
        return b64encode(bytes(numbers)).decode()
    except (OverflowError, TypeError, ValueError):
        raise ValueError("must be base64, or an array of numbers from 0 to 255") from None


def _whole(number: object) -> int:
    """Take 1.0, which to JSON is a whole number too, but not true, which to Python is one."""
    if isinstance(number, bool) or not isinstance(number, int | float) or number != int(number):
        raise TypeError
    return int(number)


def _strict(content: str) -> str:
    if not content:
        raise ValueError("must not be empty")
    try:
        binascii.a2b_base64(content.encode("ascii"), strict_mode=True)
    except ValueError:
        raise ValueError("must be base64 with padding, without line breaks (RFC 4648, section 4)") from None
    return content


def _filename(filename: str) -> str:
    if "/" in filename or "\\" in filename or filename in {".", ".."}:
        raise ValueError("must be a file's name without folders")
    return one_line(filename)


def _none_if_false(filename: object) -> object:
    """The Node SDK writes false where there is no name."""
    return None if filename is False else filename


def _content_type(content_type: str | None) -> str | None:
    if content_type and not _CONTENT_TYPE.fullmatch(content_type):
        raise ValueError("must have the form type/subtype, without parameters (RFC 6838, section 4.2)")
    return content_type or None


def _content_id(content_id: str | None) -> str | None:
    if content_id and not _CONTENT_ID.fullmatch(content_id):
        raise ValueError(
            f"must be at most {limits.CONTENT_ID_LENGTH} visible ASCII characters, without quotes or brackets"
        )
    return content_id or None


_ContentId = Annotated[Annotated[str, text(pattern=CONTENT_ID)] | None, AfterValidator(_content_id)]
_Bytes = Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(min_length=1)]


class NodeBuffer(TypedDict):
    """What JSON.stringify makes of a Node.js Buffer."""

    type: Annotated[Literal["Buffer"], Field(description="Says what it is.")]
    data: Annotated[_Bytes, Field(description="The bytes.")]


class AttachmentSubmission(Submission):
    """A file that travels inside the message."""

    filename: Annotated[
        Annotated[str, Field(min_length=1, max_length=limits.FILENAME_LENGTH), AfterValidator(_filename)]
        | None,
        BeforeValidator(
            _none_if_false,
            json_schema_input_type=Annotated[
                str, Field(min_length=1, max_length=limits.FILENAME_LENGTH), text(pattern=FILENAME)
            ]
            | Literal[False]
            | None,
        ),
    ] = Field(
        default=None,
        description="The file's name, without folders; `attachment` if left out.",
        examples=["invoice.pdf"],
    )
    content: Annotated[
        str,
        BeforeValidator(
            _base64,
            json_schema_input_type=Annotated[str, Field(min_length=1), text(pattern=BASE64)]
            | _Bytes
            | NodeBuffer,
        ),
        AfterValidator(_strict),
    ] = Field(description="The file in base64 (RFC 4648, section 4), or its bytes as an array of numbers.")
    content_type: Annotated[
        Annotated[str, text(pattern=CONTENT_TYPE)] | None, AfterValidator(_content_type)
    ] = Field(default=None, description="type/subtype; taken from the file's name if left out.")
    content_id: _ContentId = Field(
        default=None, description="For an inline image that the HTML refers to as `cid:…` (RFC 2392)."
    )
    inline_content_id: _ContentId = Field(
        default=None, description="The older name of `content_id`.", json_schema_extra={"deprecated": True}
    )

    def part(self) -> Attachment:
        """The attachment as it crosses the broker."""
        filename = self.filename or "attachment"
        _, dot, extension = filename.rpartition(".")
        guess = _CONTENT_TYPES.get(extension.lower() if dot else "", "application/octet-stream")
        return Attachment(
            filename=filename,
            content=self.content,
            content_type=self.content_type or guess,
            content_id=self.content_id or self.inline_content_id,
        )


def few(attachments: object) -> object:
    """Refuse an array of too many; null stands for none."""
    limits.at_most(limits.ATTACHMENTS, attachments, "attachments")
    return () if attachments is None else attachments


def small(attachments: tuple[Any, ...], info: ValidationInfo) -> tuple[Any, ...]:
    """Refuse files that are too large together."""
    limit = (info.context or {}).get("attachment_bytes", limits.ATTACHMENT_BYTES)
    # Every four characters are three bytes, less one for each "=" at the end.
    decoded = sum(len(a.content) // 4 * 3 - a.content.count("=", -2) for a in attachments)
    if decoded > limit:
        raise ValueError(f"must be at most {limit} bytes together, decoded")
    return attachments


Attachments = Annotated[
    tuple[AttachmentSubmission, ...],
    BeforeValidator(
        few,
        json_schema_input_type=Annotated[list[AttachmentSubmission], Field(max_length=limits.ATTACHMENTS)]
        | None,
    ),
    AfterValidator(small),
]
"""The files of one message."""
