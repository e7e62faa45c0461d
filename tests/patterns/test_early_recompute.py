"""What early-recompute promises besides: the draw of XFetch, for the load time that was measured, and no stampede."""

import asyncio
import random
from functools import partial
from math import exp, sqrt

import orjson
import pytest

from cachesim.theory import early_recompute_probability
from tests.patterns.kit import ROUND_TRIP, OriginError, cancel, outcome, start

TTL = 10
OPTIONS = {"ttl": TTL, "beta": 1.0}


@pytest.fixture
def make(world):
    """A cache whose values expire after 10 s, with the beta of the paper."""
    return partial(world.make, "early-recompute", **OPTIONS)


class Draws:
    """Chance that says what it is told."""

    def __init__(self, u=0.0):
        self.u = u

    def random(self):
        """`u` of 0 is never early, and `u` just below 1 always."""
        return self.u


NEVER, ALWAYS = 0.0, 1.0 - 2**-53


def now():
    return asyncio.get_running_loop().time()


@pytest.fixture
def instant(world):
    """A Redis so near that a command takes no time."""
    world.server.trips = iter(lambda: 0.0, None)


# The draw


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("left", [0.25, 1.0, 2.5])
async def test_a_read_recomputes_as_often_as_the_closed_form_says(make, origin, instant, beta, left):
    """2,000 reads at one instant, each alone; a standard error is sqrt(p (1 - p) / 2000), at most .0112."""
    cache = make(beta=beta, single_flight="none", rng=random.Random(1))
    await cache.get_or_set("k", origin.load)
    await asyncio.sleep(TTL - left)
    origin.gate = asyncio.Event()
    callers = [start(cache.get_or_set("k", origin.load)) for _ in range(2000)]
    await asyncio.sleep(0.01)
    share, p = origin.under_way / 2000, early_recompute_probability(left, 1.0, beta=beta)
    assert abs(share - p) <= 4 * sqrt(p * (1 - p) / 2000)
    origin.gate.set()
    await asyncio.gather(*callers)


@pytest.mark.parametrize(
    ("left", "beta", "seconds"), [(1.0, 1.0, 1.0), (1.0, 0.5, 2.0), (3.0, 1.0, 1.0), (0.1, 2.0, 1.0)]
)
async def test_a_draw_decides_by_the_formula_of_the_paper(make, origin, instant, left, beta, seconds):
    """The paper's u is 1 less what `random` says: early if -delta beta ln(u) is at least the time left."""
    draws, bound = Draws(), 1 - exp(-left / (beta * seconds))
    cache = make(beta=beta, rng=draws, single_flight="none")
    origin.seconds = seconds
    await cache.get_or_set("k", origin.load)
    await asyncio.sleep(TTL - left)
    draws.u = bound - 1e-9
    assert await cache.get_or_set("k", origin.load) == "value 1"
    draws.u = bound + 1e-9
    assert await cache.get_or_set("k", origin.load) == "value 2"


async def test_among_many_reads_one_comes_early_and_nobody_finds_the_value_expired(world, make, origin):
    cache = make(rng=random.Random(1))
    await cache.get_or_set("k", origin.load)
    for _ in range(2000):
        await asyncio.sleep(0.02)
        await cache.get_or_set("k", origin.load)
    assert len(world.kinds("early")) >= 3
    assert cache.stats.misses == 1
    assert world.kinds("early") == world.kinds("load")[1:]


@pytest.mark.parametrize("u", [NEVER, ALWAYS])
async def test_whatever_is_drawn_no_value_is_served_past_its_expiry(make, origin, u):
    """By the paper's formula every read past the expiry recomputes, though Redis keeps the value a while longer."""
    draws = Draws(NEVER)
    cache = make(beta=1.0, rng=draws)
    origin.seconds = 5
    await cache.get_or_set("k", origin.load)
    await asyncio.sleep(TTL - 0.1)
    assert await cache.get_or_set("k", origin.load) == "value 1"
    draws.u = u
    await asyncio.sleep(0.2)
    assert await cache.get_or_set("k", origin.load) == "value 2"


async def test_with_a_beta_of_0_nobody_is_early(world, make, origin):
    cache = make(beta=0.0, rng=Draws(ALWAYS))
    await cache.get_or_set("k", origin.load)
    await asyncio.sleep(TTL - 0.01)
    assert await cache.get_or_set("k", origin.load) == "value 1"
    assert world.kinds("early") == []


# The load time is measured and kept


async def kept(redis):
    """Value, expiry and load time, as they are in Redis."""
    _, value, expiry, seconds = orjson.loads(await redis.get("cache:v1:k"))
    return value, expiry, seconds


async def test_the_time_that_a_load_takes_is_stored_with_its_value(make, origin, redis, instant):
    cache = make()
    origin.seconds = 0.75
    await cache.get_or_set("k", origin.load)
    assert await kept(redis) == ("value 1", 0.75 + TTL, 0.75)


async def test_each_load_is_measured_anew(make, origin, redis, instant):
    draws = Draws(NEVER)
    cache = make(rng=draws)
    await cache.get_or_set("k", origin.load)
    draws.u, origin.seconds = ALWAYS, 3.0
    await asyncio.sleep(5)
    await cache.get_or_set("k", origin.load)
    assert await kept(redis) == ("value 2", 9 + TTL, 3.0)


async def test_the_way_to_redis_does_not_count_as_load_time(make, origin, redis):
    await make().get_or_set("k", origin.load)
    assert (await kept(redis))[2] == 1.0


async def test_a_value_that_nobody_had_to_load_is_not_recomputed_early(make, origin):
    cache = make(rng=Draws(ALWAYS))
    await cache.set("k", "set")
    await asyncio.sleep(TTL - 0.01)
    assert await cache.get_or_set("k", origin.load) == "set"
    await asyncio.sleep(0.02)
    assert await cache.get_or_set("k", origin.load) == "value 1"


async def test_what_another_pattern_stored_is_a_value_too(world, make, origin):
    await world.make("cache-aside").set("k", "of cache-aside")
    assert await make(rng=Draws(ALWAYS)).get_or_set("k", origin.load) == "of cache-aside"


async def test_redis_keeps_a_value_longer_than_it_is_fresh(make, redis, instant):
    """Or a read at the expiry would find nothing, and could not be the one that recomputes."""
    await make().set("k", "set")
    assert await redis.pttl("cache:v1:k") == (TTL + 1) * 1000
    await make(stale_if_error=30).set("k", "set")
    assert await redis.pttl("cache:v1:k") == (TTL + 30) * 1000


# In the foreground


async def filled(make, origin, **options):
    """A cache whose value was loaded and has 5 s left, and whose draws are early from now on."""
    cache = make(rng=Draws(ALWAYS), **options)
    await cache.get_or_set("k", origin.load)
    await asyncio.sleep(5)
    return cache


async def test_who_draws_it_waits_and_the_others_are_served_the_value_at_hand(world, make, origin):
    cache = await filled(make, origin)
    first = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    before = now()
    assert await asyncio.gather(*(cache.get_or_set("k", origin.load) for _ in range(20))) == ["value 1"] * 20
    assert now() - before == pytest.approx(ROUND_TRIP)
    assert await first == "value 2"
    assert (origin.calls, world.kinds("early"), cache.stats.hits) == (2, ["k"], 20)


async def test_those_who_draw_it_at_the_same_time_recompute_once(make, origin):
    cache = await filled(make, origin)
    values = await asyncio.gather(*(cache.get_or_set("k", origin.load) for _ in range(20)))
    assert sorted(values) == ["value 1"] * 19 + ["value 2"]
    assert origin.calls == 2


async def test_alone_everybody_who_draws_it_recomputes(world, make, origin):
    cache = await filled(make, origin, single_flight="none")
    values = await asyncio.gather(*(cache.get_or_set("k", origin.load) for _ in range(5)))
    assert values == [f"value {n}" for n in range(2, 7)]
    assert world.kinds("early") == ["k"] * 5


async def test_in_the_cluster_one_node_recomputes(make, origin):
    nodes = [make(rng=Draws(ALWAYS), single_flight="cluster") for _ in range(2)]
    await nodes[0].get_or_set("k", origin.load)
    await asyncio.sleep(5)
    callers = [start(node.get_or_set("k", origin.load)) for node in nodes for _ in range(5)]
    assert sorted([await caller for caller in callers]) == ["value 1"] * 9 + ["value 2"]
    assert origin.calls == 2


async def test_who_finds_the_value_expired_joins_the_early_recompute_under_way(make, origin):
    cache = await filled(make, origin)
    origin.seconds = 8
    first = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(6)
    assert await cache.get_or_set("k", origin.load) == "value 2"
    await first
    assert (origin.calls, cache.stats.joins) == (2, 1)


async def test_when_an_early_recompute_fails_the_value_at_hand_is_served(world, make, origin):
    cache = await filled(make, origin)
    origin.error = OriginError()
    assert await cache.get_or_set("k", origin.load) == "value 1"
    assert [event.error for event in world.events if event.kind == "error"] == [origin.error]


async def test_unless_it_has_expired_meanwhile(make, origin):
    cache = await filled(make, origin)
    origin.seconds, origin.error = 8, OriginError()
    assert await outcome(cache.get_or_set("k", origin.load)) is origin.error


async def test_an_early_recompute_ends_when_its_caller_leaves_and_the_value_stays(make, origin):
    cache = await filled(make, origin)
    caller = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    await cancel(caller)
    await asyncio.sleep(0.1)
    assert (origin.cancelled, origin.under_way) == (1, 0)
    origin.gate = asyncio.Event()
    another = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    assert await cache.get_or_set("k", origin.load) == "value 1"
    origin.gate.set()
    assert await another == "value 3"


# In the background


async def test_in_the_background_nobody_waits(world, make, origin):
    cache = await filled(make, origin, background=True)
    before = now()
    assert await asyncio.gather(*(cache.get_or_set("k", origin.load) for _ in range(20))) == ["value 1"] * 20
    assert now() - before == pytest.approx(ROUND_TRIP)
    await asyncio.sleep(2)
    assert (origin.calls, world.kinds("early")) == (2, ["k"])
    cache._rng.u = NEVER
    assert await cache.get_or_set("k", origin.load) == "value 2"


async def test_a_background_recompute_is_awaited_by_aclose(make, origin):
    cache = await filled(make, origin, background=True)
    await cache.get_or_set("k", origin.load)
    await asyncio.sleep(0.5)
    await cache.aclose()
    cache._rng.u = NEVER
    assert await cache.get_or_set("k", origin.load) == "value 2"


# A write meanwhile


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("write", ["set", "delete"])
async def test_a_write_during_an_early_recompute_is_not_overwritten(make, origin, write, background):
    cache = await filled(make, origin, background=background)
    origin.values = ["read before the write", "new"]
    early = start(cache.get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    await (cache.set("k", "new") if write == "set" else cache.delete("k"))
    assert await early in ("value 1", "read before the write")
    await asyncio.sleep(2)
    cache._rng.u = NEVER
    assert await cache.get_or_set("k", origin.load) == "new"


async def test_another_nodes_delete_during_an_early_recompute_is_not_undone(make, origin):
    here, there = await filled(make, origin), make()
    origin.values = ["read before the delete", "new"]
    early = start(here.get_or_set("k", origin.load))
    await asyncio.sleep(0.5)
    await there.delete("k")
    await early
    assert await there.get_or_set("k", origin.load) == "new"
