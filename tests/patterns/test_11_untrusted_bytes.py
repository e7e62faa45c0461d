"""Promise 11: what comes from Redis is not trusted; what is no value of ours is a miss, logged once, never raised."""

import asyncio
import logging

import orjson
import pytest
from fakeredis.aioredis import FakeRedis
from hypothesis import example, given
from hypothesis import strategies as st

from cachesim.patterns.envelope import open_envelope, seal
from tests.patterns.kit import OriginError, outcome

MALFORMED = {
    "nothing": b"",
    "text": b"garbage",
    "a bare value": b'{"id": 1}',
    "a number": b"1",
    "an empty list": b"[]",
    "no value": b"[1]",
    "too much": b'[1, "value", 5.0, 6, 7]',
    "a duration below 0": b'[1, "value", 5.0, -1]',
    "a duration that is a text": b'[1, "value", 5.0, "6"]',
    "a later version": b'[2, "value"]',
    "an earlier version": b'[0, "value"]',
    "a version that is a text": b'["1", "value"]',
    "a version that is true": b'[true, "value"]',
    "a version beyond 64 bits": b'[18446744073709551617, "value"]',
    "a version without end": b'[1e999, "value"]',
    "no version": b'[null, "value"]',
    "a deadline that is a text": b'[1, "value", "5"]',
    "a deadline that is true": b'[1, "value", true]',
    "a deadline that is null": b'[1, "value", null]',
    "a deadline that is a list": b'[1, "value", [5]]',
    "a deadline that is NaN": b'[1, "value", NaN]',
    "a deadline without end": b'[1, "value", 1e999]',
    "a deadline called Infinity": b'[1, "value", Infinity]',
    "cut short": b'[1, "val',
    "two of them": b'[1, "value"][1, "value"]',
    "no UTF-8": b'[1, "\xff\xfe"]',
    "half a surrogate pair": b'[1, "\\ud800"]',
    "deep nesting": b"[1, " + b"[" * 100_000 + b"]" * 100_000 + b"]",
    "deep nesting without end": b"[" * 1_000_000,
    "a pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x07garbage\x94.",
    "bytes of zero": b"\x00" * 64,
}


@pytest.fixture
def warnings(caplog):
    caplog.set_level(logging.WARNING, logger="cachesim")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "cachesim"]


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
async def test_malformed_bytes_are_a_miss(make_over_redis, origin, redis, warnings, data):
    cache = make_over_redis()
    await redis.plant("k", data)
    assert await cache.get_or_set("k", origin.load) == "value 1"
    assert await cache.get_or_set("k", origin.load) == "value 1"  # and are replaced
    assert origin.calls == 1
    assert len(warnings()) == 1


async def test_they_are_logged_once(make_over_redis, origin, redis, warnings):
    cache = make_over_redis()
    for n in range(5):
        await redis.plant(f"key {n}", b"garbage")
        await cache.get_or_set(f"key {n}", origin.load)
    assert warnings() == ["malformed value in Redis under 'cache:v1:key 0', taken for a miss (said once)"]


async def test_they_are_never_served_stale(make_over_redis, origin, redis):
    cache = make_over_redis(stale_if_error=60)
    await redis.plant("k", b"garbage")
    origin.error = OriginError()
    assert await outcome(cache.get_or_set("k", origin.load)) is origin.error


@pytest.mark.parametrize("deadline", [-1e308, -1, 0, 4.999, 2**70, 1e308], ids=repr)
async def test_a_deadline_is_taken_at_its_word_but_staleness_is_bounded(make_over_redis, origin, redis, deadline):
    cache = make_over_redis(stale_if_error=3)
    await asyncio.sleep(9)
    await redis.plant("k", b'[1, "planted", %s]' % str(deadline).encode())
    origin.error = OriginError()
    result = await outcome(cache.get_or_set("k", origin.load))
    assert result == "planted" if deadline > 9 else result is origin.error


async def test_a_value_of_another_type_of_redis_is_a_miss(make_over_redis, origin, redis, warnings):
    cache = make_over_redis()
    await redis.lpush("cache:v1:k", "a list")
    assert await cache.get_or_set("k", origin.load) == "value 1"
    assert len(warnings()) == 1
    assert await cache.get_or_set("k", origin.load) == "value 1"
    assert origin.calls == 1


async def test_a_value_of_another_type_does_not_keep_others_from_redis(make_over_redis, origin, redis):
    cache = make_over_redis()
    await cache.set("other", "there")
    await redis.lpush("cache:v1:k", "a list")
    await cache.get_or_set("k", origin.load)
    assert await cache.get_or_set("other", origin.load) == "there"


async def test_a_client_that_decodes_is_as_good(world, origin, warnings):
    client = FakeRedis(decode_responses=True)
    cache = world.make("cache-aside", redis=client)
    await cache.set("k", {"text": "é"})
    assert await cache.get_or_set("k", origin.load) == {"text": "é"}
    await client.set("cache:v1:k", b"\xff\xfe")
    assert await cache.get_or_set("k", origin.load) == "value 1"
    assert len(warnings()) == 1


def is_sound(data):
    envelope = open_envelope(data)
    return envelope is None or envelope.fresh_until is None or -1e999 < envelope.fresh_until < 1e999


@given(data=st.binary())
def test_no_bytes_raise(data):
    assert is_sound(data)


@given(data=st.text())
def test_no_text_raises(data):
    assert is_sound(data)


numbers = st.integers() | st.floats()
json = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(content=st.lists(st.just(1) | json, max_size=4))
def test_no_json_raises_and_only_envelopes_are_values(content):
    try:
        data = orjson.dumps(content)
    except TypeError:  # a number beyond 64 bits: as others would write it
        data = str(content).encode()
    envelope = open_envelope(data)
    if envelope is not None:
        assert len(content) in (2, 3, 4)
        assert content[0] == 1


@given(value=json.filter(lambda value: value == value), at=st.integers(0, 50), bit=st.integers(0, 7))
@example(value="text", at=0, bit=0)
def test_no_flipped_bit_raises(value, at, bit):
    try:
        data = bytearray(seal(value, 5.0))
    except TypeError:
        return
    data[at % len(data)] ^= 1 << bit
    assert is_sound(bytes(data))
