"""Fixtures: a place of each sort in turn, an origin, and what makes caches of each kind there."""

import asyncio
from functools import partial
from inspect import iscoroutinefunction
from typing import Any

import pytest

from cachesim.patterns import leased, redis_cache
from tests.contract.place import KINDS, MINUTES, OVER_REDIS, Fake, Place, Real, Simulated, WithoutRedis
from tests.live.conftest import redis_server, redis_url
from tests.patterns.kit import Origin

__all__ = ["redis_server", "redis_url"]

PLACES: dict[str, type[Place]] = {"simulated": Simulated, "fakeredis": Fake, "server": Real, "no server": WithoutRedis}
FIXTURES: dict[str, tuple[str, ...]] = {
    "make": KINDS,
    "make_over_redis": (*OVER_REDIS, "layered"),
    "make_nodes": OVER_REDIS,  # whose nodes all look into Redis: none has an L1 that hears of a write later
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each kind of cache a test is for, at each place where it runs: in-process needs no server, all others one."""
    for fixture, kinds in FIXTURES.items():
        if fixture in metafunc.fixturenames:
            pairs = [(place, kind) for kind in kinds for place in places(in_redis=kind != "in-process")]
            metafunc.parametrize(("place", fixture), pairs, indirect=True, ids=map("-".join, pairs))
            return
    if "place" in metafunc.fixturenames:
        metafunc.parametrize("place", places(in_redis=True), indirect=True)


def places(in_redis: bool) -> list[str]:
    """Where a cache runs whose values are in Redis, or are not."""
    return [name for name, place in PLACES.items() if name == "simulated" or place.has_redis == in_redis]


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run tests that are coroutines in the time of their place."""
    if not iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    place: Any = pyfuncitem.funcargs["place"]
    place.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture
def place(request):
    if request.param == "server":
        return Real(request.getfixturevalue("redis_url"))
    return PLACES[request.param]()


@pytest.fixture
def make(place, request):
    return partial(place.make, request.param)


make_over_redis = make_nodes = make


@pytest.fixture
def origin():
    """Loads end at once, unless a test closes the gate."""
    origin = Origin()
    origin.seconds = 0.0
    return origin


@pytest.fixture(autouse=True)
def lease(monkeypatch):
    """Leases last for minutes, so that no test passes because one ran out; `lease(seconds)` makes them shorter."""

    def last(seconds):
        monkeypatch.setattr(leased, "_LEASE_MS", int(1000 * seconds))
        monkeypatch.setattr(redis_cache, "LEASE", seconds)

    last(MINUTES)
    return last


@pytest.fixture
def closed(origin):
    """An origin whose loads end when the gate opens."""
    origin.gate = asyncio.Event()
    return origin
