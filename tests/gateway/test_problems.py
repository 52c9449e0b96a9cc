"""What the gateway answers when it cannot do what it was asked."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web

from services.gateway import problems
from services.gateway.api.description.catalogue import KINDS
from services.gateway.problems import ErrorBody, FieldError, Problem

MESSAGE_ID = UUID("0199a3b2-5c1e-7d4f-8a6b-3c2d1e0f9a8b")


def written(response: web.Response) -> dict[str, Any]:
    """Read the body of an answer."""
    assert isinstance(response.body, bytes)
    body: dict[str, Any] = json.loads(response.body)
    return body


@pytest.mark.parametrize("problem", [kind.example for kind in KINDS.values()], ids=[*KINDS])
def test_body_has_the_documented_shape(problem: Problem) -> None:
    """Every kind of problem is answered in the one shape that the API's description promises."""
    response = problem.response()
    body = written(response)

    assert problem.status == response.status == body["statusCode"]
    assert "application/json" == response.headers["Content-Type"]
    assert body == ErrorBody.model_validate(body, strict=False).model_dump(mode="json", exclude_unset=True)


def test_field_errors_are_listed_by_pointer() -> None:
    """All failing fields are listed, and the first one makes the message."""
    problem = problems.invalid_fields([FieldError("/to/0", "is bad"), FieldError("", "is odd")])

    assert {
        "statusCode": 422,
        "name": "validation_error",
        "message": "/to/0: is bad (and 1 more)",
        "errors": [{"pointer": "/to/0", "message": "is bad"}, {"pointer": "", "message": "is odd"}],
    } == written(problem.response())


def test_missing_fields_have_their_own_name() -> None:
    """A missing field is told apart by Resend's word for it."""
    problem = problems.invalid_fields([FieldError("/to", "is required")], missing=True)

    assert "missing_required_field" == problem.name


def test_unknown_outcome_names_the_message() -> None:
    """A 503 after which the message may exist tells its id; any other 503 has no such member."""
    doubtful = written(problems.unavailable(2, message_id=MESSAGE_ID).response())
    plain = written(problems.unavailable(2).response())

    assert str(MESSAGE_ID) == doubtful["message_id"]
    assert "message_id" not in plain


@pytest.mark.parametrize("problem", [problems.unavailable(7), problems.overloaded(7)])
def test_unavailability_says_when_to_come_back(problem: Problem) -> None:
    """Every 503 carries Retry-After in whole seconds."""
    assert "7" == problem.response().headers["Retry-After"]


def test_method_not_allowed_lists_the_methods() -> None:
    """A 405 carries Allow, in a stable order."""
    assert "GET, POST" == problems.method_not_allowed({"POST", "GET"}).response().headers["Allow"]


@pytest.mark.parametrize(
    "problem",
    [
        problems.request_timeout(10),
        problems.payload_too_large(1),
        problems.unsupported_media_type(),
        problems.overloaded(1),
    ],
)
def test_unread_body_closes_the_connection(problem: Problem) -> None:
    """Where the body was not read to its end, nothing else can follow on the connection."""
    response = problem.response()

    assert "close" == response.headers["Connection"]
    assert response.keep_alive is False


@pytest.mark.parametrize(
    "problem", [problems.invalid_json("trailing characters"), problems.overloaded(1, unread=False)]
)
def test_read_body_leaves_the_connection_open(problem: Problem) -> None:
    """A refused body that was read, or has come at least, does not cost the caller its connection."""
    response = problem.response()

    assert "Connection" not in response.headers
    assert response.keep_alive is None


def test_a_problem_can_be_raised_and_read() -> None:
    """As an exception it tells its status, name and message."""
    with pytest.raises(Problem, match=r"^404 not_found: There is nothing at this address\.$"):
        raise problems.not_found()


def test_any_field_can_be_named() -> None:
    """A key of a caller's JSON may be no UTF-8; the refusal is one all the same."""
    problem = problems.invalid_fields([problems.FieldError("/headers/\ud800", "is not a header's name")])

    assert "/headers/\ud800" == json.loads(str(problem.response().text))["errors"][0]["pointer"]
