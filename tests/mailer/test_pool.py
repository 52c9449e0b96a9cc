"""The pool that Celery hands tasks to: many at once, on one event loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.mailer.background import BackgroundLoop
from services.mailer.pool import LoopPool

LIMIT = 3
PATIENCE_SECONDS = 10.0


class Works:
    """A pool, and what runs in it."""

    def __init__(self) -> None:
        self.background = BackgroundLoop()
        self.pool = LoopPool(LIMIT, app=SimpleNamespace(background=self.background))
        self.pool.start()
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.threads: set[str] = set()
        self.may_end = asyncio.Event()

    def work(self, number: int) -> int:
        """Wait for the word, as a task waits for a provider."""
        self.begun.append(number)
        self.threads.add(threading.current_thread().name)
        self.background.run(self._word())
        self.ended.append(number)
        return number

    async def _word(self) -> None:
        await self.may_end.wait()

    def apply(self, target: Callable[..., Any], *args: Any, callback: Any = lambda _: None) -> None:
        """Hand over a task, as Celery does."""
        self.pool.apply_async(target, args, callback=callback, accept_callback=lambda *_: None, timeout=None)

    def go_on(self) -> None:
        """Give the word."""
        self.background.run(self._say())

    async def _say(self) -> None:
        self.may_end.set()


@pytest.fixture
def works() -> Works:
    """A pool of a few slots."""
    return Works()


def soon(look: Callable[[], bool]) -> None:
    """Wait until something is true; it must become so."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not look():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_tasks_wait_beside_one_another(works: Works) -> None:
    """As many as there are slots, in one thread; the next begins when one has ended, in their order."""
    results: list[int] = []
    for number in range(LIMIT + 2):
        works.apply(works.work, number, callback=results.append)
    soon(lambda: len(works.begun) == LIMIT)
    works.background.run(asyncio.sleep(0.05))
    at_once = list(works.begun)
    works.go_on()
    soon(lambda: len(results) == LIMIT + 2)

    assert [0, 1, 2] == at_once
    assert [0, 1, 2, 3, 4] == works.begun == sorted(works.ended)
    assert {"background-loop"} == works.threads


def test_stopping_waits_for_what_has_begun(works: Works) -> None:
    """What has not, never does: nobody acknowledges it, and another mailer gets it."""
    for number in range(LIMIT + 2):
        works.apply(works.work, number)
    soon(lambda: len(works.begun) == LIMIT)
    stopping = threading.Thread(target=works.pool.stop)
    stopping.start()
    stopping.join(0.1)
    was_waiting = stopping.is_alive()
    works.go_on()
    stopping.join(PATIENCE_SECONDS)

    assert was_waiting
    assert not stopping.is_alive()
    assert [0, 1, 2] == works.begun == sorted(works.ended)


@pytest.mark.parametrize("error", [ValueError("ann@example.org"), SystemExit(1)])
def test_what_goes_wrong_takes_no_slot(works: Works, error: BaseException) -> None:
    """It is told, without its text, and ends neither the loop nor the pool."""

    def fail() -> None:
        works.background.run(asyncio.sleep(0))
        raise error

    results: list[int] = []
    with capture_logs() as lines:
        for _ in range(LIMIT):
            works.apply(fail, callback=lambda _: (_ for _ in ()).throw(error))
        works.go_on()
        works.apply(works.work, 7, callback=results.append)
        soon(lambda: results == [7])

    assert ["task.crashed"] * LIMIT == [line["event"] for line in lines]
    assert "ann@" not in repr(lines)


def test_what_blocks_does_so_elsewhere(works: Works) -> None:
    """The loop goes on meanwhile, and the task gets what comes of it: a result, or an exception."""
    gate, results, errors = threading.Event(), list[str](), list[str]()

    def block() -> None:
        thread = works.background.run_blocking(
            lambda: gate.wait(PATIENCE_SECONDS) and threading.current_thread().name
        )
        results.append(str(thread))
        try:
            works.background.run_blocking(lambda: int("x"))
        except ValueError as error:
            errors.append(type(error).__name__)

    works.apply(block)
    works.background.run(asyncio.sleep(0.02))  # it would not come back, were the loop blocked
    gate.set()
    soon(lambda: bool(errors))

    assert results[0].startswith("blocking")
    assert ["ValueError"] == errors


def test_what_blocks_sees_the_context_of_its_task(works: Works) -> None:
    """As the trace that the task belongs to."""
    trace, results = ContextVar("trace", default="none"), list[str]()

    def ask() -> None:
        trace.set("this one")
        results.append(works.background.run_blocking(trace.get))

    works.apply(ask)
    soon(lambda: bool(results))

    assert ["this one"] == results


def test_what_a_coroutine_raises_reaches_its_task(works: Works) -> None:
    """And the task may go on from there."""
    results: list[str] = []

    async def refuse() -> None:
        await asyncio.sleep(0)
        raise LookupError

    def ask() -> None:
        for _ in range(3):
            with pytest.raises(LookupError):
                works.background.run(refuse())
        results.append("asked")

    works.apply(ask)
    soon(lambda: bool(results))

    assert ["asked"] == results


def test_the_loop_ends_before_the_interpreter() -> None:
    """Though a task waits: the collector was seen to crash on what a thread that is cut off leaves behind."""
    program = """
import asyncio, atexit, threading
from services.mailer.background import BackgroundLoop

atexit.register(lambda: print(sorted(thread.name for thread in threading.enumerate())))
background, begun = BackgroundLoop(), threading.Event()

async def wait():
    begun.set()
    await asyncio.Event().wait()

background.spawn(lambda: background.run(wait()))
begun.wait(10)
"""

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (0, "['MainThread']", "") == (ended.returncode, ended.stdout.strip(), ended.stderr)
