"""The description of the API says all that the gateway does, and nothing that it does not."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from aiohttp.web_urldispatcher import AbstractRoute
from pydantic import BaseModel

from services.gateway.api.access import is_public, needed
from services.gateway.api.description import describe
from services.gateway.api.description.catalogue import KINDS
from services.gateway.api.description.operations import OPERATIONS
from services.gateway.app import create_app
from services.gateway.settings import Settings

ROOT = Path(__file__).parents[2]
DOCUMENT = describe(version="1.2.3", body_limit=10_000_000, server="https://mail.example.com")
WRITTEN = {
    (method.upper(), path): operation
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
}
PROBE = ("HEAD", "/provider-events/{account}")
"""The one call that is not described: it is what its GET is, without a body."""
CALLS = pytest.mark.parametrize("call", WRITTEN, ids=" ".join)


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], AbstractRoute]:
    """Every route of the application, by method and path."""
    folder = tmp_path_factory.mktemp("app")
    app = create_app(
        Settings(broker_url=f"filesystem://{folder}/broker", ledger_url=f"sqlite:///{folder}/ledger.sqlite3")
    )
    found = {
        (route.method, route.resource.canonical): route
        for route in app.router.routes()
        if route.resource and not is_page(route.resource.canonical)
    }
    del found[PROBE]
    return found


def is_page(path: str) -> bool:
    """Whether people look at it, and no program."""
    return path == "/" or path.startswith("/dashboard")


def walk(node: object) -> Iterator[dict[str, Any]]:
    """Visit every object of the document."""
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from walk(child)
    elif isinstance(node, list | tuple):
        for child in node:
            yield from walk(child)


def resolve(node: dict[str, Any]) -> Any:
    """Follow a reference inside the document, if it is one."""
    found: Any = DOCUMENT
    if "$ref" not in node:
        return node
    for key in node["$ref"].removeprefix("#/").split("/"):
        found = found[key]
    return found


def errors(schema: dict[str, Any], value: object) -> list[str]:
    """What a schema of the document finds wrong with a value."""
    whole = {**schema, "components": DOCUMENT["components"]}
    validator = jsonschema_rs.Draft202012Validator(whole)
    return [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(value)]


# The document and the application


def test_every_route_is_described(routes: dict[tuple[str, str], AbstractRoute]) -> None:
    """No call is missing, and none is promised that is not there."""
    assert set(routes) == set(WRITTEN)


def test_the_permissions_are_those_of_the_handlers(routes: dict[tuple[str, str], AbstractRoute]) -> None:
    """What a key must be allowed is what the handler is marked with."""
    marked = {
        call: None if is_public(route.handler) else str(needed(route.handler))
        for call, route in routes.items()
    }

    assert marked == {call: operation.get("x-permission") for call, operation in WRITTEN.items()}
    assert {call: [] if permission is None else [{"apiKey": []}] for call, permission in marked.items()} == {
        call: operation["security"] for call, operation in WRITTEN.items()
    }


def test_no_other_route_takes_head(routes: dict[tuple[str, str], AbstractRoute]) -> None:
    """The methods are those of the document and no others."""
    assert {"GET", "POST", "PATCH", "DELETE"} == {method for method, _ in routes}


# The document itself


def test_the_head_of_the_document() -> None:
    """It is an OpenAPI 3.1 document with the version and server that it was asked for, all JSON."""
    assert "3.1.0" == DOCUMENT["openapi"]
    assert ("Pillarbox", "1.2.3") == (DOCUMENT["info"]["title"], DOCUMENT["info"]["version"])
    assert [{"url": "https://mail.example.com"}] == DOCUMENT["servers"]
    assert json.loads(json.dumps(DOCUMENT, allow_nan=False))


def test_every_reference_leads_somewhere() -> None:
    """No reference dangles, and no component is there without one."""
    refs = {node["$ref"] for node in walk(DOCUMENT) if "$ref" in node}
    components = {
        f"#/components/{kind}/{name}"
        for kind, parts in DOCUMENT["components"].items()
        for name in parts
        if kind != "securitySchemes"
    }

    assert components == refs
    assert all(re.fullmatch(r"#/components/\w+/[A-Za-z0-9._-]+", ref) for ref in refs)


def test_operations_have_distinct_names_and_tags_that_are_explained() -> None:
    """A client generator makes one function of each."""
    tags = {tag["name"] for tag in DOCUMENT["tags"]}

    assert len(WRITTEN) == len({operation["operationId"] for operation in WRITTEN.values()})
    assert tags == {tag for operation in WRITTEN.values() for tag in operation["tags"]}
    assert all(tag["description"] for tag in DOCUMENT["tags"])


@CALLS
def test_path_parameters_are_declared(call: tuple[str, str]) -> None:
    """Every name in braces is a parameter of the path, with an example."""
    declared = [each for each in WRITTEN[call]["parameters"] if each["in"] == "path"]

    assert re.findall(r"\{(\w+)\}", call[1]) == [each["name"] for each in declared]
    assert all(each["required"] and each["example"] for each in declared)


@CALLS
def test_everything_is_described_in_words(call: tuple[str, str]) -> None:
    """A call, its parameters, the fields of its body and its answers have descriptions."""
    operation = WRITTEN[call]

    assert operation["summary"]
    assert all(each["description"] for each in operation["parameters"])
    assert all(resolve(answer)["description"] for answer in operation["responses"].values())
    assert [] == list(undescribed(operation.get("requestBody", {})))


def undescribed(node: object, above: tuple[str, ...] = ()) -> Iterator[str]:
    """Names of fields without a description, wherever they are below."""
    for part in walk(node):
        ref = part.get("$ref", "")
        if ref and ref not in above:
            yield from undescribed(resolve(part), (*above, ref))
        if "additionalProperties" in part:
            fields = part.get("properties", {}).items()
            yield from (name for name, field in fields if not field.get("description"))


# Models


def models() -> Iterator[tuple[type[BaseModel], bool]]:
    """Every model of a body (True) or of an answer (False)."""
    for operation in OPERATIONS:
        if operation.body is not None:
            yield operation.body.model, True
        yield from ((answer.model, False) for answer in operation.answers if answer.model is not None)


@pytest.mark.parametrize(("model", "is_taken"), dict.fromkeys(models()))
def test_the_fields_are_those_of_the_models(*, model: type[BaseModel], is_taken: bool) -> None:
    """A field cannot be forgotten, since models and description are one thing."""
    schema = DOCUMENT["components"]["schemas"][model.__name__]
    if "properties" not in schema:  # the batch, which is an array
        schema = resolve(schema["items"])
        model = model.model_fields["root"].annotation.__args__[0]  # type: ignore[union-attr]
    fields = {field.alias or name for name, field in model.model_fields.items()}

    assert fields == set(schema["properties"])
    assert (schema.get("additionalProperties") is False) == is_taken


# Answers

PUBLIC = {"200", "400", "405", "500", "503"}
READING = {"200", "400", "401", "403", "404", "405", "429", "500", "503"}
LISTING = READING - {"404"} | {"422"}
WRITING = {"400", "401", "403", "405", "408", "413", "415", "422", "429", "500", "503"}

STATUSES = {
    "POST /emails": WRITING | {"202", "409"},
    "POST /emails/batch": WRITING | {"202", "409"},
    "POST /welcome-emails": WRITING | {"202", "409"},
    "GET /emails": LISTING,
    "GET /emails/{id}": READING,
    "GET /emails/{id}/events": READING,
    "GET /events": LISTING,
    "PATCH /emails/{id}": WRITING | {"200", "404", "409"},
    "POST /emails/{id}/cancel": READING | {"409"},
    "POST /emails/{id}/replay": READING - {"200"} | {"202", "409", "410"},
    "POST /emails/{id}/release": READING - {"200"} | {"202", "409", "410"},
    "POST /emails/{id}/drop": READING | {"409"},
    "POST /emails/replay": WRITING | {"200", "202"},
    "POST /templates": WRITING | {"201"},
    "GET /templates": LISTING,
    "GET /templates/{id}": READING,
    "PATCH /templates/{id}": WRITING | {"200", "404"},
    "DELETE /templates/{id}": READING,
    "POST /templates/{id}/publish": READING,
    "POST /templates/{id}/duplicate": READING - {"200"} | {"201"},
    "POST /templates/{id}/preview": WRITING | {"200", "404"},
    "GET /templates/{id}/versions": READING | {"422"},
    "POST /suppressions": WRITING | {"200"},
    "GET /suppressions": LISTING,
    "POST /suppressions/batch/add": WRITING | {"200"},
    "POST /suppressions/batch/remove": WRITING | {"200"},
    "GET /suppressions/{which}": READING,
    "DELETE /suppressions/{which}": READING,
    "GET /statistics": LISTING,
    "POST /webhooks": WRITING | {"201", "409"},
    "GET /webhooks": LISTING,
    "GET /webhooks/{id}": READING,
    "PATCH /webhooks/{id}": WRITING | {"200", "404"},
    "DELETE /webhooks/{id}": READING,
    "POST /webhooks/{id}/signing-secret/rotate": READING,
    "GET /webhooks/{id}/events": READING | {"422"},
    "GET /webhooks/{id}/events/{event_id}": READING,
    "GET /webhooks/{id}/events/{event_id}/attempts": READING | {"422"},
    "POST /webhooks/{id}/events/{event_id}/replay": READING | {"409"},
    "POST /api-keys": WRITING | {"201"},
    "GET /api-keys": LISTING,
    "PATCH /api-keys/{id}": WRITING | {"200", "404"},
    "DELETE /api-keys/{id}": READING,
    "POST /v3/mail/send": WRITING - {"422"} | {"200", "202"},
    "POST /provider-events/{account}": PUBLIC | {"401", "404", "408", "413", "415"},
    "GET /provider-events/{account}": PUBLIC | {"404"},
    "GET /unsubscribe/{token}": PUBLIC | {"404"},
    "POST /unsubscribe/{token}": PUBLIC | {"404"},
    "GET /healthz": PUBLIC - {"503"},
    "GET /readyz": PUBLIC,
    "GET /openapi.json": PUBLIC,
    "GET /docs": PUBLIC,
}


def test_every_call_lists_its_answers() -> None:
    """These are all the calls there are, with all their statuses."""
    assert STATUSES == {" ".join(call): set(operation["responses"]) for call, operation in WRITTEN.items()}


@CALLS
def test_answers_have_their_headers(call: tuple[str, str]) -> None:
    """Each says what it always has and what it may have beside."""
    operation = WRITTEN[call]
    always: dict[str, set[str]] = {}
    possible: dict[str, set[str]] = {}
    for status, answer in operation["responses"].items():
        described = resolve(answer)["headers"]
        possible[status] = set(described)
        always[status] = {name for name, header in described.items() if resolve(header).get("required")}

    assert all("X-Request-Id" in names for names in always.values())
    assert "Allow" in always["405"]
    assert all(
        "Retry-After" in always[status] for status in {"429", "503"} & set(always) if call[1] != "/readyz"
    )
    if operation["security"]:
        limits = {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"}
        assert all(limits <= names for names in possible.values())
        assert limits <= always["429"]
        assert "WWW-Authenticate" in possible["401"]


def test_some_answers_have_headers_of_their_own() -> None:
    """A replayed answer, a key that was made, and a message in SendGrid's dialect."""
    found = {
        (*call, status): set(resolve(answer)["headers"]) - {"X-Request-Id"}
        for call, operation in WRITTEN.items()
        for status, answer in operation["responses"].items()
    }

    assert "Idempotent-Replayed" in found["POST", "/emails", "202"]
    assert "Idempotent-Replayed" in found["POST", "/emails/batch", "202"]
    assert "Cache-Control" in found["POST", "/api-keys", "201"]
    assert "Cache-Control" in found["POST", "/webhooks", "201"]
    assert "X-Message-Id" in found["POST", "/v3/mail/send", "202"]
    assert "X-Message-Id" in found["POST", "/v3/mail/send", "503"]
    assert "X-RateLimit-Reset" in found["POST", "/v3/mail/send", "429"]
    assert "Retry-After" in found["POST", "/emails", "409"]


def test_every_problem_that_can_be_raised_is_shown() -> None:
    """A new kind of problem has to be put into the catalogue, and that into the document."""
    raised = {
        name.value
        for path in (ROOT / "services" / "gateway").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Problem" and len(node.args) > 1
        for name in [node.args[1]]
        if isinstance(name, ast.Constant)
    }
    examples = DOCUMENT["components"]["examples"]
    shown = {example["value"].get("name") for example in examples.values()} - {None}

    # These two are made from a variable.
    assert raised | {"validation_error", "missing_required_field"} == shown
    assert set(KINDS) == {name for name in examples if not name.startswith("sendgrid.")}


# Examples


def bodies() -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Every example of a body, with its schema."""
    for call, operation in WRITTEN.items():
        parts = {"request": operation.get("requestBody", {}), **operation["responses"]}
        for place, part in parts.items():
            content = resolve(part).get("content", {}).get("application/json", {})
            for name, example in content.get("examples", {}).items():
                yield f"{' '.join(call)} {place} {name}", content["schema"], resolve(example)["value"]


EXAMPLES = {name: (schema, value) for name, schema, value in bodies()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_fit_their_schemas(name: str) -> None:
    """Whoever reads an example sees what the schema says."""
    assert [] == errors(*EXAMPLES[name])


@CALLS
def test_every_body_has_an_example(call: tuple[str, str]) -> None:
    """Requests and answers alike; only what describes itself does without."""
    parts = [WRITTEN[call].get("requestBody", {}), *WRITTEN[call]["responses"].values()]
    contents = [resolve(part).get("content", {}).get("application/json") for part in parts]

    assert call[1] == "/openapi.json" or all(content["examples"] for content in contents if content)


@pytest.mark.parametrize(
    ("model", "example"),
    [
        pytest.param(operation.body.model, example, id=f"{operation.id}, {name}")
        for operation in OPERATIONS
        if operation.body is not None
        for name, example in operation.body.examples.items()
    ],
)
def test_examples_of_requests_are_accepted(model: type[BaseModel], example: Any) -> None:
    """Whoever copies an example sends a valid request."""
    assert model.model_validate_json(json.dumps(example))


@pytest.mark.parametrize(
    ("model", "example"),
    [
        pytest.param(answer.model, example, id=f"{operation.id} {answer.status}, {name}")
        for operation in OPERATIONS
        for answer in operation.answers
        if answer.model is not None
        for name, example in answer.examples.items()
    ],
)
def test_examples_of_answers_are_complete(model: type[BaseModel], example: Any) -> None:
    """An example shows every field that an answer has."""
    fields = {field.serialization_alias or field.alias or name for name, field in model.model_fields.items()}

    assert fields - {"errors"} == set(example) - {"errors"}


@CALLS
def test_examples_of_parameters_fit_their_schemas(call: tuple[str, str]) -> None:
    """So does what stands in the path, the query and the headers."""
    for parameter in WRITTEN[call]["parameters"]:
        if "example" in parameter:
            assert [] == errors(parameter["schema"], parameter["example"])


@CALLS
def test_links_lead_to_calls(call: tuple[str, str]) -> None:
    """Each names a call and the parameter of its path."""
    by_id = {operation["operationId"]: operation for operation in WRITTEN.values()}
    for answer in WRITTEN[call]["responses"].values():
        for link in resolve(answer).get("links", {}).values():
            (name,) = link["parameters"]

            assert name in {each["name"] for each in by_id[link["operationId"]]["parameters"]}


# What schemas say


def test_a_message_has_a_body_or_a_template() -> None:
    """The schema knows which fields go together."""
    schema = {"$ref": "#/components/schemas/EmailSubmission"}
    body = {"from": "a@example.com", "to": "b@example.com", "subject": "Hi", "text": "x"}

    assert [] == errors(schema, body)
    for wrong in (
        {**body, "text": None},
        {**body, "subject": None},
        {**body, "to": []},
        {**body, "to": "nobody"},
        {**body, "template": {"id": "x"}},
        {**body, "subject": "two\nlines"},
        {**body, "headers": {"Bcc": "x@example.com"}},
        {**body, "surprise": 1},
    ):
        assert errors(schema, wrong)


def test_problems_of_a_status_have_the_names_that_belong_to_it() -> None:
    """A 409 of a scheduled message is no 409 of an idempotency key."""
    canceling, sending = (
        resolve(WRITTEN["POST", path]["responses"]["409"])["content"]["application/json"]["schema"]
        for path in ("/emails/{id}/cancel", "/emails")
    )
    body = KINDS["not_scheduled"].example.body()

    assert [] == errors(canceling, body)
    assert errors(sending, body)
    assert errors(canceling, {**body, "statusCode": 500})
