"""What the page shows of each call, taken from the document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from services.gateway.api.docs.fields import Fields, Row

_EVERYWHERE: Final = "X-Request-Id"
_RATE_LIMIT: Final = "ratelimit-"


@dataclass(frozen=True, slots=True)
class Example:
    """A body, with a word on what it shows."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back when all goes well."""

    status: str
    description: str
    headers: tuple[tuple[str, str], ...]
    fields: list[Row]
    examples: list[Example]


@dataclass(frozen=True, slots=True)
class Problem:
    """What comes back when it does not."""

    status: str
    key: str
    """Tells problems of one name apart."""
    name: str
    meaning: str
    example: str


@dataclass(frozen=True, slots=True)
class Call:
    """A method on a path."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    permission: str | None
    parameters: list[tuple[str, Row]]
    """Each with its place: path, query or header."""
    fields: list[Row]
    examples: list[Example]
    curl: str
    answers: list[Answer]
    problems: list[Problem]


class Calls:
    """Reads calls out of a document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._fields = Fields(document)
        self._document = document

    def of(self, tag: str) -> Iterator[Call]:
        """The calls of one group, in the document's order."""
        for path, item in self._document["paths"].items():
            for method, operation in item.items():
                if tag in operation["tags"]:
                    yield self._call(path, method, operation)

    def fields(self, schema: str) -> list[Row]:
        """The fields of one of the document's schemas."""
        return self._fields.rows({"$ref": f"#/components/schemas/{schema}"})

    def problems(self) -> list[Problem]:
        """Every problem there is in the API's own words, by status."""
        examples = self._document["components"]["examples"].items()
        ours = [(key, each) for key, each in examples if "statusCode" in each["value"]]
        problems = [_problem(str(each["value"]["statusCode"]), key, each) for key, each in ours]
        return sorted(problems, key=lambda problem: problem.status)

    def _call(self, path: str, method: str, operation: dict[str, Any]) -> Call:
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        answers: list[Answer] = []
        problems: list[Problem] = []
        for status, response in operation["responses"].items():
            if "$ref" in response:
                problems += self._problems(status, self._fields.resolve(response))
            else:
                answers.append(self._answer(status, response))
        examples = self._examples(content)
        return Call(
            id=operation["operationId"],
            method=method.upper(),
            path=path,
            summary=operation["summary"],
            description=operation.get("description", ""),
            permission=operation.get("x-permission"),
            parameters=list(self._parameters(operation)),
            fields=self._fields.rows(content["schema"]) if content else [],
            examples=examples,
            curl=_curl(path, method, operation, examples[0].text if examples else None),
            answers=answers,
            problems=problems,
        )

    def _parameters(self, operation: dict[str, Any]) -> Iterator[tuple[str, Row]]:
        for each in operation["parameters"]:
            if each["name"] != _EVERYWHERE:
                schema = {**each["schema"], "description": each["description"]}
                yield each["in"], self._fields.row(each["name"], schema, required=each["required"])

    def _answer(self, status: str, response: dict[str, Any]) -> Answer:
        headers = tuple(
            (name, self._fields.resolve(header)["description"])
            for name, header in response["headers"].items()
            if name != _EVERYWHERE and not name.startswith(_RATE_LIMIT)
        )
        content = response.get("content", {}).get("application/json", {})
        fields = self._fields.rows(content["schema"]) if content else []
        return Answer(status, response["description"], headers, fields, self._examples(content))

    def _problems(self, status: str, response: dict[str, Any]) -> Iterator[Problem]:
        for key, each in response["content"]["application/json"]["examples"].items():
            yield _problem(status, key, self._fields.resolve(each))

    def _examples(self, content: dict[str, Any]) -> list[Example]:
        return [Example(title, pretty(each["value"])) for title, each in content.get("examples", {}).items()]


def _problem(status: str, key: str, example: dict[str, Any]) -> Problem:
    body = example["value"]
    return Problem(status, key, body.get("name", key), example["summary"], pretty(body))


def pretty(value: object) -> str:
    """Write JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def _curl(path: str, method: str, operation: dict[str, Any], body: str | None) -> str:
    for each in operation["parameters"]:
        if each["in"] == "path":
            path = path.replace(f"{{{each['name']}}}", str(each["example"]))
    flag = "" if method in {"get", "post"} and (method == "get" or body) else f" -X {method.upper()}"
    lines = [f'curl{flag} "$PILLARBOX{path}"']
    if operation["security"]:
        lines.append("""-H "Authorization: Bearer $KEY\"""")
    if body is not None:
        quoted = body.replace("'", "'\\''")
        lines += ["-H 'Content-Type: application/json'", f"-d '{quoted}'"]
    return " \\\n  ".join(lines)
