"""A schema as rows of a table: one for each field, those of parts below the parts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from services.gateway.api.docs.words import Schema, kind, limits


@dataclass(frozen=True, slots=True)
class Row:
    """One field."""

    name: str
    """Where it stands: ``attachments[].filename``."""
    depth: int
    is_required: bool
    kinds: str
    limits: tuple[str, ...]
    default: str | None
    description: str
    is_deprecated: bool


class Fields:
    """Looks references up in a document, and lists fields."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def resolve(self, node: Schema) -> Schema:
        """Follow a reference; what stands beside it goes before what it leads to."""
        ref = node.get("$ref")
        if ref is None:
            return node
        found: Any = self._document
        for key in ref.removeprefix("#/").split("/"):
            found = found[key]
        return {**self.resolve(found), **{name: value for name, value in node.items() if name != "$ref"}}

    def rows(self, schema: Schema) -> list[Row]:
        """List the fields of a body."""
        return list(self._rows(schema, "", 0, ()))

    def row(self, name: str, schema: Schema, *, required: bool = False, depth: int = 0) -> Row:
        """Describe one field."""
        schema = self.resolve(schema)
        options = [option for option in self._options(schema) if option.get("type") != "null"]
        texts = dict.fromkeys(words for option in options for words in limits(option))
        default = schema.get("default")
        return Row(
            name,
            depth,
            required,
            " or ".join(dict.fromkeys(self._kind(option) for option in options)) or "null",
            tuple(texts),
            None if default in (None, [], {}) else json.dumps(default),
            schema.get("description", ""),
            schema.get("deprecated", False),
        )

    def _kind(self, option: Schema) -> str:
        if option.get("type") == "array" and "items" in option:
            items = self._options(self.resolve(option["items"]))
            return "array of " + " or ".join(dict.fromkeys(f"{kind(item)}s" for item in items))
        return kind(option)

    def _options(self, schema: Schema) -> list[Schema]:
        """The alternatives that a schema stands for; itself if there is but one."""
        if "properties" in schema or "anyOf" not in schema or "type" in schema:
            return [schema]
        return [deeper for option in schema["anyOf"] for deeper in self._options(self.resolve(option))]

    def _rows(self, schema: Schema, place: str, depth: int, above: tuple[str, ...]) -> Iterator[Row]:
        """Walk into objects and arrays of objects; *above* are the references that led here."""
        ref = schema.get("$ref", "")
        if ref in above:
            return
        if ref:
            above = (*above, ref)
        schema = self.resolve(schema)
        for option in schema.get("anyOf", ()) if "properties" not in schema else ():
            yield from self._rows(option, place, depth, above)
        if "items" in schema:
            yield from self._rows(schema["items"], f"{place}[]", depth, above)
        required = schema.get("required", ())
        properties = schema.get("properties", {}).items()
        for name, field in sorted(properties, key=lambda item: item[0] not in required):
            path = f"{place}.{name}" if place else name
            yield self.row(path, field, required=name in required, depth=depth)
            yield from self._rows(field, path, depth + 1, above)
