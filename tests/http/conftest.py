"""Tests that are coroutines run in simulated time, and leave nothing behind."""

import asyncio
from inspect import iscoroutinefunction

import pytest
import simpy

from cachesim.world.loop import SimLoop


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    loop = SimLoop(simpy.Environment(initial_time=0.0))
    try:
        loop.run_until_complete(pyfuncitem.obj(**arguments))
        loop.run_until_complete(asyncio.sleep(100_000))
        assert not asyncio.all_tasks(loop)
        assert loop.failures == []
    finally:
        loop.close()
    return True
