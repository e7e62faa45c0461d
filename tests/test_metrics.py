"""Prometheus metrics: what is scraped is what happened, in a few series, however often they are made."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.parser import text_string_to_metric_families

import cachesim as cs
from cachesim.patterns import (
    Batch,
    CacheAside,
    EarlyRecompute,
    Event,
    InProcess,
    Layered,
    StaleWhileRevalidate,
    WriteThrough,
    metrics,
)
from cachesim.patterns.metrics import Metrics
from tests.patterns.kit import KINDS, Origin, OriginError, World, cancel, outcome, start

# Reading


def counts(registry: CollectorRegistry, layer: str = "cache", entity: str = "user") -> dict[str, float]:
    """What the series of one layer of an entity say, without those at 0: {"hits": 1.0, "loads": 2.0, ...}."""
    return by_layer(registry.collect(), entity).get(layer, {})


def scraped(registry: CollectorRegistry) -> Iterable[Metric]:
    """What Prometheus reads: text, over HTTP."""
    server, thread = prometheus_client.start_http_server(0, addr="127.0.0.1", registry=registry)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    return text_string_to_metric_families(text)


def by_layer(metrics: Iterable[Metric], entity: str = "user") -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for name, labels, value, *_ in (sample for metric in metrics for sample in metric.samples):
        if labels["entity"] == entity and value and not name.endswith("_created"):
            short = name.removeprefix("cache_").removesuffix("_total")
            bound = f" {labels['le']}" if "le" in labels else ""
            found.setdefault(labels["layer"], {})[short + bound] = value
    return found


def without_buckets(found: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in found.items() if "_bucket" not in name}


def series(registry: CollectorRegistry) -> int:
    return sum(len(family.samples) for family in registry.collect())


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def world():
    return World()


@pytest.fixture
def origin():
    return Origin()


@pytest.fixture
def make(world, registry):
    return partial(world.make, observe=Metrics("user", registry=registry))


def once_more() -> Any:
    """The module as it is after a reload: the same text, nothing remembered."""
    spec = importlib.util.spec_from_file_location("metrics_once_more", metrics.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# What each pattern's counts say


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "layered"])
def test_hits_misses_joins_loads_errors_and_stale_serves_are_counted(world, make, registry, origin, kind):
    """A leader and a follower, a hit, and, 11 s later, a load that fails and is bridged by the stale value."""

    async def test():
        cache = make(kind, ttl=10, stale_if_error=10)
        leader = start(cache.get_or_set("k", origin.load))
        await asyncio.sleep(0.5)
        await asyncio.gather(leader, cache.get_or_set("k", origin.load))
        await cache.get_or_set("k", origin.load)
        await asyncio.sleep(11)
        origin.error = OriginError()
        await cache.get_or_set("k", origin.load)

    world.run(test())
    assert without_buckets(counts(registry)) == {
        "hits": 1,
        "misses": 3,
        "joins": 1,
        "loads": 2,
        "errors": 1,
        "stale_serves": 1,
        "load_duration_seconds_count": 1,
        "load_duration_seconds_sum": 1,
    }


def test_each_layer_counts_for_itself(world, make, registry, origin):
    async def test():
        cache = make("layered", ttl=10, l1_ttl=1, invalidation="none")
        await cache.get_or_set("k", origin.load)  # a miss in both
        await cache.get_or_set("k", origin.load)  # a hit in L1
        await asyncio.sleep(2)
        await cache.get_or_set("k", origin.load)  # a miss in L1, a hit in L2

    world.run(test())
    assert counts(registry, "l1") == {"hits": 1, "misses": 2}
    second = without_buckets(counts(registry, "l2"))
    assert second == {
        "hits": 1,
        "misses": 1,
        "loads": 1,
        "load_duration_seconds_count": 1,
        "load_duration_seconds_sum": 1,
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_miss_is_counted_once_also_where_the_cache_looks_twice(world, make, registry, origin, kind):
    """With `stale_if_error` a pattern that finds a stale value looks again, under a lease, before it loads."""

    async def test():
        cache = make(kind, ttl=10, stale_if_error=10)
        await cache.get_or_set("k", origin.load)
        await asyncio.sleep(11)
        await cache.get_or_set("k", origin.load)

    world.run(test())
    found = counts(registry, "l2" if kind == "layered" else "cache")
    assert (found["misses"], found["loads"], found.get("hits", 0)) == (2, 2, 0)


def test_a_key_that_stands_twice_in_a_batch_counts_once(world, make, registry, origin):
    async def load(keys):
        return dict.fromkeys(keys, 1)

    async def test():
        cache = make("batch")
        await cache.get_or_set_many(["a"], load)
        await cache.get_or_set_many(["a", "b", "a", "b"], load)

    world.run(test())
    found = counts(registry)
    assert (found["hits"], found["misses"], found["loads"]) == (1, 2, 2)


def test_an_early_recompute_and_a_refresh_are_loads_of_which_no_read_has_missed(world, make, registry, origin):
    async def test():
        early = make("early-recompute", ttl=10, beta=1e6)  # always early
        await early.get_or_set("early", origin.load)
        await early.get_or_set("early", origin.load)
        stale = make("stale-while-revalidate", ttl=10, stale_for=10)
        await stale.get_or_set("refresh", origin.load)
        await asyncio.sleep(11)
        await stale.get_or_set("refresh", origin.load)

    world.run(test())
    found = counts(registry)
    assert (found["early_recomputes"], found["refreshes"], found["stale_serves"]) == (1, 1, 1)
    assert (found["loads"], found["misses"]) == (4, 2)


def test_a_load_that_takes_too_long_or_that_nobody_waits_for_has_no_duration(world, make, registry, origin):
    async def test():
        cache = make("cache-aside", load_timeout=0.5)
        await outcome(cache.get_or_set("late", origin.load))
        left = start(cache.get_or_set("left", origin.load))
        await asyncio.sleep(0.1)
        await cancel(left)

    world.run(test())
    assert counts(registry) == {"misses": 2, "loads": 2, "errors": 1}


def test_a_redis_that_is_away_is_an_error(world, make, registry, origin):
    async def test():
        cache = make("cache-aside")
        world.redis.down = "refuse"
        await cache.get_or_set("k", origin.load)

    world.run(test())
    found = counts(registry)
    assert (found["errors"], found["load_duration_seconds_count"]) == (1, 1)


# Series


def test_a_million_keys_make_no_more_series_than_one(registry):
    observe = Metrics("user", registry=registry)
    observe(Event("miss", "user:0"))
    observe(Event("loaded", "user:0", seconds=0.1))
    before = series(registry)
    for n in range(1, 1_000_000):
        observe(Event("miss", f"user:{n}"))
    assert counts(registry)["misses"] == 1_000_000
    assert series(registry) == before


def test_the_counters_of_a_layer_begin_together_at_zero(registry):
    """Prometheus cannot tell the first error from the first scrape where a counter begins at 1."""
    observe = Metrics("user", registry=registry)
    assert registry.get_sample_value("cache_errors_total", {"layer": "cache", "entity": "user"}) is None
    observe(Event("hit", "k"))
    assert registry.get_sample_value("cache_errors_total", {"layer": "cache", "entity": "user"}) == 0


def test_a_cache_of_one_layer_is_called_as_it_is_asked_to_and_layers_by_their_own_names(registry):
    observe = Metrics("user", layer="redis", registry=registry)
    for layer in ("", "l1", "l2"):
        observe(Event("hit", "k", layer=layer))
    assert [counts(registry, layer) for layer in ("redis", "l1", "l2")] == [{"hits": 1}] * 3


def test_durations_from_a_millisecond_to_a_minute_have_their_buckets(registry):
    observe = Metrics("user", registry=registry)
    for seconds in (0.001, 0.7, 60, 61):
        observe(Event("loaded", "k", seconds=seconds))
    found = counts(registry)
    bounds = ("0.001", "0.5", "1.0", "30.0", "60.0", "+Inf")
    assert [found[f"load_duration_seconds_bucket {bound}"] for bound in bounds] == [1, 1, 2, 2, 3, 4]


def test_it_is_told_only_what_it_counts(world, registry):
    told: list[str] = []

    class Noting(Metrics):
        def __call__(self, event: Event) -> None:
            told.append(event.kind)
            super().__call__(event)

    async def test():
        cache = world.make("in-process", observe=Noting("user", registry=registry))
        await cache.get_or_set("k", Origin().load)
        await cache.delete("k")

    world.run(test())
    assert told == ["miss", "load", "loaded"]


def test_events_that_it_does_not_count_are_passed_over(world, registry, origin):
    """So that one function may call it beside other observers."""
    observe = Metrics("user", registry=registry)

    def both(event: Event) -> None:
        world.events.append(event)
        observe(event)

    async def test():
        await world.make("in-process", observe=both).get_or_set("k", origin.load)

    world.run(test())
    assert world.kinds("stored") == ["k"]
    assert without_buckets(counts(registry)).keys() >= {"misses", "loads"}


# Registries


def test_made_twice_they_go_on_counting(registry):
    for _ in range(2):  # a cell that is run again
        Metrics("user", registry=registry)(Event("hit", "k"))
    assert counts(registry) == {"hits": 2}


def test_they_go_on_counting_after_the_module_is_reloaded(registry):
    for module in (metrics, once_more()):
        module.Metrics("user", registry=registry)(Event("hit", "k"))
    assert counts(registry) == {"hits": 2}


def test_entities_share_a_registry(registry):
    users, orders = (Metrics(entity, registry=registry) for entity in ("user", "order"))
    users(Event("hit", "k"))
    orders(Event("miss", "k"))
    assert counts(registry, entity="user") == {"hits": 1}
    assert counts(registry, entity="order") == {"misses": 1}


def test_registries_do_not_share_counts(registry):
    other = CollectorRegistry()
    Metrics("user", registry=registry)(Event("hit", "k"))
    Metrics("user", registry=other)(Event("miss", "k"))
    assert (counts(registry), counts(other)) == ({"hits": 1}, {"misses": 1})


def test_without_a_registry_it_is_the_one_that_is_scraped(monkeypatch, registry):
    monkeypatch.setattr(prometheus_client, "REGISTRY", registry)
    Metrics("user")(Event("hit", "k"))
    Metrics("user", registry=prometheus_client.REGISTRY)(Event("hit", "k"))
    assert by_layer(scraped(registry)) == {"cache": {"hits": 2}}


@pytest.mark.parametrize(
    "other",
    [
        partial(prometheus_client.Counter, "cache_misses_total", "Misses", ["cache"]),
        partial(prometheus_client.Gauge, "cache_misses_total", "Misses", ["layer", "entity"]),
        partial(prometheus_client.Gauge, "cache_misses", "Misses"),
    ],
    ids=["other labels", "other kind", "name in part"],
)
def test_what_somebody_else_registered_under_a_name_is_not_taken_for_ours(registry, other):
    other(registry=registry)
    with pytest.raises(ValueError, match=r"^cache_misses_total is in this registry already, as something else; give "):
        Metrics("user", registry=registry)


def test_only_who_makes_metrics_needs_prometheus_client(monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    module = once_more()
    with pytest.raises(
        ModuleNotFoundError, match=r"^Metrics needs prometheus_client.* pip install 'cachesim\[http\]'$"
    ):
        module.Metrics("user")


# What is scraped, against what the simulator has counted itself


def each(redis: bool, pattern: Any, **options: Any) -> Any:
    """What makes that cache at a node."""

    def at(node: cs.Node, observe: Any) -> Any:
        places = (node.redis,) if redis else ()
        stores = (node.database.write,) if pattern is WriteThrough else ()
        return pattern(*places, *stores, **options, clock=node.clock, rng=node.rng, observe=observe)

    return at


CACHES = {
    "in-process": each(False, InProcess, ttl=2),
    "in-process, stale if error": each(False, InProcess, ttl=2, stale_if_error=4),
    "cache-aside, none": each(True, CacheAside, ttl=2, single_flight="none"),
    "cache-aside, process": each(True, CacheAside, ttl=2),
    "cache-aside, stale if error": each(True, CacheAside, ttl=2, stale_if_error=4),
    "cache-aside, cluster": each(True, CacheAside, ttl=2, single_flight="cluster"),
    "write-through": each(True, WriteThrough, ttl=2),
    "early-recompute": each(True, EarlyRecompute, ttl=2),
    "early-recompute, none": each(True, EarlyRecompute, ttl=2, single_flight="none"),
    "early-recompute, background": each(True, EarlyRecompute, ttl=2, background=True),
    "stale-while-revalidate": each(True, StaleWhileRevalidate, fresh_for=1, stale_for=2),
    "batch": each(True, Batch, ttl=2),
    "layered": each(True, Layered, ttl=2, l1_ttl=1),
}
OUTAGE = (20.0, 25.0)
NO_OUTAGE = ("early-recompute", "early-recompute, none", "batch")
"""A failed early recompute may be an error without a miss, and a failed batch is an error of the keys that hit, too."""


class Both:
    """Two observers, each told what it asks for."""

    def __init__(self, *observers: Any) -> None:
        self.observers = observers
        self.kinds = frozenset[str]().union(*(observer.kinds for observer in observers))

    def __call__(self, event: Event) -> None:
        for observer in self.observers:
            if event.kind in observer.kinds:
                observer(event)


class Observed:
    """A pattern as the cache of a node, told of by two observers; loads that end in the outage fail."""

    def __init__(self, name: str, registry: CollectorRegistry, node: cs.Node) -> None:
        self.node, self.name = node, name
        world = node.observe.with_layers() if name == "layered" else node.observe
        self.cache = CACHES[name](node, Both(world, Metrics("user", registry=registry)))
        self.aclose = self.cache.aclose
        if name == "batch":
            self.get_many = self._get_many
        if name == "write-through":
            self.set = self.cache.set
        else:
            self.delete = self.cache.delete

    async def get(self, key: str) -> Any:
        async def load() -> Any:
            row = await self.node.database.read(key)
            if self.name not in NO_OUTAGE and OUTAGE[0] <= self.node.clock() < OUTAGE[1]:
                raise OriginError
            return row

        return await self.cache.get_or_set(key, load)

    async def _get_many(self, keys: list[str]) -> Any:
        async def load(missing: list[str]) -> Any:
            return dict(zip(missing, await self.node.database.read_many(missing), strict=True))

        return await self.cache.get_or_set_many(keys, load)


@pytest.fixture(scope="module")
def times(tmp_path_factory):
    """Fifty seconds of Poisson arrivals, and a last one when all of their refreshes have ended, which then count."""
    rng = np.random.default_rng(5)
    arrivals = np.cumsum(rng.standard_exponential(1500) / 30).tolist()
    path: Path = tmp_path_factory.mktemp("metrics") / "times.txt"
    path.write_text("\n".join(map(repr, [*arrivals, 100.0])), encoding="utf-8")
    return path


def run(name: str, times: Path, registry: CollectorRegistry, round_trip: float) -> cs.Result:
    """The cache on three nodes, with everything that a table can tell."""
    scenario = cs.Scenario(
        arrivals=cs.arrivals.Recorded(path=str(times)),
        keys=cs.keys.Zipf(n=20, alpha=0.8),
        cache=cs.Pattern("none"),
        database=cs.Database(latency=cs.latency.Erlang(0.3, k=2)),
        redis=cs.Redis(round_trip=round_trip),
        writes=0.05,
        batch=3 if name == "batch" else 1,
        nodes=3,
    )
    return cs.simulate(scenario, cache=partial(Observed, name, registry), strict=True)


def summed(layers: dict[str, dict[str, float]]) -> dict[str, float]:
    """The counts of all layers together; a read that finds nothing in two layers has missed once."""
    total: dict[str, float] = defaultdict(float)
    for found in layers.values():
        for name, value in found.items():
            total[name] += value
    if "l2" in layers:
        total["misses"] = layers["l2"]["misses"] + layers["l1"]["joins"]
    return total


def read_outcomes(result: cs.Result) -> Counter[str]:
    """How many reads had each outcome; a key that stands twice in a batch is one."""
    reads = result.requests[result.requests.outcome != "write"].drop_duplicates(["time", "node", "key"])
    return Counter(reads.outcome)


@pytest.mark.parametrize("name", CACHES)
def test_what_is_scraped_is_what_the_simulator_has_counted(name, times, registry):
    """Where Redis takes no time, each outcome by itself.

    With time on the wire a read may be on its way when a load ends, a delayed hit to the world, a hit to the cache.
    """
    result = run(name, times, registry, round_trip=0.0)
    found, outcomes, simulated = summed(by_layer(scraped(registry))), read_outcomes(result), result.metrics
    stale_after_miss = outcomes["stale_hit"] if "stale if error" in name else 0
    assert found["hits"] == outcomes["hit"]
    assert found["stale_serves"] == outcomes["stale_hit"]
    assert found["misses"] == sum(outcomes[kind] for kind in ("miss", "delayed_hit", "error")) + stale_after_miss
    assert found["loads"] == simulated["loads"]
    assert found["early_recomputes"] == simulated["loads_early"]
    assert found["refreshes"] == simulated["loads_refresh"]
    if "background" not in name:
        assert found["early_recomputes"] == outcomes["early"]
    assert min(outcomes["hit"], outcomes["miss"] + outcomes["delayed_hit"]) > 100, "something has happened"

    loads = result.loads
    failed = loads.end.between(*OUTAGE, inclusive="left") & (name not in NO_OUTAGE)
    assert found["errors"] == failed.sum()
    assert failed.any() == (name not in NO_OUTAGE)
    durations = (loads.end - loads.start)[~failed]
    assert found["load_duration_seconds_count"] == len(durations)
    assert found["load_duration_seconds_sum"] == pytest.approx(durations.sum(), rel=1e-9)  # added in another order
    for bound in ("0.05", "0.1", "0.25", "0.5", "1.0", "+Inf"):
        assert found[f"load_duration_seconds_bucket {bound}"] == (durations <= float(bound)).sum()


@pytest.mark.parametrize("name", CACHES)
def test_every_read_counts_once_whatever_the_wire_takes(name, times, registry):
    result = run(name, times, registry, round_trip=0.02)
    found, outcomes = summed(by_layer(registry.collect())), read_outcomes(result)
    at_once = 0 if "stale if error" in name else found["stale_serves"]
    waited_early = 0 if "background" in name else found["early_recomputes"]
    assert found["hits"] + found["misses"] + at_once + waited_early == sum(outcomes.values())
    assert found["loads"] == result.metrics["loads"]


def test_the_hit_ratio_of_each_layer_is_the_simulators(times, registry):
    result = run("layered", times, registry, round_trip=0.001)
    for layer, found in by_layer(registry.collect()).items():
        ratio = found["hits"] / (found["hits"] + found["misses"])
        assert ratio == result.metrics[f"hit_ratio_{layer}"]
