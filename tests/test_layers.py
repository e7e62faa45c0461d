"""Hit ratios of the layers of a cache, from what it tells its observer."""

from __future__ import annotations

import asyncio
from math import isnan
from typing import Any

import pytest

import cachesim as cs
from cachesim.patterns.events import Event


def scenario(**changes: Any) -> cs.Scenario:
    """Ten requests, one a second, each for a key of its own unless changed."""
    base = cs.Scenario(
        arrivals=cs.arrivals.Constant(rate=1),
        keys=cs.keys.Uniform(n=10**6),
        cache=cs.Pattern("none"),
        database=cs.Database(latency=cs.latency.Constant(0.1)),
        duration=10,
    )
    return base.replace(**changes)


class Told:
    """A cache that tells of each request what its script says next: kind and layer; then it asks the database."""

    def __init__(self, node: cs.Node, *script: list[tuple[Any, str]]) -> None:
        self.node, self.script = node, iter(script)
        self.observe = node.observe.with_layers()

    async def get(self, key: str) -> Any:
        for kind, layer in next(self.script):
            self.observe(Event(kind, key, layer=layer))
        return await self.node.database.read(key)


FIRST = [("hit", "l1")]
STALE = [("stale", "l1")]
SECOND = [("miss", "l1"), ("hit", "l2")]
NEITHER = [("miss", "l1"), ("miss", "l2")]


def layers(run: cs.Result) -> tuple[float, float]:
    return run.metrics["hit_ratio_l1"], run.metrics["hit_ratio_l2"]


def test_the_hit_ratio_of_a_layer_is_its_hits_over_the_requests_that_reached_it() -> None:
    script = [FIRST] * 4 + [STALE] + [SECOND] * 4 + [NEITHER]
    assert layers(cs.simulate(scenario(), cache=lambda node: Told(node, *script))) == (5 / 10, 4 / 5)


def test_requests_of_the_warm_up_do_not_count() -> None:
    """The fourth arrives at 3 s, when the warm-up ends; what is told of it counts, whenever that is."""
    script = [FIRST] * 3 + [SECOND] + [NEITHER] * 6
    run = cs.simulate(scenario(warmup=3), cache=lambda node: Told(node, *script))
    assert layers(run) == (0, 1 / 7)

    class Late(Told):
        async def get(self, key: str) -> Any:
            await asyncio.sleep(2.5)
            return await super().get(key)

    assert layers(cs.simulate(scenario(warmup=3), cache=lambda node: Late(node, *script))) == (0, 1 / 7)


def test_a_layer_that_is_never_told_of_has_no_ratio() -> None:
    assert all(map(isnan, layers(cs.simulate(scenario()))))
    l1, l2 = layers(cs.simulate(scenario(), cache=lambda node: Told(node, *[FIRST] * 10)))
    assert l1 == 1
    assert isnan(l2)


def test_events_without_a_layer_and_without_a_request_do_not_count() -> None:
    """One task of the cache's own is started before any request comes, and tells of its own work."""

    def factory(node: cs.Node) -> Told:
        cache = Told(node, *[[("hit", ""), ("miss", "")]] * 10)

        async def refresh() -> None:
            cache.observe(Event("hit", "k", layer="l2"))

        cache.task = asyncio.get_running_loop().create_task(refresh())  # type: ignore[attr-defined]
        return cache

    assert all(map(isnan, layers(cs.simulate(scenario(), cache=factory))))


def test_keys_of_a_batch_are_told_one_by_one() -> None:
    script = [FIRST, SECOND, NEITHER, FIRST] * 10
    assert layers(cs.simulate(scenario(batch=4), cache=lambda node: Told(node, *script))) == (20 / 40, 10 / 20)


@pytest.mark.parametrize("record", ["tables", "summary"])
def test_only_an_observer_with_layers_asks_for_hits_and_misses(record: Any) -> None:
    """And besides them for all that the node's own asks for."""
    kinds: list[frozenset[str]] = []

    def factory(node: cs.Node) -> Any:
        kinds.extend([node.observe.kinds, node.observe.with_layers().kinds])
        return node.database.read

    cs.simulate(scenario(), cache=factory, record=record)
    plain, with_layers = kinds
    assert "hit" not in plain
    assert "miss" not in plain
    assert with_layers == plain | {"hit", "miss"}


def test_a_stale_hit_of_a_layer_is_a_stale_hit_of_its_request() -> None:
    rows: dict[str, Any] = {}

    class Held(Told):
        async def get(self, key: str) -> Any:
            fresh = await super().get(key) if not rows else None
            if fresh is None:
                self.observe(Event("stale", key, layer="l1"))
            return rows.setdefault(key, fresh)

    run = cs.simulate(scenario(keys=cs.keys.OneKey()), cache=lambda node: Held(node, NEITHER))
    assert run.metrics["stale_hits"] == 9
    assert layers(run) == (9 / 10, 0)
