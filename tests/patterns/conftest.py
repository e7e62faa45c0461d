"""Fixtures: a world in simulated time, an origin, and `make`, which makes each pattern in turn."""

from functools import partial
from inspect import iscoroutinefunction

import pytest

from tests.patterns.kit import KINDS, OVER_REDIS, Origin, World


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run tests that are coroutines in the simulated time of their world."""
    if not iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    pyfuncitem.funcargs["world"].run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture(autouse=True)
def world():
    return World()


@pytest.fixture
def origin():
    return Origin()


@pytest.fixture
def redis(world):
    return world.redis


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def make(world, kind):
    return partial(world.make, kind)


@pytest.fixture(params=OVER_REDIS)
def make_over_redis(world, request):
    return partial(world.make, request.param)


@pytest.fixture
def make_aside(world):
    return partial(world.make, "cache-aside")


@pytest.fixture
def make_in_process(world):
    return partial(world.make, "in-process")


@pytest.fixture(params=["process", "none"])
def single_flight(request):
    return request.param
