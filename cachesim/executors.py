"""Where independent pieces of work are done: processes of this machine, any `concurrent.futures.Executor`, or Dask.

Whatever happens to a piece of work, the others are done. With processes of our own this holds for a crash, and for what
never returns, too: each does one piece at a time, so it is known which one it was.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, as_completed
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from math import inf
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from time import monotonic
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

from cachesim.messages import told

__all__ = ["Lost", "WorkersError", "outcomes"]

T = TypeVar("T")
R = TypeVar("R")

_CONTEXT = multiprocessing.get_context("spawn")
"""A fresh interpreter each: the same on every system, and safe beside threads."""


_DYING = 5.0
"""Seconds that a process has to end by itself when it can no longer be heard; then its own exit status is told."""


class Lost(NamedTuple):
    """A piece of work that came to nothing, and why."""

    reason: str


class WorkersError(RuntimeError):
    """No process can be started that does the work."""


def outcomes(
    work: Callable[[T], R],
    items: Sequence[T],
    *,
    executor: Any = None,
    workers: int | None = None,
    time_limit: float | None = None,
) -> Generator[tuple[int, R | Lost], None, None]:
    """What becomes of each item, with its number, as it is done.

    `executor`: a `concurrent.futures.Executor` or a `dask.distributed.Client`, which stays open. None: processes of
    this machine, as many as `workers` (default: one a processor); each is killed when it spends more than `time_limit`
    seconds on an item. `work` and the items must be importable where they are sent. Raises `WorkersError` when
    processes of this machine cannot start.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor(1) as pool:
    ...     sorted(outcomes(abs, [-2, 3], executor=pool))
    [(0, 2), (1, 3)]
    """
    if executor is None:
        return _in_processes(work, items, workers or os.cpu_count() or 1, time_limit)
    if hasattr(executor, "get_executor"):  # a Dask client
        executor = executor.get_executor(pure=False)
    return _over(executor, work, items)


def _over(
    executor: Executor, work: Callable[[T], R], items: Sequence[T]
) -> Generator[tuple[int, R | Lost], None, None]:
    futures: dict[Future[R], int] = {}
    try:
        for number, item in enumerate(items):
            futures[_submitted(executor, work, item)] = number
        for future in as_completed(futures):
            try:
                found: R | Lost = future.result()
            except (Exception, CancelledError) as error:  # cancelled: by a scheduler that has gone
                found = Lost(told(error))
            yield futures[future], found
    finally:
        for future in futures:
            future.cancel()


def _submitted(executor: Executor, work: Callable[[T], R], item: T) -> Future[R]:
    try:
        return executor.submit(work, item)
    except BrokenExecutor as error:
        lost: Future[R] = Future()
        lost.set_exception(error)
        return lost


# Processes of this machine


def _in_processes(
    work: Callable[[T], R], items: Sequence[T], workers: int, time_limit: float | None
) -> Generator[tuple[int, R | Lost], None, None]:
    waiting = deque(enumerate(items))
    begin = partial(_Worker, work, time_limit, scripted=_of_the_script(work, items))
    crew = [begin() for _ in range(min(workers, len(items)))]
    unfinished = len(items)
    try:
        while unfinished:
            for worker in _with_news(crew):
                number, found = worker.number, worker.news()
                if isinstance(found, _Gone):
                    crew.remove(worker)
                    if waiting:
                        crew.append(begin())
                elif waiting and worker.process.is_alive():
                    worker.give(*waiting.popleft())
                if number is not None:
                    unfinished -= 1
                    yield number, Lost(found.reason) if isinstance(found, _Gone) else found
    finally:
        for worker in crew:
            worker.kill()


def _with_news(crew: Sequence[_Worker]) -> list[_Worker]:
    """Those that have said something, have died, or are out of time; waits for the first of them."""
    deadline = min(worker.deadline for worker in crew)
    signs = [sign for worker in crew for sign in (worker.connection, worker.process.sentinel)]
    seen = wait(signs, None if deadline == inf else max(0.0, deadline - monotonic()))
    now = monotonic()
    return [w for w in crew if w.connection in seen or w.process.sentinel in seen or w.deadline <= now]


def _of_the_script(work: Callable[[T], R], items: Sequence[T]) -> bool:
    """Whether some of it is defined in the script that runs, which is then to be run by each worker, too."""
    return any(b"__main__" in bytes(ForkingPickler.dumps(part)) for part in (work, *items[:1]))


@contextmanager
def _no_script() -> Iterator[None]:
    """Processes started meanwhile do not run the script again, which may have no guard, or be no file."""
    script, sys.modules["__main__"] = sys.modules["__main__"], ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


class _Gone(NamedTuple):
    """A worker that is no more, and why."""

    reason: str


class _Worker:
    """A process that does one piece of work at a time. `number`: of the item it has; `deadline`: for that one."""

    def __init__(self, work: Callable[[Any], Any], time_limit: float | None, *, scripted: bool) -> None:
        self.connection, theirs = _CONTEXT.Pipe()
        self.process = _CONTEXT.Process(target=_serve, args=(theirs, work), daemon=True)
        with nullcontext() if scripted else _no_script():
            self.process.start()
        theirs.close()  # so that its death is the end of what can be read
        self.time_limit = time_limit
        self.ready = False
        self.number: int | None = None
        self.deadline = inf

    def give(self, number: int, item: Any) -> None:
        """Send it an item; only to one that has said something since the last."""
        self.number = number
        self.deadline = inf if self.time_limit is None else monotonic() + self.time_limit
        with suppress(ConnectionError):  # it has died: the news to come
            self.connection.send(item)

    def news(self) -> Any:
        """What it has made of its item (nothing, at first), or why it is `_Gone`."""
        found = self._said()
        if isinstance(found, _Gone) and not self.ready:
            raise WorkersError(
                f"a worker process cannot start: {found.reason}. Of a script that defines what they do, the rest "
                'belongs under if __name__ == "__main__":'
            )
        self.ready, self.number, self.deadline = True, None, inf
        return found

    def _said(self) -> Any:
        if self.connection.poll():
            with suppress(EOFError, OSError):
                return self.connection.recv()
        late = self.process.is_alive() and self.deadline <= monotonic()
        self.process.join(0 if late else _DYING)
        status = self.kill()
        if late:
            return _Gone(f"did not return within {self.time_limit:g} s")
        end = f"was killed by signal {-status}" if status < 0 else f"ended with exit status {status}"
        return _Gone(f"its process {end}")

    def kill(self) -> int:
        """End the process, if it still runs; its exit status."""
        self.process.kill()
        self.process.join()
        self.connection.close()
        assert self.process.exitcode is not None
        return self.process.exitcode


def _serve(connection: Connection, work: Callable[[Any], Any]) -> None:
    """Do what is sent, until nobody is there any more. What the work prints goes to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that gives the work
    sys.stdout = sys.stderr
    with suppress(EOFError, ConnectionError):
        connection.send(None)
        while True:
            connection.send(_done(work, connection.recv_bytes()))


def _done(work: Callable[[Any], Any], item: bytes) -> Any:
    try:
        return work(ForkingPickler.loads(item))
    except Exception as error:  # or the item is of something that is not to be found here
        return Lost(told(error))
