"""The pool that Celery hands tasks to: each is a greenlet on the mailer's event loop, and none a thread.

https://docs.celeryq.dev/en/stable/userguide/concurrency/index.html
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from celery.concurrency.base import BasePool, apply_target

from services.mailer.background import BackgroundLoop
from services.mailer.logs import places

log = structlog.get_logger()


class LoopPool(BasePool):
    """As many tasks at once as Celery says; further ones wait for their turn.

    The app knows the loop: see ``Mailer``.
    """

    body_can_be_buffer = True
    signal_safe = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._background: BackgroundLoop = self.app.background
        self._changing = threading.Condition()
        self._waiting: deque[Callable[[], object]] = deque()
        self._running = 0

    def on_apply(self, target: Callable[..., Any], *args: Any, **options: Any) -> None:
        """Run a task soon."""
        callbacks = {name: options.get(name) for name in ("callback", "accept_callback")}
        job = partial(self._run, partial(apply_target, target, *args, **callbacks))
        with self._changing:
            if self._running >= self.limit:
                self._waiting.append(job)
                return
            self._running += 1
        self._background.spawn(job)

    def on_stop(self) -> None:
        """Return once what has begun has ended; what has not stays unacknowledged."""
        with self._changing:
            self._waiting.clear()
            self._changing.wait_for(lambda: not self._running)

    def _run(self, job: Callable[[], object]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - it must not end the loop, whatever it is
            log.error("task.crashed", error=type(error).__name__, where=places(error))  # noqa: TRY400
        finally:
            self._next()

    def _next(self) -> None:
        with self._changing:
            following = self._waiting.popleft() if self._waiting else None
            if following is None:
                self._running -= 1
                self._changing.notify_all()
        if following is not None:
            self._background.spawn(following)
