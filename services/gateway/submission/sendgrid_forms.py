"""What parts of a SendGrid request ask of each other, in JSON Schema; the validators enforce it."""

from __future__ import annotations

from typing import Any

_NULL = {"type": "null"}
_NONE = {"maxProperties": 0}


def _own(**fields: Any) -> dict[str, Any]:
    """Ask something of every personalization."""
    return {"items": {"properties": fields}}


_TEMPLATE: dict[str, Any] = {
    "required": ["template_id"],
    "properties": {
        "template_id": {"type": "string", "minLength": 1},
        "sections": _NONE,
        "personalizations": _own(substitutions=_NONE),
    },
}
_NO_TEMPLATE: dict[str, Any] = {
    "required": ["content"],
    "properties": {
        "template_id": {"enum": [None, ""]},
        "content": {"type": "array", "minItems": 1},
        "personalizations": _own(dynamic_template_data=_NONE),
    },
    "anyOf": [
        {"required": ["subject"], "properties": {"subject": {"type": "string"}}},
        {
            "properties": {
                "personalizations": {
                    "items": {"required": ["subject"], "properties": {"subject": {"type": "string"}}}
                }
            }
        },
    ],
}
_ONE_WAY_BACK: dict[str, Any] = {
    "anyOf": [
        {"properties": {"reply_to": _NULL}},
        {"properties": {"reply_to_list": {"anyOf": [_NULL, {"type": "array", "maxItems": 0}]}}},
    ]
}

FORMS: list[Any] = [{"anyOf": [_TEMPLATE, _NO_TEMPLATE]}, _ONE_WAY_BACK]
"""A template or bodies of its own; and answers go either to one or to several."""
