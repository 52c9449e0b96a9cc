"""What there is to say of one call; the document is made of nothing but these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from services.gateway.tenants.callers import Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A value beside the body."""

    name: str
    place: Literal["path", "query", "header"]
    description: str
    schema: Mapping[str, Any]
    """JSON Schema of what is taken."""
    example: str | int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What is sent."""

    model: type[BaseModel]
    """The model that enforces it."""
    examples: Mapping[str, Any]
    """Summary to body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Where a value of the answer can be used."""

    operation: str
    """The id of the call that takes it in its path."""
    source: str = "$response.body#/id"
    """Where it stands, as a runtime expression of OpenAPI."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What comes back when all went well, or as well as it could."""

    status: int
    description: str
    model: type[BaseModel] | None = None
    """What the body is made from; none if it is empty, or no JSON."""
    examples: Mapping[str, Any] = field(default_factory=dict)
    """Summary to body."""
    media_type: str | None = "application/json"
    """None if there is no body."""
    headers: tuple[str, ...] = ()
    """Beside those of every answer."""
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call: a method on a path."""

    id: str
    """What a client generator calls its function."""
    method: Literal["get", "post", "patch", "delete"]
    path: str
    tag: str
    summary: str
    description: str = ""
    permission: Permission | None
    """What an API key must be allowed; None if everybody may call."""
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    written: Mapping[str, Any] = field(default_factory=dict)
    """Examples of a body that others have given a form of theirs, of which nothing is said here."""
    answers: tuple[Answer, ...]
    problems: tuple[str, ...] = ()
    """What can go wrong beside what can with every such call; keys of the catalogue."""
    is_probe: bool = False
    """Whether it is answered under overload, too."""

    def takes(self, place: str) -> bool:
        """Whether it has a parameter there."""
        return any(parameter.place == place for parameter in self.parameters)


def ok(description: str, model: type[BaseModel], example: Any, *links: str, status: int = 200) -> Answer:
    """Describe an answer with one example; *links* are the ids of calls that take its id."""
    return Answer(
        status=status,
        description=description,
        model=model,
        examples={"Example": example},
        links=tuple(Link(operation=operation) for operation in links),
    )
