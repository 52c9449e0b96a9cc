"""FastAPI and Celery's ``delay`` with confirms: ``uvicorn bench.peers.fastapi_celery:app``."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from pydantic import BaseModel

from bench.peers.with_celery import send_email

app = FastAPI()


class Email(BaseModel):
    """The body, in plain strings: checking addresses would make it slower still."""

    model_config = {"populate_by_name": True, "extra": "allow"}

    to: list[str]
    subject: str
    text: str
    html: str


@app.post("/emails", status_code=202)
def accept(email: Email) -> dict[str, Any]:
    """Publish from FastAPI's thread pool."""
    message_id = str(uuid4())
    send_email.delay(message_id, email.model_dump())
    return {"id": message_id}
