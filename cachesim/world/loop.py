"""asyncio scheduled by simpy: ordinary coroutines run in simulated time.

Vocabulary: the *queue* is the heap of a `simpy.Environment`, with entries (time, priority, id, event). A *callback* is
what `call_soon` was given; a *turn* runs every callback that was ready when it began, first-in first-out. An *instant*
is all that happens at one time, in this order: the events and timers that are due, in order of scheduling; then one
turn; again, until nothing is left; then the next arrival. That is asyncio's own order, and it makes a run repeatable.

Time is in seconds and starts where the environment does, at 0.
"""

from __future__ import annotations

import asyncio
import asyncio.events
import contextvars
import logging
import sys
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from heapq import heapify, heappop, heappush
from math import inf
from types import BuiltinFunctionType
from typing import Any, TypeVar

import simpy
from simpy.events import NORMAL

from cachesim.world.clock import SimulationError, simulated_time
from cachesim.world.deadlock import DeadlockError, deadlock, livelock
from cachesim.world.handles import Callback, Timer
from cachesim.world.real_world import NoRealWorld

__all__ = ["ARRIVAL", "DeadlockError", "SimLoop", "SimulationError"]

T = TypeVar("T")

ARRIVAL = 2
"""The priority of an arrival in the queue: after simpy's URGENT (0) and NORMAL (1), so it comes last in its instant."""

_MOST_TURNS = 1_000_000
"""More turns than this at one instant are taken for a program that never lets time move."""

_LOG = logging.getLogger("cachesim")


class SimLoop(NoRealWorld):
    """An asyncio event loop whose clock and timers belong to a `simpy.Environment`.

    Everything in asyncio that needs no real input or output works. `choose` may pick which of several ready callbacks
    runs next (it is given them and returns an index); None keeps asyncio's order. Sockets, threads and subprocesses
    raise `SimulationError`. `failures` holds what was raised and taken by nobody, in order.

    >>> async def nap():
    ...     await asyncio.sleep(3600)
    ...     return asyncio.get_running_loop().time()
    >>> SimLoop(simpy.Environment()).run_until_complete(nap())
    3600.0
    """

    def __init__(
        self, env: simpy.Environment, choose: Callable[[Sequence[Callable[[], object]]], int] | None = None
    ) -> None:
        self.env = env
        env._now = float(env._now)
        self._queue: list[Any] = env._queue
        self._next_id = env._eid
        self._choose = choose
        self._ready: deque[Callable[[], object]] = deque()
        self._due_at_once: list[Timer] = []
        self._cancelled_timers = 0
        self._running = self._stopping = self._stopped = self._closed = self._debug = False
        self._task_factory: Any = None
        self._exception_handler: Any = None
        self._callback_errors: list[BaseException] = []
        self._failed_tasks: list[asyncio.Task[Any]] = []
        self._note_task = self._note  # one bound method, so that `call_soon` can recognise it
        self._async_generators: weakref.WeakSet[AsyncGenerator[Any, Any]] = weakref.WeakSet()

    # Running

    def run_forever(self) -> None:
        """Run until `stop`, or until nothing is left to happen; raises `DeadlockError` if tasks then still wait."""
        self.run()
        if not self._stopped and asyncio.all_tasks(self):
            raise deadlock(self)

    def run_until_complete(self, future: Any) -> Any:
        """Run until `future` (or a task made of it) is done and return its result.

        Raises `DeadlockError` when nothing is left to happen before that.
        """
        self._check_idle()
        ours = not asyncio.isfuture(future)
        task = asyncio.ensure_future(future, loop=self)
        task.add_done_callback(self._stop_for)
        try:
            self.run()
        except BaseException:
            if ours and task.done() and not task.cancelled():
                task.exception()  # nobody else could take it
            raise
        finally:
            task.remove_done_callback(self._stop_for)
        if not task.done():
            stopped = RuntimeError("the loop was stopped before the future was done")
            raise stopped if self._stopped else deadlock(self)
        return task.result()

    def _stop_for(self, _: object) -> None:
        self._stopping = True

    def _check_idle(self) -> None:
        if asyncio.events._get_running_loop() is not None:
            raise SimulationError("another event loop runs in this thread; run the simulation in a thread of its own")
        self._check_open()

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the loop is closed")

    def run(self, until: float = inf) -> None:
        """Run until simulated time `until`, or until nothing is left to happen."""
        self._check_idle()
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=self._begun, finalizer=self._finalize)
        asyncio.events._set_running_loop(self)
        self._running = True
        try:
            with simulated_time(self.env):
                self._work(until)
        finally:
            self._running = False
            self._stopped, self._stopping = self._stopping, False
            asyncio.events._set_running_loop(None)
            sys.set_asyncgen_hooks(*hooks)

    def _work(self, until: float) -> None:
        """The heart: take what is due, else a turn, else the next event in time."""
        env, queue, ready, at_once = self.env, self._queue, self._ready, self._due_at_once
        turns = 0
        while True:
            if (ready or at_once or self._stopping) and not (
                queue and queue[0][0] <= env._now and queue[0][1] < ARRIVAL
            ):
                if self._choose is None and not at_once:
                    for _ in range(len(ready)):
                        ready.popleft()()
                else:
                    self._unusual_turn()
                if self._stopping:
                    return
                turns += 1
                if turns > _MOST_TURNS:
                    raise livelock(self, turns)
                continue
            if not queue:
                return
            if queue[0][0] > until:
                env._now = until
                return
            time, _, _, event = heappop(queue)
            if time > env._now:
                turns = 0
            if isinstance(event, simpy.Event):
                env._now = time
                callbacks, event.callbacks = event.callbacks, None  # type: ignore[assignment]
                for callback in callbacks:
                    callback(event)
                if not event._ok and not hasattr(event, "_defused"):
                    raise event._value  # as simpy does: a failure that no process took
            elif not event._cancelled:
                env._now = time
                event.fire()

    def _unusual_turn(self) -> None:
        """A turn with timers that are due as soon as they are set, or whose callbacks `choose` picks."""
        ready = self._ready
        self._due_at_once.sort(key=Timer.when)
        ready.extend(self._due_at_once)
        self._due_at_once.clear()
        for _ in range(len(ready)):
            index = self._choose(ready) if self._choose is not None and len(ready) > 1 else 0
            callback = ready[index]
            del ready[index]
            callback()

    def _busy(self) -> bool:
        """Whether something else is to run at this instant before a task that wakes now."""
        queue = self._queue
        return bool(
            self._ready
            or self._due_at_once
            or self._choose is not None
            or (queue and queue[0][0] <= self.env._now and queue[0][1] < ARRIVAL)
        )

    def is_idle(self) -> bool:
        """Whether nothing is left to happen: no callback is ready, and whatever stands in the queue is cancelled."""
        return not self._ready and all(getattr(entry[3], "_cancelled", False) for entry in self._queue)

    def stop(self) -> None:
        self._stopping = True

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Close for good: what has not ended never runs again, and nothing is said about it."""
        if self._running:
            raise RuntimeError("a running loop cannot be closed")
        self._closed = True
        self._exception_handler = lambda loop, context: None
        for task in sorted(asyncio.all_tasks(self), key=lambda task: task.get_name()):
            with suppress(Exception):  # what it says on its way out, nobody hears
                task.get_coro().close()
        self._ready.clear()

    # Scheduling

    def time(self) -> float:
        return self.env._now

    def call_soon(self, callback: Any, *args: Any, context: contextvars.Context | None = None) -> Any:
        if callback is self._note_task:  # bookkeeping, not a step of anybody's program
            return callback(*args)
        kind = type(callback)
        if kind.__name__ == "TaskStepMethWrapper" or (
            kind is BuiltinFunctionType and callback.__name__ == "task_wakeup"
        ):  # a task, in C, asks for its next step: it needs no handle and lets no error out
            self._ready.append(partial(context.run, callback, *args))  # type: ignore[union-attr]
            return None
        self._check_open()
        handle = Callback(callback, args, self, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def wake_soon(self, wake: Callable[[], object]) -> None:
        """Let a task whose operation was cancelled go on in the next turn."""
        self._ready.append(wake)

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.env._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        self._check_open()
        timer = Timer(when, callback, args, self, context)
        if when <= self.env._now:
            self._due_at_once.append(timer)
        elif when < inf:  # else it never comes
            timer._scheduled = True  # type: ignore[attr-defined]
            heappush(self._queue, (when, NORMAL, next(self._next_id), timer))
        return timer

    def _timer_handle_cancelled(self, _: object) -> None:
        """Forget cancelled timers once they are most of the queue, as asyncio does."""
        self._cancelled_timers += 1
        if self._cancelled_timers > 100 and 2 * self._cancelled_timers > len(self._queue):
            self._queue[:] = [entry for entry in self._queue if not getattr(entry[3], "_cancelled", False)]
            heapify(self._queue)
            self._cancelled_timers = 0

    def wait(self, event: simpy.Event) -> asyncio.Future[Any]:
        """A future for a simpy event: its value, or its failure.

        >>> env = simpy.Environment()
        >>> loop = SimLoop(env)
        >>> async def take():
        ...     return await loop.wait(env.timeout(2, value="done")), env.now
        >>> loop.run_until_complete(take())
        ('done', 2.0)
        """
        future = self.create_future()

        def settle(event: simpy.Event) -> None:
            if not event.ok:
                event.defused = True
            if not future.done():
                if event.ok:
                    future.set_result(event.value)
                else:
                    future.set_exception(event._value)

        if event.callbacks is None:
            settle(event)
        else:
            event.callbacks.append(settle)
        return future

    def event(self, future: Coroutine[Any, Any, T] | asyncio.Future[T]) -> simpy.Event:
        """A simpy event for a task, a future or a coroutine, so that a simpy process can wait for it."""
        event = self.env.event()

        def settle(task: asyncio.Future[T]) -> None:
            if task.cancelled():
                event.fail(asyncio.CancelledError())  # type: ignore[arg-type]
            elif (error := task.exception()) is not None:
                event.fail(error)  # type: ignore[arg-type]
            else:
                event.succeed(task.result())

        asyncio.ensure_future(future, loop=self).add_done_callback(settle)
        return event

    # Tasks and futures

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: contextvars.Context | None = None, **options: Any
    ) -> asyncio.Task[Any]:
        self._check_open()
        if self._task_factory is None:
            task = asyncio.Task(coro, loop=self, name=name, context=context, **options)
        else:
            options |= {} if context is None else {"context": context}
            task = self._task_factory(self, coro, **options)
            if name is not None:
                task.set_name(name)
        task.add_done_callback(self._note_task)
        return task

    def starter(self) -> Callable[[Coroutine[Any, Any, Any]], object]:
        """What begins tasks of the simulator's own, whose errors it handles itself, when no callback is ready.

        Their first step runs at once, which nobody can tell from a turn with nothing else in it.
        """
        if self._choose is not None:
            return partial(asyncio.Task, loop=self)
        if sys.version_info >= (3, 12):
            return partial(asyncio.Task, loop=self, eager_start=True)

        def start(coro: Coroutine[Any, Any, Any]) -> None:
            asyncio.Task(coro, loop=self)
            self._ready.popleft()()

        return start

    def set_task_factory(self, factory: Any) -> None:
        self._task_factory = factory

    def get_task_factory(self) -> Any:
        return self._task_factory

    # Failures

    def _note(self, task: asyncio.Task[Any]) -> None:
        if task._exception is not None:  # `exception()` would count as taken
            self._failed_tasks.append(task)

    @property
    def failures(self) -> list[BaseException]:
        """What callbacks raised, then what tasks raised and nobody took; asking counts as taking."""
        untaken = [task.exception() for task in self._failed_tasks if task._log_traceback]
        self._failed_tasks.clear()
        self._callback_errors.extend(error for error in untaken if error is not None)
        return self._callback_errors

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self._exception_handler is not None:
            try:
                self._exception_handler(self, context)
                return
            except Exception:
                _LOG.exception("the exception handler failed")
        self.default_exception_handler(context)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is not None and "handle" in context:
            self._callback_errors.append(error)
        else:
            _LOG.error(context["message"], exc_info=error)

    def set_exception_handler(self, handler: Any) -> None:
        self._exception_handler = handler

    def get_exception_handler(self) -> Any:
        return self._exception_handler

    def get_debug(self) -> bool:
        return self._debug

    def set_debug(self, enabled: bool) -> None:
        self._debug = enabled

    # Async generators

    def _begun(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._async_generators.add(generator)

    def _finalize(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._async_generators.discard(generator)
        if not self._closed:
            self.call_soon(self.create_task, generator.aclose())

    async def shutdown_asyncgens(self) -> None:
        """Close the async generators that were left in the middle."""
        generators = list(self._async_generators)
        self._async_generators.clear()
        await asyncio.gather(*(generator.aclose() for generator in generators), return_exceptions=True)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """There is none."""
