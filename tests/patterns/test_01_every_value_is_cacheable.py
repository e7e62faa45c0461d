"""Promise 1: None, 0, "", [], {} and False are values, not misses. (aiocache asks the origin each time for None.)"""

import asyncio
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachesim.patterns.envelope import open_envelope, seal
from tests.patterns.kit import FALSY, OriginError, start

VALUES = (*FALSY, "text", 1.5, True, {"id": 1, "tags": [None]})


def same(a, b):
    return (type(a), a) == (type(b), b)


@pytest.mark.parametrize("value", VALUES, ids=repr)
async def test_a_value_is_loaded_once(make, origin, single_flight, value):
    cache = make(single_flight=single_flight)
    origin.values = [value]
    assert same(await cache.get_or_set("k", origin.load), value)
    assert same(await cache.get_or_set("k", origin.load), value)
    assert (origin.calls, cache.stats.hits) == (1, 1)


@pytest.mark.parametrize("value", VALUES, ids=repr)
async def test_a_value_that_was_set_is_not_loaded(make, origin, value):
    cache = make()
    await cache.set("k", value)
    assert same(await cache.get_or_set("k", origin.load), value)
    assert origin.calls == 0


@pytest.mark.parametrize("value", VALUES, ids=repr)
async def test_everyone_who_waits_gets_the_value(make, origin, value):
    cache = make()
    origin.values = [value]
    callers = [start(cache.get_or_set("k", origin.load)) for _ in range(3)]
    assert all([same(await caller, value) for caller in callers])
    assert origin.calls == 1


@pytest.mark.parametrize("value", VALUES, ids=repr)
async def test_a_value_is_served_stale_too(make, origin, value):
    cache = make(ttl=1, stale_if_error=60)
    await cache.set("k", value)
    await asyncio.sleep(5)
    origin.error = OriginError()
    assert same(await cache.get_or_set("k", origin.load), value)


numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
json = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(value=json, fresh_until=st.none() | st.floats(0, 1e12))
def test_any_json_value_comes_back_from_redis_as_it_was(value, fresh_until):
    envelope = open_envelope(seal(value, fresh_until))
    assert envelope is not None
    assert repr(envelope.value) == repr(value)
    assert envelope.fresh_until == fresh_until


@pytest.mark.parametrize("value", [date(2026, 1, 1), {1, 2}, {"at": date(2026, 1, 1)}, object(), 2**64])
async def test_what_would_come_back_as_something_else_is_refused_at_once(make_over_redis, origin, value):
    cache = make_over_redis()
    origin.values = [value, "text"]
    with pytest.raises(TypeError):
        await cache.get_or_set("k", origin.load)
    with pytest.raises(TypeError):
        await cache.set("k", value)
    assert await cache.get_or_set("k", origin.load) == "text"
