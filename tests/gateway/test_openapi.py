"""The description of the API says what the gateway does, and every reference in it leads somewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from services.gateway.api import examples
from services.gateway.api.openapi import describe
from services.gateway.api.representation import EmailRepresentation, EventList
from services.gateway.problems import ErrorBody
from services.gateway.submission.email import EmailSubmission, parse_email, parse_welcome_email

DOCUMENT = describe(version="1.2.3", body_limit=10_000_000, server="https://mail.example.com")
METHODS = {"get", "post"}
OPERATIONS = [
    (path, method, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method in METHODS
]
WRITING = {"202", "400", "401", "403", "405", "408", "413", "415", "422", "429", "500", "503"}
READING = {"200", "401", "403", "404", "405", "429", "500", "503"}


def walk(node: object) -> Iterator[dict[str, Any]]:
    """Visit every object of the document."""
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from walk(child)
    elif isinstance(node, list):
        for child in node:
            yield from walk(child)


def resolve(ref: str) -> Any:
    """Follow a reference inside the document."""
    node: Any = DOCUMENT
    for key in ref.removeprefix("#/").split("/"):
        node = node[key]
    return node


def test_the_head_of_the_document() -> None:
    """It is an OpenAPI 3.1 document with the version and server that it was asked for, all JSON."""
    assert "3.1.0" == DOCUMENT["openapi"]
    assert ("Pillarbox", "1.2.3") == (DOCUMENT["info"]["title"], DOCUMENT["info"]["version"])
    assert [{"url": "https://mail.example.com"}] == DOCUMENT["servers"]
    assert DOCUMENT == json.loads(json.dumps(DOCUMENT, allow_nan=False))


def test_every_reference_leads_somewhere() -> None:
    """No reference dangles, and no component is there without one."""
    refs = {node["$ref"] for node in walk(DOCUMENT) if "$ref" in node}
    components = {
        f"#/components/{kind}/{name}" for kind, parts in DOCUMENT["components"].items() for name in parts
    }

    assert components == refs
    assert all(resolve(ref) for ref in refs)


@pytest.mark.parametrize(
    ("path", "method", "statuses"),
    [
        ("/emails", "post", WRITING),
        ("/welcome-emails", "post", WRITING),
        ("/emails/{id}", "get", READING),
        ("/emails/{id}/events", "get", READING),
        ("/healthz", "get", {"200", "405", "500"}),
        ("/readyz", "get", {"200", "405", "500", "503"}),
        ("/openapi.json", "get", {"200", "405", "500", "503"}),
    ],
)
def test_every_call_lists_its_answers(path: str, method: str, statuses: set[str]) -> None:
    """These are all the calls there are, with all their statuses."""
    assert statuses == set(DOCUMENT["paths"][path][method]["responses"])
    assert 7 == len(OPERATIONS) == len(DOCUMENT["paths"])


def test_operations_have_distinct_names() -> None:
    """A client generator makes one function of each."""
    assert 7 == len({operation["operationId"] for _, _, operation in OPERATIONS})


def test_path_parameters_are_declared() -> None:
    """Every name in braces is a parameter of the path."""
    for path, item in DOCUMENT["paths"].items():
        declared = [resolve(parameter["$ref"])["name"] for parameter in item.get("parameters", [])]

        assert (["id"] if "{id}" in path else []) == declared


@pytest.mark.parametrize("status", DOCUMENT["components"]["responses"])
def test_every_problem_has_a_true_example(status: str) -> None:
    """Examples of errors are real answers with that very status and fit the error schema."""
    response = DOCUMENT["components"]["responses"][status]
    content = response["content"]["application/json"]

    assert {"$ref": "#/components/schemas/ErrorBody"} == content["schema"]
    assert content["examples"]
    for example in content["examples"].values():
        assert int(status) == ErrorBody.model_validate(example["value"]).statusCode


def test_every_kind_of_problem_is_described() -> None:
    """No status is answered that the description does not know."""
    described = {int(status) for status in DOCUMENT["components"]["responses"]}

    assert described == {problem.status for problem in examples.PROBLEMS}


def test_unavailability_and_methods_have_their_headers() -> None:
    """Retry-After stands at the 503, Allow at the 405, X-Request-Id everywhere."""
    responses = DOCUMENT["components"]["responses"]

    assert {"X-Request-Id", "Retry-After"} == set(responses["503"]["headers"])
    assert {"X-Request-Id", "Allow"} == set(responses["405"]["headers"])
    assert all("X-Request-Id" in response["headers"] for response in responses.values())


def test_the_examples_of_requests_are_accepted() -> None:
    """Whoever copies an example sends a valid request."""
    assert parse_email(json.dumps(examples.EMAIL).encode()).to
    assert parse_welcome_email(json.dumps(examples.WELCOME).encode()).email


def test_the_examples_of_answers_are_true() -> None:
    """Examples of answers fit the models that answers are made from."""
    message = EmailRepresentation.model_validate_json(json.dumps(examples.MESSAGE))
    timeline = EventList.model_validate_json(json.dumps(examples.EVENTS))

    assert examples.MESSAGE == message.model_dump(mode="json")
    assert ["accepted", "queued", "sending", "sent"] == [event.event for event in timeline.data]


def test_the_fields_are_those_of_the_models() -> None:
    """A field of the API cannot be forgotten, since models and description are one thing."""
    schema = DOCUMENT["components"]["schemas"]["EmailSubmission"]
    fields = {field.alias or name for name, field in EmailSubmission.model_fields.items()}

    assert fields == set(schema["properties"])
    assert {"from", "to", "subject"} == set(schema["required"])
    assert [{"required": ["html"]}, {"required": ["text"]}] == schema["anyOf"]
    assert schema["additionalProperties"] is False


def test_recipients_are_a_string_or_an_array() -> None:
    """The description knows both ways to write recipients, and their number."""
    to = DOCUMENT["components"]["schemas"]["EmailSubmission"]["properties"]["to"]

    assert [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 50},
    ] == to["anyOf"]
