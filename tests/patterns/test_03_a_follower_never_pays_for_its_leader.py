"""Promise 3: cancelling one caller cancels nobody else, and the load ends when the last one has left.

The three classes of bugs that BuildBuddy's pull request 7199 lists: the cancellation of the first caller reaches those
who wait with it; a cancelled follower waits on all the same; and the load runs on though nobody waits for it.
"""

import asyncio
import sys

import pytest

from tests.patterns.kit import cancel, outcome, start, turns


@pytest.mark.parametrize("leaver", [0, 1, 2], ids=["the leader", "a follower", "the last follower"])
async def test_who_leaves_leaves_alone(make, origin, leaver):
    cache = make()
    callers = [start(cache.get_or_set("k", origin.load)) for _ in range(3)]
    await asyncio.sleep(0.5)
    await cancel(callers.pop(leaver))
    assert [await caller for caller in callers] == ["value 1", "value 1"]
    assert (origin.calls, origin.cancelled) == (1, 0)


async def test_the_load_goes_on_as_long_as_one_waits(make, origin):
    cache = make()
    callers = [start(cache.get_or_set("k", origin.load)) for _ in range(5)]
    await asyncio.sleep(0.5)
    await cancel(*callers[:4])
    assert await callers[4] == "value 1"
    assert await cache.get_or_set("k", origin.load) == "value 1"  # and it was kept


async def test_who_is_cancelled_leaves_at_once(make, origin):
    cache = make()
    leader, follower = (start(cache.get_or_set("k", origin.load)) for _ in range(2))
    await asyncio.sleep(0.5)
    before = asyncio.get_running_loop().time()
    await cancel(follower)
    assert asyncio.get_running_loop().time() == before
    await leader


async def test_a_time_out_around_one_caller_is_nobody_elses(make, origin):
    cache = make()

    async def impatient():
        async with asyncio.timeout(0.5):
            await cache.get_or_set("k", origin.load)

    callers = [start(impatient()), start(cache.get_or_set("k", origin.load))]
    assert isinstance(await outcome(callers[0]), TimeoutError)
    assert await callers[1] == "value 1"


async def test_the_load_is_cancelled_when_the_last_one_leaves(make, origin, single_flight):
    cache = make(single_flight=single_flight)
    callers = [start(cache.get_or_set("k", origin.load)) for _ in range(3)]
    await asyncio.sleep(0.5)
    for caller in callers:
        assert origin.under_way > 0
        await cancel(caller)
    await turns()
    assert origin.under_way == 0
    assert origin.calls == origin.cancelled


async def test_nobody_joins_a_cancelled_load(make, origin):
    cache = make()
    old = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    old.cancel()
    newcomer = start(cache.get_or_set("k", origin.load))  # its first step comes before the load knows of its end
    assert await outcome(old) == "cancelled"
    assert await newcomer == "value 2"


async def test_nobody_waits_for_the_clean_up_of_a_cancelled_load(make, origin):
    cache = make()

    async def slow_to_stop():
        try:
            await asyncio.sleep(1)
        finally:
            await asyncio.sleep(100)

    old = start(cache.get_or_set("k", slow_to_stop))
    await asyncio.sleep(0.5)
    await cancel(old)
    assert asyncio.get_running_loop().time() == 0.5
    assert await cache.get_or_set("k", origin.load) == "value 1"


async def test_a_load_that_ignores_its_cancellation_stores_nothing(make, origin):
    cache = make()

    async def stubborn():
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            await asyncio.sleep(5)
        return "stubborn"

    old = start(cache.get_or_set("k", stubborn))
    await asyncio.sleep(0.5)
    await cancel(old)
    await cache.get_or_set("k", origin.load)
    await asyncio.sleep(6)
    assert await cache.get_or_set("k", origin.load) == "value 1"


@pytest.mark.parametrize("turn", range(8))
async def test_leaving_before_the_first_steps_of_a_load_leaves_no_trace(make, origin, turn):
    cache = make()
    origin.seconds = 0
    caller = start(cache.get_or_set("k", origin.load))
    await turns(turn)
    caller.cancel()
    assert await outcome(caller) in ("cancelled", "value 1")
    await asyncio.sleep(1)
    assert cache.stats.in_flight == 0
    assert await cache.get_or_set("k", origin.load) in ("value 1", "value 2")


@pytest.mark.parametrize("turn", range(8))
async def test_leaving_at_the_instant_of_the_end_harms_nobody(make, origin, turn):
    cache = make()
    origin.gate = asyncio.Event()
    callers = [start(cache.get_or_set("k", origin.load)) for _ in range(3)]
    await asyncio.sleep(0.5)
    origin.gate.set()
    await turns(turn)
    callers[0].cancel()
    assert await outcome(callers[0]) in ("cancelled", "value 1")
    assert [await caller for caller in callers[1:]] == ["value 1", "value 1"]


@pytest.mark.parametrize("turn", range(8))
async def test_a_failure_that_meets_a_leaving_caller_is_not_left_untaken(make, origin, turn):
    cache = make()
    origin.gate, origin.error = asyncio.Event(), ValueError()
    caller = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    origin.gate.set()
    await turns(turn)
    caller.cancel()
    result = await outcome(caller)  # afterwards the world looks for failures that nobody took
    assert result == "cancelled" or isinstance(result, ValueError)


async def test_a_load_that_raises_cancelled_error_cancels_nobody(make, origin, single_flight):
    cache = make(single_flight=single_flight)
    origin.error = asyncio.CancelledError()
    callers = [start(cache.get_or_set("k", origin.load)) for _ in range(3)]
    for caller in callers:
        with pytest.raises(RuntimeError, match="the load of 'k' raised CancelledError"):
            await caller
    assert cache.stats.errors == origin.calls


async def test_a_load_whose_own_work_is_cancelled_cancels_nobody(make, single_flight):
    cache = make(single_flight=single_flight)

    async def load():
        part = start(asyncio.sleep(1))
        part.cancel()
        await part

    for caller in [start(cache.get_or_set("k", load)) for _ in range(2)]:
        assert isinstance(await outcome(caller), RuntimeError)


class Abort(BaseException):
    """Like the outcomes of `pytest.fail` and `pytest.skip`: no `Exception`."""


async def test_what_is_no_exception_reaches_everybody_too(make, origin, single_flight):
    cache = make(single_flight=single_flight)
    origin.error = Abort()
    callers = [start(cache.get_or_set("k", origin.load)) for _ in range(3)]
    assert all([isinstance(await outcome(caller), Abort) for caller in callers])


async def test_the_task_of_a_load_stopped_from_outside_cancels_nobody(make, origin):
    cache = make()
    await cache.get_or_set("another", origin.load)
    before = asyncio.all_tasks()
    callers = [start(cache.get_or_set("k", origin.load)) for _ in range(2)]
    await asyncio.sleep(0.5)
    loads = [task for task in asyncio.all_tasks() if task not in before and task not in callers]
    assert len(loads) == (2 if hasattr(cache, "l1") else 1)  # with two layers, a look into the second as well
    for load in loads:
        load.cancel()
    assert all([isinstance(await outcome(caller), RuntimeError) for caller in callers])


def test_an_interrupted_load_leaves_nobody_waiting(world, origin):
    cache = world.make("in-process")
    origin.error = KeyboardInterrupt()
    callers = [world.loop.create_task(outcome(cache.get_or_set("k", origin.load))) for _ in range(2)]
    with pytest.raises(KeyboardInterrupt):
        world.loop.run()
    world.loop.run()
    assert [type(failure) for failure in world.loop.failures] == [KeyboardInterrupt]
    assert all(isinstance(caller.result(), RuntimeError) for caller in callers)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_a_load_that_never_waits_serves_an_eager_task(world):
    cache = world.make("in-process")

    async def load():
        return "at once"

    async def main():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]
        async with asyncio.timeout(10):  # real seconds, if it should wait for ever
            return await asyncio.gather(*(cache.get_or_set("k", load) for _ in range(2)))

    assert asyncio.run(main()) == ["at once", "at once"]
