"""Bodies that are forms are read as a web server reads them."""

from __future__ import annotations

import base64
import json
import pathlib
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fakes.plain import Plain
from tests.fakes.record import read


@pytest.fixture
async def plain(tmp_path: pathlib.Path) -> AsyncIterator[Plain]:
    async with Plain(record_file=tmp_path / "record.jsonl") as fake:
        yield fake


async def test_a_urlencoded_form_is_a_dict_of_lists(plain: Plain, client: httpx.AsyncClient) -> None:
    """Every value is kept in its order, the empty ones too."""
    body = b"id=a&to=x%40example.net&to=%22%C3%89%22+%3Cy%40example.net%3E&text="
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    await client.post(f"{plain.base_url}/send", content=body, headers=headers)

    assert {
        "id": ["a"],
        "to": ["x@example.net", '"É" <y@example.net>'],
        "text": [""],
    } == plain.record[0].payload
    assert "a" == plain.record[0].message_id


async def test_a_multipart_form_brings_its_files(
    plain: Plain, client: httpx.AsyncClient, tmp_path: pathlib.Path
) -> None:
    """A file is its name, its type and its bytes, whatever bytes they are, and the record's file holds it."""
    content = bytes(range(256)) * 3
    file = ("attachment", ("Größe.pdf", content, "application/pdf"))
    await client.post(f"{plain.base_url}/send", data={"id": "a", "text": "é\r\nz"}, files=[file, file])

    payload = plain.record[0].payload
    carried = payload["attachment"][0]
    assert (["a"], ["é\r\nz"], 2) == (payload["id"], payload["text"], len(payload["attachment"]))
    assert ("Größe.pdf", "application/pdf") == (carried["filename"], carried["content_type"])
    assert content == base64.b64decode(carried["content"])
    assert payload == read(tmp_path / "record.jsonl")[0].payload


async def test_a_part_without_a_file_name_is_a_value(plain: Plain, client: httpx.AsyncClient) -> None:
    """So a provider takes a nameless file for text, and drops it."""
    files = [("id", (None, b"a")), ("attachment", (None, b"words"))]
    await client.post(f"{plain.base_url}/send", files=files)

    assert {"id": ["a"], "attachment": ["words"]} == plain.record[0].payload


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=x"])
async def test_what_is_no_form_is_none(plain: Plain, client: httpx.AsyncClient, content_type: str) -> None:
    """A body that does not keep to its type is refused and seen."""
    headers = {"Content-Type": content_type}
    answer = await client.post(f"{plain.base_url}/send", content=json.dumps({"id": "a"}), headers=headers)

    assert 404 == answer.status_code
    assert [None] == [entry.payload for entry in plain.requests]
