"""The description of the public API (OpenAPI 3.1), made from its operations and their models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from services.gateway.api.description.failures import Failures
from services.gateway.api.description.headers import ALWAYS, RATE_LIMIT, REQUEST_ID, components, headers
from services.gateway.api.description.operation import Answer, Body, Operation, Parameter
from services.gateway.api.description.operations import OPERATIONS, TAGS
from services.gateway.api.description.references import needed
from services.gateway.api.description.schemas import Schemas

_PERMISSION = "x-permission"
_SECURITY = "apiKey"
_ABOUT = """\
Takes e-mail, answers at once, and delivers it later: a 202 means that the message is committed to disk.

The shapes are Resend's, so its SDKs work by changing the base URL; `POST /v3/mail/send` is SendGrid's.
Bodies are JSON in UTF-8 of at most {body_limit} bytes, and fields that a call does not know are refused.
Every error says what is wrong and where, and never repeats a value that was sent.
"""


def describe(*, version: str, body_limit: int, server: str = "/") -> dict[str, Any]:
    """Describe the API as an OpenAPI document.

    *body_limit* is the size of the largest body in bytes, *server* the URL that the paths start from.
    """
    writer = _Writer(OPERATIONS)
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = writer.operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pillarbox",
            "version": version,
            "summary": "You drop a letter in the box and walk away.",
            "description": _ABOUT.format(body_limit=f"{body_limit:,}"),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": server}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {**needed(paths, writer.components()), "securitySchemes": {_SECURITY: _KEY}},
    }


class _Writer:
    """Writes operations down, and keeps what they share."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._schemas = Schemas(operations)
        self._failures = Failures(self._schemas)
        self._takes = {operation.id: operation for operation in operations}

    def operation(self, operation: Operation) -> dict[str, Any]:
        """Write one operation down."""
        answers: dict[str, Any] = {}
        for answer in operation.answers:
            answers[str(answer.status)] = self._answer(operation, answer)
        failures = {
            status: failure
            for status, failure in self._failures.of(operation).items()
            if status not in answers
        }
        written: dict[str, Any] = {
            "operationId": operation.id,
            "tags": [operation.tag],
            "summary": operation.summary,
            "description": operation.description,
            "parameters": [_parameter(each) for each in (*operation.parameters, REQUEST_ID)],
            "responses": dict(sorted((answers | failures).items())),
            "security": [] if operation.permission is None else [{_SECURITY: []}],
            _PERMISSION: operation.permission,
        }
        if operation.body is not None:
            written["requestBody"] = self._body(operation.body)
        if operation.written:
            given = {"schema": {"description": "As its author writes it."}, **_examples(operation.written)}
            written["requestBody"] = {"required": True, "content": {"application/json": given}}
        return {name: value for name, value in written.items() if value not in ("", None)}

    def components(self) -> dict[str, dict[str, Any]]:
        """What the operations may refer to."""
        return {
            "schemas": self._schemas.components,
            "responses": self._failures.responses,
            "examples": self._failures.examples,
            "headers": components(),
        }

    def _answer(self, operation: Operation, answer: Answer) -> dict[str, Any]:
        sometimes = {name.lower() for name in answer.headers}
        required = {ALWAYS} | (sometimes - {"idempotent-replayed"})
        limits = RATE_LIMIT if operation.permission else frozenset()
        written: dict[str, Any] = {
            "description": answer.description,
            "headers": headers(required=required, possible=sometimes | limits),
        }
        if answer.media_type is not None:
            schema = self._schemas.given(answer.model) if answer.model else _plain(answer.media_type)
            written["content"] = {answer.media_type: {"schema": schema, **_examples(answer.examples)}}
        if answer.links:
            written["links"] = {
                link.operation: {
                    "operationId": link.operation,
                    "parameters": {_named(self._takes[link.operation]): link.source},
                }
                for link in answer.links
            }
        return written

    def _body(self, body: Body) -> dict[str, Any]:
        content = {"schema": self._schemas.taken(body.model), **_examples(body.examples)}
        return {"required": True, "content": {"application/json": content}}


_KEY = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key, sent as `Authorization: Bearer <key>`. What it must be allowed stands at "
    f"each operation as `{_PERMISSION}`; `full_access` may do everything.",
}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    written = {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.description,
        "schema": parameter.schema,
    }
    return written | ({} if parameter.example is None else {"example": parameter.example})


def _named(operation: Operation) -> str:
    """The parameter that names what the operation is about."""
    return next(parameter.name for parameter in operation.parameters if parameter.place == "path")


def _plain(media_type: str) -> dict[str, Any]:
    return {"type": "object" if media_type == "application/json" else "string"}


def _examples(examples: Mapping[str, Any]) -> dict[str, Any]:
    return (
        {"examples": {summary: {"value": value} for summary, value in examples.items()}} if examples else {}
    )
