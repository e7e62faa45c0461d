"""The scripts of the patterns run as Python in the simulation: as their Lua does, on the fake server and a real one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import redis.asyncio
from fakeredis import FakeServer
from fakeredis.aioredis import FakeRedis
from hypothesis import given, settings
from hypothesis import strategies as st

from cachesim.patterns import scripts
from cachesim.world.scripts import TWINS
from tests.live.conftest import redis_server  # noqa: F401 - a fixture
from tests.live.server import Server
from tests.world.test_redis import World

VALUE, LEASE = b"cache:v1:k", scripts.LEASES + b"{cache:v1:k}"
LEASES = st.sampled_from([b"s1", b"s2", b"x1", b"x2", b"v1", b"v9", b"v10", b"!x1"])
DATA = st.sampled_from([b"", b"[1,2]", b"\x00\xff\r\n"])
SHORT, LONG = 20_000, 60_000
MS = st.sampled_from([SHORT, LONG])

MAKERS = st.sampled_from([b"s", b"x"])
MODES = st.sampled_from(["", "peek", "claim"])

commands = st.one_of(
    st.tuples(st.just(scripts.LOOK), st.just(2), MAKERS, st.integers(1, 10), MS, MODES, LEASES | st.just(b"")),
    st.tuples(st.just(scripts.STORE), st.just(2), LEASES, DATA, MS),
    st.tuples(st.just(scripts.PUT), st.just(2), DATA, MS),
    st.tuples(st.just(scripts.PUT_IF_NEWER), st.just(2), DATA, MS, st.integers(1, 12)),
    st.tuples(st.just(scripts.RENEW), st.just(1), LEASES, MS),
    st.tuples(st.just(scripts.RELEASE), st.just(1), LEASES, LEASES | st.just(b""), MS),
    st.just(("DEL", 0)),
    st.just(("LPUSH", 0)),
)
sequences = st.lists(commands, min_size=1, max_size=12)


async def replies(client: Any, steps: Sequence[tuple[Any, ...]]) -> list[Any]:
    """What each step is answered, and what it leaves: value, lease, and whether each lives long, short or for ever."""
    await client.delete(VALUE, LEASE)
    found: list[Any] = []
    for script, keys, *arguments in steps:
        if script == "DEL":
            await client.delete(VALUE, LEASE)
        elif script == "LPUSH":
            await client.delete(VALUE)
            await client.lpush(VALUE, "no string")
        else:
            names = (LEASE,) if keys == 1 else (VALUE, LEASE)
            try:
                found.append(await client.eval(script, keys, *names, *arguments))
            except redis.ResponseError as error:
                found.append(str(error)[:9])
        kind = await client.type(VALUE)
        found.append(await client.get(VALUE) if kind in (b"string", b"none") else kind)
        found.append(await client.get(LEASE))
        found.append([round(await client.pttl(name), -4) for name in (VALUE, LEASE)])
    return found


def simulated(steps: Sequence[tuple[Any, ...]]) -> list[Any]:
    return World().run(lambda client: replies(client, steps))  # type: ignore[no-any-return]


async def with_lua(steps: Sequence[tuple[Any, ...]]) -> list[Any]:
    return await replies(FakeRedis(server=FakeServer(version=(7, 4))), steps)


@given(steps=sequences)
def test_the_twins_answer_as_the_lua_of_the_fake_server(steps):
    assert simulated(steps) == asyncio.run(with_lua(steps))


@settings(max_examples=200)
@given(steps=sequences)
def test_the_twins_answer_as_the_lua_of_a_real_server(redis_server: Server, steps: list[Any]) -> None:  # noqa: F811 - the fixture
    async def real() -> list[Any]:
        async with redis.asyncio.Redis.from_url(redis_server.url) as client:
            return await replies(client, steps)

    assert simulated(steps) == asyncio.run(real())


def test_every_script_has_a_twin():
    named = {value for name, value in vars(scripts).items() if name.isupper() and isinstance(value, str)}
    assert named == set(TWINS)


@pytest.mark.parametrize("decode", [False, True])
def test_a_twin_in_a_pipeline_and_with_a_decoding_client_answers_alike(decode):
    look = (scripts.LOOK, 2, VALUE, LEASE, b"s", 1, LONG, "claim", b"")

    async def both(client: Any) -> list[Any]:
        alone = await client.eval(*look)
        async with client.pipeline(transaction=False) as pipeline:
            pipeline.eval(*look)
            return [alone, *await pipeline.execute()]

    lease = "s1" if decode else b"s1"
    assert World().run(both, decode_responses=decode) == [[None, lease], [None, lease]]
