"""How far an import has come, while it goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pillarbox.output import Output, console


@contextmanager
def progress(output: Output, total: int) -> Iterator[Callable[[], None]]:
    """Give what is to be called once for each row; draws a bar where a person looks at it."""
    if output.as_json or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.progress import (  # noqa: PLC0415 - help and mistakes must not wait for it
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TimeRemainingColumn,
    )

    columns = (BarColumn(), TaskProgressColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(on_error=True)) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)
