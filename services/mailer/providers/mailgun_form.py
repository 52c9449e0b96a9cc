"""The form that Mailgun takes a message in, or many that are almost the same."""

from __future__ import annotations

import base64
from collections.abc import Hashable, Iterator, Sequence

from services.mailer.providers import fields, multipart
from services.mailer.providers.base import UnsupportedError
from services.mailer.providers.multipart import File
from shared.signatures import SendEmail

_RECIPIENTS = 1000
_TAGS = 10
_TAG_LENGTH = 128
_OPTIONS_BYTES = 16 * 1024
_OPTIONS = ("o:", "h:", "v:")
_FORM_BYTES = 25_000_000
_OWN_HEADERS = "x-mailgun-"
_VARIABLE = b"%recipient"
_MESSAGE_ID = "h:Message-Id"
"""As Mailgun's own libraries spell it, lest it adds another one."""


def message_id(message: SendEmail) -> str:
    """Give our ``Message-ID`` as Mailgun's events have it, without the angle brackets."""
    return fields.message_id_header(message).strip("<>")


def single(message: SendEmail) -> tuple[bytes, str]:
    """Give the form of one message, and its content type.

    Raises:
        UnsupportedError: Mailgun cannot carry it.
    """
    return _form(list(_texts(message)), message)


def shared(message: SendEmail) -> Hashable | None:
    """Give what the messages of a batch must have in common; None for one that goes alone."""
    if len(message.to) != 1 or message.cc or message.bcc or _says_variable(message):
        return None
    return (
        message.sender,
        message.reply_to,
        message.text,
        message.html,
        message.attachments,
        message.tags,
        tuple(message.headers.items()),
        tuple(message.metadata),
    )


def batch(messages: Sequence[SendEmail]) -> tuple[bytes, str]:
    """Give the form of several messages, and its content type.

    Raises:
        UnsupportedError: They cannot share a form: two go to the same address, or they are too large.
    """
    first = messages[0]
    recipients = {message.to[0].email.lower() for message in messages}
    if len(recipients) < len(messages):
        raise UnsupportedError("Mailgun sends to an address only once in a batch")
    values = {f"v:{name}": f"%recipient.v{number}%" for number, name in enumerate(first.metadata)}
    variable = {
        **values,
        "subject": "%recipient.subject%",
        f"v:{fields.MESSAGE_ID}": "%recipient.message_id%",
        # Kept for each recipient, as https://github.com/TryGhost/Ghost/pull/30776 found out.
        _MESSAGE_ID: fields.message_id_header(first).replace(str(first.message_id), "%recipient.message_id%"),
    }
    texts = [(name, variable.get(name, text)) for name, text in _texts(first) if name != "to"]
    texts += [("to", fields.mailbox(message.to[0])) for message in messages]
    variables = {message.to[0].email: _variables(message) for message in messages}
    texts.append(("recipient-variables", fields.compact(variables).decode()))
    return _form(texts, first)


def _variables(message: SendEmail) -> dict[str, str]:
    values = {f"v{number}": value for number, value in enumerate(message.metadata.values())}
    return {"message_id": str(message.message_id), "subject": message.subject, **values}


def _texts(message: SendEmail) -> Iterator[tuple[str, str]]:
    if not message.text and not message.html:
        raise UnsupportedError("Mailgun sends no message without text or html")
    yield "from", fields.mailbox(message.sender)
    groups = {"to": message.to, "cc": message.cc, "bcc": message.bcc}
    if sum(map(len, groups.values())) > _RECIPIENTS:
        raise UnsupportedError(f"Mailgun takes at most {_RECIPIENTS} recipients")
    yield from ((kind, fields.mailbox(address)) for kind, group in groups.items() for address in group)
    yield "subject", message.subject
    bodies = {"text": message.text, "html": message.html}
    yield from ((kind, body) for kind, body in bodies.items() if body)
    yield from _options(message)


def _options(message: SendEmail) -> Iterator[tuple[str, str]]:
    for name, value in fields.headers(message).items():
        if name.lower().startswith(_OWN_HEADERS):
            raise UnsupportedError(f"the header {name} is reserved")
        yield _MESSAGE_ID if name == "Message-ID" else f"h:{name}", value
    if message.reply_to:
        yield "h:Reply-To", ", ".join(map(fields.mailbox, message.reply_to))
    labels = fields.labels(message)
    if len(labels) > _TAGS or any(len(label) > _TAG_LENGTH or not label.isascii() for label in labels):
        raise UnsupportedError(f"Mailgun takes at most {_TAGS} tags, of {_TAG_LENGTH} ASCII characters each")
    yield from (("o:tag", label) for label in labels)
    yield from ((f"v:{name}", value) for name, value in fields.metadata(message).items())


def _form(texts: Sequence[tuple[str, str]], message: SendEmail) -> tuple[bytes, str]:
    options = ((name + text).encode() for name, text in texts if name.startswith(_OPTIONS))
    if sum(map(len, options)) > _OPTIONS_BYTES:
        raise UnsupportedError("Mailgun takes at most 16 kB of headers, tags and metadata")
    body, content_type = multipart.form(texts, _files(message), seed=f"pillarbox-{message.message_id.hex}")
    if len(body) > _FORM_BYTES:
        raise UnsupportedError("Mailgun takes messages of at most 25 MB")
    return body, content_type


def _files(message: SendEmail) -> Iterator[File]:
    for attachment in message.attachments:
        content = base64.b64decode(attachment.content)
        if attachment.content_id:
            # The name of an inline file is what cid: refers to.
            yield File("inline", attachment.content_id, attachment.content_type, content)
        else:
            yield File("attachment", attachment.filename, attachment.content_type, content)


def _says_variable(message: SendEmail) -> bool:
    """Whether anything in the message would be taken for a variable of ours, which a batch has."""
    files = (base64.b64decode(attachment.content) for attachment in message.attachments)
    return any(_VARIABLE in part.lower() for part in (message.arguments(), *files))
