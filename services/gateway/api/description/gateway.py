"""The calls about the gateway itself."""

from __future__ import annotations

from services.gateway.api.description.answers import Alive, Readiness
from services.gateway.api.description.operation import Answer, Operation, ok

_TAG = "Gateway"

OPERATIONS = (
    Operation(
        id="healthz",
        method="get",
        path="/healthz",
        tag=_TAG,
        summary="Is the process alive?",
        permission=None,
        answers=(ok("Yes.", Alive, {"status": "ok"}),),
        is_probe=True,
    ),
    Operation(
        id="readyz",
        method="get",
        path="/readyz",
        tag=_TAG,
        summary="May it be sent requests?",
        permission=None,
        answers=(
            ok("Yes.", Readiness, {"status": "ok", "ledger": "ok", "broker": "ok"}),
            ok(
                "No: the ledger is away, or the gateway is about to stop.",
                Readiness,
                {"status": "unavailable", "ledger": "unavailable", "broker": "ok"},
                status=503,
            ),
        ),
        is_probe=True,
    ),
    Operation(
        id="openapi",
        method="get",
        path="/openapi.json",
        tag=_TAG,
        summary="This description, for programs",
        permission=None,
        answers=(Answer(status=200, description="An OpenAPI 3.1 document."),),
    ),
    Operation(
        id="docs",
        method="get",
        path="/docs",
        tag=_TAG,
        summary="This description, for people",
        permission=None,
        answers=(Answer(status=200, description="A page.", media_type="text/html"),),
    ),
)
