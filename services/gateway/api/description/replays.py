"""The calls that send messages once more, or give them up."""

from __future__ import annotations

from services.gateway.api.description.answers import EmailChanged
from services.gateway.api.description.catalogue import ID, REPLAYING
from services.gateway.api.description.headers import resource_id
from services.gateway.api.description.operation import Answer, Body, Operation, ok
from services.gateway.api.replays import ReplayPreview, ReplayReport
from services.gateway.submission.replay import ReplaySubmission
from services.gateway.tenants.callers import Permission

_TAG = "Replays"
_ID = resource_id("The message's id, from the 202.")
_USES = ("getEmail", "listEmailEvents")
_CHANGED = {"object": "email", "id": str(ID)}
_AGAIN = ok("It is committed, and is on its way once more.", EmailChanged, _CHANGED, *_USES, status=202)

OPERATIONS = (
    Operation(
        id="replayEmail",
        method="post",
        path="/emails/{id}/replay",
        tag=_TAG,
        summary="Send a message once more",
        description="One that is `failed`, `suppressed` or `held`: the same message under the same id, in a "
        "new series of attempts. Recipients that are suppressed by now are left out. Of two such calls at "
        "once one is answered 409.",
        permission=Permission.SENDING,
        parameters=(_ID,),
        answers=(_AGAIN,),
        problems=("not_replayable", *REPLAYING),
    ),
    Operation(
        id="replayEmails",
        method="post",
        path="/emails/replay",
        tag=_TAG,
        summary="Send many messages once more",
        description="Those that fit all filters, the newest first, a part at a time: repeat the call with "
        "`next` as `after` for as long as there are more. A dry run counts them, and touches nothing.",
        permission=Permission.SENDING,
        body=Body(
            model=ReplaySubmission,
            examples={
                "A dry run": {"status": "failed", "since": "2026-01-02T15:04:05Z", "dry_run": True},
                "What was given up": {"status": "failed", "reason": "given_up", "limit": 1000},
            },
        ),
        answers=(
            ok(
                "A dry run: this is what would be sent once more.",
                ReplayPreview,
                {"object": "replay", "dry_run": True, "count": 1, "sample": [str(ID)]},
            ),
            Answer(
                status=202,
                description="These are committed, and are on their way once more.",
                model=ReplayReport,
                examples={
                    "The end": {
                        "object": "replay",
                        "replayed": 17,
                        "skipped": [{"id": str(ID), "reason": "body_purged"}],
                        "has_more": False,
                        "next": None,
                    }
                },
            ),
        ),
    ),
    Operation(
        id="releaseEmail",
        method="post",
        path="/emails/{id}/release",
        tag=_TAG,
        summary="Send a held message once more",
        description="Although it may have been sent: that is what it is held for.",
        permission=Permission.SENDING,
        parameters=(_ID,),
        answers=(_AGAIN,),
        problems=("not_held", "not_replayable", *REPLAYING),
    ),
    Operation(
        id="dropEmail",
        method="post",
        path="/emails/{id}/drop",
        tag=_TAG,
        summary="Give a held message up",
        description="It ends as `failed`, unless its provider reports that it was sent.",
        permission=Permission.SENDING,
        parameters=(_ID,),
        answers=(ok("It is not sent once more.", EmailChanged, _CHANGED, *_USES),),
        problems=("not_held",),
    ),
)
