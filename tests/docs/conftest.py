"""Readers of the documents, and the Pillarbox that most of them have running."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.markdown import Block
from tests.docs.reading import Reader, clone


@pytest.fixture(scope="module")
def at_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """Somebody who has typed ``make run`` and left it running."""
    reader = Reader(clone(tmp_path_factory.mktemp("reader") / "pillarbox"))
    make_run = "$ make run\nAPI key: …"
    try:
        reader.follow(Block(Path(__file__), 0, 0, "console", {"background": ""}, make_run))
        yield reader
    finally:
        reader.close()
