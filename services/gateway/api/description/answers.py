"""The bodies of answers that handlers write without a model, because they are short or in a hurry."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

Condition = Literal["ok", "unavailable"]


class Accepted(BaseModel):
    """A message that is committed; what becomes of it can be asked for by this id."""

    id: UUID


class RefusedItem(BaseModel):
    """An e-mail of a batch that was not accepted."""

    index: int = Field(ge=0, description="Its place in the request, from 0.")
    message: str = Field(description="What is wrong with it.")


class AcceptedBatch(BaseModel):
    """The messages that are committed, in the order of the request."""

    data: list[Accepted]
    errors: list[RefusedItem] | None = Field(
        default=None, description="What was not accepted; only with `x-batch-validation: permissive`."
    )


class EmailChanged(BaseModel):
    """The message that was changed."""

    object: Literal["email"] = "email"
    id: UUID


class Alive(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether this gateway may be sent requests, and what it can reach."""

    status: Condition
    ledger: Condition
    broker: Condition = Field(description="Accepting goes on without it; delivering waits for it.")
