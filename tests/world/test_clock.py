"""The `time` module: simulated in the thread that simulates, real in all others, and as before when it is over."""

import asyncio
import threading
import time
import types
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import simpy

from cachesim.world.clock import SimulationError, redirect_clocks, simulated_time
from cachesim.world.loop import SimLoop

SECONDS = ("time", "monotonic", "perf_counter")
NANOSECONDS = ("time_ns", "monotonic_ns", "perf_counter_ns")
REAL = {name: getattr(time, name) for name in (*SECONDS, *NANOSECONDS, "sleep")}


def clocks() -> Any:
    """What the functions in `time` are now."""
    return {name: getattr(time, name) for name in REAL}


def told() -> Any:
    """What every clock in `time` tells."""
    return {name: getattr(time, name)() for name in (*SECONDS, *NANOSECONDS)}


def simulated(seconds: float) -> Any:
    return dict.fromkeys(SECONDS, seconds) | dict.fromkeys(NANOSECONDS, round(seconds * 1e9))


def run(coroutine: Any) -> Any:
    return SimLoop(simpy.Environment()).run_until_complete(coroutine)


def test_every_clock_tells_simulated_time():
    async def main() -> Any:
        start = told()
        await asyncio.sleep(1.5)
        return start, told(), asyncio.get_running_loop().time()

    assert run(main()) == (simulated(0), simulated(1.5), 1.5)


def test_seconds_are_floats_and_nanoseconds_are_ints():
    async def main() -> Any:
        return told()

    assert {name: type(value) for name, value in run(main()).items()} == (
        dict.fromkeys(SECONDS, float) | dict.fromkeys(NANOSECONDS, int)
    )


def test_nanoseconds_stay_exact_over_a_month():
    async def main() -> Any:
        await asyncio.sleep(30 * 86400 + 1e-3)
        return time.time_ns() - 30 * 86400 * 10**9

    assert abs(run(main()) - 10**6) < 1000


def test_another_thread_sees_real_time_at_the_same_moment():
    async def main() -> None:
        await asyncio.sleep(100)
        before = {name: real() for name, real in REAL.items() if name != "sleep"}
        there = pool.submit(told).result()
        pool.submit(time.sleep, 0).result()
        after = {name: real() for name, real in REAL.items() if name != "sleep"}
        assert told() == simulated(100)
        assert all(before[name] <= there[name] <= after[name] for name in there)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()  # its thread has started: a simulation starts none
        run(main())


def test_a_simulation_starts_no_threads_and_other_threads_do():
    async def main() -> None:
        with pytest.raises(SimulationError, match="no real threads"):
            threading.Thread(target=int).start()
        assert pool.submit(started).result() == 1

    def started() -> int:
        began: list[int] = []
        thread = threading.Thread(target=began.append, args=[1])
        thread.start()
        thread.join()
        return len(began)

    start = threading.Thread.start
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        run(main())
    assert threading.Thread.start is start


def module(text: str) -> Any:
    """A module of this text."""
    made = types.ModuleType("made")
    exec(text, vars(made))
    return made


def test_a_named_module_is_told_simulated_time_by_what_it_has_bound():
    bound = module("from datetime import datetime, timezone\nfrom time import monotonic, time as now")

    async def main() -> Any:
        await asyncio.sleep(90)
        here = bound.datetime
        return here.now(bound.timezone.utc), here.utcnow(), here.now().timestamp(), bound.now(), bound.monotonic()

    redirect_clocks(bound)
    past = datetime(1970, 1, 1, 0, 1, 30)
    assert run(main()) == (past.replace(tzinfo=UTC), past, 90, 90, 90)


def test_a_named_module_is_told_real_time_outside_of_a_run():
    bound = module("from datetime import datetime, timezone\nfrom time import time")
    redirect_clocks(bound)
    redirect_clocks(bound)
    run(asyncio.sleep(1))
    before = time.time()
    told = [bound.time(), bound.datetime.now().timestamp(), bound.datetime.now(bound.timezone.utc).timestamp()]
    assert all(before - 1e-6 <= moment <= time.time() for moment in told)


def test_a_redirected_datetime_makes_plain_ones_and_is_one_in_all_else():
    bound = module("from datetime import datetime")
    redirect_clocks(bound)
    assert type(bound.datetime.now()) is datetime
    assert bound.datetime(2000, 1, 1) == datetime(2000, 1, 1)
    assert bound.datetime.fromisoformat("2000-01-01") == datetime(2000, 1, 1)


def test_real_functions_are_back_after_the_run():
    run(asyncio.sleep(1))
    assert clocks() == REAL


def test_real_functions_are_back_after_an_exception():
    async def main() -> None:
        await asyncio.sleep(1)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        run(main())
    assert clocks() == REAL


def test_real_functions_are_back_after_an_interrupt():
    async def main() -> None:
        await asyncio.sleep(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(main())
    assert clocks() == REAL


def test_a_clock_kept_from_a_run_tells_real_time_afterwards():
    async def main() -> Any:
        return time.monotonic

    kept = run(main())
    before = REAL["monotonic"]()
    assert before <= kept() <= REAL["monotonic"]()


def test_sleeping_is_refused_in_the_simulating_thread_alone():
    async def main() -> None:
        with pytest.raises(SimulationError, match=r"await asyncio\.sleep"):
            time.sleep(1)

    run(main())
    assert time.sleep is REAL["sleep"]


def test_two_simulations_in_two_threads_tell_two_times():
    meet = threading.Barrier(2, timeout=30)

    async def main(seconds: float) -> Any:
        meet.wait()  # both have begun
        await asyncio.sleep(seconds)
        meet.wait()  # both are in the middle
        here = told()
        meet.wait()  # and now one of them ends, the other goes on
        if seconds == 1:
            return here, None
        over.wait(30)
        return here, told()

    over = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        short, long = (pool.submit(run, main(seconds)) for seconds in (1, 2))
        assert short.result() == (simulated(1), None)
        assert clocks() != REAL
        over.set()
        assert long.result() == (simulated(2), simulated(2))
    assert clocks() == REAL


def test_simulated_times_nest():
    outer, inner = simpy.Environment(initial_time=1), simpy.Environment(initial_time=2)
    with simulated_time(outer):
        with simulated_time(inner):
            assert told() == simulated(2)
        assert told() == simulated(1)
    assert clocks() == REAL
