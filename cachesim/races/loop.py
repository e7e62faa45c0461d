"""A loop on which a schedule says what happens next, one step at a time.

Vocabulary: an *actor* is a request with all that it sets going, or a node's cache with what it does by itself; each has
a number. A *step* is the least that happens at once:

- a callback that is ready runs, first-in first-out within an actor: one stretch of a task up to its next wait;
- an *operation* of the world goes on: a command is executed, a reply arrives, a service ends. Nothing takes time of its
  own here: the schedule says how long;
- a request arrives;
- time moves to the next timer, or to the time at which a request of the scenario arrives;
- a client leaves, so that its request is cancelled.

Time moves only while nothing is ready, and no operation takes longer than `slowest`. So what a schedule brings about
can happen on a real loop, with the right delays. (One liberty: callbacks of two actors that one event has made ready
may run in either order, where asyncio's own is first-in first-out.)
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextvars import ContextVar
from heapq import heappop, heappush
from math import inf
from typing import Any, Protocol

import simpy
from simpy.events import NORMAL

from cachesim.world.handles import Callback, Timer
from cachesim.world.loop import SimLoop
from cachesim.world.redis_wire import DelayedSocket

__all__ = [
    "ACTOR",
    "ARRIVE",
    "CANCEL",
    "CHANCE",
    "OPERATE",
    "PASS_TIME",
    "RUN",
    "Label",
    "Schedule",
    "ScheduledLoop",
    "Step",
]

WORLD = -1
"""Nobody: what the world does by itself, a restart for example."""
ACTOR: ContextVar[int] = ContextVar("actor", default=WORLD)
"""On whose behalf code runs; tasks and timers inherit it."""

RUN, OPERATE, ARRIVE, PASS_TIME, CANCEL, CHANCE = range(6)
"""The kinds of steps; the last: something that is left to chance happens."""

Label = tuple[int, int, int]
"""Kind, actor, and which of the actor's operations: what a step is called."""

Step = tuple[int, int, int, Any]
"""A step that could be next: its label, and what is to be done."""

Operation = tuple[float, int, Any, Any]
"""Since when (s) it goes on, whose it is, what it is, and with which others it keeps an order."""

_PATIENCE = 500
"""After so many steps nobody interferes any more, everybody has their turn, and operations take a tenth of the slowest:
what asks again and again would wait for ever for what has no turn, or for a lock that only time ends."""
_WAITS_ON_THE_WAY_OUT = 100
_MOST_STEPS = 3_000
"""What takes more steps never ends."""


class Schedule(Protocol):
    """Says what happens next."""

    def choose(self, steps: Sequence[Step], place: int, at_work: int) -> int:
        """Which of these is the step number `place`, from 0.

        The first: nobody interferes, and the actor `at_work`, who took the last step, goes on if that is possible.
        """

    def chance(self, place: int) -> bool:
        """Whether something that is left to chance happens at that place; if nobody interferes it does not."""


class _Ready:
    """Stands where the loop's callbacks stand that are ready: there are none, and what is added goes on."""

    def __init__(self, append: Callable[[Any], None]) -> None:
        self.append = append

    def __len__(self) -> int:
        return 0


def _close(coroutine: Any) -> None:
    """End a coroutine where it waits; one that waits again on its way out is ended there, too."""
    for _ in range(_WAITS_ON_THE_WAY_OUT):
        try:
            coroutine.close()
            return
        except RuntimeError:  # it ignored that it is to end
            continue
        except Exception:
            return


class ScheduledLoop(SimLoop):
    """A `SimLoop` whose every step is chosen by a schedule.

    `slowest`: how long an operation may take (s). `arrive` and `cancel` let a request come and go, `passes` is told how
    many seconds pass, and `delivers`, if it is there, what arrives over connections. `taken`: the labels of the steps
    so far; `switched`: which of them, from 0, are not what would have happened if nobody had interfered. `undisturbed`:
    nobody interferes any more.
    """

    def __init__(self, *, slowest: float) -> None:
        super().__init__(simpy.Environment(initial_time=0.0))
        self._slowest = slowest
        self._exception_handler = lambda loop, context: None
        self._tasks: list[asyncio.Task[Any]] = []
        self._generators: set[int] = set()
        self.arrive: Callable[[int], None]
        self.cancel: Callable[[int], None]
        self.passes: Callable[[float], None]
        self.delivers: Callable[[Timer], None] | None = None
        self._ready = _Ready(self._goes_on)  # type: ignore[assignment]  # what the world's operations append to

    def reset(self, schedule: Schedule, times: Mapping[int, float], actors: int) -> None:
        """Begin anew at 0 s: requests arrive when the schedule says so, or at `times` (s), if it lets time pass."""
        self.sweep()
        self.env._now = 0.0
        self.schedule = schedule
        self.taken: list[Label] = []
        self.switched: list[int] = []
        self.actor = WORLD
        self.undisturbed = False
        self._ready_of: dict[int, deque[Callable[[], object]]] = {actor: deque() for actor in range(WORLD, actors)}
        self._operations: list[Operation] = []
        self.arriving = list(times)
        self._times = sorted({time for time in times.values() if time > 0}, reverse=True)
        self.leaving: list[int] = []

    def sweep(self) -> None:
        """End what the last schedule has left behind; nothing is said about it."""
        outer = asyncio.events._get_running_loop()
        asyncio.events._set_running_loop(self)
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                _close(task.get_coro())
        asyncio.events._set_running_loop(outer)
        self._tasks.clear()
        self._generators.clear()
        self._callback_errors.clear()
        self._queue.clear()
        self._cancelled_timers = 0

    # What could be next

    def _work(self, until: float) -> None:
        env, queue = self.env, self._queue
        most = len(self.taken) + _MOST_STEPS
        while not self._stopping and len(self.taken) < most:
            now = env._now
            while queue and queue[0][0] <= now:
                self._due(heappop(queue)[3])
            steps = self._steps(until)
            if not steps:
                return
            if len(self.taken) >= _PATIENCE:
                self._take(self._in_turn(steps))
                continue
            index = 0
            if len(steps) > 1 and not self.undisturbed:
                index = self.schedule.choose(steps, len(self.taken), self.actor)
                if index:
                    self.switched.append(len(self.taken))
            self._take(steps[index])

    def _in_turn(self, steps: Sequence[Step]) -> Step:
        """The step of the actor whose turn comes after the last one's."""
        if steps[0][0] == OPERATE:
            self.env._now += self._slowest / 10
        actors = len(self._ready_of)
        ordinary = [step for step in steps if step[0] in (RUN, OPERATE, ARRIVE)]
        return min(ordinary, key=lambda step: (step[1] - self.actor - 1) % actors) if ordinary else steps[0]

    def _due(self, event: Any) -> None:
        """The time of something in the queue has come."""
        if getattr(event, "_cancelled", False):
            return
        if isinstance(event, Timer):
            self._ready_of[event._context.get(ACTOR, WORLD)].append(event)  # type: ignore[attr-defined]
        else:
            self._operations.append((self.env._now, self.actor, event, event))

    def _steps(self, until: float) -> list[Step]:
        """Every step that could be next; first those of the actor that took the last one."""
        actor, operations = self.actor, self._operations
        steps: list[Step] = []
        others: list[Step] = []
        for other, ready in self._ready_of.items():
            if ready:
                (steps if other == actor else others).append((RUN, other, 0, ready))
        nothing_ready = not (steps or others)
        if len(operations) == 1:
            owner = operations[0][1]
            (steps if owner == actor else others).append((OPERATE, owner, 0, operations[0]))
        elif operations:
            self._add_operations(steps, others)
        if others:
            steps += others
        if self.arriving:
            steps += [(ARRIVE, other, 0, None) for other in self.arriving]
        if nothing_ready and (time := self._next_time(until)) is not None:
            steps.append((PASS_TIME, WORLD, 0, time))
        if steps and self.leaving:  # who waits for what will never come, waits
            steps += [(CANCEL, other, 0, None) for other in self.leaving]
        return steps

    def _add_operations(self, mine: list[Step], others: list[Step]) -> None:
        """Of those that keep an order among themselves, the first alone is possible."""
        lanes = set()
        counts: dict[int, int] = {}
        for operation in self._operations:
            _, owner, _, lane = operation
            if lane not in lanes:
                lanes.add(lane)
                count = counts.get(owner, 0)
                counts[owner] = count + 1
                (mine if owner == self.actor else others).append((OPERATE, owner, count, operation))

    def _next_time(self, until: float) -> float | None:
        """When the next timer is due or the next request expected, if time may move as far as that."""
        queue, times, now = self._queue, self._times, self.env._now
        while queue and getattr(queue[0][3], "_cancelled", False):
            heappop(queue)
        while times and times[-1] <= now:
            times.pop()
        time = queue[0][0] if queue else inf
        if self.arriving and times and times[-1] < time:
            time = times[-1]
        if time == inf or time > until:
            return None
        if self._operations and self._operations[0][0] + self._slowest < time:
            return None
        return time

    # Doing it

    def _take(self, step: Step) -> None:
        kind, actor, _, thing = step
        self.taken.append(step[:3])
        if kind == RUN:
            self.actor = actor
            thing.popleft()()
        elif kind == OPERATE:
            self.actor = actor
            self._operations.remove(thing)
            event = thing[2]
            if isinstance(event, simpy.Event):
                callbacks, event.callbacks = event.callbacks, None  # type: ignore[assignment]
                for callback in callbacks:
                    callback(event)
            elif not event._cancelled:
                if self.delivers is not None and isinstance(event, Timer):
                    self.delivers(event)
                event.fire()
        elif kind == PASS_TIME:
            self.passes(thing - self.env._now)
            self.env._now = thing
        elif kind == ARRIVE:
            self.actor = actor
            self.arriving.remove(actor)
            self.arrive(actor)
            self._ready_of[actor].pop()()
        else:
            self.leaving.remove(actor)
            self.cancel(actor)

    def happens(self) -> bool:
        """Whether something that is left to chance happens now."""
        happens = not self.undisturbed and self.schedule.chance(len(self.taken))
        if happens:
            self.switched.append(len(self.taken))
        self.taken.append((CHANCE, int(happens), 0))
        return happens

    # How asyncio and the world ask for steps

    def _busy(self) -> bool:
        return True

    def _goes_on(self, wake: Any) -> None:
        """The operation has ended that a task waits for: it goes on in the same step, unless its actor is behind."""
        ready = self._ready_of[wake.func.__self__.get(ACTOR, WORLD)]
        if ready:
            ready.append(wake)
        else:
            wake()

    def _begun(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._generators.add(id(generator))
        super()._begun(generator)

    def _finalize(self, generator: AsyncGenerator[Any, Any]) -> None:
        """One that was left in the middle by an earlier run, and is collected only now, is no matter of this run."""
        if id(generator) in self._generators:
            super()._finalize(generator)

    def call_soon(self, callback: Any, *args: Any, context: contextvars.Context | None = None) -> Any:
        if callback is self._note_task:
            return None
        actor = ACTOR.get() if context is None else context.get(ACTOR, WORLD)
        handle = Callback(callback, args, self, context)
        self._ready_of[actor].append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def wake_soon(self, wake: Any) -> None:
        self._ready_of[wake.func.__self__.get(ACTOR, WORLD)].append(wake)

    def call_at(
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        timer = Timer(when, callback, args, self, context)
        socket = getattr(callback, "__self__", None)
        if when <= self.env._now and isinstance(socket, DelayedSocket):
            self._operations.append((self.env._now, self.actor, timer, (id(socket), callback.__name__)))
        elif when < inf:
            timer._scheduled = True  # type: ignore[attr-defined]
            heappush(self._queue, (when, NORMAL, next(self._next_id), timer))
        return timer

    def create_task(
        self, coro: Any, *, name: str | None = None, context: contextvars.Context | None = None, **options: Any
    ) -> asyncio.Task[Any]:
        task = super().create_task(coro, name=name, context=context, **options)
        self.keep(task)
        return task

    def keep(self, task: asyncio.Task[Any]) -> None:
        """A task that is to be ended, if it has not, before the next run."""
        self._tasks.append(task)
