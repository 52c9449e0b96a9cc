"""The description of the public API (OpenAPI 3.1), made from the models that enforce it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from services.gateway.api.examples import EMAIL, EVENTS, ID, MESSAGE, WELCOME, problem_examples
from services.gateway.api.representation import EmailRepresentation, EventList
from services.gateway.problems import ErrorBody
from services.gateway.submission.email import EmailSubmission, WelcomeEmailSubmission

_SCHEMAS = "#/components/schemas/"
_JSON = "application/json"


class AcceptedBody(BaseModel):
    """The message is committed; what becomes of it can be asked for by this id."""

    id: str


_PROBLEMS = {
    400: "The body is no JSON text.",
    401: "The request came without an API key, or the key's permission does not allow this call.",
    403: "The API key is not valid.",
    404: "There is nothing at this address.",
    405: "The resource does not know this method; the header Allow lists those it knows.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is not JSON by its Content-Type, or is compressed.",
    422: "The body is JSON, but not what this call takes; every failing field is named.",
    429: "The API key makes too many requests. Try again after retry-after.",
    500: "A bug of the gateway.",
    503: "Not now: overloaded, or the ledger cannot be written. Try again after Retry-After.",
}
_WRITING = (400, 401, 403, 405, 408, 413, 415, 422, 429, 500, 503)
_READING = (401, 403, 404, 405, 429, 500, 503)
_PROBING = (405, 500)
_HEALTH = {"type": "string", "enum": ["ok", "unavailable"]}


def describe(*, version: str, body_limit: int, server: str = "/") -> dict[str, Any]:
    """Describe the API as an OpenAPI document.

    *body_limit* is the size of the largest body in bytes, *server* the URL that the paths start from.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pillarbox",
            "version": version,
            "summary": "You drop a letter in the box and walk away.",
            "description": "Takes e-mail, answers at once, and delivers it later. "
            "The shapes are Resend's; a 202 means that the message is committed to disk. "
            f"A body is at most {body_limit} bytes.",
        },
        "servers": [{"url": server}],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "responses": {str(status): _problem(status) for status in _PROBLEMS},
            "headers": _HEADERS,
            "parameters": {"MessageId": _MESSAGE_ID},
        },
    }


_HEADERS = {
    "X-Request-Id": {
        "description": "Names this request in the gateway's logs.",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds to wait before another try (RFC 9110, section 10.2.3).",
        "schema": {"type": "integer", "minimum": 1},
    },
    "Allow": {
        "description": "The methods that the resource knows (RFC 9110, section 10.2.1).",
        "schema": {"type": "string"},
    },
}

_MESSAGE_ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "The id from the 202.",
    "schema": {"type": "string", "format": "uuid"},
    "example": ID,
}


def _paths() -> dict[str, Any]:
    return {
        "/emails": {"post": _accepting("sendEmail", "Send an e-mail", "EmailSubmission", EMAIL)},
        "/welcome-emails": {
            "post": _accepting("sendWelcomeEmail", "Welcome a new user", "WelcomeEmailSubmission", WELCOME)
        },
        "/emails/{id}": {
            "parameters": [{"$ref": "#/components/parameters/MessageId"}],
            "get": _reading("getEmail", "Look up a message", "EmailRepresentation", MESSAGE),
        },
        "/emails/{id}/events": {
            "parameters": [{"$ref": "#/components/parameters/MessageId"}],
            "get": _reading("listEmailEvents", "What happened to a message", "EventList", EVENTS),
        },
        "/healthz": {"get": _probe("healthz", "Is the process alive?", "status")},
        "/readyz": {"get": _probe("readyz", "May it take requests?", "status", "ledger", "broker")},
        "/openapi.json": {"get": _probe("openapi", "This description")},
    }


def _accepting(operation: str, summary: str, schema: str, example: dict[str, Any]) -> dict[str, Any]:
    body = {"required": True, "content": _content(schema, example)}
    responses = _responses(202, "Committed.", _content("AcceptedBody", {"id": ID}), _WRITING)
    return {"operationId": operation, "summary": summary, "requestBody": body, "responses": responses}


def _reading(operation: str, summary: str, schema: str, example: dict[str, Any]) -> dict[str, Any]:
    responses = _responses(200, "Found.", _content(schema, example), _READING)
    return {"operationId": operation, "summary": summary, "responses": responses}


def _probe(operation: str, summary: str, *parts: str) -> dict[str, Any]:
    report = {"type": "object", "properties": dict.fromkeys(parts, _HEALTH), "required": [*parts]}
    # Probes are answered under overload too.
    problems = _PROBING if parts else (*_PROBING, 503)
    responses = _responses(200, "Yes.", {_JSON: {"schema": report}}, problems)
    if len(parts) > 1:
        responses["503"] = {**responses["200"], "description": "No; the report says which part is missing."}
    return {"operationId": operation, "summary": summary, "responses": responses}


def _responses(
    status: int, description: str, content: dict[str, Any], problems: tuple[int, ...]
) -> dict[str, Any]:
    success = {"description": description, "headers": _header_refs("X-Request-Id"), "content": content}
    refs = {str(problem): {"$ref": f"#/components/responses/{problem}"} for problem in sorted(problems)}
    return {str(status): success, **refs}


def _problem(status: int) -> dict[str, Any]:
    names = ["X-Request-Id", *{405: ["Allow"], 429: ["Retry-After"], 503: ["Retry-After"]}.get(status, [])]
    content = {_JSON: {"schema": {"$ref": f"{_SCHEMAS}ErrorBody"}, "examples": problem_examples(status)}}
    return {"description": _PROBLEMS[status], "headers": _header_refs(*names), "content": content}


def _header_refs(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _content(schema: str, example: dict[str, Any]) -> dict[str, Any]:
    return {_JSON: {"schema": {"$ref": _SCHEMAS + schema}, "example": example}}


def _schemas() -> dict[str, Any]:
    _, definitions = models_json_schema(
        [
            (EmailSubmission, "validation"),
            (WelcomeEmailSubmission, "validation"),
            (AcceptedBody, "serialization"),
            (EmailRepresentation, "serialization"),
            (EventList, "serialization"),
            (ErrorBody, "serialization"),
        ],
        ref_template=_SCHEMAS + "{model}",
    )
    schemas: dict[str, Any] = definitions["$defs"]
    # The form that addresses have inside; nobody outside sees it, and nothing refers to it.
    del schemas["Address"]
    return schemas
