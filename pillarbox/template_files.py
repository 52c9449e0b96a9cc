"""Templates as files, in the form that a gateway's own folder of templates has.

``welcome.subject.txt``, ``welcome.html`` and ``welcome.txt`` are the sources of the template with the
alias ``welcome``; ``welcome.json`` may give its ``name``, ``from``, ``reply_to`` and ``variables``.
What is in them is the gateway's to judge.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pillarbox.failures import MISUSED, Failure
from pillarbox.values import read_object, read_text

_ENDINGS: Final = MappingProxyType({"subject": ".subject.txt", "html": ".html", "text": ".txt", "": ".json"})
_FILE: Final = re.compile(rf"([A-Za-z0-9_-]+)({'|'.join(map(re.escape, _ENDINGS.values()))})")
_FIELDS: Final = ("name", "from", "reply_to", "variables")


def read_folder(folder: Path) -> dict[str, dict[str, Any]]:
    """Read all templates of a folder, by alias; names that begin with a dot are passed over.

    Raises:
        Failure: A file in it is no template's, or cannot be read.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise Failure(f"{folder}: {error.strerror}", MISUSED) from None
    parts = {ending: part for part, ending in _ENDINGS.items()}
    found: dict[str, dict[str, Path]] = {}
    for path in paths:
        name = _FILE.fullmatch(path.name)
        if name is None or not path.is_file():
            endings = ", <alias>".join(_ENDINGS.values())
            raise Failure(f"{path}: a template's files are <alias>{endings}", MISUSED)
        found.setdefault(name[1], {})[parts[name[2]]] = path
    return {alias: _template(alias, files) for alias, files in found.items()}


def files_of(template: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give the files of a template, as the API shows it: their names and contents."""
    alias = template["alias"]
    for part, ending in _ENDINGS.items():
        if part and template[part]:
            yield f"{alias}{ending}", f"{template[part]}\n" if part == "subject" else template[part]
    declared = [_declared(variable) for variable in template["variables"] or ()]
    fields = {name: template[name] for name in ("name", "from", "reply_to") if template[name]}
    fields |= {"variables": declared} if declared else {}
    yield f"{alias}{_ENDINGS['']}", json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


def comparable(template: Mapping[str, Any]) -> dict[str, Any]:
    """What makes two templates the same, whether they were read from files or shown by the API."""
    reply_to = template.get("reply_to") or []
    return {
        **{part: template.get(part) or None for part in ("name", "from", "subject", "html", "text")},
        "reply_to": [reply_to] if isinstance(reply_to, str) else reply_to,
        "variables": [_declared(variable) for variable in template.get("variables") or ()],
    }


def _template(alias: str, files: Mapping[str, Path]) -> dict[str, Any]:
    given = read_object(str(files[""])) if "" in files else {}
    if given.keys() - set(_FIELDS):
        raise Failure(f"{files['']}: may hold {', '.join(_FIELDS)}", MISUSED)
    fields: dict[str, Any] = {"name": alias, "from": None, "reply_to": None, "variables": None, **given}
    for part in ("subject", "html", "text"):
        fields[part] = read_text(str(files[part])) if part in files else None
    if fields["subject"] is not None:
        fields["subject"] = fields["subject"].removesuffix("\n").removesuffix("\r")
    return {**fields, "alias": alias}


def _declared(variable: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "key": variable.get("key"),
        "type": variable.get("type", "string"),
        "fallback_value": variable.get("fallback_value"),
    }
