"""An e-mail as the API takes it, made of what was typed."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from pillarbox.failures import MISUSED, Failure
from pillarbox.values import read_object, read_text


@dataclass(frozen=True, slots=True)
class Body:
    """Where the bodies come from."""

    text: str | None
    text_file: str | None
    html_file: str | None
    may_ask: bool
    """Whether the standard input may be the text: nobody types there."""

    def read(self, *, has_template: bool) -> dict[str, str]:
        """Read what there is.

        Raises:
            Failure: There is too little or too much, or a file cannot be read.
        """
        if self.text is not None and self.text_file is not None:
            raise click.UsageError("--body and --text are two ways to say the same: give one of them.")
        if self.text_file == "-" and self.html_file == "-":
            raise click.UsageError("The standard input can be the text or the HTML, not both.")
        bodies = {"text": self.text} if self.text is not None else {}
        if self.text_file is not None:
            bodies["text"] = read_text(self.text_file)
        if self.html_file is not None:
            bodies["html"] = read_text(self.html_file)
        if not bodies and not has_template:
            if not self.may_ask:
                raise click.UsageError("There is no body: give --body, --text, --html or --template.")
            bodies["text"] = read_text("-")
        return bodies


def composed(
    body: Body,
    *,
    sender: str | None,
    attach: Sequence[str],
    template: str | None,
    variables: Iterable[tuple[str, str]],
    variables_file: str | None,
    tags: Iterable[tuple[str, str]],
    metadata: Iterable[tuple[str, str]],
    headers: Iterable[tuple[str, str]],
    bulk: bool,
    hold: bool,
    unsubscribe: bool,
    **plain: Any,
) -> dict[str, Any]:
    """Give the body of ``POST /emails``; *plain* are fields that go as they are.

    Raises:
        Failure: A file cannot be used.
    """
    given = {**(read_object(variables_file) if variables_file else {}), **dict(variables)}
    if given and template is None:
        raise click.UsageError("--var and --vars are for a --template.")
    message = {
        "from": sender,
        **plain,
        **body.read(has_template=template is not None),
        "template": {"id": template, **({"variables": given} if given else {})} if template else None,
        "tags": [{"name": name, "value": value} for name, value in tags],
        "metadata": dict(metadata),
        "headers": dict(headers),
        "attachments": [_attachment(Path(path)) for path in attach],
        "priority": "bulk" if bulk else None,
        "on_uncertain": "hold" if hold else None,
        "unsubscribe": unsubscribe or None,
    }
    return {name: value for name, value in message.items() if value not in (None, (), [], {})}


def _attachment(path: Path) -> dict[str, str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}", MISUSED) from None
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return {"filename": path.name, "content": base64.b64encode(content).decode(), "content_type": kind}
