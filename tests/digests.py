"""Prints the digests of a few small scenarios as JSON: `python -m tests.digests`."""

from __future__ import annotations

import sys
from typing import Any

import orjson

import cachesim as cs
from cachesim.world.caches import CACHES


def scenarios() -> dict[str, cs.Scenario]:
    """Scenarios that between them draw on every source of chance, and have ties to break."""
    zipf = cs.Scenario(
        arrivals=cs.arrivals.Poisson(rate=400),
        keys=cs.keys.Zipf(n=500, alpha=0.9),
        cache=cs.Pattern("cache-aside", ttl=2, jitter=0.5),
        database=cs.Database(latency=cs.latency.LogNormal(0.05, cv=2), connections=4),
        redis=cs.Redis(round_trip=cs.latency.Erlang(0.001, k=3)),
        writes=0.05,
        nodes=3,
        duration=10,
    )
    ties = zipf.replace(
        arrivals=cs.arrivals.Constant(rate=100),
        keys=cs.keys.OneKey(),
        database=cs.Database(latency=cs.latency.Constant(0.5), on_cancel="withdraw"),
        redis=cs.Redis(),
        balance="round-robin",
        cache=cs.Pattern("cache-aside", ttl=1, single_flight="none", load_timeout=0.5),
    )
    in_process = zipf.replace(
        cache=cs.Pattern("in-process", ttl=2, size=50, policy="random", stale_if_error=1, load_timeout=0.1),
        balance="key",
    )
    unlimited = cs.Database(latency=cs.latency.Exponential(0.01))
    evicting = {
        policy: zipf.replace(cache=cs.Pattern("in-process", ttl=2, size=20, policy=policy), database=unlimited)
        for policy in ("random", "lirs", "s3-fifo", "w-tinylfu")
    }
    patient = cs.Clients(timeout=0.2, retries=2, backoff=cs.latency.Exponential(0.05))
    troubled = zipf.replace(
        arrivals=cs.arrivals.Bursty(low=50, high=600, mean_low=1, mean_high=1),
        keys=cs.keys.Drift(n=100, alpha=0.9, every=200),
        cache=cs.Pattern("layered", ttl=2, l1_ttl=1, single_flight="cluster"),
        clients=patient,
        faults=troubles(),
        **{"redis.timeout": 0.1, "redis.max_keys": 60, "redis.policy": "random"},
    )
    users = zipf.replace(
        arrivals=cs.arrivals.ClosedLoop(users=50, think=cs.latency.Exponential(0.2)),
        keys=cs.keys.HotSet(n=50, hot=3, share=0.5),
        cache=cs.Pattern("cache-aside", ttl=1),
        database=cs.Database(latency=cs.latency.Exponential(0.01), processor_sharing=True, errors=0.05),
        clients=patient.model_copy(update={"disconnect": "ignore"}),
    )
    some = {"zipf": zipf, "ties": ties, "in-process": in_process, "troubled": troubled, "users": users}
    return some | evicting | each_cache(zipf.replace(duration=1, batch=2))


def troubles() -> list[cs.faults.Fault]:
    """One of each kind."""
    faults = cs.faults
    return [
        faults.RedisDown(start=1, duration=0.5),
        faults.RedisDown(start=2, duration=0.5, mode="hang"),
        faults.RedisSlow(start=3, duration=1, added=cs.latency.Exponential(0.01)),
        faults.DatabaseSlow(start=2, duration=2, factor=3),
        faults.DatabaseDown(start=5, duration=0.5),
        faults.DatabaseErrors(start=6, duration=1, share=0.3),
        faults.MessageLoss(start=0, duration=9, share=0.2),
        faults.NodePause(start=7, duration=0.5, node=1),
        faults.Flush(at=7.2),
        faults.Deploy(at=8, every=0.3),
    ]


def each_cache(scenario: cs.Scenario) -> dict[str, cs.Scenario]:
    """The scenario with each cache that has a name; with single flight in the cluster where there is one."""
    found = {}
    for name, kind in CACHES.items():
        fields = kind.options_type.model_fields
        options: dict[str, Any] = {key: 1.0 for key in ("ttl", "fresh_for", "stale_for", "l1_ttl") if key in fields}
        if "namespace" in fields:
            options["single_flight"] = "cluster"
        found[f"each: {name}"] = scenario.replace(cache=cs.Pattern(name, **options))
    return found


def digests() -> dict[str, str]:
    """The digest of each scenario."""
    return {name: cs.simulate(scenario).digest for name, scenario in scenarios().items()}


if __name__ == "__main__":
    sys.stdout.write(orjson.dumps(digests()).decode())
