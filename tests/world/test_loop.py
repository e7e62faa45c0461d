"""What a `SimLoop` adds to asyncio: simpy events, an order within an instant, and errors that say what is wrong."""

import asyncio
import gc
import inspect
import logging
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from functools import partial
from math import inf
from typing import Any

import pytest
import simpy
from simpy.events import NORMAL, URGENT

import cachesim as cs
from cachesim.world.loop import ARRIVAL, DeadlockError, SimLoop, SimulationError


@pytest.fixture
def env():
    return simpy.Environment()


@pytest.fixture
def loop(env):
    return SimLoop(env)


# simpy and asyncio wait for each other


def test_a_task_takes_the_value_of_a_simpy_event(env, loop):
    async def take() -> Any:
        return await loop.wait(env.timeout(2, value="done")), loop.time()

    assert loop.run_until_complete(take()) == ("done", 2)


def test_a_task_takes_the_failure_of_a_simpy_event(env, loop):
    def process() -> Any:
        yield env.timeout(1)
        raise ValueError("broken")

    async def take() -> Any:
        with pytest.raises(ValueError, match="broken"):
            await loop.wait(env.process(process()))
        await asyncio.sleep(1)
        return loop.time()

    assert loop.run_until_complete(take()) == 2


@pytest.mark.parametrize("fails", [False, True])
def test_a_simpy_event_already_processed_settles_at_once(env, loop, fails):
    async def take() -> Any:
        event = env.event()
        if fails:
            event.fail(ValueError("broken"))
            event.defused = True
        else:
            event.succeed("value")
        await asyncio.sleep(1)
        assert event.processed
        return await loop.wait(event), loop.time()

    if fails:
        with pytest.raises(ValueError, match="broken"):
            loop.run_until_complete(take())
    else:
        assert loop.run_until_complete(take()) == ("value", 1)


def test_many_tasks_wait_for_one_simpy_event(env, loop):
    event = env.timeout(1, "value")

    async def main() -> Any:
        return await asyncio.gather(*(loop.wait(event) for _ in range(3)))

    assert loop.run_until_complete(main()) == ["value"] * 3


@pytest.mark.parametrize("fails", [False, True])
def test_a_waiter_that_was_cancelled_does_not_disturb_the_event(env, loop, fails):
    event = env.event()

    async def main() -> Any:
        task = asyncio.create_task(asyncio.wait_for(loop.wait(event), 1))
        with pytest.raises(TimeoutError):
            await task
        if fails:
            event.fail(ValueError("broken"))
        else:
            event.succeed()
        await asyncio.sleep(1)
        return event.processed

    assert loop.run_until_complete(main())
    assert loop.failures == []


def test_a_failed_simpy_event_that_nobody_takes_ends_the_run_as_in_simpy(env, loop):
    async def main() -> None:
        env.event().fail(ValueError("broken"))
        await asyncio.sleep(1)

    with pytest.raises(ValueError, match="broken"):
        loop.run_until_complete(main())


def test_a_task_uses_a_simpy_resource(env, loop):
    resource = simpy.Resource(env, capacity=1)
    log: list[Any] = []

    async def user(name: str) -> None:
        with resource.request() as grant:
            await loop.wait(grant)
            log.append((loop.time(), name))
            await asyncio.sleep(1)

    async def main() -> None:
        await asyncio.gather(*(user(name) for name in "abc"))

    loop.run_until_complete(main())
    assert log == [(0, "a"), (1, "b"), (2, "c")]


def test_a_task_waits_for_a_simpy_condition(env, loop):
    async def main() -> Any:
        quick, slow = env.timeout(1, "quick"), env.timeout(3, "slow")
        first = await loop.wait(quick | slow)
        between = loop.time()
        both = await loop.wait(quick & slow)
        return list(first.values()), between, list(both.values()), loop.time()

    assert loop.run_until_complete(main()) == (["quick"], 1, ["quick", "slow"], 3)


async def after(delay: float, result: Any) -> Any:
    """Sleep, then return `result` or raise it."""
    await asyncio.sleep(delay)
    if isinstance(result, BaseException):
        raise result
    return result


@pytest.mark.parametrize(
    "wrap", [lambda loop, coroutine: coroutine, lambda loop, coroutine: loop.create_task(coroutine)]
)
def test_a_simpy_process_takes_the_result_of_a_task(env, loop, wrap):
    log: list[Any] = []

    def process() -> Any:
        log.append(((yield loop.event(wrap(loop, after(2, "result")))), env.now))

    env.process(process())
    loop.run_forever()
    assert log == [("result", 2)]


def test_a_simpy_process_takes_the_exception_of_a_task(env, loop):
    log: list[Any] = []

    def process() -> Any:
        try:
            yield loop.event(after(1, ValueError("broken")))
        except ValueError as error:
            log.append((repr(error), env.now))

    env.process(process())
    loop.run_forever()
    assert log == [("ValueError('broken')", 1)]
    assert loop.failures == []


def test_a_simpy_process_is_told_that_its_task_was_cancelled(env, loop):
    log: list[Any] = []

    def process() -> Any:
        task = loop.create_task(after(5, None))
        loop.call_later(1, task.cancel)
        try:
            yield loop.event(task)
        except asyncio.CancelledError:
            log.append(env.now)

    env.process(process())
    loop.run_forever()
    assert log == [1]


def test_a_simpy_process_takes_a_future_that_is_done(env, loop):
    future = loop.create_future()
    future.set_result("result")
    log: list[Any] = []

    def process() -> Any:
        log.append((yield loop.event(future)))

    env.process(process())
    loop.run_forever()
    assert log == ["result"]


def test_a_simpy_process_is_interrupted_by_a_task(env, loop):
    log: list[Any] = []

    def process() -> Any:
        try:
            yield env.timeout(5)
        except simpy.Interrupt as interrupt:
            log.append((env.now, interrupt.cause))

    async def main() -> None:
        sleeper = env.process(process())
        await asyncio.sleep(1)
        sleeper.interrupt("wake up")
        await loop.wait(sleeper)

    loop.run_until_complete(main())
    assert log == [(1, "wake up")]


# Order within an instant


def at(env: simpy.Environment, when: float, priority: Any, log: list[Any], name: str) -> None:
    """A simpy event that tells when its turn has come."""
    event = env.event()
    event._ok, event._value = True, None
    event.callbacks.append(lambda _: log.append(name))
    env.schedule(event, priority, when - env.now)


def test_timers_and_simpy_events_fire_in_order_of_scheduling(env, loop):
    log: list[Any] = []
    loop.call_at(1, log.append, "timer 1")
    at(env, 1, NORMAL, log, "event 2")
    loop.call_at(1, log.append, "timer 3")
    at(env, 1, NORMAL, log, "event 4")
    at(env, 1, URGENT, log, "urgent, as simpy has it")
    loop.run_forever()
    assert log == ["urgent, as simpy has it", "timer 1", "event 2", "timer 3", "event 4"]


def test_an_instant_is_what_is_due_then_what_is_ready_then_the_arrivals(env, loop):
    log: list[Any] = []

    def first() -> None:
        log.append("timer 1")
        loop.call_soon(second)
        at(env, 1, ARRIVAL, log, "arrival 2")

    def second() -> None:
        log.append("ready, a turn later")
        loop.call_soon(log.append, "ready, two turns later")
        loop.call_later(0, log.append, "a timer due at once")
        at(env, 1, NORMAL, log, "an event due at once")

    at(env, 1, ARRIVAL, log, "arrival 1")
    loop.call_at(1, first)
    loop.call_at(1, log.append, "timer 2")
    loop.run_forever()
    assert log == [
        "timer 1",
        "timer 2",
        "ready, a turn later",
        "an event due at once",
        "ready, two turns later",
        "a timer due at once",
        "arrival 1",
        "arrival 2",
    ]


def test_all_that_one_arrival_starts_comes_before_the_next_arrival(env, loop):
    log: list[Any] = []

    async def request(name: str) -> None:
        for step in range(3):
            log.append(f"{name}{step}")
            await asyncio.sleep(0)

    def arrive(name: str) -> None:
        loop.create_task(request(name))

    for name in "ab":
        event = env.event()
        event._ok, event._value = True, None
        event.callbacks.append(lambda _, name=name: arrive(name))
        env.schedule(event, ARRIVAL, 1)
    loop.run_forever()
    assert log == ["a0", "a1", "a2", "b0", "b1", "b2"]


def test_two_tasks_that_wake_together_take_turns(loop):
    log: list[Any] = []

    async def sleeper(name: str) -> None:
        await asyncio.sleep(1)
        log.append(f"{name}1")
        await asyncio.sleep(0)
        log.append(f"{name}2")

    async def main() -> None:
        await asyncio.gather(sleeper("a"), sleeper("b"))

    loop.run_until_complete(main())
    assert log == ["a1", "b1", "a2", "b2"]


def test_a_task_starts_at_the_next_turn_not_at_once(loop):
    log: list[Any] = []

    async def child() -> None:
        log.append("child")

    async def main() -> None:
        task = asyncio.create_task(child())
        log.append("main goes on")
        await task

    loop.run_until_complete(main())
    assert log == ["main goes on", "child"]


def test_a_load_that_ends_at_the_instant_of_an_arrival_ends_before_it():
    """With requests at 0, 1, 2 s and a load of exactly 1 s, the second request is a hit."""
    scenario = cs.Scenario(
        arrivals=cs.arrivals.Constant(rate=1),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("cache-aside", ttl=10),
        database=cs.Database(latency=cs.latency.Constant(1.0)),
        duration=3,
    )
    assert list(cs.simulate(scenario).requests["outcome"]) == ["miss", "hit", "hit"]


# Choosing among ready callbacks


def callbacks_in_order(choose: Any) -> Any:
    loop = SimLoop(simpy.Environment(), choose)
    log: list[Any] = []
    for name in "abc":
        loop.call_soon(log.append, name)
    loop.run_forever()
    return log


def test_choose_picks_which_ready_callback_runs_next():
    assert callbacks_in_order(lambda ready: 0) == ["a", "b", "c"]
    assert callbacks_in_order(lambda ready: len(ready) - 1) == ["c", "b", "a"]
    assert callbacks_in_order(lambda ready: 1) == ["b", "c", "a"]


def test_choose_is_asked_only_when_there_is_a_choice():
    offered: list[int] = []

    def choose(ready: Sequence[Any]) -> Any:
        offered.append(len(ready))
        return 0

    assert callbacks_in_order(choose) == ["a", "b", "c"]
    assert offered == [3, 2]


def test_choose_does_not_move_time_nor_let_an_arrival_pass():
    env = simpy.Environment()
    loop = SimLoop(env, choose=lambda ready: len(ready) - 1)
    log: list[Any] = []

    async def sleeper(name: str) -> None:
        await asyncio.sleep(1)
        for _ in range(2):
            log.append((loop.time(), name))
            await asyncio.sleep(0)

    at(env, 1, ARRIVAL, log, "arrival")
    for name in "ab":
        loop.create_task(sleeper(name))
    loop.run_forever()
    assert sorted(log[:4]) == [(1, "a"), (1, "a"), (1, "b"), (1, "b")]
    assert log[4:] == ["arrival"]


# The end, and deadlocks


def test_a_run_until_a_time_stops_there_and_goes_on_from_there(env, loop):
    log: list[Any] = []
    for when in (1, 2, 3):
        loop.call_at(when, log.append, when)
    loop.run(until=2.5)
    assert (log, env.now) == ([1, 2], 2.5)
    loop.run(until=3)
    assert (log, env.now) == ([1, 2, 3], 3)


def test_a_run_for_ever_ends_when_nothing_is_left_to_happen(loop):
    loop.create_task(asyncio.sleep(5))
    loop.run_forever()
    assert loop.time() == 5


async def waits_for_the_world(future: Any) -> None:
    await future


@pytest.mark.parametrize("forever", [False, True])
def test_a_deadlock_names_the_tasks_and_where_they_wait(loop, forever):
    never = loop.create_future()
    lock = asyncio.Lock()

    async def holds_and_waits() -> None:
        async with lock:
            await waits_for_the_world(never)

    async def waits_for_the_lock() -> None:
        await asyncio.sleep(1)
        async with lock:
            pass

    tasks = [loop.create_task(holds_and_waits(), name="holder"), loop.create_task(waits_for_the_lock(), name="waiter")]
    run = loop.run_forever if forever else partial(loop.run_until_complete, tasks[1])
    with pytest.raises(DeadlockError) as caught:
        run()
    message = str(caught.value)
    assert "at 1 s" in message
    assert "2 task(s)" in message
    assert "holder at test_loop.py" in message
    assert "in waits_for_the_world" in message
    assert "waiter at locks.py" in message
    never.cancel()
    loop.run(until=2)


def test_a_deadlock_tells_of_a_task_that_waits_in_a_gather(loop):
    async def main() -> None:
        await asyncio.gather(waits_for_the_world(loop.create_future()))

    task = loop.create_task(main(), name="gatherer")
    with pytest.raises(DeadlockError, match=r"gatherer at test_loop\.py:\d+ in .*main"):
        loop.run_forever()
    task.cancel()
    loop.run_forever()


def test_a_future_that_nobody_can_settle_is_a_deadlock_too(loop):
    with pytest.raises(DeadlockError, match="nothing is left to happen at 0 s"):
        loop.run_until_complete(loop.create_future())


def test_requests_that_wait_for_ever_are_errors():
    def factory(node: cs.Node) -> Any:
        async def get(key: str) -> None:
            await asyncio.get_running_loop().create_future()

        return get

    result = cs.simulate(storm(duration=1), cache=factory)
    assert result.metrics["errors"] == result.metrics["requests"] > 0


# What needs the real world

NO_SOCKET: Any = None


@pytest.mark.parametrize(
    ("use", "what", "instead"),
    [
        (lambda: asyncio.open_connection("localhost", 1), "sockets", "stand-in"),
        (lambda: asyncio.start_server(print, port=1), "sockets", "stand-in"),
        (lambda: asyncio.get_running_loop().getaddrinfo("localhost", 1), "sockets", "node.database"),
        (lambda: asyncio.get_running_loop().sock_recv(NO_SOCKET, 1), "sockets", "node.redis"),
        (lambda: asyncio.to_thread(print), "threads", "call the function directly"),
        (lambda: asyncio.get_running_loop().run_in_executor(None, print), "threads", "asyncio.sleep"),
        (lambda: asyncio.create_subprocess_exec("true"), "subprocesses", "asyncio.sleep"),
        (lambda: asyncio.create_subprocess_shell("true"), "subprocesses", "asyncio.sleep"),
        (lambda: asyncio.get_running_loop().add_signal_handler(signal.SIGINT, print), "signals", ""),
        (lambda: time.sleep(1), "time.sleep", "await asyncio.sleep"),
    ],
)
def test_what_needs_the_real_world_is_refused_and_told_what_to_use(loop, use, what, instead):
    async def main() -> None:
        await use()

    with pytest.raises(SimulationError, match=what) as caught:
        loop.run_until_complete(main())
    assert instead in str(caught.value)
    assert loop.time() == 0


def test_nothing_of_an_event_loop_is_left_out():
    """Every method of asyncio's loops works or raises a `SimulationError`; none is a `NotImplementedError`."""
    inherited = {
        name
        for name, method in inspect.getmembers(asyncio.AbstractEventLoop, inspect.isfunction)
        if not name.startswith("_") and getattr(SimLoop, name) is method
    }
    assert inherited == set()


def test_a_cache_that_needs_a_socket_ends_the_run():
    def factory(node: cs.Node) -> Any:
        async def get(key: str) -> None:
            await asyncio.open_connection("localhost", 1)

        return get

    with pytest.raises(SimulationError, match="sockets"):
        cs.simulate(storm(duration=1), cache=factory)


# Failures


def test_an_exception_that_nobody_takes_is_a_failure_without_garbage_collection(loop):
    async def main() -> Any:
        task = asyncio.create_task(after(1, ValueError("lost")))
        await asyncio.sleep(2)
        return task

    gc.disable()
    try:
        task = loop.run_until_complete(main())
        assert [repr(error) for error in loop.failures] == ["ValueError('lost')"]
    finally:
        gc.enable()
    assert task.done()


def test_an_exception_taken_later_is_no_failure(loop):
    async def main() -> None:
        task = asyncio.create_task(after(1, ValueError("late")))
        await asyncio.sleep(2)
        with pytest.raises(ValueError, match="late"):
            await task

    loop.run_until_complete(main())
    assert loop.failures == []


@pytest.mark.parametrize(
    "take",
    [
        lambda task: asyncio.gather(task, return_exceptions=True),
        lambda task: asyncio.wait([task]),
        lambda task: asyncio.shield(task),
    ],
    ids=["gather", "wait", "shield"],
)
def test_a_failure_is_one_exactly_where_asyncio_calls_it_never_retrieved(loop, take):
    async def main() -> Any:
        task = asyncio.create_task(after(1, ValueError("perhaps")))
        try:
            await take(task)
        except ValueError:
            return True
        return task._log_traceback is False

    taken = loop.run_until_complete(main())
    assert bool(loop.failures) is not taken


def test_a_cancelled_task_is_no_failure(loop):
    async def main() -> None:
        task = asyncio.create_task(asyncio.sleep(5))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.sleep(1)

    loop.run_until_complete(main())
    assert loop.failures == []


def test_what_a_callback_raises_is_a_failure_and_the_rest_goes_on(loop):
    def broken(name: str) -> None:
        raise ValueError(name)

    loop.call_soon(broken, "soon")
    loop.call_later(1, broken, "timer")
    loop.create_task(asyncio.sleep(0)).add_done_callback(lambda _: broken("done callback"))
    loop.call_later(2, loop.stop)
    loop.run_forever()
    assert [str(error) for error in loop.failures] == ["soon", "done callback", "timer"]
    assert loop.time() == 2


def test_failures_are_told_again_and_added_to(loop):
    def broken(name: str) -> None:
        raise ValueError(name)

    loop.call_soon(broken, "one")
    loop.run_forever()
    assert len(loop.failures) == len(loop.failures) == 1
    loop.call_soon(broken, "two")
    loop.run_forever()
    assert [str(error) for error in loop.failures] == ["one", "two"]


def test_failures_told_are_not_logged_as_well(loop, caplog):
    async def main() -> Any:
        task = asyncio.create_task(after(0, ValueError("lost")))
        await asyncio.sleep(1)
        return weakref.ref(task)

    gc.collect()
    with caplog.at_level(logging.DEBUG):
        reference = loop.run_until_complete(main())
        assert len(loop.failures) == 1
        gc.collect()
    assert reference() is None
    assert caplog.records == []


def test_a_background_failure_of_a_cache_is_in_the_result_and_raised_when_strict():
    def factory(node: cs.Node) -> Any:
        tasks: list[asyncio.Task[Any]] = []

        async def get(key: str) -> Any:
            if not tasks:
                tasks.append(asyncio.create_task(after(0.1, ValueError("refresh failed"))))
            return await node.database.read(key)

        return get

    result = cs.simulate(storm(duration=1), cache=factory)
    assert [repr(error) for error in result.failures] == ["ValueError('refresh failed')"]
    assert result.metrics["errors"] == 0
    with pytest.raises(ValueError, match="refresh failed"):
        cs.simulate(storm(duration=1), cache=factory, strict=True)


# Cancelled timers


def test_cancelled_timers_do_not_move_the_clock(env, loop):
    loop.call_later(1, lambda: None)
    loop.call_later(100, lambda: None).cancel()
    loop.run_forever()
    assert env.now == 1


def test_the_clock_stays_where_a_timeout_was_left(loop):
    async def main() -> None:
        async with asyncio.timeout(1000):
            await asyncio.sleep(1)

    loop.run_until_complete(main())
    loop.run_forever()
    assert loop.time() == 1


def test_a_timer_at_no_time_never_comes_and_time_stands_still(env, loop):
    timer = loop.call_later(inf, pytest.fail)
    loop.run()
    assert env.now == 0
    assert loop.is_idle()
    timer.cancel()


def test_cancelled_timers_do_not_pile_up(env, loop):
    async def main() -> Any:
        longest = 0
        for _ in range(2000):
            async with asyncio.timeout(1e6):
                await asyncio.sleep(0.001)
            longest = max(longest, len(env._queue))
        return longest

    assert loop.run_until_complete(main()) < 500


def test_timers_that_are_left_survive_the_clearing_away_of_cancelled_ones(loop):
    log: list[Any] = []
    for n in range(1000):
        timer = loop.call_at(1000 - n, log.append, 1000 - n)
        if n % 10:
            timer.cancel()
    loop.run_forever()
    assert log == list(range(10, 1001, 10))


# Inside another loop, and interrupts


def storm(duration: float = 2) -> cs.Scenario:
    """A hot key at 100 requests/s, for a second or so."""
    return cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=100),
        keys=cs.keys.OneKey(),
        cache=cs.Pattern("cache-aside", ttl=0.5),
        database=cs.Database(latency=cs.latency.Constant(0.1)),
        duration=duration,
    )


def test_a_running_loop_refuses_another_in_its_thread(loop):
    async def main() -> None:
        inner = SimLoop(simpy.Environment())
        with pytest.raises(SimulationError, match="thread of its own"):
            inner.run(until=1)
        with pytest.raises(SimulationError, match="thread of its own"):
            inner.run_forever()

    loop.run_until_complete(main())
    asyncio.run(main())


def test_a_simulation_inside_a_running_loop_gives_the_same_result():
    async def main() -> Any:
        return threading.current_thread(), cs.simulate(storm(), progress=lambda _: None)

    _, result = asyncio.run(main())
    assert result.digest == cs.simulate(storm()).digest


def test_a_simulation_inside_a_running_loop_runs_in_a_thread_of_its_own():
    threads: list[threading.Thread] = []

    def factory(node: cs.Node) -> Any:
        threads.append(threading.current_thread())
        return node.database.read

    async def main() -> None:
        cs.simulate(storm(), cache=factory)

    cs.simulate(storm(), cache=factory)
    asyncio.run(main())
    here, there = threads
    assert here is threading.current_thread()
    assert there is not here
    assert not there.is_alive()


def test_a_simulation_inside_a_simulation_gives_the_same_result(loop):
    async def main() -> Any:
        await asyncio.sleep(5)
        digest = cs.simulate(storm()).digest
        return digest, loop.time(), time.time()

    assert loop.run_until_complete(main()) == (cs.simulate(storm()).digest, 5, 5)


def interrupting(node: cs.Node) -> Any:
    async def get(key: str) -> Any:
        if node.clock() > 0.5:
            raise KeyboardInterrupt
        return await node.database.read(key)

    return get


def test_an_interrupt_ends_a_run_and_leaves_nothing_behind():
    clock = time.time
    with pytest.raises(KeyboardInterrupt):
        cs.simulate(storm(), cache=interrupting)
    assert time.time is clock
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
    assert cs.simulate(storm()).metrics["requests"] > 0


def test_an_interrupt_ends_a_run_without_noise(caplog):
    gc.collect()
    with caplog.at_level(logging.DEBUG):
        with pytest.raises(KeyboardInterrupt):
            cs.simulate(storm(), cache=interrupting)
        gc.collect()
    assert caplog.messages == []


def test_an_interrupt_ends_a_run_inside_a_running_loop():
    async def main() -> Any:
        with pytest.raises(KeyboardInterrupt):
            cs.simulate(storm(), cache=interrupting)
        return "goes on"

    assert asyncio.run(main()) == "goes on"


def test_an_interrupt_of_the_thread_that_waits_stops_the_run_in_its_own_thread():
    """As in a notebook: the signal reaches the main thread, the simulation stops at once, long before its end."""
    program = """
import asyncio, os, signal
import cachesim as cs

def report(time):
    print("at", time, flush=True)
    if time > 0:
        os.kill(os.getpid(), signal.SIGINT)

scenario = cs.Scenario(
    arrivals=cs.arrivals.Poisson(rate=100), keys=cs.keys.OneKey(), cache=cs.Pattern("cache-aside", ttl=1),
    database=cs.Database(latency=cs.latency.Constant(0.1)), duration=20_000,
)

async def main():
    try:
        cs.simulate(scenario, progress=report)
    except KeyboardInterrupt:
        print("interrupted", flush=True)

signal.signal(signal.SIGINT, signal.default_int_handler)
asyncio.new_event_loop().run_until_complete(main())
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    lines = run.stdout.splitlines()
    assert lines[-1] == "interrupted", run.stderr
    assert len(lines) < 100  # of 200 steps of progress


def test_a_program_that_never_lets_time_move_is_told_so():
    """A lock polled with sleep(0) spins for ever on a clock that only moves when nobody is ready."""

    async def spin():
        while True:
            await asyncio.sleep(0)

    loop = SimLoop(simpy.Environment())
    with pytest.raises(SimulationError, match="time does not move"):
        loop.run_until_complete(spin())
    loop.close()
