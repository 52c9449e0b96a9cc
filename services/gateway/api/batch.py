"""``POST /emails/batch``: many messages in one request and one transaction.

Strict, as by default, it is all or nothing; permissive, what is valid is accepted and the rest is
reported.  Source: https://resend.com/docs/api-reference/emails/send-batch-emails
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from aiohttp import web

from services.gateway import problems
from services.gateway.acceptance.acceptance import Acceptance
from services.gateway.acceptance.entries import Draft
from services.gateway.acceptance.idempotency import fingerprint, read_key
from services.gateway.api.access import caller, needs
from services.gateway.api.emails import Drafting, accepted_response
from services.gateway.api.requests import BodyReader
from services.gateway.ledger.deposit import Key
from services.gateway.problems import FieldError, Problem
from services.gateway.submission import limits
from services.gateway.submission.email import BatchItem
from services.gateway.submission.validation import parse, validate
from services.gateway.tenants.callers import Caller, Permission

VALIDATION = "x-batch-validation"

_REUSED = "/idempotency_key: was used before for a different request"


@dataclass(slots=True)
class _Sorted:
    """The items of a batch: those that can be accepted, and what is wrong with the others."""

    drafts: list[Draft] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    """Where each draft stood in the batch."""
    refused: dict[int, Problem] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batches:
    """The handler, with what it needs."""

    acceptance: Acceptance
    drafting: Drafting
    body: BodyReader

    def routes(self) -> Iterable[web.RouteDef]:
        """The resource's route."""
        return (web.post("/emails/batch", self.post_batch),)

    @needs(Permission.SENDING)
    async def post_batch(self, request: web.Request) -> web.Response:
        """Accept a batch: 202 once all of it, or all that is valid of it, is committed."""
        strict = _is_strict(request)
        body = await self.body.read(request)
        key = read_key(request, "batch" if strict else "batch, permissive", body)
        batch = await self._sort(caller(request), _items(body, key))
        if batch.refused and (strict or not batch.drafts):
            problem = _all_problems(batch.refused.values())
            try:
                return accepted_response(await self.acceptance.repeated(caller(request), key, problem))
            except Problem as answered:
                if strict or answered is not problem:
                    raise

        def answer(ids: Sequence[UUID | None]) -> bytes:
            return _answer(batch, ids, strict=strict)

        if not batch.drafts:
            return web.Response(body=answer(()), status=202, content_type="application/json")
        accepted = await self.acceptance.accept(
            caller(request), batch.drafts, answer=answer, key=key, strict=strict
        )
        return accepted_response(accepted)

    async def _sort(self, identity: Caller, items: Sequence[Any]) -> _Sorted:
        batch = _Sorted()
        for index, item in enumerate(items):
            place = f"/{index}"
            try:
                submission = validate(BatchItem, item)
                key = _item_key(submission, item)
                draft = await self.drafting.draft(identity, submission, key=key, place=place)
            except Problem as problem:
                if problem.status != 422:
                    raise
                batch.refused[index] = problem.within(place)
            else:
                batch.drafts.append(draft)
                batch.places.append(index)
        return batch


def _is_strict(request: web.Request) -> bool:
    word = request.headers.get(VALIDATION, "strict").lower()
    if word not in {"strict", "permissive"}:
        wrong = FieldError("", f"the header {VALIDATION} must be strict or permissive")
        raise problems.invalid_fields([wrong])
    return word == "strict"


def _items(body: bytes, key: Key | None) -> list[Any]:
    """Read a batch as its parts, none of which is validated yet."""
    items = parse(body)
    if not isinstance(items, list) or not items:
        raise problems.invalid_fields([FieldError("", "must be an array with at least one e-mail")])
    if len(items) > limits.BATCH:
        raise problems.invalid_fields([FieldError("", f"must hold at most {limits.BATCH} e-mails")])
    used = {key.text} if key else set()
    errors = []
    for index, item in enumerate(items):
        text = item.get("idempotency_key") if isinstance(item, dict) else None
        if isinstance(text, str) and text in used:
            errors.append(FieldError(f"/{index}/idempotency_key", "is used twice in this request"))
        elif isinstance(text, str):
            used.add(text)
    if errors:
        raise problems.invalid_fields(errors)
    return items


def _item_key(submission: BatchItem, item: dict[str, Any]) -> Key | None:
    """The item's own key; the same e-mail sent alone under that key counts as the same request."""
    if submission.idempotency_key is None:
        return None
    content = {name: value for name, value in item.items() if name != "idempotency_key"}
    return Key(submission.idempotency_key, fingerprint("email", content))


def _all_problems(refused: Iterable[Problem]) -> Problem:
    """One problem that names the failing fields of all items."""
    every = list(refused)
    errors = [error for problem in every for error in problem.errors]
    return problems.invalid_fields(errors, missing=any(p.name == "missing_required_field" for p in every))


def _answer(batch: _Sorted, ids: Sequence[UUID | None], *, strict: bool) -> bytes:
    body: dict[str, Any] = {"data": [{"id": str(message_id)} for message_id in ids if message_id]}
    if not strict:
        errors = {index: problem.message for index, problem in batch.refused.items()}
        errors |= {
            index: f"/{index}{_REUSED}"
            for index, message_id in zip(batch.places, ids, strict=bool(ids))
            if message_id is None
        }
        body["errors"] = [{"index": index, "message": errors[index]} for index in sorted(errors)]
    return json.dumps(body, separators=(",", ":")).encode()
