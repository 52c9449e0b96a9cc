"""One event loop in the background, for tasks that are ordinary synchronous functions.

A task runs on that very loop, in a greenlet: what it waits for is awaited there, and meanwhile the loop
does everybody else's work.  Threads would do as well, and were measured to cost a fifth of the mailer's
time for waking one another.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

import uvloop
from greenlet import getcurrent, greenlet

T = TypeVar("T")

_BLOCKING_THREADS = 10
"""As many connections as Celery publishes retries on by default."""

_STOPPING_SECONDS = 5.0
"""For what the loop does at that moment, when the process ends."""


class _Task(greenlet):
    """Runs a synchronous function that may wait for coroutines of the loop it runs on."""

    def wait_for(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Give the loop back until *coroutine* has ended."""
        waited = asyncio.get_running_loop().create_task(coroutine)
        waited.add_done_callback(lambda _: self.switch())
        assert self.parent is not None  # noqa: S101 - the loop's own
        self.parent.switch()
        return waited.result()


class BackgroundLoop:
    """Runs tasks and coroutines on one event loop; starts at first use, after any fork."""

    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._blocking = ThreadPoolExecutor(_BLOCKING_THREADS, thread_name_prefix="blocking")

    def spawn(self, function: Callable[[], object]) -> None:
        """Run a task on the loop, soon; it must not block, and not raise anything."""
        self._running().call_soon_threadsafe(lambda: _Task(function).switch())

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run ``coroutine`` and wait for its result, or its exception: in a task, or in another thread."""
        task = getcurrent()
        if isinstance(task, _Task):
            return task.wait_for(coroutine)
        return asyncio.run_coroutine_threadsafe(coroutine, self._running()).result()

    def run_blocking(self, function: Callable[[], T]) -> T:
        """Run what blocks, in a thread, and wait for its result, or its exception.

        It sees the caller's context variables: a retry's log lines and headers belong to the task's trace.
        """
        within = partial(copy_context().run, function)

        async def run() -> T:
            return await asyncio.get_running_loop().run_in_executor(self._blocking, within)

        return self.run(run())

    def submit(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run ``coroutine`` without waiting for it."""
        asyncio.run_coroutine_threadsafe(coroutine, self._running())

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = uvloop.new_event_loop()
                thread = threading.Thread(target=self._loop.run_forever, name="background-loop", daemon=True)
                thread.start()
                atexit.register(_stop, self._loop, thread)
            return self._loop


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    """Let the thread end by itself: the interpreter may crash on greenlets of one that it ended halfway."""
    loop.call_soon_threadsafe(loop.stop)
    thread.join(_STOPPING_SECONDS)
