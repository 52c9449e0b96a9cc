"""The answers to a call that cannot be done, as parts of the document that calls share."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from services.gateway.api import dialects
from services.gateway.api.description import catalogue
from services.gateway.api.description.headers import ALWAYS, RATE_LIMIT, SENDGRID_RATE_LIMIT, headers
from services.gateway.api.description.operation import Operation
from services.gateway.api.description.schemas import Schemas
from services.gateway.problems import ErrorBody, Problem


class Failures:
    """Collects what calls refer to."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas
        self.responses: dict[str, Any] = {}
        self.examples: dict[str, Any] = {}

    def of(self, operation: Operation) -> dict[str, Any]:
        """Status to reference, for one call; a status stands for one or several kinds of problem."""
        is_sendgrids = dialects.is_sendgrids(operation.path)
        by_status: dict[int, dict[str, Problem]] = {}
        for key in catalogue.of(operation):
            problem = catalogue.KINDS[key].example
            told = dialects.in_sendgrids_words(problem) if is_sendgrids else problem
            by_status.setdefault(told.status, {})[key] = told
        return {
            str(status): self._response(operation, problems, is_sendgrids=is_sendgrids)
            for status, problems in sorted(by_status.items())
        }

    def _response(
        self, operation: Operation, problems: dict[str, Problem], *, is_sendgrids: bool
    ) -> dict[str, Any]:
        is_public = operation.permission is None
        dialect = "sendgrid." if is_sendgrids else "public." if is_public else ""
        name = dialect + "-".join(problems)
        if name not in self.responses:
            model = dialects.SendGridErrors if is_sendgrids else ErrorBody
            self.responses[name] = {
                "description": " ".join(catalogue.KINDS[key].meaning for key in problems),
                "headers": _headers(problems, is_public=is_public, is_sendgrids=is_sendgrids),
                "content": {
                    "application/json": {
                        "schema": self._schema(model, problems),
                        "examples": {
                            key: self._example(key, problem, "sendgrid." if is_sendgrids else "")
                            for key, problem in problems.items()
                        },
                    }
                },
            }
        return {"$ref": f"#/components/responses/{name}"}

    def _schema(self, model: type[BaseModel], problems: dict[str, Problem]) -> dict[str, Any]:
        """The error body; ours with the status and the names that it has here."""
        schema = self._schemas.given(model)
        if model is not ErrorBody:
            return schema
        (status,) = {problem.status for problem in problems.values()}
        names = sorted({problem.name for problem in problems.values()})
        here = {"properties": {"statusCode": {"const": status}, "name": {"enum": names}}}
        return {"allOf": [schema, here]}

    def _example(self, key: str, problem: Problem, dialect: str) -> dict[str, Any]:
        name = dialect + key
        self.examples[name] = {"summary": catalogue.KINDS[key].meaning, "value": problem.body()}
        return {"$ref": f"#/components/examples/{name}"}


def _headers(problems: dict[str, Problem], *, is_public: bool, is_sendgrids: bool) -> dict[str, Any]:
    given = [{name.lower() for name in problem.headers} for problem in problems.values()]
    required, possible = set.intersection(*given), set.union(*given)
    if not is_public:
        possible |= {*RATE_LIMIT}
    if "rate_limit_exceeded" in problems:
        required |= {*RATE_LIMIT, *(SENDGRID_RATE_LIMIT if is_sendgrids else ())}
    return headers(required={ALWAYS, *required}, possible=possible)
