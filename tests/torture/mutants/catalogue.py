"""The mutants: each breaks a promise that the crash table of docs/reliability.md needs."""

from __future__ import annotations

from typing import Final

from tests.torture.mutants.mutant import Mutant, Patch

_GATEWAY: Final = "services/gateway"
_MAILER: Final = "services/mailer"

_NO_SILENT_SWEEP: Final = Patch(f"{_GATEWAY}/sweeper.py", "if lost <= 0:", "if lost < 10**9:")
_UNCERTAIN: Final = "            return _in_doubt(outcome, standing, patience, backoff)"
_CONSEQUENCE: Final = f"{_MAILER}/delivery/consequence.py"
_NONE: Final = {"profile": "none"}
_HOLD: Final = {"profile": "none", "on_uncertain": "hold"}

MUTANTS: Final = (
    Mutant(
        "M1", "a task is acknowledged before its work, and nobody looks for what is silent", "I1",
        (
            Patch(f"{_MAILER}/tasks.py", "    acks_late = True", "    acks_late = False"),
            Patch(f"{_MAILER}/worker.py", '"task_acks_late": True', '"task_acks_late": False'),
            _NO_SILENT_SWEEP,
        ),
        ("mailers_killed", "w.start:kill9", "w.before_claim:kill9"),
        {"rate": 30.0, "messages": 120, "each": 2},
    ),
    Mutant(
        "M2", "202 is answered before the commit", "I1",
        (
            Patch(
                f"{_GATEWAY}/ledger/writer.py", "        return await waiting.future\n",
                "        return Verdict(deposit.entries, tuple(one.id for one in deposit.entries))\n",
            ),
        ),
        ("g.before_insert:kill9", "g.before_commit:kill9", "gateway_killed"),
        {"each": 2},
    ),
    Mutant(
        "M3", "nobody publishes again what the broker lost", "I1",
        (
            Patch(
                f"{_GATEWAY}/sweeper.py", "        self._task = asyncio.create_task(self._run())\n",
                "        self._task = None\n",
            ),
        ),
        ("queues_purged", "g.after_commit:kill9", "r.before_publish:kill9"),
    ),
    Mutant(
        "M4", "the broker's confirms are not awaited, and nobody looks for what is silent", "I1",
        (
            Patch(
                f"{_GATEWAY}/relay/amqp.py", "            self._await_confirms()\n",
                "            self._unconfirmed.clear()\n",
            ),
            Patch(f"{_GATEWAY}/relay/amqp.py", "_MANDATORY = 1", "_MANDATORY = 0"),
            _NO_SILENT_SWEEP,
        ),
        ("queue_deleted", "memory_alarm"),
        {"rate": 30.0, "messages": 120, "each": 2},
    ),
    Mutant(
        "M5", "a claim is given away although its lease has not ended", "I3",
        (
            Patch(
                f"{_MAILER}/claims/rules.py", "WHERE claims.free_at <= {now}\n",
                "WHERE claims.free_at IS NOT NULL\n",
            ),
            Patch(
                f"{_MAILER}/claims/rules.py",
                "claims.state = 'begun'\n                        AND (coalesce(claims.noted, 0) "
                "<> claims.token OR NOT claims.looking) AS crashed",
                "false AS crashed",
            ),
        ),
        ("replayed_messages", "connections_closed", "w.before_request:sleep"),
        {**_HOLD, "rate": 30.0, "messages": 120, "each": 3},
    ),
    Mutant(
        "M6", "every attempt has an idempotency key of its own", "I3",
        (
            Patch(
                f"{_MAILER}/providers/resend.py", '{"Idempotency-Key": str(message.message_id)}',
                '{"Idempotency-Key": f"{message.message_id}-{time.time_ns()}"}',
            ),
            Patch(f"{_MAILER}/providers/resend.py", "from __future__ import annotations\n",
                  "from __future__ import annotations\n\nimport time\n"),
        ),
        ("provider_wrong_after_taking", "provider_tears"),
    ),
    Mutant(
        "M7", "an outcome is written down whoever has the claim by now", "I10",
        (
            Patch(
                f"{_MAILER}/claims/postgresql.py",
                "WHERE claims.message_id = batch.message_id AND claims.token = batch.token\n"
                "RETURNING claims.message_id, claims.token\n",
                "WHERE claims.message_id = batch.message_id\nRETURNING claims.message_id, batch.token\n",
            ),
        ),
        ("w.after_response:sleep", "mailer_frozen_beyond_its_lease"),
        {"share": 0.5, "rate": 30.0, "messages": 150, "each": 3, "storm": 20.0, "quiet": 60.0},
    ),
    Mutant(
        "M8", "what may have been sent counts as failed", "I4",
        (
            Patch(
                _CONSEQUENCE, _UNCERTAIN,
                '            return Consequence(State.FAILED, Event.FAILED, Rejected("unknown"), None, 0)',
            ),
        ),
        ("provider_wrong_after_taking", "provider_tears"),
        _NONE,
    ),
    Mutant(
        "M9", "what may have been sent is sent once more, as if it had not", "I3",
        (
            Patch(
                _CONSEQUENCE, _UNCERTAIN,
                "            return Consequence(State.DEFERRED, Event.DEFERRED, "
                'Deferred("unknown"), backoff, doubts)',
            ),
        ),
        ("provider_wrong_after_taking", "provider_tears"),
        _HOLD,
    ),
    Mutant(
        "M10", "a request may take for ever", "I8",
        (
            Patch(f"{_MAILER}/transport.py", "async with asyncio.timeout(self.deadline):",
                  "async with asyncio.timeout(None):"),
            Patch(f"{_MAILER}/transport.py", '"read": self.deadline', '"read": None'),
        ),
        ("provider_silent", "provider_silent_before_taking"),
        {"rate": 30.0, "messages": 120},
    ),
    Mutant(
        "M11", "Retry-After is not heard", "I11",
        (
            Patch(
                f"{_MAILER}/providers/hints.py",
                "            return min(max(seconds, SHORTEST), LONGEST)\n    return None\n",
                "            return None\n    return None\n",
            ),
        ),
        ("provider_throttles",),
        {"each": 2},
    ),
    Mutant(
        "M12", "what is due is decided by a gateway's own clock", "I12",
        (
            Patch(
                f"{_GATEWAY}/ledger/schema.py", "NOW = sa.select(moment_in(0)).scalar_subquery()",
                'NOW = sa.bindparam(\n    "here",\n    callable_=lambda: __import__("datetime").datetime.now('
                '__import__("datetime").UTC),\n    type_=sa.DateTime(timezone=True),\n)',
            ),
        ),
        ("gateways_clock_jumps",),
        {"messages": 150, "each": 4},
    ),
    Mutant(
        "M13", "what is accepted is kept by the process alone", "I15",
        (
            Patch(
                f"{_GATEWAY}/ledger/database.py",
                'path = Path(url.removeprefix("sqlite:///")).absolute()\n',
                'path = Path(url.removeprefix("sqlite:///")).absolute()\n'
                "            import os, shutil, sys\n"
                "            if len(sys.argv) == 1:\n"
                '                own = path.with_suffix(f".{os.getpid()}")\n'
                "                path = own if own.exists() else Path(shutil.copy(path, own))\n",
            ),
        ),
        ("webhooks_refused",),
        {"database": "sqlite", "cold": True, "messages": 30},
    ),
    Mutant(
        "M14", "a recipient is written into the log", "I7",
        (
            Patch(
                f"{_MAILER}/tasks.py",
                '        """Make one attempt, and come again if it was not the last."""\n',
                '        """Make one attempt, and come again if it was not the last."""\n'
                '        log.info("attempt.begun", to=message.to[0].email)\n',
            ),
        ),
        ("webhooks_refused",),
        {"messages": 20, "storm": 6.0},
    ),
    Mutant(
        "M15", "an idempotency key is not stored together with its message", "I5",
        (
            Patch(
                f"{_GATEWAY}/acceptance/acceptance.py",
                "Deposit(caller.tenant, entries, answer, key, item_keys, strict, rewrite)",
                "Deposit(caller.tenant, entries, answer, None, (), strict, rewrite)",
            ),
        ),
        ("g.before_response:kill9", "gateway_killed"),
        {"each": 2, "messages": 120, "rate": 25.0},
    ),
    Mutant(
        "M16", "a redirect is followed, key and all", "I2",
        (
            Patch(
                f"{_MAILER}/transport.py",
                "    response = await client.handle_async_request(request)\n",
                "    response = await client.handle_async_request(request)\n"
                "    if response.status_code in {307, 308}:\n"
                '        there = request.url.join(response.headers["location"])\n'
                "        request = httpx.Request(\n"
                "            request.method, there, headers=request.headers, content=request.content,\n"
                "            extensions=request.extensions,\n"
                "        )\n"
                "        response = await client.handle_async_request(request)\n",
            ),
        ),
        ("provider_redirects",),
    ),
    Mutant(
        "M17", "attempts are made, and counted, while the account is away", "I1",
        (
            Patch(
                f"{_MAILER}/accounts/circuit.py",
                "        return self.position is Position.CLOSED or (self.position is Position.HALF_OPEN "
                "and not self._probing)\n",
                "        return True\n",
            ),
            Patch(
                f"{_MAILER}/accounts/routes.py",
                "        return self.probe or circuit.position is Position.CLOSED\n", "        return True\n",
            ),
            Patch(
                _CONSEQUENCE,
                "    if decided.wait is not None and standing.age + decided.wait > patience.horizon:\n",
                "    if decided.wait is not None and standing.attempt >= 5:\n",
            ),
        ),
        ("provider_dead",),
        {"each": 4, "messages": 120},
    ),
    Mutant(
        "M18", "nothing is held after a restore", "I3",
        (
            Patch(
                "deploy/restore/hold.sql",
                "WHERE due_at IS NOT NULL\n", "WHERE false AND due_at IS NOT NULL\n",
            ),
        ),
        ("restored_from_backup",),
        {**_HOLD, "rate": 30.0, "storm": 15.0},
    ),
)  # fmt: skip
"""In the order of section 5.5 of what the harness was built by."""
