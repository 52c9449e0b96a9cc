"""What texts look like in the words of JSON Schema, for the description of the API.

Nothing is enforced here: each type stands beside the validator whose rule it tells.  Patterns are
for ECMA-262's regular expressions, and where those cannot say all of a rule they allow too much.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypeAliasType

from services.gateway.submission import limits

CONTROLS = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
_ATOM = r"[A-Za-z0-9_#$%&'*+/=?^`{|}~-]+"
_LETTER = r"A-Za-z\u0080-\uffff"
_LABEL = rf"[{_LETTER}0-9](?:[{_LETTER}0-9-]{{0,61}}[{_LETTER}0-9])?"
_DOMAIN = rf"(?:{_LABEL}\.)+[{_LETTER}](?:[{_LETTER}0-9-]{{0,61}}[{_LETTER}])?"
_ADDRESS = rf"(?=[^@]{{1,64}}@)(?!-){_ATOM}(?:\.{_ATOM})*@{_DOMAIN}"


def text(**facets: Any) -> Any:
    """Describe a text by its facets, as pydantic takes them."""
    return Field(json_schema_extra=facets)


def names(**facets: Any) -> Any:
    """Describe the names of an object's members in the same way."""
    return Field(json_schema_extra={"propertyNames": facets})


def _told_already(schema: dict[str, Any]) -> None:
    schema.pop("minLength", None)


AT_LEAST_ONE: Any = Field(min_length=1, json_schema_extra=_told_already)
"""Of an array whose schema says so itself; pydantic would say it of a string."""

ONE_LINE = rf"^[^{CONTROLS}]*$"
NO_NUL = r"^[^\u0000]*$"
FILENAME = r"^(?!\.{1,2}$)" + rf"[^/\\{CONTROLS}]*$"
CONTENT_TYPE = r"^(?:[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126})?$"
CONTENT_ID = rf"^[!#-;=?-\[\]-~]{{0,{limits.CONTENT_ID_LENGTH}}}$"
BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
HEADER = (
    r"^(?:[Xx]-[A-Za-z0-9-]{1,60}|[Ll][Ii][Ss][Tt]-[A-Za-z-]{1,60}|[Rr][Ee][Ff][Ee][Rr][Ee][Nn][Cc][Ee][Ss]"
)
HEADER += r"|[Ii][Nn]-[Rr][Ee][Pp][Ll][Yy]-[Tt][Oo])$"

MAIL_HEADER = r"^(?![Xx]-[Ss][Gg]-(?:[Ee]?[Ii][Dd])$)"

Line = Annotated[str, text(pattern=ONE_LINE)]
Body = Annotated[str, text(pattern=NO_NUL)]
PersonName = Annotated[str, text(pattern=rf"^(?!.*=\?)[^{CONTROLS}]*$", maxLength=980)]

Mailbox = TypeAliasType(
    "Mailbox",
    Annotated[
        str,
        text(
            description="An address as `user@example.com` or `Name <user@example.com>`.",
            examples=["Ann Lee <ann@example.org>"],
            format="mailbox",
            maxLength=998,
            pattern=rf"^(?:[^{CONTROLS}]*<(?=[^>]{{1,254}}>$){_ADDRESS}>|(?=.{{1,254}}$){_ADDRESS})$",
        ),
    ],
)
EmailAddress = TypeAliasType(
    "EmailAddress",
    Annotated[
        str,
        text(
            description="An address alone: ASCII before the @, a domain name after it.",
            examples=["ann@example.org"],
            format="idn-email",
            maxLength=254,
            pattern=f"^{_ADDRESS}$",
        ),
    ],
)
Domain = TypeAliasType(
    "Domain",
    Annotated[
        str,
        text(
            description="A domain name that mail can come from.",
            examples=["example.com"],
            format="idn-hostname",
            maxLength=252,
            pattern=f"^{_DOMAIN}$",
        ),
    ],
)
