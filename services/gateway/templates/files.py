"""Templates in files, in one folder.

``welcome.subject.txt``, ``welcome.html`` and ``welcome.txt`` are the sources of the template with
the alias ``welcome``; ``welcome.json`` may give its ``name``, ``from``, ``reply_to`` and ``variables``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from services.gateway.ledger.template_folder import FolderTemplate
from services.gateway.problems import Problem
from services.gateway.submission.template import TemplateSubmission
from services.gateway.submission.validation import validate
from services.gateway.templates.content import Content

_ENDINGS = {"subject": ".subject.txt", "html": ".html", "text": ".txt", "": ".json"}
_FILE = re.compile(rf"([A-Za-z0-9_-]+)({'|'.join(map(re.escape, _ENDINGS.values()))})")
_PARTS = {ending: part for part, ending in _ENDINGS.items()}
_FIELDS = frozenset({"name", "from", "reply_to", "variables"})


class TemplateFilesError(ValueError):
    """A folder that cannot be used; names every file that is to blame, and the line where there is one."""


def read_folder(folder: Path) -> list[FolderTemplate]:
    """Read and check all templates in *folder*.  Names that begin with a dot are passed over.

    Raises:
        OSError: There is no such folder, or a file in it cannot be read.
        TemplateFilesError: A file in it is no template's, or a template is broken.
    """
    found: dict[str, dict[str, Path]] = {}
    errors: list[str] = []
    for path in sorted(path for path in folder.iterdir() if not path.name.startswith(".")):
        name = _FILE.fullmatch(path.name)
        if name is not None and path.is_file():
            found.setdefault(name[1], {})[_PARTS[name[2]]] = path
        else:
            errors.append(f"{path}: a template's files are <alias>{', <alias>'.join(_ENDINGS.values())}")
    templates = []
    for alias, files in found.items():
        try:
            templates.append(_Files(folder, alias, files).template())
        except TemplateFilesError as error:
            errors.append(str(error))
    if errors:
        raise TemplateFilesError("; ".join(errors))
    return templates


class _Files:
    """The files of one template."""

    def __init__(self, folder: Path, alias: str, files: dict[str, Path]) -> None:
        self._folder = folder
        self._alias = alias
        self._files = files

    def template(self) -> FolderTemplate:
        fields = {"name": self._alias, **self._given(), "alias": self._alias}
        fields |= {part: self._text(part) for part in self._files if part}
        if "subject" in fields:
            fields["subject"] = self._one_line(fields["subject"])
        try:
            submission = validate(TemplateSubmission, fields)
        except Problem as problem:
            raise TemplateFilesError(
                "; ".join(
                    self._error(error.pointer.split("/")[1], f"{error.pointer} {error.message}")
                    for error in problem.errors
                )
            ) from None
        content = submission.onto(Content())
        if content.html is None and content.text is None:
            raise TemplateFilesError(self._error("html", "there must be a .html or a .txt that is not empty"))
        if errors := [self._error(error.part, error.reason, error.line) for error in content.errors()]:
            raise TemplateFilesError("; ".join(errors))
        return FolderTemplate(self._alias, submission.name, content.encode())

    def _given(self) -> dict[str, Any]:
        if "" not in self._files:
            return {}
        text = self._text("")
        try:
            given = from_json(text, allow_inf_nan=False)
        except ValueError as error:
            raise TemplateFilesError(self._error("", f"is not valid JSON: {error}")) from None
        if not isinstance(given, dict) or given.keys() - _FIELDS:
            raise TemplateFilesError(self._error("", f"may hold {', '.join(sorted(_FIELDS))}, in one object"))
        return given

    def _text(self, part: str) -> str:
        octets = self._files[part].read_bytes()
        try:
            return octets.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = octets.count(b"\n", 0, error.start) + 1
            raise TemplateFilesError(self._error(part, "is not UTF-8", line)) from None

    def _one_line(self, subject: str) -> str:
        line = subject.removesuffix("\n").removesuffix("\r")
        if "\n" in line:
            raise TemplateFilesError(self._error("subject", "a subject is one line", 2))
        return line

    def _error(self, part: str, reason: str, line: int | None = None) -> str:
        path = self._folder / f"{self._alias}{_ENDINGS.get(part, _ENDINGS[''])}"
        return f"{path}, line {line}: {reason}" if line else f"{path}: {reason}"
