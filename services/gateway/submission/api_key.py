"""What a caller says of an API key that it wants."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from services.gateway.submission import addresses, limits
from services.gateway.submission.headers import one_line
from services.gateway.submission.texts import Domain, Line
from services.gateway.submission.validation import Submission
from services.gateway.tenants.callers import Permission

NAME_LENGTH = 50
DOMAINS = 100

_NO_DOMAIN = "must be a domain name, such as example.com"


def read_domain(text: str) -> str:
    """Give a domain the form that senders' domains have: lower case, A-labels.

    Raises:
        ValueError: It is not a domain that mail can come from.
    """
    if text.endswith(">"):  # which an address may do
        raise ValueError(_NO_DOMAIN)
    try:
        return addresses.parse(f"x@{text}").email.removeprefix("x@")
    except addresses.AddressError:
        raise ValueError(_NO_DOMAIN) from None


def _few_domains(value: object) -> object:
    if value == []:
        raise ValueError("must hold at least one domain; leave it out for any")
    limits.at_most(DOMAINS, value, "domains")
    return value


def _no_domain_id(value: object) -> None:
    if value is not None:
        raise ValueError("is not supported, domains have no ids here: name them in domains")


def _full_by_default(value: object) -> object:
    return Permission.FULL if value is None else value


_Name = Annotated[Line, Field(min_length=1, max_length=NAME_LENGTH), AfterValidator(one_line)]
_Domains = Annotated[
    list[Annotated[str, AfterValidator(read_domain)]] | None,
    BeforeValidator(
        _few_domains,
        json_schema_input_type=Annotated[list[Domain], Field(min_length=1, max_length=DOMAINS)] | None,
    ),
]


class ApiKeySubmission(Submission):
    """An API key to be made."""

    name: _Name = Field(description="What it is for; for you alone.")
    permission: Annotated[
        Permission, BeforeValidator(_full_by_default, json_schema_input_type=Permission | None)
    ] = Field(default=Permission.FULL, description="What it may be used for.")
    domains: _Domains = Field(
        default=None,
        description="The domains that it may send from; if left out, those of the key that makes it.",
    )
    domain_id: Annotated[None, BeforeValidator(_no_domain_id, json_schema_input_type=None)] = Field(
        default=None, description="Not supported: name the domains in `domains`."
    )


class ApiKeyRenaming(Submission):
    """Another name for an API key."""

    name: _Name = Field(description="What it is for; for you alone.")
