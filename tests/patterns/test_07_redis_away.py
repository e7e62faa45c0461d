"""Promise 7: with Redis away, reads go to the loader, single flight is kept, writes do not fail, and it comes back.

A breaker keeps callers from waiting for it. (cashews drops the lock, async-hybrid-cache raises.)
"""

import asyncio

import pytest
from redis import exceptions

import cachesim as cs
from cachesim.patterns.breaker import Breaker
from tests.patterns.kit import OriginError, cancel, outcome, start


@pytest.fixture(params=["refuse", "hang"])
def down(request):
    return request.param


async def now():
    return asyncio.get_running_loop().time()


# Reads


async def test_a_read_goes_to_the_loader(make_over_redis, origin, redis, down, single_flight):
    cache = make_over_redis(single_flight=single_flight)
    redis.down = down
    assert await cache.get_or_set("k", origin.load) == "value 1"


async def test_single_flight_is_kept(make_over_redis, origin, redis, down):
    cache = make_over_redis()
    redis.down = down
    callers = [start(cache.get_or_set("k", origin.load)) for _ in range(20)]
    assert {await caller for caller in callers} == {"value 1"}
    assert origin.calls == 1


async def test_a_failing_loader_is_the_callers_error_not_redis(make_over_redis, origin, redis, down):
    cache = make_over_redis()
    redis.down, origin.error = down, OriginError()
    assert await outcome(cache.get_or_set("k", origin.load)) is origin.error


async def test_it_goes_away_during_the_load(make_over_redis, origin, redis, down):
    cache = make_over_redis()
    caller = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    redis.down = down
    assert await caller == "value 1"


async def test_it_goes_away_after_the_load(make_over_redis, origin, redis, down):
    cache = make_over_redis()
    await cache.get_or_set("k", origin.load)
    redis.down = down
    assert await cache.get_or_set("k", origin.load) == "value 2"


async def test_it_comes_back_during_the_load(make_over_redis, origin, redis, down):
    cache = make_over_redis()
    redis.down, origin.seconds = down, 5
    caller = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(3)
    redis.down = None
    assert await caller == "value 1"  # nobody knows whether it was invalidated meanwhile, so it was not kept
    assert await cache.get_or_set("k", origin.load) == "value 2"
    assert await cache.get_or_set("k", origin.load) == "value 2"


async def test_it_comes_back_by_itself(make_over_redis, origin, redis, down):
    cache = make_over_redis()
    await cache.set("k", "there")
    redis.down = down
    await cache.get_or_set("k", origin.load)
    redis.down = None
    await asyncio.sleep(1)  # the pause of the breaker
    assert await cache.get_or_set("k", origin.load) == "there"


async def test_the_server_is_left_alone_for_a_while(make_over_redis, origin, redis):
    cache = make_over_redis()
    redis.down, origin.seconds = "refuse", 0.01
    for _ in range(150):
        await cache.get_or_set("k", origin.load)
    assert len(redis.log) == 2  # in a second and a half: once, and one trial


async def test_while_it_hangs_one_caller_in_a_while_waits_for_it(make_over_redis, origin, redis):
    cache = make_over_redis()
    redis.down, redis.timeout, origin.seconds = "hang", 0.5, 0.01
    await cache.get_or_set("k", origin.load)
    before = await now()
    for _ in range(10):
        await cache.get_or_set("k", origin.load)
    assert await now() - before == pytest.approx(0.1)


async def test_a_trial_that_is_cancelled_is_not_the_last(make_over_redis, origin, redis):
    cache = make_over_redis()
    await cache.set("k", "there")
    redis.down = "refuse"
    await cache.get_or_set("k", origin.load)
    redis.down = "hang"
    await asyncio.sleep(1)
    trial = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(0.1)
    await cancel(trial)
    redis.down = None
    await asyncio.sleep(1)
    assert await cache.get_or_set("k", origin.load) == "there"


async def test_the_observer_hears_why(world, make_over_redis, origin, redis):
    cache = make_over_redis()
    redis.down, origin.seconds = "refuse", 0.5
    await cache.get_or_set("k", origin.load)
    (error,) = [event.error for event in world.events if event.kind == "error"]
    assert isinstance(error, exceptions.ConnectionError)
    assert cache.stats.errors == 1


# Writes


async def test_writes_do_not_fail(make_over_redis, redis, down):
    cache = make_over_redis()
    redis.down = down
    await cache.set("k", "set")
    await cache.delete("k")


async def test_writes_do_not_fail_while_the_server_is_left_alone(make_over_redis, origin, redis, down):
    cache = make_over_redis()
    redis.down = down
    await cache.get_or_set("k", origin.load)
    await cache.set("k", "set")
    await cache.delete("k")


@pytest.mark.parametrize("write", ["set", "delete"])
async def test_a_write_reaches_a_server_that_is_back_at_once(make_over_redis, origin, redis, write):
    cache = make_over_redis()
    await cache.set("k", "old")
    redis.down = "refuse"
    await cache.get_or_set("k", origin.load)  # the breaker opens
    redis.down = None
    await (cache.set("k", "new") if write == "set" else cache.delete("k"))
    await asyncio.sleep(2)
    assert await cache.get_or_set("k", origin.load) != "old"


async def test_a_value_that_cannot_be_set_does_not_leave_the_old_one(make_over_redis, origin, redis):
    cache = make_over_redis()
    await cache.set("k", "old")
    redis.errors["PUT"] = exceptions.OutOfMemoryError("OOM command not allowed")
    await cache.set("k", "new")
    assert await cache.get_or_set("k", origin.load) == "value 1"


async def test_a_hanging_server_holds_a_write_up_for_two_time_outs_at_most(make_over_redis, redis):
    cache = make_over_redis()
    redis.down, redis.timeout = "hang", 1.0
    await asyncio.gather(*(cache.set("k", n) for n in range(20)))
    assert await now() <= 2


# A server that answers with an error is there


async def test_one_refused_command_does_not_keep_others_from_the_server(make_over_redis, origin, redis):
    cache = make_over_redis()
    await cache.set("other", "there")
    redis.errors["STORE"] = exceptions.OutOfMemoryError("OOM command not allowed")
    assert await cache.get_or_set("k", origin.load) == "value 1"
    assert await cache.get_or_set("other", origin.load) == "there"


@pytest.mark.parametrize("command", ["LOOK", "STORE", "PUT", "DEL"])
async def test_no_error_of_the_server_reaches_a_caller(make_over_redis, origin, redis, command):
    cache = make_over_redis()
    redis.errors[command] = exceptions.NoPermissionError(f"no permissions to run {command}")
    assert await cache.get_or_set("k", origin.load) == "value 1"
    await cache.set("k", "set")
    await cache.delete("k")


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ConnectionError,
        exceptions.TimeoutError,
        exceptions.BusyLoadingError,
        exceptions.RedisClusterException,
    ],
)
async def test_whatever_the_client_raises_is_redis_away(make_over_redis, origin, redis, error):
    cache = make_over_redis()
    redis.errors = dict.fromkeys(("LOOK", "STORE", "PUT", "DEL"), error("away"))
    assert await cache.get_or_set("k", origin.load) == "value 1"
    await cache.set("k", "set")
    await cache.delete("k")


async def test_an_error_of_the_system_is_redis_away(make_over_redis, origin, redis):
    cache = make_over_redis()
    redis.errors["LOOK"] = OSError("network is unreachable")
    assert await cache.get_or_set("k", origin.load) == "value 1"


# The breaker itself


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_the_breaker_is_closed_at_first_and_as_long_as_calls_work():
    breaker = Breaker(Clock())
    assert breaker.allows()
    breaker.worked()
    assert breaker.allows()


def test_the_breaker_opens_for_its_pause():
    clock = Clock()
    breaker = Breaker(clock, pause=2)
    breaker.failed()
    assert not breaker.allows()
    clock.now = 1.9
    assert not breaker.allows()
    clock.now = 2.0
    assert breaker.allows()


def test_the_breaker_lets_one_try_and_the_others_wait():
    clock = Clock()
    breaker = Breaker(clock, pause=2)
    breaker.failed()
    clock.now = 2.0
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    clock.now = 4.0  # the trial has never told: the next one tries
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    breaker.worked()
    assert all(breaker.allows() for _ in range(3))


# A lease of which nobody knows whether Redis has it


@pytest.mark.parametrize("pattern", ["cache-aside", "early-recompute", "batch"])
@pytest.mark.parametrize("mode", ["refuse", "hang"])
@pytest.mark.parametrize("end", [10.5, 13.05, 18.0])
def test_after_an_outage_nobody_waits_for_a_lease_without_an_owner(pattern, mode, end):
    """A look whose reply came too late has made one, and a store that was refused has left one: a lease lasts 10 s."""
    scenario = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=40),
        keys=cs.keys.Uniform(n=5),
        cache=cs.Pattern(pattern, ttl=1, single_flight="cluster"),
        database=cs.Database(latency=cs.latency.Constant(0.05)),
        redis=cs.Redis(round_trip=0.002, timeout=0.2),
        faults=(cs.faults.RedisDown(start=10.05, duration=end - 10.05, mode=mode),),
        nodes=3,
        duration=30,
    )
    run = cs.simulate(scenario)
    assert run.metrics["errors"] == 0
    assert run.failures == []
    assert run.metrics["latency_max"] < 1.5  # the breaker's second, the client's time-out, and what a wait costs
