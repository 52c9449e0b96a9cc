"""Who a submission is from and who it goes to: each address parsed once, then structured."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator

from services.gateway.submission import addresses, limits
from services.gateway.submission.texts import AT_LEAST_ONE, EmailAddress
from services.gateway.submission.texts import Mailbox as MailboxText
from shared.signatures import Address


def _mailbox(value: object) -> Address:
    if isinstance(value, Address):
        return value
    if isinstance(value, str):
        return addresses.parse(value)
    raise ValueError("must be a string")


def _listed(value: object) -> object:
    """Let one address stand for a list of one, and null for none."""
    if isinstance(value, str):
        return (_mailbox(value),)
    if value is None:
        return ()
    if isinstance(value, list):
        limits.at_most(limits.RECIPIENTS, value, "addresses")
        return value
    raise ValueError("must be an address or an array of addresses")


def _bare(address: Address) -> Address:
    if address.name is not None:
        raise ValueError("must be an address alone, without a display name")
    return address


def count(*lists: tuple[Address, ...]) -> None:
    """Refuse lists that hold too many recipients together.

    Raises:
        ValueError: They do.
    """
    if sum(map(len, lists)) > limits.RECIPIENTS:
        raise ValueError(f"must be at most {limits.RECIPIENTS} recipients together with the other lists")


Mailbox = Annotated[Address, PlainValidator(_mailbox, json_schema_input_type=MailboxText)]
"""One address, with or without a display name."""

BareMailbox = Annotated[
    Address, PlainValidator(_mailbox, json_schema_input_type=EmailAddress), AfterValidator(_bare)
]
"""One address without a display name."""

_OneOrMore = MailboxText | Annotated[list[MailboxText], Field(min_length=1, max_length=limits.RECIPIENTS)]
_NoneOrMore = MailboxText | Annotated[list[MailboxText], Field(max_length=limits.RECIPIENTS)] | None
Recipients = Annotated[
    tuple[Mailbox, ...], BeforeValidator(_listed, json_schema_input_type=_OneOrMore), AT_LEAST_ONE
]
"""At least one address; a single one may stand without an array."""

Mailboxes = Annotated[tuple[Mailbox, ...], BeforeValidator(_listed, json_schema_input_type=_NoneOrMore)]
"""Any number of addresses; a single one may stand without an array."""
