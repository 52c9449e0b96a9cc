"""SendGrid's substitutions: words in subject and bodies that stand for something of the recipient's.

Sections are texts of the whole request that a substitution's value may name, and in which
substitutions stand in turn; they do not nest.
https://www.twilio.com/docs/sendgrid/for-developers/sending-email/substitution-tags
https://www.twilio.com/docs/sendgrid/for-developers/sending-email/section-tags

What was put in is never searched again, so a recipient's name cannot pull in another one's secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from services.gateway.submission import limits
from services.gateway.submission.sendgrid_fields import no_nul
from services.gateway.submission.texts import Body, names

TAGS = 100
"""Tags of one personalization, and sections of one request."""

_OCTETS = 50_000

# Marks that can be in no text: JSON with a lone surrogate was refused as JSON.
_FIRST_MARK = 0xD800


def _few(value: object) -> object:
    limits.at_most(TAGS, value, "tags")
    return {} if value is None else value


def _small(values: dict[str, str]) -> dict[str, str]:
    if sum(len(text.encode()) for pair in values.items() for text in pair) > _OCTETS:
        raise ValueError(f"must be at most {_OCTETS} octets together")
    return values


_Texts = dict[Annotated[str, Field(min_length=1)], Annotated[str, AfterValidator(no_nul)]]
_Schema = Annotated[dict[str, Body], Field(max_length=TAGS), names(minLength=1, format="tag")] | None
Substitutions = Annotated[
    _Texts, BeforeValidator(_few, json_schema_input_type=_Schema), AfterValidator(_small)
]
"""Tag to value."""
Sections = Annotated[_Texts, BeforeValidator(_few, json_schema_input_type=_Schema)]
"""Tag to text."""


class TooMuchError(ValueError):
    """A small request would become a huge one."""


class Room:
    """How many characters may still be written."""

    def __init__(self, characters: int) -> None:
        self._left = characters

    def take(self, characters: int) -> None:
        """Use some of it up.

        Raises:
            TooMuchError: There is not as much left.
        """
        self._left -= characters
        if self._left < 0:
            raise TooMuchError("makes too much text of one request: split it into several requests")

    def fill(self, text: str, values: Mapping[str, str]) -> str:
        """Put values in place of their tags, of which a longer one goes first.

        Raises:
            TooMuchError: There is no room for what is added.
        """
        before, found = len(text), []
        for number, tag in enumerate(sorted(values, key=len, reverse=True)):
            mark = chr(_FIRST_MARK + number)
            marked = text.replace(tag, mark)
            if marked is not text:
                text = marked
                found.append((mark, values[tag]))
        after = len(text) + sum((len(value) - 1) * text.count(mark) for mark, value in found)
        self.take(max(0, after - before))
        for mark, value in found:
            text = text.replace(mark, value)
        return text

    def with_sections(self, values: Mapping[str, str], sections: Mapping[str, str]) -> Mapping[str, str]:
        """Put sections, with the values in them, into the values that name them.

        Raises:
            TooMuchError: There is no room for what is added.
        """
        if not sections or not values:
            return values
        filled = {tag: self.fill(text, values) for tag, text in sections.items()}
        return {tag: self.fill(value, filled) for tag, value in values.items()}
