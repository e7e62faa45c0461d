"""What every adapter keeps: rows, lifetimes, deletes, apartness of nodes, and one run for one seed."""

import asyncio
import gc
import weakref
from typing import Any

import pytest

import cachesim as cs
from cachesim.adapters import CACHES, library_cache, names
from tests.adapters.kit import played, scenario

TTL = 10.0

SINGLE_FLIGHT = {
    "aiocache:stampede",
    "aiocache:redis-stampede",
    "async-lru:ttl",
    "cachetools:lock",
    "cachetools-async:cached",
    *(name for name in names() if name.startswith("cashews:") and name != "cashews:unprotected"),
}
ACROSS_NODES = {"cashews:redis-lock"}
IN_REDIS = {name for name in names() if ":redis" in name}

every = pytest.mark.parametrize("name", names())


def cache(name: str, ttl: float = TTL) -> Any:
    return library_cache(name, ttl=ttl)


@every
def test_a_row_comes_back_as_it_was_loaded(name):
    async def script(cache: Any, database: Any) -> Any:
        return await cache.get("a:b c/ü"), await cache.get("a:b c/ü"), await database.read("a:b c/ü")

    (loaded, kept, row), _ = played(cache(name), script)
    assert loaded == kept == row | {"load": loaded["load"]}


@every
def test_a_value_is_kept_for_its_lifetime(name):
    """At 6 of 10 s it is there, at 11 s it is not; the first lifetime begins at 0 or, where it ends, at 0.2 s."""

    async def script(cache: Any, database: Any) -> Any:
        loads = [(await cache.get("k"))["load"]]
        for seconds in (6, 5.5):
            await asyncio.sleep(seconds)
            loads.append((await cache.get("k"))["load"])
        return loads

    (first, second, third), loads = played(cache(name), script)
    assert (first == second, second == third, loads) == (True, False, 2)


@every
def test_keys_are_kept_apart(name):
    async def script(cache: Any, database: Any) -> Any:
        return [(await cache.get(key))["key"] for key in ("a", "b", "a", "A")]

    assert played(cache(name), script) == (["a", "b", "a", "A"], 3)


@every
def test_a_read_after_a_delete_sees_what_was_written_before_it(name):
    async def script(cache: Any, database: Any) -> Any:
        await cache.get("k")
        await database.write("k", {"key": "k", "write": 1})
        stale = await cache.get("k")
        await cache.delete("k")
        await cache.delete("k")
        return stale["version"], (await cache.get("k"))["version"]

    assert played(cache(name), script) == ((0, 1), 2)


@every
def test_nodes_share_redis_and_no_memory(name):
    async def script(here: Any, there: Any, database: Any) -> Any:
        return [(await cache.get("k"))["load"] for cache in (here, there, here, there)]

    assert played(cache(name), script, nodes=2)[1] == (1 if name in IN_REDIS else 2)


@every
def test_three_who_ask_at_once_wait_for_one_load_where_it_is_promised(name):
    async def script(cache: Any, database: Any) -> Any:
        return len(await asyncio.gather(*(cache.get("k") for _ in range(3))))

    assert played(cache(name), script) == (3, 1 if name in SINGLE_FLIGHT else 3)


@every
def test_two_nodes_that_ask_at_once_both_get_their_answers(name):
    async def script(here: Any, there: Any, database: Any) -> Any:
        rows = await asyncio.gather(*(cache.get("k") for cache in (here, there) for _ in range(2)))
        return [row["key"] for row in rows]

    answers, loads = played(cache(name), script, nodes=2)
    assert answers == ["k"] * 4
    assert loads == 1 or name not in ACROSS_NODES


@every
def test_a_load_that_fails_is_an_error_and_is_not_kept(name):
    async def script(cache: Any, database: Any) -> Any:
        with pytest.raises(cs.DatabaseError):
            await cache.get("k")
        await asyncio.sleep(1)
        return (await cache.get("k"))["key"]

    errors = cs.faults.DatabaseErrors(share=1, start=0, duration=0.5)
    assert played(cache(name), script, faults=[errors]) == ("k", 2)


@every
def test_a_seed_gives_the_same_run_again_also_inside_a_running_loop(name):
    """With writes, errors and clients that leave: a node that has met them leaves nothing behind for the next run."""
    storm = scenario(
        arrivals=cs.arrivals.Poisson(rate=40),
        keys=cs.keys.Uniform(n=2),
        clients=cs.Clients(timeout=0.15),
        faults=[cs.faults.DatabaseErrors(share=0.2)],
        writes=0.1,
        nodes=2,
        duration=2,
    )

    def digest() -> str:
        return cs.simulate(storm, cache=cache(name, ttl=1)).digest

    async def inside() -> str:
        return digest()

    assert digest() == digest() == asyncio.run(inside())


@every
def test_a_world_that_is_over_can_be_forgotten(name):
    """A library may keep what it has seen last."""
    seen: list[weakref.ref[cs.Node]] = []

    def factory(node: cs.Node) -> Any:
        seen.append(weakref.ref(node))
        return library_cache(name, ttl=TTL)(node)

    for _ in range(2):
        cs.simulate(scenario(), cache=factory)
    gc.collect()
    assert seen[0]() is None


def test_every_name_says_its_library_and_what_it_does():
    assert all(name == f"{library.distribution}:{library.variant}" for name, library in CACHES.items())
    assert all(library.use for library in CACHES.values())
