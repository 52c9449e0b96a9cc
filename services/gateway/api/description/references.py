"""References inside a document: which of its components are needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_COMPONENTS = "#/components/"


def needed(root: object, components: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Keep the components that *root* refers to, itself or by way of others."""
    found: set[tuple[str, str]] = set()
    waiting = list(_named(root))
    while waiting:
        place = waiting.pop()
        if place not in found:
            found.add(place)
            kind, name = place
            waiting += _named(components[kind][name])
    return {
        kind: kept
        for kind, every in components.items()
        if (kept := {name: part for name, part in every.items() if (kind, name) in found})
    }


def _named(node: object) -> Iterator[tuple[str, str]]:
    """Kind and name of everything that is referred to anywhere below."""
    if isinstance(node, dict):
        ref = node.get("$ref")
        if isinstance(ref, str):
            kind, _, name = ref.removeprefix(_COMPONENTS).partition("/")
            yield kind, name
        for child in node.values():
            yield from _named(child)
    elif isinstance(node, list | tuple):
        for child in node:
            yield from _named(child)
